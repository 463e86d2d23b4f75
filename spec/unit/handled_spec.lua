-- Messages that are acknowledged when they have been handled, on a virtual clock: what is done with, and when.
local fake_core = require "spec.support.fake_core"

describe("acknowledge = handled", function()
  local core, holdfast, client, handle, log

  local function begin(options)
    options = options or {}
    options.server, options.transport = "mqtt://localhost", "native"
    options.acknowledge = options.acknowledge or "handled"
    client = holdfast.new(options)
    handle = core.clients[core.made]
    log = {}
    client:on("error", function() end)
    client:on("parked", function(event)
      log[#log + 1] = ("%g parked %s of %s after %d: %s"):format(core.clock, event.message.payload,
        event.filter or "nobody", event.attempts, event.error)
    end)
  end

  before_each(function()
    core, holdfast = fake_core.install()
    holdfast.log(function() end)
    begin()
  end)

  after_each(fake_core.remove)

  local function note(what)
    log[#log + 1] = ("%g %s"):format(core.clock, what)
  end

  local function send(payload, qos, ...)
    local message = core:message(handle.number, "t", payload, ...)
    message.qos = qos
    return message
  end

  -- The payloads of those that are acknowledged, as far as the order of arrival lets them be.
  local function open()
    local count = 0
    for _ in pairs(core.receipts) do
      count = count + 1
    end
    return count
  end

  local function sleep(seconds)
    holdfast.sleep(seconds)
  end

  describe("by a handler", function()
    local function wait_in_handler(options)
      return client:subscribe("t", options or {}, function(message)
        note("begins " .. message.payload)
        holdfast.sleep(2)
        note("ends " .. message.payload)
      end)
    end

    for qos = 1, 2 do
      it("is done with when that has returned, QoS " .. qos, function()
        wait_in_handler()
        send("a", qos, 1)
        sleep(1)
        assert.same({ "0 begins a" }, log)
        assert.same({ {}, 1 }, { handle.begun_with, open() })
        sleep(1.5)
        assert.same({ "0 begins a", "2 ends a" }, log)
        assert.equal(0, open())
        assert.equal(qos == 2, handle.done_now)
      end)
    end

    it("of one subscription alone: the others are as ever", function()
      begin { acknowledge = "arrived" }
      wait_in_handler()
      client:subscribe("u", { acknowledge = "handled" }, function() holdfast.sleep(2) end)
      send("a", 1, 1)
      send("b", 1, 2)
      sleep(1)
      assert.same({ 1 }, handle.begun_with)
    end)

    it("is tried again when that has thrown, after a pause, and parked in the end", function()
      begin { handle_attempts = 3, handle_pause = 5 }
      client:subscribe("t", function(message)
        note("tries " .. message.payload)
        error("no, not " .. message.payload, 0)
      end)
      send("a", 1, 1)
      sleep(9)
      assert.same({ "0 tries a", "5 tries a" }, log)
      assert.equal(1, open())
      sleep(2)
      assert.same({ "0 tries a", "5 tries a", "10 tries a", "10 parked a of t after 3: no, not a" }, log)
      assert.same({ 0, 1 }, { open(), handle.messages_parked })
      sleep(20)
      assert.equal(4, #log)
    end)

    it("is done with when a later attempt returns", function()
      local tries = 0
      client:subscribe("t", { handle_pause = 0, handle_attempts = 9 }, function()
        tries = tries + 1
        if tries < 4 then error "not yet" end
      end)
      send("a", 2, 1)
      sleep(1)
      assert.same({ 4, 0 }, { tries, open() })
      assert.is_nil(handle.messages_parked)
    end)

    it("does not hold up those that come after it", function()
      client:subscribe("t", { handle_pause = 10 }, function(message)
        note(message.payload)
        if message.payload == "bad" then error "no" end
      end)
      send("bad", 1, 1)
      send("good", 1, 1)
      sleep(1)
      assert.same({ "0 bad", "0 good" }, log)
      assert.equal(1, open())
    end)

    it("that is ordered holds up those, and they keep their order", function()
      client:subscribe("t", { ordered = true, handle_pause = 10, handle_attempts = 2 }, function(message)
        note(message.payload)
        if message.payload == "bad" then error("no", 0) end
      end)
      send("one", 1, 1)
      send("bad", 1, 1)
      send("two", 1, 1)
      send("three", 1, 1)
      sleep(9)
      assert.same({ "0 one", "0 bad" }, log)
      assert.equal(3, open())
      sleep(2)
      assert.same({ "0 one", "0 bad", "10 bad", "10 parked bad of t after 2: no", "10 two", "10 three" }, log)
      assert.equal(0, open())
    end)

    it("of QoS 0 is not tried again", function()
      local tries = 0
      client:subscribe("t", { handle_pause = 0 }, function()
        tries = tries + 1
        error "no"
      end)
      send("a", 0, 1)
      sleep(1)
      assert.same({ 1, 0 }, { tries, open() })
    end)

    it("waits for all who take a message", function()
      begin { acknowledge = "arrived" }
      client:subscribe("t", function() note "one" end)
      client:subscribe("+", { acknowledge = "handled", handle_pause = 3 }, function()
        note "two"
        if core.clock < 3 then error "no" end
      end)
      send("a", 1, 1, 2)
      sleep(1)
      assert.same({ "0 one", "0 two" }, log)
      assert.same({ {}, 1 }, { handle.begun_with, open() })
      sleep(3)
      assert.same({ "0 one", "0 two", "3 two" }, log)
      assert.equal(0, open())
    end)

    it("of `message` is waited for, too", function()
      begin { handle_attempts = 2 }
      client:on("message", function(message)
        note(message.payload)
        error("nobody's", 0)
      end)
      send("a", 1)
      sleep(0.5)
      assert.equal(1, open())
      sleep(1)
      assert.same({ "0 a", "1 a", "1 parked a of nobody after 2: nobody's" }, log)
      assert.equal(0, open())
    end)

    it("is not begun with once the client is closed, nor tried again", function()
      client:subscribe("t", { handle_pause = 1 }, function(message)
        note(message.payload)
        error "no"
      end)
      send("a", 1, 1)
      sleep(0.5)
      client:close()
      send("b", 1, 1)
      sleep(5)
      assert.same({ "0 a" }, log)
      assert.equal(2, open())
    end)

    it("has until close(timeout) is over to return, and is acknowledged then", function()
      wait_in_handler()
      send("a", 1, 1)
      sleep(0.5)
      core:at(2.5, function() core:mail("event", handle.number, "closed", {}) end)
      client:close(10)
      note "closed"
      assert.same({ "0 begins a", "2 ends a", "2.5 closed" }, log)
      assert.equal(0, open())
      assert.same({ "close", 8500, "goodbye" }, handle:called("close")[1])
    end)

    it("is waited for by a close that comes about though its caller is ended", function()
      wait_in_handler()
      send("a", 1, 1)
      sleep(0.5)
      local task = holdfast.spawn(function() client:close { timeout = 10, will = true } end)
      sleep(0.5)
      task:cancel()
      sleep(15)
      assert.same({ { "close", 0, "with the will" } }, handle:called "close")
    end)

    it("that closes the client itself is not waited for", function()
      client:subscribe("t", function()
        core:at(1, function() core:mail("event", handle.number, "closed", {}) end)
        client:close(10)
        note "closed"
      end)
      send("a", 1, 1)
      sleep(3)
      assert.same({ "1 closed" }, log)
    end)

    it("may leave a hook that throws behind it: the message is not forgotten", function()
      for steps = 1, 80 do
        begin { handle_pause = 0, handle_attempts = 9 }
        local has_left = false
        client:subscribe("t", { ordered = true }, function()
          if not has_left then
            has_left = true
            debug.sethook(function()
              debug.sethook()
              error("interrupted", 0)
            end, "", steps)
          end
        end)
        send("a", 1, 1)
        pcall(sleep, 1) -- on LuaJIT the hook is everybody's
        debug.sethook()
        sleep(1)
        assert.same({ steps, 0 }, { steps, open() })
      end
    end)

    it("that closes the client itself has handled its message", function()
      client:subscribe("t", { handle_attempts = 9 }, function(message)
        client:close()
        note(message.payload .. " " .. open())
      end)
      send("a", 1, 1)
      sleep(1)
      assert.same({ "0 a 0" }, log)
    end)

    it("is given up with its subscription", function()
      local subscription = client:subscribe("t", { ordered = true, handle_pause = 10 }, function(message)
        note(message.payload)
        error "no"
      end)
      send("a", 1, 1)
      send("b", 1, 1)
      sleep(1)
      subscription:remove()
      sleep(10)
      assert.same({ "0 a" }, log)
      assert.equal(0, open())
    end)
  end)

  describe("by a reader", function()
    it("is done with when that comes back for the next one", function()
      local subscription = client:subscribe "t"
      send("a", 1, 1)
      send("b", 2, 1)
      assert.equal("a", subscription:receive().payload)
      sleep(0)
      assert.equal(2, open())
      assert.equal("b", subscription:receive().payload)
      sleep(0)
      assert.equal(1, open())
      assert.is_nil(subscription:receive(1))
      assert.equal(0, open())
    end)

    it("of several each has its own in its hand", function()
      local subscription = client:subscribe "t"
      for n = 1, 3 do
        send(tostring(n), 1, 1)
      end
      holdfast.run(function()
        holdfast.spawn(function()
          note(subscription:receive().payload)
          holdfast.sleep(5)
          subscription:receive(1)
        end)
        holdfast.spawn(function()
          note(subscription:receive().payload)
          holdfast.sleep(1)
          note(subscription:receive().payload)
          holdfast.sleep(10)
        end)
        holdfast.sleep(3)
        assert.same({ "0 1", "0 2", "1 3" }, log)
        assert.equal(2, open())
        holdfast.sleep(3)
        assert.equal(1, open())
      end)
    end)

    it("that has ended well has handled it, and one that has thrown has not", function()
      local subscription = client:subscribe("t", { handle_attempts = 2 })
      send("a", 1, 1)
      send("b", 1, 1)
      holdfast.run(function()
        holdfast.spawn(function() note(subscription:receive().payload) end):join()
        holdfast.spawn(function()
          note(subscription:receive().payload)
          error "no"
        end):join()
        holdfast.sleep(2)
        assert.equal(1, open())
        note("again " .. subscription:receive(0).payload)
        assert.equal(1, open())
        subscription:receive(0)
        assert.equal(0, open())
      end)
      assert.same({ "0 a", "0 b", "2 again b" }, log)
    end)

    it("that throws each time has it parked", function()
      local subscription = client:subscribe("t", { handle_attempts = 2 })
      send("a", 1, 1)
      holdfast.run(function()
        for _ = 1, 2 do
          holdfast.spawn(function()
            subscription:receive()
            error "no"
          end):join()
        end
        holdfast.sleep(2)
      end)
      assert.same({ "1 parked a of t after 2: its reader has ended" }, log)
      assert.same({ 0, 1 }, { open(), handle.messages_parked })
    end)

    it("is kept for one who comes, however many there are", function()
      local subscription = client:subscribe("t", { buffer = 2 })
      for n = 1, 5 do
        send(tostring(n), 1, 1)
      end
      sleep(20)
      assert.equal(5, open())
      for n = 1, 5 do
        assert.equal(tostring(n), subscription:receive(1).payload)
      end
      assert.same({ 1, 0 }, { open(), subscription.dropped })
    end)

    it("that leaves, or removes the subscription, is done with it", function()
      for _, how in ipairs { "leave", "remove" } do
        begin()
        local subscription = client:subscribe "t"
        send("a", 1, 1)
        subscription:receive()
        assert.equal(1, open())
        subscription[how](subscription)
        sleep(0)
        assert.equal(0, open())
      end
    end)

    it("that closes the client is done with it; what it has not read comes again", function()
      local subscription = client:subscribe "t"
      send("a", 1, 1)
      send("b", 1, 1)
      subscription:receive()
      client:close()
      assert.equal(1, open())
      core:mail("event", handle.number, "closed", {})
      assert.same({ nil, "closed" }, { subscription:receive(), select(3, subscription:receive()) })
      assert.equal(1, open())
    end)

    it("that has returned is done with it when the client is closed, however soon", function()
      local subscription = client:subscribe "t"
      send("a", 1, 1)
      send("b", 1, 1)
      holdfast.run(function()
        subscription:receive()
        holdfast.spawn(function() subscription:receive() end):join()
      end)
      assert.equal(2, open())
      client:close()
      assert.equal(0, open())
    end)

    it("that has thrown is not, when the client is closed", function()
      local subscription = client:subscribe "t"
      send("a", 1, 1)
      holdfast.run(function()
        holdfast.spawn(function()
          subscription:receive()
          error "no"
        end):join()
        client:close()
      end)
      assert.equal(1, open())
    end)

    it("of a client that is left on Lua 5.4 is done with it, but by an error", function()
      for _, problem in ipairs { false, "no" } do
        begin()
        local subscription = client:subscribe "t"
        send("a", 1, 1)
        subscription:receive()
        getmetatable(client).__close(client, problem or nil)
        assert.equal(problem and 1 or 0, open())
        core.receipts = {}
      end
    end)

    it("is done with what it has received when it goes on with a loop", function()
      local subscription = client:subscribe "t"
      for n = 1, 3 do
        send(tostring(n), 1, 1)
      end
      subscription:receive()
      local take = subscription:messages()
      assert.equal("2", take().payload)
      sleep(0)
      assert.equal(2, open())
      assert.equal("3", subscription:receive().payload)
      sleep(0)
      assert.equal(2, open())
      send("4", 1, 1)
      sleep(0)
      assert.equal("4", take().payload)
      sleep(0)
      assert.equal(1, open())
    end)

    -- As an error of a hook does it, behind the last step but one.
    it("that is interrupted as it takes a message finds it there", function()
      local buffer = require "holdfast.buffer"
      local subscription = client:subscribe "t"
      send("a", 1, 1)
      send("b", 1, 1)
      sleep(0)
      local drop = buffer.drop
      for _, first in ipairs { true, false } do
        buffer.drop = function(kept)
          buffer.drop = drop
          if first then drop(kept) end
          error("interrupted", 0)
        end
        assert.equal("interrupted", select(2, pcall(subscription.receive, subscription)))
        assert.equal(first and "a" or "b", subscription:receive(0).payload)
      end
      assert.is_nil(subscription:receive(0))
      assert.equal(0, open())
    end)

    it("as a loop is done with it in the next round, and when it is closed", function()
      local subscription = client:subscribe "t"
      for n = 1, 3 do
        send(tostring(n), 1, 1)
      end
      local take, _, _, closer = subscription:messages()
      take()
      take()
      sleep(0)
      assert.equal(2, open())
      closer:close()
      sleep(0)
      assert.equal(1, open())
    end)
  end)

  it("is refused over Paho, with the way out", function()
    local function refused(options)
      options.server = "mqtt://localhost"
      local _, problem = pcall(holdfast.new, options)
      return problem
    end
    local words = 'acknowledge = "handled" needs transport = "native": Paho acknowledges a message as it arrives'
    assert.matches(words, refused { transport = "paho", acknowledge = "handled" }, 1, true)
    local other = holdfast.new { server = "mqtt://localhost", transport = "paho" }
    local _, problem = pcall(other.subscribe, other, "t", { acknowledge = "handled" })
    assert.matches("subscribe: " .. words, problem, 1, true)
  end)
end)
