-- A connection that is given up for another one, which fetches what had no room: what has been acknowledged by then
-- does not come twice.
local worlds = require "spec.support.scripted_world"

local BIG = ("x"):rep(1000)

for _, protocol in ipairs { 5, 4 } do
  describe("a renewal of our own link, version " .. protocol, function()
    local world, link

    before_each(function()
      world = worlds.new { protocol = protocol, session_expiry = 60, hold_bytes = 3000 }
      link = world.link
      world:connect()
      link:allow(1)
      world:get(world:publish(1, 1, "a", BIG))
      link:acknowledge(1, 1)
      link:allow(0)
      for id = 2, 10 do -- three wait, the others are let go
        world:get(world:publish(1, id, "a", BIG))
      end
      assert.equal(1, #(world:told()))
      assert.same({ "puback 1" }, world:sent())
    end)
    after_each(function() world:finish() end)

    local function take_half()
      link:allow(2)
      link:run()
      assert.equal(2, #(world:told()))
      assert.same({ "pingreq" }, world:sent())
    end

    local function leave()
      assert.same({ "renew" }, (world:told()))
      link:close(0, -1, 1000)
      link:finish()
      link:run()
      world:told()
    end

    it("begins when the broker has read what is acknowledged; what is done later is answered by the next", function()
      take_half()
      link:acknowledge(1, 2)
      assert.is_false(link:publish(1, "a", "p", 1))
      world:get(world:publish(1, 2, "a", BIG, { dup = true }), world:publish(1, 3, "a", BIG, { dup = true }),
        world:publish(1, 1, "a", "other"), world:publish(0, nil, "a", "0"))
      assert.same({ "message 0 q0" }, (world:told()))
      assert.same({}, world:sent())
      link:run(9000)
      assert.same({}, (world:told()))
      world:get(world.PINGRESP)
      link:acknowledge(1, 3)
      leave()
      assert.same({ "disconnect" }, world:sent())
      world:connect { present = true }
      for id = 2, 4 do
        world:get(world:publish(1, id, "a", BIG, { dup = true }))
      end
      assert.same({ "puback 2", "puback 3" }, world:sent())
      assert.same({}, (world:told()))
    end)

    it("is not begun by a PINGRESP to what was asked before", function()
      assert.is_true(link:probe(7))
      link:run()
      assert.same({ "pingreq" }, world:sent())
      take_half()
      world:get(world.PINGRESP)
      assert.same({ "unsubscribed 7" }, (world:told()))
      world:get(world.PINGRESP)
      leave()
    end)

    it("waits for a broker that does not say what it has read as long as anything moves", function()
      take_half()
      for _ = 1, 5 do
        link:run(9000)
        world:get(world:publish(0, nil, "a", "0"))
      end
      assert.equal(5, #(world:told()))
      link:run(9000)
      assert.same({}, (world:told()))
      link:run(3000)
      leave()
    end)

    it("waits for no broker longer than 5 minutes", function()
      take_half()
      for _ = 1, 33 do
        link:run(9000)
        world:get(world:publish(0, nil, "a", "0"))
      end
      assert.equal(33, #(world:told()))
      link:run(6000)
      leave()
    end)

    it("waits no longer for one that answers what it was sent before, bit by bit", function()
      for n = 1, 201 do
        assert.is_true(link:publish(n, "a", "p", 1))
      end
      link:run()
      local first = world.id_of { world:sent()[1] }
      take_half()
      for n = 0, 199 do
        link:run(1500)
        assert.same({}, (world:told()))
        world:get(world:ack("puback", (first + n - 1) % 65535 + 1))
        assert.equal(n < 199 and 1 or 2, #world:told())
      end
    end)
  end)
end
