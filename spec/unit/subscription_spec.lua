-- Subscriptions: handlers, verdicts, removal, and what is given back to the inbox, on a virtual clock.
local fake_core = require "spec.support.fake_core"

describe("a subscription", function()
  local core, holdfast, client, handle, log

  before_each(function()
    core, holdfast = fake_core.install()
    client = holdfast.new { server = "mqtt://localhost", inbox = { messages = 100, bytes = 1000 } }
    handle = core.clients[1]
    log = {}
  end)

  after_each(fake_core.remove)

  local function note(what)
    log[#log + 1] = ("%g %s"):format(core.clock, what)
  end

  local function send(payload, ...)
    return core:message(1, "t", payload, ...)
  end

  local function send_many(from, to)
    for n = from, to do
      send(tostring(n), 1)
    end
  end

  local function consumed()
    return handle.messages_consumed
  end

  describe("made", function()
    it("is told to the core, before the start too", function()
      client:subscribe "a/+"
      client:subscribe("$share/g/b", { qos = 2, retain_as_published = true, retain_handling = "never", identifier = 7,
        properties = { user = { a = "1" } } }, print)
      client:subscribe("c", { no_local = true, retain_handling = 1 })
      client:subscribe("d", print)
      local calls = handle:called "subscribe"
      assert.same({ "subscribe", 1, "a/+", 0, false, false, 0 }, calls[1])
      assert.same({ "subscribe", 2, "$share/g/b", 2, false, true, 2, 7, { user = { { "a", "1" } } } }, calls[2])
      assert.same({ "subscribe", 3, "c", 0, true, false, 1 }, calls[3])
      assert.same({ "subscribe", 4, "d", 0, false, false, 0 }, calls[4])
    end)

    it("has a number that begins anew where numbers end, past those in use", function()
      local first = client:subscribe "first"
      client.last_wish = 2147483646
      for _, filter in ipairs { "last", "second" } do
        client:subscribe(filter)
      end
      first:remove()
      client.last_wish = 2147483647
      client:subscribe "third"
      local numbers = {}
      for i, call in ipairs(handle:called "subscribe") do
        numbers[i] = call[2]
      end
      assert.same({ 1, 2147483647, 2, 1 }, numbers)
    end)

    local cases = {
      { { 5 }, "filter must be a string, got 5" },
      { { "" }, 'filter must not be empty, got ""' },
      { { "a/#/b" }, "filter must .-, got \"a/#/b\"" },
      { { "a+" }, "filter must .-, got \"a%+\"" },
      { { "a\0" }, "filter must not contain a NUL character" },
      { { "a/+/\t" }, "filter must not contain control characters" },
      { { "\239\183\144/#" }, "filter must not contain code points that are no characters" },
      { { "a", { properties = { user = { a = "\1" } } } },
        "properties of a subscribe: user: a name or value must not contain control characters" },
      { { "\255" }, "filter must be valid UTF%-8" },
      { { "t", { qos = 3 } }, "qos must be 0, 1 or 2, got 3" },
      { { "t", { qso = 1 } }, 'unknown option "qso"; did you mean "qos"%?' },
      { { "t", 1 }, "options must be a table, got 1" },
      { { "t", {}, 1 }, "handler must be a function, got 1" },
      { { "t", { buffer = 0 } }, "buffer must be a whole number of messages from 1 to 4,294,967,295, got 0" },
      { { "t", { ordered = true } }, "ordered is about handlers, and there is none" },
      { { "t", { identifier = 0 } }, "identifier must be a whole number from 1 to 268,435,455, got 0" },
      { { "t", { retain_handling = "nevr" } },
        'retain_handling must be 0, 1, 2, "always", "new" or "never", got "nevr" %(did you mean "never"%?%)' },
      { { "t", { no_local = 1 } }, "no_local must be true or false, got 1" },
      { { "$share/g/t", { no_local = true } },
        "no_local is not allowed with a shared subscription %[MQTT%-3%.8%.3%-4%]" },
      { { "t", { properties = { content_type = "x" } } },
        'properties of a subscribe: unknown property "content_type"; known are user' },
    }
    for _, case in ipairs(cases) do
      it("refuses: " .. case[2]:gsub("%%", ""):sub(1, 60), function()
        local fine, err = pcall(client.subscribe, client, case[1][1], case[1][2], case[1][3])
        assert.is_false(fine)
        assert.matches("^subscribe: " .. case[2], err)
        assert.same({}, handle.calls)
      end)
    end

    it("refuses MQTT 5 options on 3.1.1", function()
      local old = holdfast.new { server = "x", protocol = 4 }
      for name, value in pairs { no_local = true, retain_as_published = false, retain_handling = 0, identifier = 1,
        properties = {} } do
        assert.has_error(function() old:subscribe("t", { [name] = value }) end,
          "subscribe: " .. name .. " needs protocol = 5")
        old.defaults.subscribe = { [name] = value }
        assert.has_error(function() old:subscribe "t" end,
          "subscribe: defaults.subscribe." .. name .. " needs protocol = 5")
        old.defaults.subscribe = nil
      end
    end)
  end)

  describe("with a handler", function()
    it("starts it for each message in order, with message and subscription", function()
      local subscription
      subscription = client:subscribe("t", nil, function(message, which)
        assert.equal(subscription, which)
        note(message.payload)
      end)
      send_many(1, 3)
      holdfast.sleep(0)
      assert.same({ "0 1", "0 2", "0 3" }, log)
      assert.same({ 3, 6 }, { handle.messages_consumed, handle.bytes_consumed })
    end)

    it("does not let one that waits hold up the next, and counts it until it is done", function()
      client:subscribe("t", function(message)
        if message.payload == "1" then
          holdfast.sleep(2)
        end
        note(message.payload)
      end)
      send_many(1, 3)
      holdfast.sleep(1)
      assert.equal(2, consumed())
      holdfast.sleep(2)
      assert.equal(3, consumed())
      assert.same({ "0 2", "0 3", "2 1" }, log)
    end)

    it("counts what came, not what the handler makes of the table", function()
      client:subscribe("t", function(message)
        message.payload, message.topic = nil, nil
      end)
      send("12345", 1)
      holdfast.sleep(0)
      assert.equal(6, handle.bytes_consumed)
    end)

    it("goes on after one that throws, a thousand times, on a stack that does not grow", function()
      local failures, count, deepest = 0, 0, 0
      client:on("error", function(event)
        assert.equal("bad message", event.message)
        failures = failures + 1
      end)
      client:subscribe("t", { ordered = true }, function(message)
        if message.payload == "1" then
          holdfast.sleep(1) -- meanwhile the others come
        end
        count = count + 1
        local _, levels = debug.traceback():gsub("\n", "")
        deepest = math.max(deepest, levels)
        error("bad message", 0)
      end)
      send_many(1, 1000)
      holdfast.sleep(1.5)
      assert.same({ 1000, 1000, 1000 }, { count, failures, consumed() })
      assert.is_true(deepest < 20, deepest)
    end)

    it("starts one after the other when ordered", function()
      client:subscribe("t", { ordered = true }, function(message)
        note("start " .. message.payload)
        holdfast.sleep(1)
        note("end " .. message.payload)
      end)
      send_many(1, 3)
      core:at(5, function()
        send("4", 1)
      end)
      holdfast.sleep(1.5)
      assert.equal(1, consumed())
      holdfast.sleep(10)
      assert.same({ "0 start 1", "1 end 1", "1 start 2", "2 end 2", "2 start 3", "3 end 3", "5 start 4", "6 end 4" },
        log)
      assert.equal(4, consumed())
    end)

    it("goes on after one that throws, ordered or not", function()
      local errors = 0
      client:on("error", function(event)
        assert.matches("bad 1", event.message)
        errors = errors + 1
      end)
      local function handler(message)
        if message.payload == "1" then
          holdfast.sleep(1)
          error "bad 1"
        end
        note(message.payload)
      end
      client:subscribe("a", handler)
      client:subscribe("b", { ordered = true }, handler)
      for payload = 1, 3 do
        send(tostring(payload), 1)
        send(tostring(payload), 2)
      end
      holdfast.sleep(2)
      assert.same({ "0 2", "0 3", "1 2", "1 3" }, log)
      assert.equal(2, errors)
      assert.equal(6, consumed())
    end)

    it("survives a thousand in a row that throw, when ordered", function()
      client:subscribe("t", { ordered = true }, function()
        error "each time"
      end)
      send_many(1, 1000)
      holdfast.sleep(1)
      assert.equal(1000, consumed())
    end)

    it("has no reader", function()
      local subscription = client:subscribe("t", print)
      assert.has_error(function() subscription:receive() end,
        "receive: the subscription to t has a handler, which takes its messages")
      assert.has_error(function() subscription:messages() end,
        "messages: the subscription to t has a handler, which takes its messages")
    end)
  end)

  describe("that overlaps others", function()
    it("delivers to each, and counts a message until the last is done", function()
      client:subscribe("t", function()
        holdfast.sleep(3)
      end)
      client:subscribe("+", function(message)
        note("second " .. message.payload)
      end)
      local reader = client:subscribe "#"
      client:on("message", function(message)
        note("message " .. message.payload)
      end)
      holdfast.spawn(function()
        note("reader " .. reader:receive().payload)
      end)
      holdfast.sleep(0)
      send("x", 1, 2, 3)
      holdfast.sleep(2)
      assert.same({ "0 second x", "0 reader x" }, log)
      assert.equal(0, consumed())
      holdfast.sleep(2)
      assert.same({ 1, 2 }, { handle.messages_consumed, handle.bytes_consumed })
    end)

    it("counts right when a taker removes another", function()
      local second
      client:subscribe("t", function()
        second:remove()
      end)
      second = client:subscribe("+", function()
        note "removed"
      end)
      send("x", 1, 2)
      holdfast.sleep(0)
      assert.same({}, log)
      assert.equal(1, consumed())
    end)

    it("counts right when an event handler was for once", function()
      client:once("message", function(message)
        note(message.payload)
        send("y", 1)
        holdfast.sleep(1)
      end)
      client:subscribe("t", function(message)
        note(message.payload)
      end)
      send "x"
      holdfast.sleep(2)
      assert.same({ "0 x", "0 y" }, log)
      assert.equal(2, consumed())
    end)

    it("counts right when a handler for once was called by the message after", function()
      local once = 0
      client:on("message", function(message)
        if message.payload == "x" then
          coroutine.wrap(holdfast.sleep)(1)
        end
      end)
      client:once("message", function()
        once = once + 1
      end)
      send "x"
      send "y"
      holdfast.sleep(2)
      assert.equal(1, once)
      assert.equal(2, consumed())
    end)

    it("more than four times", function()
      for wish = 1, 7 do
        client:subscribe("t", function()
          note(tostring(wish))
        end)
      end
      send("x", 1, 2, 3, 4, 5, 6, 7)
      holdfast.sleep(0)
      assert.same({ "0 1", "0 2", "0 3", "0 4", "0 5", "0 6", "0 7" }, log)
      assert.equal(1, consumed())
    end)
  end)

  it("gives a message that nobody takes back at once", function()
    send "x"
    send("y", 5)
    holdfast.sleep(0)
    assert.equal(2, consumed())
  end)

  describe("granted", function()
    local refusal = { name = "not_authorized", text = "not allowed", code = 0x87, source = "suback" }

    it("waits for the verdict and knows it from then on", function()
      local subscription = client:subscribe("t", { qos = 2 })
      core:at(1, function()
        core:mail("granted", 1, 1, 1)
      end)
      assert.equal("timeout", select(3, subscription:granted(0.5)))
      assert.equal(1, subscription:granted())
      assert.equal(1, core.clock)
      assert.equal(1, subscription:granted(0))
      assert.equal("holdfast.subscription t (granted)", tostring(subscription))
    end)

    it("is heard when it is told, however many others have been removed", function()
      for wish = 1, 100 do
        local other = client:subscribe("other/" .. wish)
        core:mail("granted", 1, wish, 1)
        assert.equal(1, other:granted())
        other:remove()
      end
      for wish = 101, 110 do
        local before = core.clock
        local subscription = client:subscribe("t/" .. wish)
        core:at(before + 1.0031, function()
          core:mail("granted", 1, wish, 1)
        end)
        assert.equal(1, subscription:granted())
        assert.near(before + 1.0031, core.clock, 1e-9)
        subscription:remove()
      end
    end)

    it("says why the broker refused, until it grants", function()
      local subscription = client:subscribe "t"
      core:mail("granted", 1, 1, nil, refusal)
      local qos, words, code, reason = subscription:granted()
      assert.is_nil(qos)
      assert.same({ "the broker refused t: not allowed", "refused", refusal }, { words, code, reason })
      core:mail("granted", 1, 1, 0)
      holdfast.sleep(0)
      assert.equal(0, subscription:granted())
    end)
  end)

  describe("removed", function()
    it("is told to the core once, lets go of all who wait, and of its messages", function()
      local subscription = client:subscribe "t"
      local answers = {}
      holdfast.run(function()
        holdfast.spawn(function()
          answers[1] = select(3, subscription:receive())
        end)
        holdfast.spawn(function()
          answers[2] = select(3, subscription:granted())
        end)
        holdfast.sleep(1)
        assert.is_true(subscription:remove())
        assert.is_true(subscription:remove())
        holdfast.sleep(0)
      end)
      assert.same({ "removed", "removed" }, answers)
      assert.equal("removed", select(3, subscription:receive()))
      assert.equal("removed", select(3, subscription:granted()))
      assert.same({ { "unsubscribe", 1 } }, handle:called "unsubscribe")
      send("late", 1)
      core:mail("granted", 1, 1, 0)
      holdfast.sleep(0)
      assert.equal(1, consumed())
      assert.equal("holdfast.subscription t (removed)", tostring(subscription))
    end)

    it("answers at once, however often it is asked, and keeps nobody who has asked", function()
      local loop = require "holdfast.loop"
      local subscription = client:subscribe "t"
      holdfast.sleep(1)
      subscription:remove()
      local calls, park, since = 0, loop.park, core.clock
      function loop.park(...)
        calls = calls + 1
        return park(...)
      end
      for _ = 1, 100 do
        assert.equal("removed", select(3, subscription:granted(5)))
        assert.equal("removed", select(3, subscription:receive(5)))
      end
      loop.park = park
      assert.same({ 0, since }, { calls, core.clock })
      assert.same({ 0, 0 }, { subscription.askers.last, subscription.readers.last })
      assert.is_nil(next(client.waiters))
    end)

    it("gives back what was buffered", function()
      local subscription = client:subscribe "t"
      holdfast.run(function()
        holdfast.spawn(function()
          for _ in subscription:messages() do
            holdfast.sleep(1)
            subscription:remove()
          end
        end)
        holdfast.sleep(0)
        send_many(1, 5)
        holdfast.sleep(0.5)
        assert.equal(1, consumed())
        holdfast.sleep(1)
      end)
      assert.equal(5, consumed())
    end)

    it("starts no ordered handler any more", function()
      client:subscribe("t", { ordered = true }, function(message, subscription)
        note(message.payload)
        holdfast.sleep(1)
        subscription:remove()
      end)
      send_many(1, 5)
      holdfast.sleep(5)
      assert.same({ "0 1" }, log)
      assert.equal(5, consumed())
    end)

    it("after close is no command any more", function()
      local subscription = client:subscribe "t"
      client:close()
      assert.is_true(subscription:remove())
      assert.same({}, handle:called "unsubscribe")
    end)
  end)
end)
