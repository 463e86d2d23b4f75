-- What our own link sends: packet ids, what goes out again, and in which order.
local worlds = require "spec.support.scripted_world"

for _, protocol in ipairs { 5, 4 } do
  describe("publishes of our own link, version " .. protocol, function()
    local world, link

    before_each(function()
      world = worlds.new { protocol = protocol, session_expiry = 60 }
      link = world.link
      world:connect()
    end)
    after_each(function() world:finish() end)

    local function lose()
      link:finish()
      link:run()
      return (world:told())
    end

    local function publish(id, qos, topic)
      assert.is_true(link:publish(id, topic or "a", "p" .. id, qos))
      link:run()
      local sent = world:sent()
      return qos > 0 and world.id_of(sent) or nil, sent
    end

    it("take ids in a row, one space with what is asked for", function()
      local first = publish(1, 1)
      link:subscribe(1, "s")
      link:run()
      local second = world.id_of(world:sent())
      local third = publish(2, 2)
      link:unsubscribe(2, "s")
      link:run()
      local fourth = world.id_of(world:sent())
      local function after(id) return id % 65535 + 1 end
      assert.same({ after(first), after(second), after(third) }, { second, third, fourth })
      world:get(world:ack("puback", first))
      assert.equal(after(fourth), (publish(3, 1)))
    end)

    it("go round all ids without one that is taken", function()
      if protocol == 4 then return end
      local kept = publish(1, 1) -- unanswered for the whole round
      local told = {}
      for id = 2, 65600 do
        assert.is_true(link:publish(id, "a", "", 1))
        link:run()
        local packet_id = world.id_of(world:sent())
        assert(packet_id ~= kept and packet_id > 0)
        link:feed(world:ack("puback", packet_id))
        link:run()
        told = world:told()
        assert(#told == 1)
      end
      assert.same({ "delivered 65600 ok" }, told)
    end)

    it("that the broker has an id for already go again under another, and that one rests", function()
      if protocol == 4 then return end
      local burnt = publish(1, 1)
      world:get(world:ack("puback", burnt, 0x91))
      assert.same({ "delivered 1 lost" }, (world:told()))
      link:again(1)
      link:run()
      local sent = world:sent()
      assert.equal(("publish %d q1 a=p1"):format(burnt % 65535 + 1), sent[1])
      world:get(world:ack("puback", burnt))
      assert.same({}, (world:told()))
      for id = 2, 65600 do
        link:publish(id, "a", "", 1)
        link:run()
        local packet_id = world.id_of(world:sent())
        assert(packet_id ~= burnt)
        world:get(world:ack("puback", packet_id))
      end
    end)

    it("go out again under the same id, with DUP, in their order and before anything else", function()
      local ids = {}
      for id = 1, 4 do
        ids[id] = publish(id, id % 2 + 1)
      end
      assert.same({ "down connection_lost", "delivered 1 lost carried", "delivered 2 lost carried",
        "delivered 3 lost carried", "delivered 4 lost carried" }, lose())
      world:connect { present = true }
      assert.same({}, world:sent())
      for id = 1, 4 do
        assert.is_true(link:again(id))
      end
      link:run()
      local wanted = {}
      for id = 1, 4 do
        wanted[id] = ("publish %d q%d dup a=p%d"):format(ids[id], id % 2 + 1, id)
      end
      assert.same(wanted, world:sent())
      -- Once more: it is the same message still.
      lose()
      world:connect { present = true }
      assert.is_true(link:again(1))
      link:run()
      assert.same({ wanted[1] }, world:sent())
      -- Nothing that is new gets an id of theirs.
      for id = 10, 20 do
        local packet_id = publish(id, 1)
        for i = 1, 4 do assert(packet_id ~= ids[i]) end
      end
    end)

    it("go out anew once the session is gone, and no id is taken twice", function()
      publish(1, 1)
      publish(2, 2)
      lose()
      world:connect { present = false }
      link:subscribe(9, "s")
      link:run()
      local asked = world.id_of(world:sent())
      assert.is_true(link:again(1) and link:again(2))
      link:run()
      local sent = world:sent()
      assert.same({ "q1 a=p1", "q2 a=p2" }, { sent[1]:match "q.*", sent[2]:match "q.*" })
      local first, second = tonumber(sent[1]:match "%d+"), tonumber(sent[2]:match "%d+")
      assert.is_true(asked ~= first and first ~= second and asked ~= second)
      world:get(world:suback(asked, 1), world:ack("puback", first), world:ack("pubrec", second),
        world:ack("pubcomp", second))
      assert.same({ "subscribed 9 1", "delivered 1 ok", "delivered 2 ok" }, (world:told()))
    end)

    it("of QoS 2 that have had PUBREC go on with PUBREL, at once and in their order", function()
      local first, second = publish(1, 2), publish(2, 2)
      world:get(world:ack("pubrec", second), world:ack("pubrec", first))
      assert.same({ "pubrel " .. second, "pubrel " .. first }, world:sent())
      assert.same({ "down connection_lost" }, lose())
      world:connect { present = true }
      local sent = world:sent()
      table.sort(sent)
      local wanted = { "pubrel " .. first, "pubrel " .. second }
      table.sort(wanted)
      assert.same(wanted, sent)
      world:get(world:ack("pubcomp", second, protocol == 5 and 0x92 or nil), world:ack("pubcomp", first))
      assert.same({ "delivered 2 ok", "delivered 1 ok" }, (world:told()))
    end)

    it("of QoS 2 that have had PUBREC are delivered where their session ends", function()
      local first = publish(1, 2)
      world:get(world:ack("pubrec", first))
      lose()
      assert.same({ "delivered 1 ok", "connected" }, world:connect { present = false })
      local second = publish(2, 2)
      world:get(world:ack("pubrec", second))
      link:destroy()
      assert.same({ "delivered 2 ok" }, (world:told()))
    end)

    it("of QoS 2 that have had PUBREC are delivered, whatever a second PUBREC says", function()
      if protocol == 4 then return end
      local id = publish(1, 2)
      world:get(world:ack("pubrec", id))
      world:get(world:ack("pubrec", id, 0x91))
      assert.same({ "delivered 1 ok" }, (world:told()))
    end)

    it("that will go again get no PUBREL for a PUBREC that comes before", function()
      local id = publish(1, 2)
      lose()
      world:connect { present = true }
      world:get(world:ack("pubrec", id))
      assert.same({}, world:sent())
      link:again(1)
      link:run()
      assert.same({ ("publish %d q2 dup a=p1"):format(id) }, world:sent())
    end)

    it("are refused with the broker's code", function()
      if protocol == 4 then return end
      local first, second = publish(1, 1), publish(2, 2)
      world:get(world:ack("puback", first, 0x87), world:ack("pubrec", second, 0x97))
      assert.same({ "delivered 1 0x87", "delivered 2 0x97" }, (world:told()))
    end)

    it("answers that belong to nobody change nothing", function()
      world:get(world:ack("puback", 9), world:ack("pubcomp", 9), world:suback(9), world:unsuback(9), world.PINGRESP)
      assert.same({}, (world:told()))
      assert.same({}, world:sent())
      world:get(world:ack("pubrec", 9))
      assert.same({ protocol == 5 and "pubrel 9 0x92" or "pubrel 9" }, world:sent())
    end)

    it("of QoS 0 are done when the stream has taken them, and lost before", function()
      link:accept(0)
      assert.is_true(link:publish(1, "a", "x", 0))
      assert.is_true(link:publish(2, "a", "x", 0))
      link:run()
      assert.same({}, (world:told()))
      link:accept(protocol == 5 and 7 or 6)
      link:run()
      assert.same({ "delivered 1 ok" }, (world:told()))
      assert.same({ "down connection_lost", "delivered 2 lost" }, lose())
    end)

    it("that are as many as went out at once before go out at once", function()
      local function burst(count)
        local before = link:writes()
        for id = 1, count do
          assert.is_true(link:publish(id, "a/topic", ("x"):rep(64), 0))
        end
        link:run()
        world:told()
        return link:writes() - before
      end
      assert.is_true(burst(100) > 1)
      for _ = 1, 3 do
        assert.equal(1, burst(100))
      end
    end)

    it("wait while 64 KiB have not been taken", function()
      link:accept(0)
      local payload = ("x"):rep(20000)
      local taken = 0
      while link:publish(taken + 1, "a", payload, 0) do taken = taken + 1 end
      assert.equal(4, taken)
      assert.is_true(link:probe(1)) -- the rest goes on
      link:accept()
      link:run()
      assert.equal("pingreq", world:sent()[5])
      assert.is_true(link:publish(9, "a", payload, 0))
    end)

    if protocol == 5 then
      it("take an alias when a topic comes again, within the broker's maximum, and keep none over a loss", function()
        lose()
        world:connect { present = true, properties = "\34\0\1" }
        local function topic_of(id, topic)
          local _, sent = publish(id, 0, topic)
          return sent[1]:match "q0 (.*)="
        end
        assert.same({ "long/topic", "long/topic#1", "#1", "other/topic", "other/topic#1", "long/topic#1", "#1" },
          { topic_of(1, "long/topic"), topic_of(2, "long/topic"), topic_of(3, "long/topic"), topic_of(4, "other/topic"),
            topic_of(5, "other/topic"), topic_of(6, "long/topic"), topic_of(7, "long/topic") })
        publish(8, 1, "long/topic")
        lose()
        world:connect { present = true, properties = "\34\0\1" }
        link:again(8)
        link:run()
        assert.is_truthy(world:sent()[1]:match "q1 dup long/topic=p8$")
        lose()
        world:connect { present = true }
        assert.same({ "long/topic", "long/topic" }, { topic_of(9, "long/topic"), topic_of(10, "long/topic") })
      end)
    end
  end)
end
