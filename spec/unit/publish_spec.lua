-- publish and post: arguments, the line for room, outcomes, withdrawal, on a virtual clock.
local fake_core = require "spec.support.fake_core"

describe("publishing", function()
  local core, holdfast, client, handle, log

  before_each(function()
    core, holdfast = fake_core.install()
    client = holdfast.new { server = "mqtt://localhost" }
    handle = core.clients[1]
    log = {}
  end)

  after_each(fake_core.remove)

  local function note(...)
    local words = { ("%g"):format(core.clock) }
    for i = 1, select("#", ...) do
      words[i + 1] = tostring((select(i, ...)))
    end
    log[#log + 1] = table.concat(words, " ")
  end

  local function topics()
    local list = {}
    for i, call in ipairs(handle:called "post") do
      list[i] = call[2]
    end
    return table.concat(list, " ")
  end

  describe("refuses", function()
    local cases = {
      { { 5, "" }, "topic must be a string, got 5" },
      { { nil, "" }, "topic must be a string, got nothing" },
      { { "", "" }, 'topic must not be empty, got ""' },
      { { "a/+/b", "" }, "topic must not contain the wildcards '+' and '#', got \"a/+/b\"" },
      { { "a/#", "" }, "topic must not contain the wildcards '+' and '#', got \"a/#\"" },
      { { "a\0b", "" }, 'topic must not contain a NUL character, got "a\\x00b"' },
      { { "junk/topic\t", "" }, 'topic must not contain control characters, got "junk/topic\\x09"' },
      { { "\239\191\191", "" }, 'topic must not contain code points that are no characters, got "\\xef\\xbf\\xbf"' },
      { { "t", "", { properties = { content_type = "text/plain\r" } } },
        'properties of a publish: content_type must not contain control characters, got "text/plain\\x0d"' },
      { { "t", "", { properties = { response_topic = "r\127" } } },
        'properties of a publish: response_topic must not contain control characters, got "r\\x7f"' },
      { { "t", "", { properties = { user = { a = "b\n" } } } },
        'properties of a publish: user: a name or value must not contain control characters, got "b\\x0a"' },
      { { "t", "", { properties = { user = { { "a\194\159", "b" } } } } },
        'properties of a publish: user: a name or value must not contain control characters, got "a\\xc2\\x9f"' },
      { { "\237\160\128", "" }, 'topic must be valid UTF-8, got "\\xed\\xa0\\x80"' },
      { { ("x"):rep(65536), "" }, 'topic must not be longer than 65,535 bytes, got "' .. ("x"):rep(48)
        .. '" ... (65,536 bytes)' },
      { { "t" }, "payload must be a string, got nothing" },
      { { "t", 5 }, "payload must be a string, got 5" },
      { { "t", {} }, "payload must be a string, got an empty table" },
      { { "t", "", 1 }, "options must be a table, got 1" },
      { { "t", "", { qos = 3 } }, "qos must be 0, 1 or 2, got 3" },
      { { "t", "", { qos = "1" } }, 'qos must be 0, 1 or 2, got "1"' },
      { { "t", "", { retain = 1 } }, "retain must be true or false, got 1" },
      { { "t", "", { ttl = 0 } }, "ttl must be a number of seconds above 0 and up to 4,294,967, got 0" },
      { { "t", "", { retian = true } }, 'unknown option "retian"; did you mean "retain"?' },
      { { "t", "", { properties = 1 } }, "properties must be a table, got 1" },
      { { "t", "", { properties = { will_delay = 1 } } }, 'properties of a publish: unknown property "will_delay"; '
        .. "known are content_type, response_topic, correlation_data, message_expiry, payload_format and user" },
      { { "t", "", { properties = { response_topic = "a/#" } } },
        "properties of a publish: response_topic must not contain the wildcards '+' and '#', got \"a/#\"" },
      { { "t", "", { properties = { message_expiry = 0.5 } } }, "properties of a publish: message_expiry must be a "
        .. "whole number of seconds from 0 to 4,294,967,295, got 0.5" },
      { { "t", "", { properties = { payload_format = "text" } } },
        'properties of a publish: payload_format must be "utf8" or "bytes", got "text"' },
      { { "t", "", { properties = { correlation_data = 5 } } },
        "properties of a publish: correlation_data must be a string, got 5" },
      { { "t", "", { properties = { user = { 5 } } } },
        "properties of a publish: user must be { name = value } or a list of { name, value }, got 5 in place 1" },
    }
    for _, case in ipairs(cases) do
      it(case[2]:sub(1, 70), function()
        for _, method in ipairs { "publish", "post" } do
          assert.has_error(function() client[method](client, case[1][1], case[1][2], case[1][3]) end,
            method .. ": " .. case[2])
        end
        assert.same({}, handle.calls)
      end)
    end

    it("what is no time, and a timeout for post, which never waits", function()
      for value, shown in pairs { [-1] = "-1", [math.huge] = "infinity", ["5"] = '"5"' } do
        assert.has_error(function() client:publish("t", "", { timeout = value }) end,
          "publish: timeout must be a number of seconds from 0 to 4,294,967, got " .. shown)
      end
      assert.has_error(function() client:publish("t", "", { timeout = 0 / 0 }) end,
        "publish: timeout must be a number of seconds from 0 to 4,294,967, got NaN")
      assert.has_error(function() client:post("t", "", { timeout = 1 }) end,
        'post: unknown option "timeout"; known are qos, retain, properties, ttl and priority')
    end)

    it("a payload beyond what a packet can hold", function()
      local huge = "x"
      for _ = 1, 28 do
        huge = huge .. huge
      end
      huge = huge:sub(1, 268435447)
      assert.has_error(function() client:post("t", huge) end, "post: payload must leave the packet at 268,435,455 "
        .. "bytes or less (MQTT 5 section 1.5.5), got 268,435,447 bytes")
      assert.equal(1, client:post("t", huge:sub(2)))
      handle.calls = {}
      collectgarbage()
    end)

    it("properties on 3.1.1", function()
      local old = holdfast.new { server = "x", protocol = 4 }
      assert.has_error(function() old:post("t", "", { properties = {} }) end, "post: properties need protocol = 5")
    end)

    it("at the caller's line", function()
      local fine, err = pcall(function()
        client:publish("", "")
      end)
      assert.is_false(fine)
      assert.matches("publish_spec.lua:%d+: publish: topic must", err)
    end)
  end)

  describe("with post", function()
    it("hands everything to the core and answers the id", function()
      assert.equal(1, client:post("t", "p\0q"))
      assert.equal(2, client:post("t", "", { qos = 2, retain = true, properties = { content_type = "x",
        user = { b = "2", a = "1" } } }))
      assert.same({ "post", "t", "p\0q", 0 }, handle.calls[1])
      assert.same({ "post", "t", "", 2, true, { content_type = "x", user = { { "a", "1" }, { "b", "2" } } } },
        handle.calls[2])
    end)

    it("never waits: a full queue is an answer", function()
      handle.room = 1
      assert.equal(1, client:post("t", ""))
      local id, message, code = client:post("t", "")
      assert.is_nil(id)
      assert.same({ "the queue is full", "queue_full" }, { message, code })
      assert.equal(0, core.clock)
    end)

    it("asks for the outcome when somebody listens", function()
      client:post("t", "")
      local function handler() end
      client:on("dropped", handler)
      client:post("t", "")
      client:off("dropped", handler)
      client:post("t", "")
      client:on("delivered", handler)
      client:post("t", "")
      local asked = {}
      for i, call in ipairs(handle:called "post") do
        asked[i] = call[7] and true or false
      end
      assert.same({ false, true, false, true }, asked)
    end)

    it("tells the outcome as an event", function()
      client:on("delivered", function(event)
        note("delivered", event.id, event.reason and event.reason.name)
      end)
      client:on("dropped", function(event)
        note("dropped", event.id, event.why, event.reason and event.reason.name)
      end)
      core:mail("outcome", 1, 1, true, nil, nil)
      core:mail("outcome", 1, 2, true, nil, { name = "no_matching_subscribers" })
      core:mail("outcome", 1, 3, false, "refused", { name = "not_authorized" })
      core:mail("outcome", 1, 4, false, "too_large", nil)
      holdfast.sleep(0)
      assert.same({ "0 delivered 1 nil", "0 delivered 2 no_matching_subscribers", "0 dropped 3 refused not_authorized",
        "0 dropped 4 too_large nil" }, log)
    end)
  end)

  describe("with publish", function()
    local function outcome(seconds, id, ...)
      local answer = { n = select("#", ...), ... }
      core:at(seconds, function()
        core:mail("outcome", 1, id, (table.unpack or unpack)(answer, 1, answer.n))
      end)
    end

    it("waits for the outcome, whatever the order", function()
      outcome(1, 2, true)
      outcome(2, 1, true, nil, { name = "no_matching_subscribers" })
      holdfast.run(function()
        holdfast.spawn(function()
          note("first", client:publish("a", "", { qos = 1 }))
        end)
        holdfast.spawn(function()
          note("second", client:publish("b", "", { qos = 1 }))
        end)
        holdfast.sleep(3)
      end)
      assert.equal("1 second true", log[1])
      assert.matches("^2 first true table:", log[2])
      assert.equal("await", handle:called("post")[1][7])
      assert.same({}, client.outcomes)
    end)

    it("is no event", function()
      client:on("delivered", note):on("dropped", note)
      outcome(1, 1, true)
      outcome(2, 2, false, "refused", { name = "not_authorized", text = "not allowed" })
      assert.is_true(client:publish("t", ""))
      local fine, message, code, reason = client:publish("t", "")
      assert.is_nil(fine)
      assert.same({ "not allowed", "refused", "not_authorized" }, { message, code, reason.name })
      assert.same({}, log)
    end)

    for code, words in pairs {
      closed = "the client is closed",
      too_large = "the message is larger than the broker takes (its Maximum Packet Size)",
      qos_not_supported = "the broker does not take this QoS (its Maximum QoS)",
      retain_not_supported = "the broker keeps no retained messages",
      refused = "the broker refused the message",
      overflow = "the queue is full, and this message was the one to go (queue.overflow)",
      expired = "the message could not be sent in time (its ttl or message_expiry)",
    } do
      it("says why it was dropped: " .. code, function()
        outcome(1, 1, false, code)
        local fine, message, why = client:publish("t", "")
        assert.is_nil(fine)
        assert.same({ words, code }, { message, why })
      end)
    end

    it("withdraws what is not sent at the timeout", function()
      handle.withdraw = function(_, id)
        note("withdraw", id)
        outcome(2.5, id, false, "withdrawn")
      end
      local fine, message, code, what = client:publish("t", "", { timeout = 2 })
      assert.is_nil(fine)
      assert.same({ "not delivered within 2 s", "timeout", "withdrawn" }, { message, code, what })
      assert.same({ "2 withdraw 1" }, log)
      assert.equal(2.5, core.clock)
      assert.same({}, client.outcomes)
    end)

    it("says when it had been sent at the timeout, and is done with it", function()
      client:on("delivered", note):on("dropped", note)
      handle.withdraw = function(_, id)
        core:mail("not_withdrawn", 1, id)
      end
      local fine, _, code, what = client:publish("t", "", { timeout = 2 })
      assert.is_nil(fine)
      assert.same({ "timeout", "sent" }, { code, what })
      outcome(3, 1, true)
      holdfast.sleep(5)
      assert.same({}, log)
      assert.same({}, client.outcomes)
    end)

    it("is delivered after all if the answer crosses the timeout", function()
      handle.withdraw = function(_, id)
        core:mail("outcome", 1, id, true)
        core:mail("not_withdrawn", 1, id)
      end
      assert.is_true(client:publish("t", "", { timeout = 2 }))
      holdfast.sleep(1)
    end)

    it("answers closed if the client is closed while it withdraws", function()
      handle.withdraw = function()
        core:mail("event", 1, "closed", {})
      end
      assert.equal("closed", select(3, client:publish("t", "", { timeout = 2 })))
    end)

    it("waits for room in line, and keeps the line over several rounds", function()
      handle.room = 1
      for id = 1, 4 do
        outcome(5 + id, id, true)
      end
      core:at(1, function()
        handle.room = 2
        core:mail("room", 1)
      end)
      core:at(2, function()
        handle.room = 5
        core:mail("room", 1)
      end)
      holdfast.run(function()
        for _, topic in ipairs { "a", "b", "c", "d" } do
          holdfast.spawn(function()
            note(topic, client:publish(topic, ""))
          end)
        end
        holdfast.sleep(0.5)
        assert.equal("a", topics())
        holdfast.sleep(1)
        assert.equal("a b c", topics())
        handle.room = 1 -- a late comer may not jump the line
        holdfast.spawn(function()
          client:publish("e", "")
        end)
        holdfast.sleep(0)
        assert.equal("a b c", topics())
        holdfast.sleep(8)
        assert.equal("a b c d e", topics())
      end)
      assert.same({ "6 a true", "7 b true", "8 c true", "9 d true" }, { log[1]:sub(1, 8), log[2]:sub(1, 8),
        log[3]:sub(1, 8), log[4]:sub(1, 8) })
    end)

    it("gives up its place in line at the timeout", function()
      handle.room = 0
      local answers = {}
      holdfast.run(function()
        for i, timeout in ipairs { 3, 1, 2 } do
          holdfast.spawn(function()
            answers[i] = { select(2, client:publish("t" .. i, "", { timeout = timeout })) }
            note(i)
          end)
        end
        holdfast.sleep(2.5)
        handle.room = 5
        core:mail("room", 1)
        holdfast.sleep(0)
        assert.equal("t1", topics())
        core:mail("outcome", 1, 1, false, "refused")
        holdfast.sleep(0)
      end)
      assert.same({ "the broker refused the message", "refused" }, answers[1])
      assert.same({ "no room in the queue within 1 s", "timeout", "withdrawn" }, answers[2])
      assert.same({ "no room in the queue within 2 s", "timeout", "withdrawn" }, answers[3])
      assert.is_nil(client.line[client.line.first])
    end)

    it("forgets those who have given up even if there is never any room", function()
      handle.room = 0
      for _ = 1, 20 do
        assert.equal("timeout", select(3, client:publish("t", "", { timeout = 1 })))
      end
      local left = 0
      for key in pairs(client.line) do
        left = left + (type(key) == "number" and 1 or 0)
      end
      assert.equal(0, left)
    end)

    it("answers what the core says when there is room for it no more", function()
      handle.room = 0
      core:at(1, function()
        handle.post = function()
          return nil, "the client is closed", "closed"
        end
        core:mail("room", 1)
      end)
      assert.equal("closed", select(3, client:publish("t", "")))
      assert.equal(1, core.clock)
    end)

    it("answers closed to all who wait when the client is closed", function()
      handle.room = 1
      core:at(1, function()
        core:mail("event", 1, "closed", {})
      end)
      local codes = {}
      holdfast.run(function()
        for i = 1, 3 do
          holdfast.spawn(function()
            codes[i] = select(3, client:publish("t", ""))
          end)
        end
        holdfast.sleep(2)
      end)
      assert.same({ "closed", "closed", "closed" }, codes)
    end)

    it("says why it was dropped, though the timeout was over in that moment", function()
      core:at(2, function()
        core.clock = 3 -- the loop was busy elsewhere
        core:mail("outcome", 1, 1, false, "expired")
      end)
      assert.equal("expired", select(3, client:publish("t", "", { timeout = 2.5 })))
    end)

    it("tells the core how long it may wait and how long it has waited in line", function()
      handle.room = 1
      core:at(1.5, function()
        handle.room = 1
        core:mail("room", 1)
      end)
      outcome(0.5, 1, true)
      outcome(2, 2, true)
      holdfast.run(function()
        holdfast.spawn(client.publish, client, "a", "", { ttl = 0.0001 })
        holdfast.sleep(0)
        assert.is_true(client:publish("b", "", { ttl = 4.25, timeout = 10 }))
      end)
      local first, second = handle:called("post")[1], handle:called("post")[2]
      assert.same({ 1 }, { first[8], first[9] })
      assert.same({ 4250, 1500 }, { second[8], second[9] })
    end)

    it("has the time that the queue gives, unless it brings its own", function()
      client = holdfast.new { server = "x", queue = { ttl = 60 } }
      handle = core.clients[2]
      client:post("t", "")
      client:post("t", "", { ttl = 5 })
      holdfast.spawn(client.publish, client, "t", "")
      holdfast.sleep(0)
      local times = {}
      for i, call in ipairs(handle:called "post") do
        times[i] = call[8]
      end
      assert.same({ 60000, 5000, 60000 }, times)
    end)

    it("expires in line", function()
      handle.room = 0
      local answers = {}
      local function attempt(given)
        holdfast.spawn(function()
          local _, _, code = client:publish("t", "", given)
          answers[#answers + 1] = ("%g %s"):format(core.clock, code)
        end)
      end
      holdfast.run(function()
        attempt { ttl = 3 }
        attempt { ttl = 9, properties = { message_expiry = 2 } }
        attempt { properties = { message_expiry = 0 } }
        attempt { ttl = 5, timeout = 4 }
        attempt { timeout = 5, ttl = 5 }
        holdfast.sleep(10)
      end)
      assert.same({ "1 expired", "2 expired", "3 expired", "4 timeout", "5 expired" }, answers)
      assert.same({}, handle:called "post")
      assert.is_nil(client.line[client.line.first])
    end)

    it("has what is left of its timeout once there is room", function()
      handle.room = 0
      core:at(3, function()
        handle.room = 1
        core:mail("room", 1)
      end)
      handle.withdraw = function(_, id)
        note("withdraw", id)
        core:mail("outcome", 1, id, false, "withdrawn")
      end
      local _, message, code, what = client:publish("t", "", { timeout = 5 })
      assert.same({ "not delivered within 5 s", "timeout", "withdrawn" }, { message, code, what })
      assert.same({ "5 withdraw 1" }, log)
    end)

    it("that has given up in this very moment is not sent", function()
      handle.room = 0
      core:at(2, function()
        handle.room = 5
        core:mail("room", 1)
      end)
      holdfast.run(function()
        for _, topic in ipairs { "a", "b" } do
          holdfast.spawn(function()
            note(topic, select(3, client:publish(topic, "", { timeout = 2 })))
            core.clock = core.clock + 1 -- the room comes before the loop has come to the second
          end)
        end
        holdfast.sleep(5)
      end)
      assert.same({ "2 a timeout withdrawn", "3 b timeout withdrawn" }, log)
      assert.equal("", topics())
    end)

    it("of a coroutine that has ended takes nobody's place", function()
      handle.room = 0
      holdfast.run(function()
        holdfast.spawn(function()
          client:publish("gone", "")
        end)
        holdfast.sleep(0)
      end)
      core:at(1, function()
        handle.room = 1
        core:mail("room", 1)
      end)
      outcome(2, 1, true)
      assert.is_true(client:publish("t", ""))
      assert.equal("t", topics())
    end)
  end)
end)
