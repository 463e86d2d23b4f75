-- Every way in which a broker breaks the protocol by the order of its packets, in each state of our own link: its name,
-- its DISCONNECT code in MQTT 5 (section 4.13), and nothing on the wire in 3.1.1.
local bytes = require "spec.support.bytes"
local worlds = require "spec.support.scripted_world"

local hex, packet, text, two = bytes.hex, bytes.packet, bytes.text, bytes.two

for _, protocol in ipairs { 5, 4 } do
  describe("a broker that breaks the protocol, version " .. protocol, function()
    local world

    before_each(function() world = worlds.new { protocol = protocol, session_expiry = 60 } end)
    after_each(function() world:finish() end)

    -- Nothing but the end is told, and the broker is told why, if it can be.
    local function ends(kind, name, why, code, before)
      local told = world:told()
      assert.same({ ("%s %s: %s"):format(kind, name, why) }, { told[1] })
      assert.same(before or {}, { select(2, (table.unpack or unpack)(told)) })
      assert.same(protocol == 5 and { ("disconnect 0x%02X"):format(code) } or {}, world:sent())
      assert.equal(protocol == 5 and "leaves" or "aborted", (world.link:stream()))
      assert.equal(0, world.link:lent())
    end

    local BEFORE_CONNACK = {
      { "PUBLISH before CONNACK", function() return world:publish(0, nil, "a", "x") end },
      { "PUBLISH before CONNACK", function() return world:publish(1, 1, "a", "x") end },
      { "another packet before CONNACK", function() return world:ack("puback", 1) end },
      { "another packet before CONNACK", function() return world:suback(1) end },
      { "another packet before CONNACK", function() return world.PINGRESP end },
    }
    for number, case in ipairs(BEFORE_CONNACK) do
      it(("is left before CONNACK: %s (%d)"):format(case[1], number), function()
        world.link:open(world.options)
        world.link:opened()
        world.link:run()
        assert.same({ "connect" }, world:sent())
        world:get(case[2]())
        ends("failed", "protocol_error", case[1], 0x82)
      end)
    end

    it("is left for a session after a clean start", function()
      world.options.clean_start = true
      local told = world:connect { present = true }
      assert.same({ "failed session_mismatch" }, told)
      assert.same(protocol == 5 and { "disconnect 0x82" } or {}, world:sent())
    end)

    it("is left for what is malformed before CONNACK", function()
      world.link:open(world.options)
      world.link:opened()
      world.link:run()
      world:sent()
      world:get(hex "36")
      ends("failed", "malformed_packet", "PUBLISH with QoS 3", 0x81)
    end)

    it("is no broker's that begins with HTTP, however little of it there is", function()
      for _, words in ipairs { "H", "HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n\r\n" } do
        world.link:open(world.options)
        world.link:opened()
        world.link:run()
        world:sent()
        world:get(words)
        assert.same({ "failed closed_before_connack: who answered speaks HTTP: no broker, but maybe a captive portal" },
          (world:told()))
        assert.same({}, world:sent())
      end
    end)

    if protocol == 5 then
      it("is left for a Receive Maximum of 0", function()
        local told = world:connect { properties = "\33\0\0" }
        assert.same({ "failed protocol_error: CONNACK with a value of Receive Maximum that is not allowed" }, told)
        assert.same({ "disconnect 0x82" }, world:sent())
      end)
    end

    local UP = {
      { "protocol_error", 0x82, "a second CONNACK", function() return world:connack() end },
      { "malformed_packet", 0x81, "PUBLISH with QoS 3", function() return hex "36" end },
      { "malformed_packet", 0x81, "PUBLISH with a Topic Name that is not UTF-8, or has U+0000", function()
        return world:publish(0, nil, "a\0", "x")
      end },
      { "protocol_error", 0x82, "PUBLISH with a wildcard in its Topic Name", function()
        return world:publish(0, nil, "a/#", "x")
      end },
      { "protocol_error", 0x82, "PUBLISH with Packet Identifier 0", function()
        return world:publish(1, 0, "a", "x")
      end },
      { "protocol_error", 0x82, "PUBREL with Packet Identifier 0", function() return world:ack("pubrel", 0) end },
      { "malformed_packet", 0x81, "packet of the reserved type 0", function() return hex "00" end },
    }
    if protocol == 5 then
      UP[#UP + 1] = { "protocol_error", 0x82, "AUTH, which nobody has asked for", function()
        return packet(0xF0, "\24", bytes.measured(bytes.hex "15" .. text "SCRAM"))
      end }
      UP[#UP + 1] = { "protocol_error", 0x82, "PUBLISH with a topic alias that stands for nothing", function()
        return world:publish(0, nil, "", "x", { properties = "\35\0\1" })
      end }
      UP[#UP + 1] = { "protocol_error", 0x94, "PUBLISH with a topic alias above the maximum", function()
        return world:publish(1, 1, "a", "x", { properties = "\35\0\17" })
      end }
    else
      UP[#UP + 1] = { "malformed_packet", 0x81, "AUTH in MQTT 3.1.1", function() return hex "F0" end }
      UP[#UP + 1] = { "protocol_error", 0x82, "DISCONNECT from a broker of MQTT 3.1.1", function()
        return hex "E0 00"
      end }
    end
    for _, case in ipairs(UP) do
      it("is left: " .. case[3], function()
        world:connect()
        world:get(case[4]())
        ends("down", case[1], case[3], case[2])
      end)

      it("is left without another word while we leave: " .. case[3], function()
        world:connect()
        world.link:accept(0)
        world.link:close(0, -1, 1000)
        world:get(case[4]())
        local told = world:told()
        assert.equal(1, #told)
        assert.equal("closed closed:", told[1]:match "^%l+ %S+")
        assert.same({}, world:sent())
      end)
    end

    -- { name, QoS, packets before, the one that breaks it }
    local ANSWERS = {
      { "PUBACK for a PUBLISH of QoS 2", 2, {}, "puback" },
      { "PUBREC or PUBCOMP for a PUBLISH of QoS 1", 1, {}, "pubrec" },
      { "PUBREC or PUBCOMP for a PUBLISH of QoS 1", 1, {}, "pubcomp" },
      { "PUBCOMP before PUBREC", 2, {}, "pubcomp" },
    }
    for _, case in ipairs(ANSWERS) do
      it("is left: " .. case[1] .. ", " .. case[4], function()
        world:connect()
        world.link:publish(1, "a", "x", case[2])
        world.link:run()
        local id = world.id_of(world:sent())
        world:get(world:ack(case[4], id))
        local told, mails = world:told()
        assert.same({ "down protocol_error: " .. case[1], "delivered 1 lost carried" }, told)
        assert.is_true(mails[1].about_publish)
        assert.same(protocol == 5 and { "disconnect 0x82" } or {}, world:sent())
        -- The next connection is not about that publish any more.
        world:connect { present = true }
        world:get(hex "36")
        told, mails = world:told()
        assert.same({ "down malformed_packet: PUBLISH with QoS 3" }, told)
        assert.is_false(mails[1].about_publish)
      end)
    end

    it("is left for an answer to a PUBLISH that has not gone out", function()
      world:connect()
      world.link:accept(5)
      world.link:publish(1, "a", ("x"):rep(100), 1)
      world.link:run()
      assert.same({}, world:sent())
      for guess = 1, 65535 do
        world.link:feed(world:ack("puback", guess))
      end
      world.link:run()
      assert.same({ "down protocol_error: an answer to a PUBLISH that has not gone out", "delivered 1 lost carried" },
        (world:told()))
    end)

    it("is left for SUBACK for an UNSUBSCRIBE, and UNSUBACK for a SUBSCRIBE", function()
      world:connect()
      world.link:unsubscribe(1, "a")
      world.link:run()
      world:get(world:suback(world.id_of(world:sent())))
      ends("down", "protocol_error", "SUBACK for an UNSUBSCRIBE", 0x82)
      world:connect()
      world.link:subscribe(1, "a")
      world.link:run()
      world:get(world:unsuback(world.id_of(world:sent())))
      ends("down", "protocol_error", "UNSUBACK for a SUBSCRIBE", 0x82)
    end)

    it("is left for an answer to one filter with two codes", function()
      world:connect()
      world.link:subscribe(1, "a")
      world.link:run()
      local id = world.id_of(world:sent())
      world:get(packet(0x90, two(id), protocol == 5 and "\0" or "", "\0\0"))
      ends("down", "protocol_error", "an answer with more reason codes than filters were asked for", 0x82)
    end)

    it("is left when it goes on and on about ids that nobody knows, and reads no answer", function()
      world:connect()
      world.link:accept(0)
      world.link:feed(world:ack("pubrel", 7):rep(1024))
      world.link:run()
      assert.same({}, (world:told()))
      world:get(world:ack("pubrec", 8))
      assert.same({ "down protocol_error: more than 1,024 answers to unknown packet ids" }, (world:told()))
    end)

    it("is answered about ids that nobody knows as long as it reads", function()
      world:connect()
      for _ = 1, 30 do
        world:get(world:ack("pubrel", 7):rep(100))
      end
      assert.same({}, (world:told()))
      local sent = world:sent()
      assert.equal(3000, #sent)
      assert.equal(protocol == 5 and "pubcomp 7 0x92" or "pubcomp 7", sent[3000])
    end)
  end)
end
