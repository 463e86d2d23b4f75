-- A turn of the loop, which is bounded in time: who comes first in it, and how long the others wait.
local fake_core = require "spec.support.fake_core"

describe("a turn of the loop", function()
  local core, holdfast, log

  before_each(function()
    core, holdfast = fake_core.install()
    log = {}
  end)

  after_each(fake_core.remove)

  local function note(what)
    log[#log + 1] = ("%g %s"):format(core.clock, what)
  end

  it("looks at the timers however much mail there is", function()
    local client = holdfast.new { server = "localhost" }
    local count = 0
    client:subscribe("t", function()
      count = count + 1
      core.clock = core.clock + 0.001
      core:message(1, "t", "", 1)
    end)
    core:message(1, "t", "", 1)
    holdfast.sleep(0.5)
    assert.is_true(count >= 500 and count <= 500 + 10, "handled " .. count)
  end)

  it("looks at the time before it lets coroutines go on, and at those before it hands out mail", function()
    local client = holdfast.new { server = "localhost" }
    local lock = client:subscribe "lock"
    client:subscribe("t", function(message)
      note("handles " .. message.payload)
      core.clock = core.clock + 1
    end)
    core:at(1, function()
      core:message(1, "lock", "", 1)
      core:message(1, "t", "1", 2)
      core:message(1, "t", "2", 2)
    end)
    holdfast.run(function()
      holdfast.spawn(function()
        holdfast.sleep(1.5)
        note "slept"
        core.clock = core.clock + 1
      end)
      holdfast.spawn(function()
        lock:receive()
        note "received"
        core.clock = core.clock + 1
      end)
      holdfast.sleep(10)
    end)
    assert.same({ "1 handles 1", "2 slept", "3 received", "4 handles 2" }, log)
  end)

  local function busy_scene(options)
    local client = holdfast.new { server = "localhost" }
    local count, late = 0, 0
    client:subscribe("t", options, function()
      count = count + 1
      core.clock = core.clock + 0.005
    end)
    for _ = 1, 900 do
      core:message(1, "t", "", 1)
    end
    holdfast.run(function()
      while count < 900 do
        local due = core.clock + 0.01
        holdfast.sleep(0.01)
        late = math.max(late, core.clock - due)
      end
    end)
    assert.equal(900, count)
    assert.equal(900, core.clients[1].messages_consumed)
    return late
  end

  it("holds up nobody for longer than a handler takes, however many there are", function()
    assert.is_true(busy_scene(nil) <= 0.01)
  end)

  it("holds up nobody for longer by handlers that are ordered", function()
    assert.is_true(busy_scene { ordered = true } <= 0.01)
  end)

  it("holds up nobody for longer by coroutines that are to go on all at once", function()
    local client = holdfast.new { server = "localhost" }
    local late, over = 0, 0
    core:at(1, function()
      core:mail("event", 1, "ready", {})
    end)
    holdfast.run(function()
      for _ = 1, 300 do
        holdfast.spawn(function()
          client:wait "ready"
          core.clock = core.clock + 0.005
          over = over + 1
        end)
      end
      while over < 300 do
        local due = core.clock + 0.01
        holdfast.sleep(0.01)
        late = math.max(late, core.clock - due)
      end
    end)
    assert.is_true(late <= 0.01, late)
  end)
end)
