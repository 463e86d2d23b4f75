-- The built-in loop on a virtual clock: run, spawn, sleep, waits inside and outside of it.
local fake_core = require "spec.support.fake_core"

describe("the built-in loop", function()
  local core, holdfast, log

  before_each(function()
    core, holdfast = fake_core.install()
    log = {}
  end)

  after_each(fake_core.remove)

  local function note(what)
    log[#log + 1] = ("%g %s"):format(core.clock, what)
  end

  local function caught(fn, ...)
    local fine, err = pcall(fn, ...)
    assert.is_false(fine)
    return err
  end

  it("returns what the function returns, nils included", function()
    local function count(...)
      return select("#", ...), ...
    end
    assert.same({ 4, 1, nil, "x", nil }, { count(holdfast.run(function(...)
      return ...
    end, 1, nil, "x", nil)) })
    assert.equal(0, (count(holdfast.run(function() end))))
  end)

  it("lets time pass only while somebody waits, and wakes sleepers in the order of their time", function()
    holdfast.run(function()
      for _, seconds in ipairs { 3, 1, 2, 1 } do
        holdfast.spawn(function()
          holdfast.sleep(seconds)
          note("slept " .. seconds)
        end)
      end
      note "spawned"
      holdfast.sleep(2.5)
      note "first"
      holdfast.sleep(1)
    end)
    assert.same({ "0 spawned", "1 slept 1", "1 slept 1", "2 slept 2", "2.5 first", "3 slept 3" }, log)
    assert.equal(3.5, core.clock)
  end)

  it("wakes those of one time in the order in which they fell asleep", function()
    local expected = {}
    holdfast.run(function()
      for i = 1, 50 do
        expected[i] = "1 " .. i
        holdfast.spawn(function()
          holdfast.sleep(1)
          note(i)
        end)
      end
      holdfast.sleep(2)
    end)
    assert.same(expected, log)
  end)

  it("keeps hundreds of timers apart", function()
    local order, expected = {}, {}
    holdfast.run(function()
      for i = 1, 500 do
        local due = (i * 7919) % 1000
        expected[i] = due
        holdfast.spawn(function()
          holdfast.sleep(due)
          order[#order + 1] = due
        end)
      end
      holdfast.sleep(1001)
    end)
    table.sort(expected)
    assert.same(expected, order)
  end)

  it("drives itself for a wait outside of any loop", function()
    holdfast.spawn(function()
      holdfast.sleep(1)
      note "spawned"
    end)
    holdfast.sleep(2)
    note "slept"
    assert.same({ "1 spawned", "2 slept" }, log)
  end)

  it("drives itself in a coroutine that is not its own", function()
    holdfast.run(function()
      holdfast.spawn(function()
        holdfast.sleep(1)
        note "other"
      end)
      local generator = coroutine.wrap(function()
        holdfast.sleep(2)
        coroutine.yield "first"
        holdfast.sleep(2)
        coroutine.yield "second"
      end)
      note(generator())
      note(generator())
    end)
    assert.same({ "1 other", "2 first", "4 second" }, log)
  end)

  it("waits inside pcall and inside a sort comparator", function()
    holdfast.run(function()
      assert.is_true(pcall(holdfast.sleep, 1))
      assert.is_true(pcall(function()
        holdfast.sleep(1)
      end))
      local list = { 2, 1 }
      table.sort(list, function(a, b)
        holdfast.sleep(1)
        return a < b
      end)
      assert.same({ 1, 2 }, list)
    end)
    assert.is_true(core.clock >= 3)
  end)

  -- What the log hears while `fn` runs.
  local function hearing()
    local heard = {}
    holdfast.log(function(level, words)
      heard[#heard + 1] = level .. " " .. words
    end)
    return heard
  end

  it("raises an error in the function as it was thrown, and has its traceback in the log", function()
    local heard = hearing()
    assert.equal("plain", caught(holdfast.run, error, "plain", 0))
    assert.matches("^error error in holdfast.run: plain\nstack traceback:", heard[1])
    local function innermost()
      holdfast.sleep(1)
      error "boom"
    end
    local err = caught(holdfast.run, function()
      innermost()
      return 1
    end)
    assert.matches("loop_spec.lua:%d+: boom$", err)
    assert.matches("boom\nstack traceback:.-in.-innermost", heard[2])
    assert.equal(2, #heard)
  end)

  it("raises an error that is no string as it is", function()
    hearing()
    local object = setmetatable({}, { __tostring = function() error "no words" end })
    assert.equal(object, caught(holdfast.run, error, object))
    assert.equal("nil", caught(holdfast.run, error, nil))
  end)

  it("ends with an error in a spawned coroutine", function()
    local heard = hearing()
    local err = caught(holdfast.run, function()
      holdfast.spawn(function()
        holdfast.sleep(1)
        error "in the child"
      end)
      holdfast.sleep(10)
      note "never"
    end)
    assert.matches("in the child$", err)
    assert.matches("in the child\nstack traceback:", heard[1])
    assert.same({}, log)
    assert.equal(1, core.clock)
  end)

  it("logs an error in what was spawned outside of a run", function()
    local heard = {}
    holdfast.log(function(level, words)
      heard[#heard + 1] = level .. " " .. words
    end)
    holdfast.spawn(function()
      error "unseen"
    end)
    holdfast.sleep(0)
    assert.equal(1, #heard)
    assert.matches("^error error in a spawned coroutine: .-unseen\nstack traceback:", heard[1])
  end)

  if coroutine.close then
    it("hears of a coroutine that somebody else has closed, when its wait is over", function()
      local heard = {}
      holdfast.log(function(_, words)
        heard[#heard + 1] = words:match "^[^\n]*"
      end)
      local client = holdfast.new { server = "localhost" }
      client:subscribe("t", { ordered = true }, function(message)
        note(message.payload)
        if message.payload == "stuck" then
          core:at(2, function() coroutine.close(message.thread) end)
          message.thread = coroutine.running()
          holdfast.sleep(3)
          note "never"
        end
      end)
      core:message(1, "t", "stuck", 1)
      core:message(1, "t", "next", 1)
      assert.equal("cannot resume dead coroutine", caught(holdfast.run, function()
        local main = coroutine.running()
        core:at(4, function() coroutine.close(main) end)
        holdfast.sleep(5)
        note "never"
      end))
      assert.same({ "0 stuck", "3 next" }, log)
      assert.same({ 5, 2 }, { core.clock, core.clients[1].messages_consumed })
      assert.same({ "cannot resume dead coroutine", "error in holdfast.run: cannot resume dead coroutine" }, heard)
    end)

    it("keeps nothing of one that was closed while it waited in a row with others", function()
      local loop, turn = require "holdfast.loop", require "holdfast.loop.turn"
      local waiters, closed, rest = { {}, {}, {} }, nil, nil
      holdfast.run(function()
        local tasks = {}
        for place, waiter in ipairs(waiters) do
          tasks[place] = holdfast.spawn(function()
            waiter.thread_of = coroutine.running()
            loop.park(waiter, place == 3 and 5 or nil)
            return waiter.value, waiter.timed_out
          end)
        end
        local joiner = holdfast.spawn(function() closed = { tasks[2]:join() } end)
        holdfast.sleep(1)
        coroutine.close(waiters[2].thread_of)
        loop.unpark_all(waiters, 1, 4)
        rest = { next(waiters) }
        assert.same({ true }, { tasks[1]:join() })
        assert.same({ true }, { tasks[3]:join() })
        joiner:join()
      end)
      assert.same({}, rest)
      assert.same({ nil, "cannot resume dead coroutine", "failed", "cannot resume dead coroutine" }, closed)
      assert.is_false(turn.is_awaited())
    end)
  end

  it("ends what was spawned with the run", function()
    holdfast.run(function()
      holdfast.spawn(function()
        holdfast.sleep(1)
        note "one"
        holdfast.sleep(10)
        note "never"
      end)
      holdfast.sleep(2)
    end)
    holdfast.sleep(20)
    assert.same({ "1 one" }, log)
  end)

  it("nests: a run in a run returns on its own and ends its own coroutines only", function()
    holdfast.run(function()
      holdfast.spawn(function()
        holdfast.sleep(5)
        note "outer"
      end)
      local inner = holdfast.run(function()
        holdfast.spawn(function()
          holdfast.sleep(3)
          note "never"
        end)
        holdfast.sleep(2)
        return "inner"
      end)
      note(inner)
      holdfast.sleep(4)
    end)
    assert.same({ "2 inner", "5 outer" }, log)
  end)

  it("gives what a handler spawns to the outermost run, not to one that happens to go on", function()
    local heard = {}
    holdfast.log(function(_, words)
      heard[#heard + 1] = words
    end)
    local client = holdfast.new { server = "localhost" }
    client:subscribe("t", function(message)
      holdfast.spawn(function()
        holdfast.sleep(3)
        note(message.payload)
        error("in the child", 0)
      end)
    end)
    local err = caught(holdfast.run, function()
      holdfast.spawn(function()
        holdfast.run(function()
          core:message(1, "t", "of the handler", 1)
          holdfast.sleep(1)
        end)
        note "inner"
        holdfast.run(holdfast.sleep, 100)
        note "never"
      end)
      holdfast.sleep(10)
      note "never"
    end)
    assert.equal("in the child", err)
    assert.equal(1, #heard)
    assert.matches("^error in holdfast.run: in the child\nstack traceback:", heard[1])
    assert.same({ "1 inner", "3 of the handler" }, log)
  end)

  it("gives what a handler spawns to nobody, rather than to the run of another coroutine", function()
    local client = holdfast.new { server = "localhost" }
    client:subscribe("t", function(message)
      holdfast.spawn(function()
        holdfast.sleep(3)
        note(message.payload)
      end)
    end)
    holdfast.spawn(function()
      holdfast.run(function()
        core:message(1, "t", "of the handler", 1)
        holdfast.sleep(1)
      end)
      note "inner"
    end)
    holdfast.sleep(5)
    assert.same({ "1 inner", "3 of the handler" }, log)
  end)

  it("ends a run that an ended coroutine was waiting for", function()
    holdfast.run(function()
      holdfast.spawn(function()
        holdfast.run(function()
          holdfast.sleep(3)
          note "never"
        end)
      end)
      holdfast.sleep(1)
    end)
    holdfast.sleep(10)
    assert.same({}, log)
  end)

  it("lets a run return although a wait further up the stack has no end", function()
    local answer = holdfast.run(function()
      holdfast.spawn(function()
        local blocked = coroutine.wrap(function()
          holdfast.sleep(1000)
          note "never"
        end)
        blocked()
        note "never either"
      end)
      holdfast.sleep(1)
      return "returned"
    end)
    assert.equal("returned", answer)
    assert.equal(1, core.clock)
    assert.same({}, log)
  end)

  it("can be used again after an error passed through it", function()
    core:at(1, function()
      error("interrupted!", 0)
    end)
    assert.equal("interrupted!", caught(holdfast.run, function()
      holdfast.spawn(function()
        holdfast.sleep(2)
        note "never"
      end)
      holdfast.sleep(5)
    end))
    assert.equal(7, holdfast.run(function()
      holdfast.sleep(5)
      return 7
    end))
    assert.same({}, log)
  end)

  it("forgets the wait that an error passed through", function()
    core:at(1, function()
      error("interrupted!", 0)
    end)
    assert.equal("interrupted!", caught(holdfast.sleep, 5))
    holdfast.sleep(10)
    assert.equal(11, core.clock)
  end)

  it("does not let a coroutine go on that became ready as its run ended", function()
    local client = holdfast.new { server = "localhost" }
    local subscription = client:subscribe "t"
    holdfast.run(function()
      holdfast.spawn(function()
        subscription:receive()
        note "never"
      end)
      holdfast.sleep(1)
      subscription:remove()
    end)
    holdfast.sleep(1)
    assert.same({}, log)
  end)

  it("goes on with a wait whose coroutine somebody else resumes", function()
    holdfast.run(function()
      local thread
      holdfast.spawn(function()
        thread = coroutine.running()
        holdfast.sleep(2)
        note "slept"
      end)
      holdfast.sleep(1)
      coroutine.resume(thread)
      holdfast.sleep(2)
    end)
    assert.same({ "2 slept" }, log)
  end)

  it("goes on with a coroutine that yielded to a scheduler of its own and was resumed by it", function()
    local thread
    holdfast.run(function()
      holdfast.spawn(function()
        thread = coroutine.running()
        coroutine.yield()
        note "resumed"
        holdfast.sleep(1)
        note "slept"
      end)
      holdfast.sleep(1)
      coroutine.resume(thread)
      holdfast.sleep(2)
    end)
    assert.same({ "1 resumed", "2 slept" }, log)
  end)

  it("refuses what is no function and no time", function()
    assert.matches("run: a function is wanted, got 1", caught(holdfast.run, 1))
    assert.matches("spawn: a function is wanted, got nothing", caught(holdfast.spawn))
    assert.matches("sleep: seconds must be a number, got nothing", caught(holdfast.sleep))
    assert.matches("sleep: timeout must be .- got NaN", caught(holdfast.sleep, 0 / 0))
    assert.matches("sleep: timeout must be .- got %-1", caught(holdfast.sleep, -1))
    assert.matches("sleep: timeout must be .- got infinity", caught(holdfast.sleep, math.huge))
    assert.matches("sleep: timeout must be .- got \"1\"", caught(holdfast.sleep, "1"))
    assert.matches("log: a function or a logger is wanted, got true", caught(holdfast.log, true))
  end)

  if coroutine.close then
    it("closes the variables of what it ends", function()
      local closing = assert(load [[
        local note, sleep = ...
        local guard <close> = setmetatable({}, { __close = function() note "closed" end })
        sleep(100)
      ]])
      holdfast.run(function()
        holdfast.spawn(closing, note, holdfast.sleep)
        holdfast.sleep(1)
      end)
      assert.same({ "1 closed" }, log)
    end)

    it("logs what goes wrong in them, which may act, but not wait", function()
      local heard = hearing()
      local failing = assert(load [[
        local client, sleep = ...
        local guard <close> = setmetatable({}, { __close = function() client:post("left", "") sleep(1) end })
        sleep(100)
      ]])
      local client = holdfast.new { server = "mqtt://localhost" }
      holdfast.run(function()
        holdfast.spawn(failing, client, holdfast.sleep)
        holdfast.sleep(1)
      end)
      assert.matches("^error error in a variable that was closed with its coroutine: .-\nstack traceback:", heard[1])
      assert.equal(1, #core.clients[1]:called "post")
    end)
  end
end)
