-- Exactly once over outages: what of QoS 2 the Paho link carries from one connection to the next, in both directions.
-- Every connection has a Paho handle of its own, so each of these changes the handle, too.
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local scripted = require "spec.support.scripted_broker"
local worlds = require "spec.support.worlds"

local world = worlds.alone

for _, protocol in ipairs { 5, 4 } do
  describe("a session of the Paho link, protocol " .. protocol .. " #broker", function()
    local broker, link

    before_each(function()
      broker = scripted.listen()
      world.attempt = { port = broker.port, protocol = protocol, session_expiry = 100 }
      link = world:link()
    end)

    after_each(function()
      world:finish()
      broker:close()
      mosquitto.finish()
    end)

    local function connect(session_present)
      link:open {}
      local client = broker:welcome { session_present = session_present }
      assert(link:wait "connected", link:story())
      return client
    end

    --- Ends the connection: by the broker, or by the link without a word.
    local endings = {
      ["a loss"] = function(client)
        client:close()
        assert(link:wait "down", link:story())
      end,
      ["abandon"] = function() link:abandon() end,
    }

    for ending, finish in pairs(endings) do
      it("sends a PUBLISH without PUBREC again after " .. ending .. ", under its id", function()
        local client = connect()
        link:publish(1, "a", "payload", 2, true)
        local first = client:expect "publish"
        finish(client)
        client = connect(true)
        local again = client:expect "publish"
        assert.are.same({ first.id, "a", "payload", 2, true, true },
          { again.id, again.topic, again.payload, again.qos, again.retain, again.duplicate })
        client:answer("pubrec", again.id)
        assert.are.equal(first.id, client:expect("pubrel").id)
        assert.are.same({}, link:rest(100))
        client:answer("pubcomp", first.id)
        assert.are.equal(0, link:wait("delivered").result)
        assert.are.same({}, link:rest(100))
      end)

      it("sends PUBREL and not PUBLISH when PUBREC came before " .. ending, function()
        local client = connect()
        link:publish(1, "a", "payload", 2)
        local id = client:expect("publish").id
        client:answer("pubrec", id)
        client:expect "pubrel"
        finish(client)
        client = connect(true)
        assert.are.equal(id, client:expect("pubrel").id)
        client:answer("pubcomp", id)
        assert.are.equal(0, link:wait("delivered").result)
        assert.is_nil((client:packet(100)))
      end)

      it("takes what PUBREC came for before " .. ending .. " for delivered when the session is gone", function()
        local client = connect()
        link:publish(1, "a", "payload", 2)
        link:publish(2, "b", "payload", 2)
        local id = client:expect("publish").id
        client:expect "publish"
        client:answer("pubrec", id)
        client:expect "pubrel"
        finish(client)
        client = connect(false)
        link:rest(100)
        assert.are.same({ { [1] = 1, [2] = 1 }, { [1] = 0, [2] = -1 } }, { link:outcomes() })
        assert.is_nil((client:packet(100)))
      end)

      it("does so where no session is kept, after " .. ending, function()
        world.attempt.session_expiry = 0
        local client = connect()
        link:publish(1, "a", "payload", 2)
        link:publish(2, "b", "payload", 2)
        local id = client:expect("publish").id
        client:expect "publish"
        client:answer("pubrec", id)
        client:expect "pubrel"
        finish(client)
        link:rest(100)
        assert.are.same({ { [1] = 1, [2] = 1 }, { [1] = 0, [2] = -1 } }, { link:outcomes() })
      end)

      it("tells a message once when " .. ending .. " comes before PUBREL", function()
        local client = connect()
        client:publish { topic = "in", payload = "once", qos = 2, id = 77 }
        client:expect "pubrec"
        finish(client)
        client = connect(true)
        client:publish { topic = "in", payload = "once", qos = 2, id = 77, duplicate = true }
        client:expect "pubrec"
        client:answer("pubrel", 77)
        client:expect "pubcomp"
        link:rest(100)
        local told = 0
        for _, mail in ipairs(link.seen) do
          if mail.kind == "message" then
            told = told + 1
            assert.are.same({ "in", "once", 2, false }, { mail.topic, mail.payload, mail.qos, mail.duplicate })
          end
        end
        assert.are.equal(1, told)
      end)
    end

    if protocol == 5 then
      local RECEIVE_MAXIMUM = 33

      local function accept(receive_maximum)
        link:open {}
        local client = broker:welcome {
          session_present = true, properties = { scripted.two(RECEIVE_MAXIMUM, receive_maximum) },
        }
        assert.are.equal(receive_maximum, link:wait("connected").receive_maximum)
        return client
      end

      local function answer(client, id)
        client:answer("pubrec", id)
        client:expect "pubrel"
        client:answer("pubcomp", id)
      end

      it("is resumed in parts, oldest first, when the broker's Receive Maximum is lower than before", function()
        local client, ids = connect(), {}
        for i = 1, 6 do
          assert.is_true(link:publish(i, "a", "payload " .. i, 2))
          ids[i] = client:expect("publish").id
        end
        client:answer("pubrec", ids[2])
        client:expect "pubrel"
        endings["a loss"](client)
        client = accept(2) -- which nobody knew
        for _ = 1, 6 do client:packet() end
        endings["a loss"](client)

        client = accept(2)
        local seen = {}
        for i = 1, 3 do
          local packet = client:packet()
          seen[packet.id] = packet.type
          assert.is_true(packet.type == "pubrel" or packet.duplicate, i)
        end
        assert.are.same({ [ids[1]] = "publish", [ids[2]] = "pubrel", [ids[3]] = "publish" }, seen)
        assert.is_false(link:publish(7, "a", "payload 7", 1)) -- it might get a packet id that is in use
        assert.is_true(link:publish(8, "a", "payload 8", 0))
        client:expect "publish"
        assert.is_nil((client:packet(100)))
        client:answer("pubcomp", ids[2])
        answer(client, ids[1])
        link:rest(50)
        assert.is_nil(link:story():match "renew")
        answer(client, ids[3])
        assert(link:wait "renew", link:story())
        link:close(0, -1, 1000)
        assert.are.equal(0, client:expect("disconnect").code)
        assert(link:wait "closed", link:story())

        client = accept(10) -- and raised again: known after this one
        for i = 4, 5 do
          assert.are.equal(ids[i], client:expect("publish").id)
        end
        assert.is_nil((client:packet(100)))
        answer(client, ids[4])
        answer(client, ids[5])
        assert(link:wait "renew", link:story())
        link:close(0, -1, 1000)
        assert(link:wait "closed", link:story())

        client = accept(10)
        assert.are.equal(ids[6], client:expect("publish").id)
        answer(client, ids[6])
        link:rest(100)
        assert.is_true(link:publish(7, "a", "payload 7", 1))
        client:answer("puback", client:expect("publish").id)
        link:rest(100)
        local times, results = link:outcomes()
        assert.are.same({ 1, 1, 1, 1, 1, 1, 1, 1 }, times)
        assert.are.same({ 0, 0, 0, 0, 0, 0, 0, 0 }, results)
        assert.are.equal(2, select(2, link:story():gsub("renew", "")))
      end)

      it("has lost what was refused because it was too much at once, and sends it as another one", function()
        local client, ids = connect(), {}
        for i = 1, 3 do
          link:publish(i, "a", "payload", 2)
          ids[i] = client:expect("publish").id
        end
        endings["a loss"](client)
        client = accept(1)
        for _ = 1, 3 do client:expect "publish" end
        client:answer("pubrec", ids[2], 0x97) -- as mosquitto does, and then it closes
        assert.are.equal(-1, link:wait("delivered").result)
        endings["a loss"](client)
        client = accept(10)
        assert.are.equal(ids[1], client:expect("publish").id)
        assert.is_nil((client:packet(100)))
        client:answer("pubrec", ids[1], 0x97) -- now it is about this one
        assert.are.equal(0x80, link:wait("delivered").result)
      end)

      it("gives back what was withheld, too, when it is gone", function()
        local client = connect()
        for i = 1, 4 do
          link:publish(i, "a", "payload", 2)
          client:expect "publish"
        end
        endings["a loss"](client)
        endings["a loss"](accept(1))
        link:open {}
        client = broker:welcome { session_present = false }
        assert(link:wait "connected", link:story())
        assert.are.same({ { 1, 1, 1, 1 }, { -1, -1, -1, -1 } }, { link:outcomes() })
        assert.is_true(link:publish(5, "a", "payload", 2))
        client:expect "publish"
      end)
    end

    it("goes on over any number of connections", function()
      local client = connect()
      link:publish(1, "a", "payload", 2)
      local id = client:expect("publish").id
      for _ = 1, 3 do
        endings["a loss"](client)
        client = connect(true)
        assert.are.equal(id, client:expect("publish").id)
      end
      client:answer("pubrec", id)
      client:expect "pubrel"
      for _ = 1, 3 do
        endings["a loss"](client)
        client = connect(true)
        assert.are.equal(id, client:expect("pubrel").id)
      end
      client:answer("pubcomp", id)
      assert.are.equal(0, link:wait("delivered").result)
      endings["a loss"](client)
      assert.is_nil((connect(true):packet(100)))
    end)

    it("is not in flight twice less for an outcome that comes while it is abandoned", function()
      local client = connect()
      for id = 1, 50 do
        link:publish(id, "a", "payload", 2)
        client:answer("pubrec", client:expect("publish").id)
        client:expect "pubrel"
      end
      endings["a loss"](client)
      for _ = 1, 10 do
        client = connect(true)
        local ids, again = {}, client:packet(100)
        while again do
          ids[#ids + 1] = again.id
          again = client:packet(20)
        end
        for i = 1, math.min(#ids, 5) do client:answer("pubcomp", ids[i]) end
        link:abandon()
      end
      assert.is_true(link:clear()) -- now or the process believes that something is in flight for ever
      link:abandon()
    end)

    it("survives attempts that Paho refuses to make", function()
      local client = connect()
      link:publish(1, "a", "payload", 2)
      local id = client:expect("publish").id
      client:publish { topic = "in", payload = "once", qos = 2, id = 77 }
      client:expect "pubrec"
      endings["a loss"](client)
      link:open { username = "\255" } -- stands for whatever it might not like
      assert(link:wait "failed", link:story())
      client = connect(true)
      assert.are.equal(id, client:expect("publish").id)
      client:publish { topic = "in", payload = "once", qos = 2, id = 77, duplicate = true }
      client:expect "pubrec"
      client:answer("pubrel", 77)
      client:expect "pubcomp"
      local told = 0
      link:rest(100)
      for _, mail in ipairs(link.seen) do
        if mail.kind == "message" then told = told + 1 end
      end
      assert.are.equal(1, told)
    end)

    it("survives attempts that fail", function()
      local client = connect()
      link:publish(1, "a", "payload", 2)
      local id = client:expect("publish").id
      endings["a loss"](client)
      link:open {}
      broker:welcome { code = protocol == 5 and 0x88 or 3 }:close()
      assert(link:wait "failed", link:story())
      link:open {}
      local silent = broker:accept()
      link:abandon()
      silent:close()
      assert.are.equal(id, connect(true):expect("publish").id)
      assert.are.same({}, (link:outcomes()))
    end)

    it("gives new publishes ids that are not in use", function()
      local client = connect()
      local used = {}
      for id = 1, 5 do
        link:publish(id, "a", "old " .. id, 2)
        used[client:expect("publish").id] = true
      end
      endings["a loss"](client)
      client = connect(true)
      for _ = 1, 5 do assert.is_true(used[client:expect("publish").id]) end
      for id = 6, 10 do
        assert.is_true(link:publish(id, "a", "new " .. id, 1))
        local new = client:expect "publish"
        assert.is_nil(used[new.id])
        assert.are.equal("new " .. id, new.payload)
      end
    end)

    it("takes new ones of QoS 2 when what is carried is over, so that nothing overtakes it at the next end", function()
      local client = connect()
      for id = 1, 3 do
        link:publish(id, "a", "old " .. id, 2)
        client:expect "publish"
      end
      for id = 1, 2 do
        client:answer("pubrec", id)
        client:expect "pubrel"
        client:answer("pubcomp", id)
        link:wait "delivered"
      end
      endings["a loss"](client)
      client = connect(true)
      assert.are.equal(3, client:expect("publish").id)
      assert.is_false(link:publish(4, "a", "new", 2)) -- Paho would give it packet id 1, and send that before 3
      client:answer("pubrec", 3)
      client:expect "pubrel"
      client:answer("pubcomp", 3)
      link:wait "delivered"
      assert.is_true(link:publish(4, "a", "new", 2))
      assert.are.equal("new", client:expect("publish").payload)
    end)

    it("does not carry what another client id or a clean start has no right to", function()
      local client = connect()
      link:publish(1, "a", "payload", 2)
      client:expect "publish"
      endings["a loss"](client)
      link:open { client_id = "somebody else" }
      assert.are.equal(-1, link:wait("delivered").result)
      client = broker:welcome { session_present = true }
      link:wait "connected"
      assert.is_nil((client:packet(100)))
    end)

    it("sends what was in flight once in a connection, however long its answer takes", function()
      local client = connect()
      link:publish(1, "a", "payload", 2)
      client:expect "publish"
      for _ = 1, 2 do
        endings["a loss"](client)
        client = connect(true)
        client:expect "publish"
      end
      assert.is_nil((client:packet(12000)))
    end)

    it("reaches a subscriber of a real broker once, though the broker froze, was left, and was come back to", function()
      local real = mosquitto.start { lines = { "max_inflight_messages 0" } }
      local reader = world:link()
      reader:connect { port = real.port, client_id = "reader" }
      reader:subscribe(1, "numbers", 2)
      reader:wait "subscribed"
      link:connect { port = real.port, client_id = "writer" }
      for round = 1, 6 do
        real:freeze()
        for i = 1, 10 do assert.is_true(link:publish(round * 100 + i, "numbers", round .. "/" .. i, 2)) end
        process.sleep(20)
        link:abandon()
        real:resume()
        -- Sometimes the broker reads what was sent to the old connection before the new one, sometimes after.
        if round % 2 == 0 then process.sleep(50) end
        assert.is_true(link:connect({ port = real.port, client_id = "writer" }).session_present)
        link:rest(100)
      end
      reader:rest(200)
      local seen, times, results = {}, link:outcomes()
      for _, mail in ipairs(reader.seen) do
        if mail.kind == "message" then seen[mail.payload] = (seen[mail.payload] or 0) + 1 end
      end
      for round = 1, 6 do
        for i = 1, 10 do
          assert.are.equal(1, times[round * 100 + i])
          assert.are.equal(0, results[round * 100 + i])
          assert.are.equal(1, seen[round .. "/" .. i])
        end
      end
    end)
  end)
end

describe("a session of the Paho link in MQTT 5 #broker", function()
  it("tells that a carried publish was refused", function()
    local broker = scripted.listen()
    world.attempt = { port = broker.port, session_expiry = 100 }
    local link = world:link()
    link:open {}
    local client = broker:welcome()
    link:wait "connected"
    link:publish(1, "a", "payload", 2)
    local id = client:expect("publish").id
    client:close()
    link:wait "down"
    link:open {}
    client = broker:welcome { session_present = true }
    client:expect "publish"
    client:answer("pubrec", id, 0x97)
    assert.are.equal(0x80, link:wait("delivered").result)
    world:finish()
    broker:close()
  end)
end)
