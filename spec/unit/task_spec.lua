-- Tasks: what holdfast.spawn answers, on a virtual clock.
local fake_core = require "spec.support.fake_core"

describe("a task", function()
  local core, holdfast, log, heard

  before_each(function()
    core, holdfast = fake_core.install()
    log, heard = {}, {}
    holdfast.log(function(level, words)
      heard[#heard + 1] = level .. " " .. words
    end)
  end)

  after_each(fake_core.remove)

  local function note(what)
    log[#log + 1] = ("%g %s"):format(core.clock, what)
  end

  local function all(...)
    return { n = select("#", ...), ... }
  end

  local function after(seconds, fn, ...)
    return holdfast.spawn(function(...)
      holdfast.sleep(seconds)
      return fn(...)
    end, ...)
  end

  local function echo(...)
    return ...
  end

  it("is joined for its results, nils included, by as many as like, then and later", function()
    holdfast.run(function()
      local task = after(2, echo, 1, nil, 3, nil)
      local other = holdfast.spawn(function()
        return all(task:join())
      end)
      assert.same({ n = 4, 1, nil, 3, nil }, all(task:join()))
      assert.equal(2, core.clock)
      assert.same({ n = 4, 1, nil, 3, nil }, all(task:join(0)))
      assert.same({ n = 4, 1, nil, 3, nil }, other:join())
      assert.same({ n = 0 }, all(after(1, echo):join()))
    end)
  end)

  it("is joined outside of every run, too", function()
    assert.equal("done", after(1, echo, "done"):join())
    assert.equal(1, core.clock)
  end)

  it("is not over in time", function()
    local task = after(2, echo, "done")
    assert.same({ n = 3, nil, "the task is not over within 0.5 s", "timeout" }, all(task:join(0.5)))
    assert.equal("holdfast.task (running)", tostring(task))
    assert.equal("done", task:join(5))
    assert.equal("holdfast.task (returned)", tostring(task))
    assert.equal(2, core.clock)
  end)

  it("that throws tells those who join it, and does not end their run", function()
    holdfast.run(function()
      local object = setmetatable({}, { __tostring = function() return "an object" end })
      assert.same({ n = 4, nil, "broken", "failed", "broken" }, all(after(1, error, "broken", 0):join()))
      local answer = all(after(1, error, object):join())
      assert.same({ nil, "an object", "failed" }, { answer[1], answer[2], answer[3] })
      assert.equal(object, answer[4])
    end)
    assert.same({}, heard)
  end)

  it("that throws while nobody joins it ends its run, and is logged outside of one", function()
    local fine, err = pcall(holdfast.run, function()
      after(1, error, "broken", 0)
      holdfast.sleep(5)
    end)
    assert.is_false(fine)
    assert.matches("^broken", err)
    local task = after(1, error, "broken", 0)
    holdfast.sleep(2)
    assert.matches("^error error in a spawned coroutine: broken", heard[#heard])
    assert.same({ n = 4, nil, "broken", "failed", "broken" }, all(task:join()))
  end)

  it("that one has given up joining is nobody's again", function()
    local task = after(2, error, "broken", 0)
    assert.equal("timeout", select(3, task:join(1)))
    holdfast.sleep(2)
    assert.equal(1, #heard)
  end)

  it("is one of several that holdfast.first waits for, which counts as hearing of its error", function()
    local client = holdfast.new { server = "localhost" }
    local messages = client:subscribe "t"
    holdfast.run(function()
      local task = after(1, error, "broken", 0)
      assert.same({ nil, "nothing within 0.5 s", "timeout" }, { holdfast.first({ messages, task }, 0.5) })
      local found, place = holdfast.first { messages, task }
      assert.same({ 1, 2, true }, { core.clock, place, found == task })
      assert.equal("failed", select(3, task:join()))
    end)
    assert.same({}, heard)
  end)

  it("that throws is not heard by who was ended while it waited, in join or in holdfast.first", function()
    for _, wait in ipairs { function(task) task:join() end, function(task) holdfast.first { task } end } do
      local fine, problem = pcall(holdfast.run, function()
        local task = after(1, error, "broken", 0)
        local waiting = holdfast.spawn(wait, task)
        holdfast.sleep(0.5)
        waiting:cancel()
        holdfast.sleep(5)
      end)
      assert.same({ false, "broken" }, { fine, problem })
    end
  end)

  it("is ended where it waits", function()
    local client = holdfast.new { server = "localhost" }
    local messages = client:subscribe "t"
    local tasks
    local waiting = after(0.1, function()
      return tasks[1]:join()
    end)
    tasks = {
      after(1, note, "never"),
      holdfast.spawn(function()
        note(messages:receive())
      end),
      holdfast.spawn(function()
        holdfast.run(function()
          holdfast.sleep(1)
          note "never"
        end)
      end),
      holdfast.spawn(function()
        after(1, echo):join()
        note "never"
      end),
    }
    holdfast.sleep(0.5)
    for _, task in ipairs(tasks) do
      assert.is_true(task:cancel())
      assert.is_false(task:cancel())
      assert.same({ n = 4, nil, "the task has been cancelled", "cancelled", nil }, all(task:join()))
      assert.equal("holdfast.task (cancelled)", tostring(task))
    end
    core:message(1, "t", "kept", 1)
    assert.equal("kept", messages:receive(5).payload)
    holdfast.sleep(5)
    assert.same({}, log)
    assert.equal("cancelled", select(3, waiting:join()))
    assert.same({}, heard)
  end)

  it("is ended before it begins", function()
    local task = holdfast.spawn(note, "never")
    assert.is_true(task:cancel())
    holdfast.sleep(1)
    assert.same({}, log)
  end)

  it("ends itself at once", function()
    local task
    task = holdfast.spawn(function()
      note "begins"
      task:cancel()
      note "never"
    end)
    holdfast.sleep(1)
    assert.same({ "0 begins" }, log)
    assert.equal("cancelled", select(3, task:join()))
  end)

  it("ends at its next wait if it is further down the stack", function()
    local task
    task = holdfast.spawn(function()
      coroutine.wrap(function()
        holdfast.sleep(2)
      end)()
      note "computes"
      holdfast.sleep(1)
      note "never"
    end)
    after(1, function()
      task:cancel()
    end)
    holdfast.sleep(5)
    assert.same({ "2 computes" }, log)
    assert.same({}, heard)
  end)

  it("ends with its run", function()
    local task
    holdfast.run(function()
      task = after(10, echo)
      holdfast.sleep(1)
    end)
    assert.same({ n = 4, nil, "the run that the task belongs to has ended", "ended", nil }, all(task:join()))
    assert.is_false(task:cancel())
  end)

  it("refuses what is no time, and a call without itself", function()
    local task = holdfast.spawn(echo)
    for _, case in ipairs {
      { "join: timeout must be .- got %-1", task.join, task, -1 },
      { "join: .-colon: task:join", task.join },
      { "cancel: .-colon: task:cancel", task.cancel, {} },
    } do
      local fine, err = pcall(case[2], case[3], case[4])
      assert.is_false(fine)
      assert.matches(case[1], err)
    end
  end)

  if coroutine.close then
    it("has its variables closed", function()
      local closing = assert(load [[
        local note, wait = ...
        local guard <close> = setmetatable({}, { __close = function() note "closed" end })
        wait()
      ]])
      local task = holdfast.spawn(closing, note, function()
        holdfast.sleep(100)
      end)
      holdfast.sleep(1)
      task:cancel()
      assert.same({ "1 closed" }, log)
      task = holdfast.spawn(closing, note, function()
        task:cancel()
      end)
      holdfast.sleep(1)
      assert.same({ "1 closed", "1 closed" }, log)
    end)
  end
end)

describe("a task in a loop without a spawn of its own", function()
  local core, holdfast, loop, ready

  before_each(function()
    core, holdfast = fake_core.install()
    local running = require("holdfast.loop.protect").running
    ready = {}
    loop = { attend = function() end }
    function loop.park(waiter, seconds)
      waiter.thread, waiter.seconds = running(), seconds
      ready[#ready + 1] = seconds and waiter or nil
      repeat
        coroutine.yield()
      until waiter.done
    end
    function loop.unpark(waiter)
      if not waiter.done then
        waiter.done = true
        ready[#ready + 1] = waiter
      end
    end
    function loop.start(finish, owner, item, fn, a, b, c)
      local thread = coroutine.create(function()
        local fine, err = holdfast.pcall(fn, a, b, c)
        if fine then
          finish(owner, item)
        else
          finish(owner, item, err, "trace of " .. tostring(err))
        end
      end)
      assert(coroutine.resume(thread))
    end
    holdfast.new { server = "localhost", loop = loop }
  end)

  after_each(fake_core.remove)

  local function go_on()
    local waiter = table.remove(ready, 1)
    while waiter do
      core.clock, waiter.done = core.clock + (waiter.seconds or 0), true
      if waiter.thread and coroutine.status(waiter.thread) == "suspended" then
        assert(coroutine.resume(waiter.thread))
      end
      waiter = table.remove(ready, 1)
    end
  end

  it("is joined", function()
    local results
    local task = holdfast.spawn(function()
      holdfast.sleep(1)
      return "done"
    end)
    holdfast.spawn(function()
      results = { task:join() }
    end)
    go_on()
    assert.same({ "done" }, results)
  end)

  it("that throws is not heard by who was ended while it waited", function()
    local heard = {}
    holdfast.log(function(_, words)
      heard[#heard + 1] = words
    end)
    local task = holdfast.spawn(function()
      holdfast.sleep(1)
      error("broken", 0)
    end)
    local waiting = holdfast.spawn(holdfast.first, { task })
    waiting:cancel()
    go_on()
    assert.equal("error in a spawned coroutine: trace of broken", heard[#heard])
  end)

  it("is ended by an error in what it waits for, once; one that swallows it goes on slowly", function()
    local caught = 0
    local task = holdfast.spawn(function()
      repeat
        local fine, problem = holdfast.pcall(require("holdfast.loop").park, {})
        caught = caught + (fine and 0 or 1)
        assert(not fine and problem:find "has been cancelled$", problem)
      until caught == 3
    end)
    assert.is_true(task:cancel())
    go_on()
    assert.equal(3, caught)
    assert.equal(2, core.clock)
    assert.same({ nil, "the task has been cancelled", "cancelled" }, { task:join() })
  end)
end)
