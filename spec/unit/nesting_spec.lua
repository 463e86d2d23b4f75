-- Waits where Lua cannot suspend, on a virtual clock: they hold up a handler, and nobody else's stack.
local fake_core = require "spec.support.fake_core"

local is_plain_51 = _VERSION == "Lua 5.1" and not jit

describe("a wait where Lua cannot suspend", function()
  local core, holdfast, client, log, errors

  before_each(function()
    core, holdfast = fake_core.install()
    client = holdfast.new { server = "localhost", inbox = { messages = 2000 } }
    log, errors = {}, {}
    client:on("error", function(event)
      errors[#errors + 1] = event.message
    end)
  end)

  after_each(fake_core.remove)

  local function send_many(count)
    for n = 1, count do
      core:message(1, "t", tostring(n), 1)
    end
  end

  local places = {
    ["a coroutine of the user's"] = function(fn)
      coroutine.wrap(fn)()
    end,
    ["a sort"] = function(fn)
      table.sort({ 2, 1 }, function(a, b)
        fn()
        return a < b
      end)
    end,
    ["gsub"] = function(fn)
      ("x"):gsub("x", fn)
    end,
    ["pcall"] = function(fn)
      assert(pcall(fn))
    end,
  }

  for name, call in pairs(places) do
    describe("in " .. name, function()
      it("lets 300 handlers have their turn, in their order", function()
        local expected = {}
        client:subscribe("t", function(message)
          call(function()
            holdfast.sleep(0.01)
          end)
          log[#log + 1] = message.payload
        end)
        send_many(300)
        for n = 1, 300 do
          expected[n] = tostring(n)
        end
        holdfast.sleep(10)
        assert.same({}, errors)
        assert.same(expected, log)
        assert.equal(300, core.clients[1].messages_consumed)
      end)

      it("keeps its time while messages come without end", function()
        local late = 0
        client:subscribe("t", function()
          local began
          call(function()
            began = began or core.clock
            holdfast.sleep(0.05)
            late = math.max(late, core.clock - began - 0.05)
            began = core.clock
          end)
        end)
        local function again()
          core:message(1, "t", "", 1)
          if core.clock < 1 then
            core:at(core.clock + 0.001, again)
          end
        end
        core:at(0.001, again)
        holdfast.sleep(1)
        assert.same({}, errors)
        assert.is_true(late < 0.01, late)
      end)

      it("after one where it can, lets all of 300 handlers end", function()
        client:subscribe("t", function(message)
          holdfast.sleep(0.01)
          call(function()
            holdfast.sleep(0.01)
          end)
          log[#log + 1] = message.payload
        end)
        send_many(300)
        holdfast.sleep(20)
        assert.same({}, errors)
        assert.equal(300, #log)
      end)
    end)
  end

  local function nested(fn)
    return coroutine.wrap(fn)()
  end

  it("lets the client's questions be answered", function()
    client = holdfast.new { server = "localhost", credentials = function()
      holdfast.sleep(1)
      return "user", "secret"
    end }
    core:mail("message", 2, { topic = "t", payload = "" }, 1)
    client:subscribe("t", function()
      nested(function()
        core:mail("credentials", 2, 7, 1)
        assert(client:connect(5))
        log[#log + 1] = "connected"
      end)
    end)
    core:at(2, function()
      assert.same({ { "credentials", 7, "user", "secret" } }, core.clients[2]:called "credentials")
      core:mail("event", 2, "ready", {})
    end)
    holdfast.sleep(10)
    assert.same({ "connected" }, log)
  end)

  it("can be for a task that the handler has spawned", function()
    local result
    client:subscribe("t", function()
      nested(function()
        result = holdfast.spawn(function()
          holdfast.sleep(1)
          return "done"
        end):join()
      end)
    end)
    send_many(1)
    holdfast.sleep(2)
    assert.equal("done", result)
  end)

  it("lets handlers begin again once it is over, although an error has passed through it", function()
    client:subscribe("t", function(message)
      log[#log + 1] = message.payload
      if message.payload == "1" then
        nested(function()
          holdfast.sleep(5)
        end)
      end
    end)
    core:at(1, function()
      error("interrupted!", 0)
    end)
    send_many(2)
    holdfast.sleep(10)
    send_many(1)
    holdfast.sleep(10)
    assert.equal(1, #errors)
    assert.matches("interrupted!$", errors[1])
    assert.same({ "1", "2", "1" }, log)
  end)
end)

describe("holdfast.pcall", function()
  local core, holdfast, client

  before_each(function()
    core, holdfast = fake_core.install()
    client = holdfast.new { server = "localhost" }
  end)

  after_each(fake_core.remove)

  it("is pcall where that can wait", function()
    assert.equal(not is_plain_51, holdfast.pcall == pcall)
  end)

  it("answers as pcall does, wherever it is called", function()
    local object = {}
    local function check()
      assert.same({ true, 1, nil, 3 }, { holdfast.pcall(function(...)
        return ...
      end, 1, nil, 3) })
      assert.same({ false, object }, { holdfast.pcall(error, object) })
      assert.is_false((holdfast.pcall(nil)))
      assert.same({ true, true, "a" }, { holdfast.pcall(holdfast.pcall, tostring, "a") })
    end
    check()
    holdfast.run(check)
    coroutine.wrap(check)()
  end)

  it("waits, one in the other, while other handlers begin", function()
    local log = {}
    client:subscribe("t", function(message)
      local _, results = holdfast.pcall(function()
        local inner = { holdfast.pcall(function()
          holdfast.sleep(1)
          error("inner " .. message.payload, 0)
        end) }
        holdfast.sleep(1)
        return inner
      end)
      log[#log + 1] = ("%g %s"):format(core.clock, results[2])
    end)
    for n = 1, 3 do
      core:message(1, "t", tostring(n), 1)
    end
    holdfast.sleep(5)
    assert.same({ "2 inner 1", "2 inner 2", "2 inner 3" }, log)
    assert.equal(3, core.clients[1].messages_consumed)
  end)

  it("knows whose children are spawned in it", function()
    holdfast.run(function()
      holdfast.pcall(function()
        holdfast.sleep(1)
        holdfast.spawn(holdfast.sleep, 100)
      end)
    end)
    assert.equal(1, core.clock)
  end)
end)
