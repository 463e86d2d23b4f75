-- The loop and the poll set that streams and links live on.
local probe = require "loop_probe"
local process = require "process_probe"

describe("timers", function()
  local loop, log

  before_each(function()
    loop, log = probe.loop(true), {}
  end)

  local function timer(name)
    return loop:timer(function(now) log[#log + 1] = name .. "@" .. now end)
  end

  it("fire in the order of their times, once each", function()
    local a, b, c = timer "a", timer "b", timer "c"
    a:set(30)
    b:set(10)
    c:set(20)
    assert.are.equal(10, loop:due())
    loop:at(9)
    assert.are.same({}, log)
    loop:at(25)
    assert.are.same({ "b@25", "c@25" }, log)
    loop:at(30)
    loop:at(40)
    assert.are.same({ "b@25", "c@25", "a@30" }, log)
    assert.is_nil(loop:due())
  end)

  it("move, and stop", function()
    local a, b = timer "a", timer "b"
    a:set(10)
    b:set(11)
    a:set(20)
    assert.are.equal(11, loop:due())
    b:stop()
    b:stop()
    a:set(nil)
    assert.is_nil(loop:due())
    a:set(5)
    loop:at(100)
    assert.are.same({ "a@100" }, log)
  end)

  it("may be set and stopped by one another as they fire", function()
    local b = timer "b"
    local again
    again = loop:timer(function(now)
      log[#log + 1] = "again"
      again:set(now) -- which is due at once, and must not keep the turn
      b:stop()
    end)
    again:set(1)
    b:set(2)
    loop:at(2)
    assert.are.same({ "again", "again" }, log)
    loop:at(3)
    assert.are.same({ "again", "again", "again" }, log)
  end)
end)

describe("tasks", function()
  local loop, log

  before_each(function()
    loop, log = probe.loop(true), {}
  end)

  local function task(name, fn)
    return loop:task(function()
      log[#log + 1] = name
      if fn then fn() end
    end)
  end

  it("run once, in the order in which they were asked for, and make the loop due", function()
    local a, b = task "a", task "b"
    assert.is_nil(loop:due())
    b:later()
    a:later()
    b:later()
    loop:at(7)
    assert.are.equal(7, loop:due())
    assert.is_false(loop:run())
    assert.are.same({ "b", "a" }, log)
    assert.is_false(loop:run())
    assert.are.same({ "b", "a" }, log)
  end)

  it("that others ask for run in the next turn", function()
    local b = task "b"
    local a
    a = task("a", function()
      b:later()
      a:later()
    end)
    a:later()
    assert.is_true(loop:run())
    assert.are.same({ "a" }, log)
    assert.is_true(loop:run())
    assert.are.same({ "a", "b", "a" }, log)
  end)

  it("may be taken back, wherever they stand and whoever runs", function()
    local tasks = {}
    for i = 1, 5 do
      tasks[i] = task(tostring(i))
    end
    for i = 1, 5 do
      tasks[i]:later()
    end
    tasks[1]:cancel()
    tasks[5]:cancel()
    tasks[5]:cancel()
    local last = task("last", function() tasks[4]:cancel() end)
    last:later()
    tasks[3]:cancel()
    tasks[4]:cancel()
    tasks[4]:later()
    assert.is_false(loop:run())
    assert.are.same({ "2", "last" }, log)
    tasks[4]:later()
    loop:run()
    assert.are.same({ "2", "last", "4" }, log)
  end)
end)

describe("the poll set", function()
  local loop, log, open

  before_each(function()
    loop, log, open = probe.loop(), {}, {}
  end)
  after_each(function()
    for descriptor in pairs(open) do
      probe.close(descriptor)
    end
  end)

  local function pair()
    local a, b = probe.pair()
    open[a], open[b] = true, true
    return a, b
  end

  local function shut(descriptor)
    open[descriptor] = nil
    probe.close(descriptor)
  end

  local function watch(name, descriptor, events, fn)
    return assert(loop:watch(function(what)
      log[#log + 1] = name .. ":" .. what
      if fn then fn() end
    end, descriptor, events))
  end

  it("tells what is ready of what was asked for, for as long as it is", function()
    local a, b = pair()
    local one = watch("a", a, "r")
    assert.are.equal(0, loop:turn())
    probe.write(b, "x")
    assert.are.equal(1, loop:turn(1000))
    loop:turn()
    assert.are.same({ "a:r", "a:r" }, log)
    one:change "w"
    loop:turn()
    one:change "rw"
    loop:turn()
    assert.are.same({ "a:r", "a:r", "a:w", "a:rw" }, log)
  end)

  it("tells a failure to those who ask for nothing, but not without end", function()
    local a, b = pair()
    local one = watch("a", a, "")
    probe.write(b, "x")
    loop:turn()
    assert.are.same({}, log)
    shut(b)
    loop:turn(1000)
    loop:turn()
    loop:turn()
    assert.are.same({ "a:f" }, log)
    one:change "r"
    loop:turn(1000)
    assert.are.same({ "a:f", "a:rf" }, log)
  end)

  it("calls no watch that is gone, in the same turn either", function()
    local watches = {}
    for i = 1, 20 do
      local a, b = pair()
      watches[i] = watch(i, a, "r", function()
        for j = 1, 20 do
          if j ~= i then watches[j]:remove() end
        end
      end)
      probe.write(b, "x")
    end
    assert.are.equal(20, loop:turn(1000))
    assert.are.equal(1, #log)
  end)

  it("gives a place again, and none of what came before to who has it then", function()
    local a, b = pair()
    local c, d = pair()
    local e = pair()
    local first, second, third
    first = watch("first", a, "r", function()
      second:remove()
      third = third or watch("third", e, "r") -- where the second was
    end)
    second = watch("second", c, "r", function()
      first:remove()
      third = third or watch("third", e, "r")
    end)
    probe.write(b, "x")
    probe.write(d, "x")
    loop:turn(1000)
    loop:turn()
    loop:turn()
    assert.are.equal(3, #log)
    for _, line in ipairs(log) do
      assert.is_nil(line:find "third")
    end
  end)

  it("knows no descriptor that was taken out before it was closed, though a copy of it lives on", function()
    local a, b = pair()
    local copy = probe.duplicate(a)
    open[copy] = true
    local one = watch("a", a, "r")
    one:remove()
    shut(a)
    probe.write(b, "x")
    assert.are.equal(0, loop:turn())
    one:remove()
    assert.are.same({}, log)
  end)

  it("takes more than it has had room for, and says no to what cannot be waited for", function()
    local ends = {}
    for i = 1, 40 do
      local a, b = pair()
      ends[i] = b
      watch(i, a, "r")
    end
    for i = 1, 40 do
      probe.write(ends[i], "x")
    end
    assert.are.equal(40, loop:turn(1000))
    assert.are.equal(40, #log)
    local _, problem = loop:watch(function() end, 99999, "r")
    assert.is_truthy(problem:find "Bad file descriptor")
  end)

  it("wakes for its timers and tasks", function()
    local fired, ran = false, false
    loop:timer(function() fired = true end):set(process.now() + 20)
    loop:turn(60000)
    assert.is_false(fired)
    local task = loop:task(function() ran = true end)
    loop:timer(function() task:later() end):set(0)
    loop:turn(0)
    assert.are.same({ true, true }, { fired, ran })
    task:later()
    loop:task(function() task:later() end):later()
    loop:turn(60000) -- the second asks for the first once more
    assert.is_truthy(loop:due())
  end)

  it("leaves nothing to a program that this one becomes", function()
    collectgarbage() -- what it has not closed yet may be closed in between
    collectgarbage()
    local before, inherited = probe.descriptors()
    local another = probe.loop()
    local after, inherited_after = probe.descriptors()
    assert.are.same({ before + 1, inherited }, { after, inherited_after })
    assert.is_truthy(another)
  end)
end)
