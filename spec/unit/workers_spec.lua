-- Workers: the coroutines of handlers and of what is spawned.
local fake_core = require "spec.support.fake_core"

describe("a worker", function()
  local core, holdfast

  before_each(function()
    core, holdfast = fake_core.install()
  end)

  after_each(fake_core.remove)

  it("goes through the states of the table, and through no others", function()
    local workers = require "holdfast.loop.workers"
    local log = {}
    local function made(state)
      local worker = workers.new(function()
        log[#log + 1] = "finished"
      end)
      if state == "dead" then
        workers.close(worker)
      elseif state ~= "begun" then
        workers.begin(worker, function()
          coroutine.yield()
          log[#log + 1] = "went on"
        end)
      end
      if state == "over" then
        workers.continue(worker)
      end
      assert.equal(state, worker.state)
      log = {}
      return worker
    end
    local events = {
      resume = function(worker)
        workers.begin(worker, function()
          log[#log + 1] = "began"
        end)
        if #log == 0 then
          workers.continue(worker)
        end
        return #log > 0
      end,
      close = function(worker)
        workers.close(worker)
        return worker.state == "dead"
      end,
      finish = function(worker)
        workers.conclude(worker)
        return #log > 0
      end,
    }
    for state, moves in pairs(workers.moves) do
      for name, happen in pairs(state ~= "running" and events or {}) do -- a running one is seen from inside below
        local worker = made(state)
        local before = worker.state
        local has_happened = happen(worker)
        if moves[name] then
          assert.is_true(has_happened, state .. " " .. name)
        else
          assert.equal(before, worker.state, state .. " " .. name)
          assert.same({}, log, state .. " " .. name)
        end
      end
    end
    local worker = workers.new(function()
      log[#log + 1] = "finished"
    end)
    log = {}
    workers.begin(worker, function()
      log[#log + 1] = worker.state
      workers.continue(worker)
      workers.begin(worker, print)
      workers.close(worker)
      log[#log + 1] = worker.state
    end)
    assert.same({ "running", "dead" }, log)
    assert.is_true(worker.over)
  end)

  it("has its states printed where they are kept", function()
    local text = require("spec.support.tree").read "lua/holdfast/loop/workers.lua"
    local moves, printed = require("holdfast.loop.workers").moves, {}
    local rest = text:match "%-%- +resume +suspend +finish +close\n(.-)\n%-%-\n"
    for state, resume, suspend, finish, close in rest:gmatch "%-%- +(%l+) +([%l-]+) +([%l-]+) +([%l-]+)[ *]+([%l-]+)" do
      printed[state] = { resume = resume, suspend = suspend, finish = finish, close = close }
      for name, next_state in pairs(printed[state]) do
        printed[state][name] = next_state ~= "-" and next_state or nil
      end
    end
    assert.same(moves, printed)
  end)

  it("lets handlers that do not wait begin in one coroutine, and leaves one that does alone in it", function()
    local client = holdfast.new { server = "localhost" }
    local threads, ended = {}, {}
    client:subscribe("t", function(message)
      local number = tonumber(message.payload)
      threads[number] = coroutine.running()
      if number % 10 == 0 then
        holdfast.sleep(1)
        assert.equal(threads[number], coroutine.running())
      end
      ended[#ended + 1] = number
    end)
    for n = 1, 40 do
      core:message(1, "t", tostring(n), 1)
    end
    holdfast.sleep(0)
    assert.equal(36, #ended)
    assert.equal(36, core.clients[1].messages_consumed)
    for n = 1, 40 do
      assert.equal(n % 10 ~= 1, threads[n] == threads[n - 1], n)
    end
    holdfast.sleep(2)
    assert.same({ 10, 20, 30, 40 }, { ended[37], ended[38], ended[39], ended[40] })
    assert.equal(40, core.clients[1].messages_consumed)
  end)

  it("begins with the next handlers in another coroutine when one has thrown", function()
    local client = holdfast.new { server = "localhost" }
    local failures, heard = {}, {}
    client:on("error", function(event)
      failures[#failures + 1] = event.message
    end)
    client:subscribe("t", function(message)
      heard[#heard + 1] = message.payload
      if message.payload == "2" then
        error("no", 0)
      end
    end)
    for n = 1, 4 do
      core:message(1, "t", tostring(n), 1)
    end
    holdfast.sleep(0)
    assert.same({ "1", "2", "3", "4" }, heard)
    assert.same({ "no" }, failures)
    assert.equal(4, core.clients[1].messages_consumed)
  end)

  it("goes on with a run inside a handler that drives the loop", function()
    local client = holdfast.new { server = "localhost" }
    local begun, ended = {}, {}
    client:subscribe("t", function(message)
      begun[#begun + 1] = message.payload
      if message.payload == "2" then
        table.sort({ 1, 2 }, function(one, other) -- where nothing can be suspended
          holdfast.sleep(0.1)
          return one < other
        end)
      end
      ended[#ended + 1] = message.payload
    end)
    for n = 1, 4 do
      core:message(1, "t", tostring(n), 1)
    end
    holdfast.sleep(1)
    assert.same({ "1", "2", "3", "4" }, begun)
    table.sort(ended)
    assert.same({ "1", "2", "3", "4" }, ended)
    assert.equal(4, core.clients[1].messages_consumed)
  end)

  it("keeps no client alive whose handlers had a run", function()
    do
      local client = holdfast.new { server = "mqtt://localhost" }
      client:subscribe("t", function() end)
      for n = 1, 30 do
        core:message(1, "t", tostring(n), 1)
      end
      holdfast.sleep(0)
      assert.equal(30, core.clients[1].messages_consumed)
      core.clients[1].outlived = setmetatable({ client }, { __mode = "v" })
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(core.clients[1].outlived[1])
  end)

  it("wakes no handler that is over", function()
    local client = holdfast.new { server = "localhost" }
    local used
    client:subscribe("t", function()
      used = coroutine.running()
    end)
    core:message(1, "t", "1", 1)
    core:message(1, "t", "2", 1)
    holdfast.sleep(0)
    assert.same({ false, "cannot resume dead coroutine" }, { coroutine.resume(used) })
    core:message(1, "t", "after", 1)
    holdfast.sleep(0)
    assert.equal(3, core.clients[1].messages_consumed)
  end)

  if not jit then -- which has one hook for all coroutines
    -- Handlers that wait, throw, or come one after the other, with an error of a hook at some instruction of the
    -- library, at another one each time: it may end a handler that has begun, and no more.
    local KINDS = {
      ["that waits"] = { {}, function()
        holdfast.sleep(0)
      end },
      ["that throws"] = { {}, function()
        error "on purpose"
      end },
      ["in its order"] = { { ordered = true }, function() end },
      ["that waits, in its order"] = { { ordered = true }, function()
        holdfast.sleep(0)
      end },
    }
    for name, kind in pairs(KINDS) do
      it("is heard and goes on, whatever is interrupted, " .. name, function()
        local client = holdfast.new { server = "localhost" }
        local begun, posted = 0, 0
        client:on("error", function() end)
        client:subscribe("t", kind[1], function()
          begun = begun + 1
          kind[2]()
        end)
        holdfast.sleep(0) -- all that is loaded at the first need is there
        local at = 1
        local where -- it struck
        repeat
          local left = at
          where = nil
          local function strike()
            local source = not where and debug.getinfo(2, "Sl")
            if source and source.source:find("lua/holdfast/", 1, true) then
              left = left - 1
              if left == 0 then
                where = source.short_src .. ":" .. source.currentline
                error("struck", 0)
              end
            end
          end
          for _ = 1, 3 do
            core:message(1, "t", "", 1)
          end
          posted = posted + 3
          debug.sethook(strike, "", 1)
          pcall(holdfast.sleep, 0)
          pcall(holdfast.sleep, 0)
          debug.sethook()
          for _ = 1, 4 do
            holdfast.sleep(0)
          end
          local seen = { begun, core.clients[1].messages_consumed }
          assert.same({ posted, posted }, seen, where)
          at = at + 23
        until not where
      end)
    end

    -- Behind those: Lua 5.1 keeps a hook by the address of its coroutine, where another one may be after it.
    it("leaves no hook to the next that has not struck yet", function()
      local client = holdfast.new { server = "localhost" }
      local failures, sum = {}, 0
      client:on("error", function(event)
        failures[#failures + 1] = event.message
      end)
      client:subscribe("t", function(message)
        if message.payload == "1" then
          debug.sethook(function()
            error("of another", 0)
          end, "", 20000)
        else
          for n = 1, 20000 do
            sum = sum + n
          end
        end
      end)
      for n = 1, 3 do
        core:message(1, "t", tostring(n), 1)
      end
      holdfast.sleep(0)
      assert.same({}, failures)
      assert.equal(2 * 200010000, sum)
    end)

    it("leaves no hook of one handler to the next", function()
      local client = holdfast.new { server = "localhost" }
      local failures, sum = {}, 0
      client:on("error", function(event)
        failures[#failures + 1] = event.message
      end)
      client:subscribe("t", function(message)
        if message.payload == "1" then
          debug.sethook(function()
            error("too long", 0)
          end, "", 1000)
        end
        for n = 1, 1000 do
          sum = sum + n
        end
      end)
      for n = 1, 3 do
        core:message(1, "t", tostring(n), 1)
      end
      holdfast.sleep(0)
      assert.same({ "too long" }, failures)
      assert.is_true(sum >= 2 * 500500)
    end)
  end

  it("in a borrowed coroutine begins once there is one, and tells of what ends it before its first step", function()
    local workers = require "holdfast.loop.workers"
    local log, problem = {}, nil
    local function finish(owner, _, err)
      log[#log + 1] = owner .. " " .. tostring(err)
    end
    local function never() return false end
    workers.borrow(function(run, fail)
      if problem == "no coroutine" then
        error(problem, 0)
      elseif problem then
        return fail(problem, coroutine.create(run))
      end
      run()
    end)
    workers.start(function() -- behind which the next one waits for a flush
      problem = "no coroutine"
      workers.start(finish, "second", nil, function() log[#log + 1] = "second" end)
    end, nil, nil, function() log[#log + 1] = "first" end)
    local fine, err = pcall(workers.flush, never)
    assert.same({ false, "no coroutine" }, { fine, err })
    problem = nil
    workers.flush(never)
    problem = "no memory"
    workers.start(finish, "third", nil, error)
    assert.same({ "first", "second", "second nil", "third no memory" }, log)
  end)
end)
