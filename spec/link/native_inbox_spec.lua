-- What our own link owes for the messages that come: order, on which connection, and when there is no room.
local worlds = require "spec.support.scripted_world"

for _, protocol in ipairs { 5, 4 } do
  describe("acknowledgements of our own link, version " .. protocol, function()
    local world, link

    local function begin(options)
      options.protocol = protocol
      world = worlds.new(options)
      link = world.link
      world:connect()
    end

    before_each(function() begin { session_expiry = 60 } end)
    after_each(function() world:finish() end)

    local function lose()
      link:finish()
      link:run()
    end

    local function code(text, number)
      return protocol == 5 and ("%s 0x%02X"):format(text, number) or text
    end

    it("go out in the order of arrival, a QoS by itself", function()
      world:get(world:publish(1, 11, "a", "one"), world:publish(2, 21, "a", "two"), world:publish(1, 12, "a", "three"),
        world:publish(2, 22, "a", "four"))
      assert.same({ "message one q1 r1", "message two q2 r1", "message three q1 r2", "message four q2 r2" },
        (world:told()))
      assert.same({}, world:sent())
      link:acknowledge(2, 2)
      link:run()
      assert.same({ "pubrec 21", "pubrec 22" }, world:sent())
      link:acknowledge(1, 1)
      link:acknowledge(1, 1)
      link:run()
      assert.same({ "puback 11" }, world:sent())
      link:acknowledge(1, 2)
      link:run()
      assert.same({ "puback 12" }, world:sent())
      assert.equal(0, link:figures().open)
    end)

    it("PUBREL is answered at once, whatever is held", function()
      world:get(world:publish(2, 21, "a", "x"))
      link:acknowledge(2, 1)
      link:allow(0)
      world:get(world:publish(1, 1, "a", "held"), world:ack("pubrel", 21), world:ack("pubrel", 21))
      assert.same({ "message x q2 r1" }, (world:told()))
      assert.same({ "pubrec 21", "pubcomp 21", code("pubcomp 21", 0x92) }, world:sent())
    end)

    it("no more are told than is allowed, in the order of arrival over both QoS", function()
      link:allow(2)
      world:get(world:publish(2, 1, "a", "1"), world:publish(1, 1, "a", "2"), world:publish(1, 2, "a", "3"),
        world:publish(2, 2, "a", "4"), world:publish(0, nil, "a", "5"))
      assert.same({ "message 1 q2 r1", "message 2 q1 r1", "message 5 q0" }, (world:told()))
      assert.equal(2, link:figures().held_messages)
      link:allow(1)
      assert.same({ "message 3 q1 r2" }, (world:told()))
      link:allow(0)
      assert.same({}, (world:told()))
      link:allow(5)
      assert.same({ "message 4 q2 r2" }, (world:told()))
      assert.same({ 0, 0, 4 }, { link:figures().held_messages, link:figures().held_bytes, link:figures().open })
    end)

    for _, qos in ipairs { 1, 2 } do
      local receipt = qos == 1 and "puback 7" or "pubrec 7"

      it("of QoS " .. qos .. " stays away from a connection on which its PUBLISH has not come", function()
        world:get(world:publish(qos, 7, "a", "x"))
        lose()
        world:connect { present = true }
        link:acknowledge(qos, 1)
        link:run()
        assert.same({}, world:sent())
        world:get(world:publish(qos, 7, "a", "x", { dup = true }))
        assert.same({ receipt }, world:sent())
        assert.same({}, (world:told()))
      end)

      it("of QoS " .. qos .. " moves to the connection on which its PUBLISH comes again", function()
        world:get(world:publish(qos, 7, "a", "x"))
        world:told()
        lose()
        world:connect { present = true }
        world:get(world:publish(qos, 7, "a", "x", { dup = true }))
        assert.same({}, (world:told()))
        assert.same({}, world:sent())
        link:acknowledge(qos, 1)
        link:run()
        assert.same({ receipt }, world:sent())
      end)

      it("of QoS " .. qos .. " is one, though its PUBLISH comes twice on one connection", function()
        link:allow(0)
        world:get(world:publish(qos, 7, "a", "x"), world:publish(qos, 7, "a", "x"))
        link:allow(9)
        world:get(world:publish(qos, 7, "a", "x", { dup = true }))
        assert.same({ "message x q" .. qos .. " r1" }, (world:told()))
        link:acknowledge(qos, 1)
        link:run()
        assert.same({ receipt }, world:sent())
      end)

      it("of QoS " .. qos .. " is never given once the session is gone, and a new message has its id", function()
        link:allow(1)
        world:get(world:publish(qos, 7, "a", "x"), world:publish(qos, 8, "a", "y"))
        world:told()
        lose()
        world:connect { present = false }
        assert.same({}, (world:told()))
        world:get(world:publish(qos, 7, "a", "x"))
        link:allow(9)
        assert.same({ "message y q" .. qos .. " r2", "message x q" .. qos .. " r3" }, (world:told()))
        link:acknowledge(qos, 2)
        link:run()
        assert.same({}, world:sent())
        link:acknowledge(qos, 3)
        link:run()
        assert.same({ receipt }, world:sent())
      end)

      it("of QoS " .. qos .. " is of a new message when another one comes under its id", function()
        world:get(world:publish(qos, 7, "a", "x"))
        lose()
        world:connect { present = true }
        world:get(world:publish(qos, 7, "a", "other"))
        assert.same({ "message other q" .. qos .. " r2" }, (world:told()))
      end)

      it("of QoS " .. qos .. " is given where another message comes under its id, which is fetched anew", function()
        world:get(world:publish(qos, 7, "a", "x"), world:publish(qos, 8, "a", "y"), world:publish(qos, 9, "a", "z"),
          world:publish(qos, 7, "a", "other"), world:publish(qos, 10, "a", "after"))
        assert.equal(3, #(world:told()))
        assert.equal(2, link:figures().forgotten)
        link:acknowledge(qos, 1)
        link:allow(9)
        link:run()
        assert.same({ receipt }, world:sent())
        assert.same({}, (world:told())) -- half of those that were there must have gone first
        link:acknowledge(qos, 2)
        link:allow(9)
        if qos == 1 then world:get(world.PINGRESP) end
        assert.same({ "renew" }, (world:told()))
        link:close(0, -1, 1000)
        link:finish()
        link:run()
        world:told()
        world:connect { present = true }
        if qos == 2 then
          world:get(world:ack("pubrel", 7), world:ack("pubrel", 8))
        end
        world:get(world:publish(qos, 9, "a", "z", { dup = true }), world:publish(qos, 7, "a", "other", { dup = true }),
          world:publish(qos, 10, "a", "after"))
        assert.same({ ("message other q%d r4"):format(qos), ("message after q%d r5"):format(qos) }, (world:told()))
        assert.equal(2, link:figures().forgotten)
        world:sent()
        link:acknowledge(qos, 4)
        link:run()
        assert.same({ (receipt:gsub("7", "9")), receipt }, world:sent())
      end)

      it("of QoS " .. qos .. ": without a session the newer one of an id is told at once", function()
        world:finish()
        begin { session_expiry = 0 }
        world:get(world:publish(qos, 7, "a", "x"), world:publish(qos, 7, "a", "other"))
        assert.equal(2, #(world:told()))
        link:acknowledge(qos, 2)
        link:run()
        assert.same({ receipt }, world:sent())
      end)

      it("of QoS " .. qos .. ": what was done while nothing was connected is answered when it comes again", function()
        world:get(world:publish(qos, 7, "a", "x"), world:publish(qos, 8, "a", "y"))
        lose()
        link:acknowledge(qos, 2)
        world:told()
        world:connect { present = true }
        world:get(world:publish(qos, 7, "a", "x", { dup = true }), world:publish(qos, 8, "a", "y", { dup = true }))
        assert.same({}, (world:told()))
        assert.same({ receipt, (receipt:gsub("7", "8")) }, world:sent())
      end)
    end

    it("QoS 2 is told once between PUBREC and PUBREL, over any number of connections", function()
      world:get(world:publish(2, 7, "a", "x"))
      link:acknowledge(2, 1)
      world:get(world:publish(2, 7, "a", "x", { dup = true }))
      lose()
      world:told()
      world:connect { present = true }
      world:get(world:publish(2, 7, "a", "x", { dup = true }))
      assert.same({ "pubrec 7" }, world:sent())
      world:get(world:ack("pubrel", 7))
      assert.same({ "pubcomp 7" }, world:sent())
      assert.same({}, (world:told()))
      world:get(world:publish(2, 7, "a", "x"))
      assert.same({ "message x q2 r2" }, (world:told()))
    end)

    it("an id whose PUBREL has not come is not another message's on that connection, but may be on the next", function()
      world:get(world:publish(2, 7, "a", "x"))
      link:acknowledge(2, 1)
      world:get(world:publish(2, 7, "a", "other"))
      assert.same({ "message x q2 r1", "renew" }, (world:told()))
      assert.same({ "pubrec 7" }, world:sent())
      link:close(0, -1, 1000)
      link:finish()
      link:run()
      world:told()
      world:connect { present = true }
      world:get(world:publish(2, 7, "a", "other"))
      assert.same({ "message other q2 r2" }, (world:told()))
    end)

    it("an id whose PUBREC has gone out again is not another message's on that connection either", function()
      world:get(world:publish(2, 7, "a", "x"))
      link:acknowledge(2, 1)
      lose()
      world:told()
      world:connect { present = true }
      world:get(world:publish(2, 7, "a", "x", { dup = true }), world:publish(2, 7, "a", "other"))
      assert.same({ "pubrec 7" }, world:sent())
      assert.same({ "renew" }, (world:told()))
      assert.equal(1, link:figures().forgotten)
      world:get(world:ack("pubrel", 7))
      assert.same({ "pubcomp 7" }, world:sent())
    end)

    it("PUBREL for what we have not answered is unknown, and ends its exchange", function()
      world:get(world:publish(2, 7, "a", "x"), world:ack("pubrel", 7))
      assert.same({ code("pubcomp 7", 0x92) }, world:sent())
      link:acknowledge(2, 1)
      link:run()
      assert.same({}, world:sent())
    end)

    it("nothing follows DISCONNECT", function()
      world:get(world:publish(1, 1, "a", "1"), world:publish(2, 2, "a", "2"), world:publish(2, 3, "a", "3"))
      link:acknowledge(2, 1)
      link:run()
      world:sent()
      link:publish(1, "a", "x", 2)
      link:run()
      local id = world.id_of(world:sent())
      world:told()
      link:accept(0)
      link:close(0, -1, 1000)
      world:get(world:ack("pubrel", 2), world:ack("pubrec", id), world:publish(2, 3, "a", "3", { dup = true }),
        world:ack("pubrec", 999), world:ack("pubrel", 998))
      link:acknowledge(1, 1)
      link:acknowledge(2, 2)
      link:accept()
      link:run()
      assert.same({ "disconnect" }, world:sent())
      link:finish()
      link:run()
      world:connect { present = true }
      assert.same({ "pubrel " .. id }, world:sent())
      world:get(world:publish(1, 1, "a", "1", { dup = true }), world:publish(2, 3, "a", "3", { dup = true }))
      assert.same({ "puback 1", "pubrec 3" }, world:sent())
    end)

    describe("where there is no room", function()
      local BIG = ("x"):rep(1000)

      local function fill(session_expiry)
        world:finish()
        begin { session_expiry = session_expiry, hold_bytes = 3000 }
        link:allow(0)
        for id = 1, 10 do
          world:get(world:publish(1 + id % 2, id, "a", BIG))
        end
      end

      it("messages are forgotten, and fetched by a new connection, once and when it helps", function()
        fill(60)
        local figures = link:figures()
        assert.same({}, world:sent())
        local held = figures.held_messages
        assert.equal(3, held)
        assert.same({ 10 - held, 0 }, { figures.forgotten, figures.dropped })
        -- All that follows on this connection is forgotten, even if there were room; QoS 0 and PUBREL go on.
        link:allow(1)
        world:get(world:publish(1, 20, "a", "small"), world:publish(0, nil, "a", "0"), world:ack("pubrel", 9))
        assert.same({ code("pubcomp 9", 0x92) }, world:sent())
        assert.equal(11 - held, link:figures().forgotten)
        assert.equal(2, #(world:told())) -- half of it must have gone first
        link:allow(1)
        local told = world:told()
        assert.equal("renew", told[#told])
        link:allow(1)
        assert.equal(1, #(world:told()))
        link:allow(9)
        world:get(world:publish(1, 21, "a", "small"))
        assert.same({}, (world:told()))
        -- The next connection takes again.
        link:close(0, -1, 1000)
        link:finish()
        link:run()
        world:told()
        world:connect { present = true }
        world:get(world:publish(1, 20, "a", "small"))
        assert.same(1, #(world:told()))
      end)

      for qos = 1, 2 do
        it("a publish of ours that is on its way is answered first, QoS " .. qos, function()
          fill(60)
          assert.is_true(link:publish(1, "a", "p", qos))
          link:run()
          local id = world.id_of(world:sent())
          link:allow(2)
          assert.equal(2, #(world:told())) -- half has gone, and nothing is asked for
          assert.is_false(link:publish(2, "a", "p", 1)) -- which would be the next one to wait for
          assert.is_true(link:publish(3, "a", "p", 0))
          link:run()
          world:told()
          if qos == 2 then
            world:get(world:ack("pubrec", id))
            assert.same({}, (world:told()))
          end
          world:get(world:ack(qos == 1 and "puback" or "pubcomp", id))
          assert.same({ "delivered 1 ok", "renew" }, (world:told()))
        end)
      end

      it("a publish of ours that is not answered has a moment, and goes again by the next connection", function()
        fill(60)
        assert.is_true(link:publish(2, "a", "p", 1))
        link:run()
        local other = world.id_of(world:sent())
        assert.is_true(link:publish(1, "a", "p", 1))
        link:run()
        world:sent()
        link:allow(2)
        world:told()
        link:run(1900)
        world:get(world:ack("puback", other))
        assert.same({ "delivered 2 ok" }, (world:told()))
        link:run(1900)
        assert.same({}, (world:told()))
        link:run(200)
        assert.same({ "renew" }, (world:told()))
        link:close(0, -1, 1000)
        link:finish()
        link:run()
        assert.same({ "closed closed", "delivered 1 lost carried" }, (world:told()))
        world:connect { present = true }
        assert.is_true(link:again(1))
      end)

      it("no connection is asked for while nothing is taken", function()
        fill(60)
        link:allow(9)
        world:told()
        link:close(0, -1, 1000)
        link:finish()
        link:run()
        world:connect { present = true }
        link:allow(0)
        for id = 30, 40 do
          world:get(world:publish(1, id, "a", BIG))
        end
        link:allow(0)
        assert.same({}, (world:told()))
        link:allow(9)
        local told = world:told()
        assert.equal("renew", told[#told])
      end)

      it("messages without a session are acknowledged, dropped and counted", function()
        fill(0)
        local figures = link:figures()
        assert.same({ 0, 10 - figures.held_messages }, { figures.forgotten, figures.dropped })
        assert.equal(10 - figures.held_messages, #world:sent())
        world:get(world:publish(2, 9, "a", BIG, { dup = true }), world:ack("pubrel", 9))
        link:allow(9)
        for _, words in ipairs((world:told())) do
          assert.is_truthy(words:match "^message")
        end
      end)
    end)

    if protocol == 5 then
      local function with(alias)
        return { properties = "\35\0" .. string.char(alias) }
      end

      it("aliases are learned from what is dropped, held, or comes again, and die with the connection", function()
        world:finish()
        begin { session_expiry = 60, hold_bytes = 1 }
        link:allow(0)
        world:get(world:publish(1, 1, "held", "1", with(1)), world:publish(1, 2, "forgotten", "2", with(2)),
          world:publish(1, 1, "held", "1", with(3)))
        local mails
        world:get(world:publish(0, nil, "", "a", with(1)), world:publish(0, nil, "", "b", with(2)),
          world:publish(0, nil, "", "c", with(3)), world:publish(0, nil, "new", "d", with(3)),
          world:publish(0, nil, "", "e", with(3)))
        _, mails = world:told()
        local topics = {}
        for i, mail in ipairs(mails) do topics[i] = mail.topic end
        assert.same({ "held", "forgotten", "held", "new", "new" }, topics)
        lose()
        world:told()
        world:connect { present = true }
        world:get(world:publish(0, nil, "", "a", with(1)))
        assert.same({ "down protocol_error: PUBLISH with a topic alias that stands for nothing" }, (world:told()))
      end)
    end
  end)
end
