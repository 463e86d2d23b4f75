-- What link.h says a link does, against every link there is. Order within one connection is checked through the story
-- of its mails: "connected delivered:1:0 down" (id and result of what was delivered).
local worlds = require "spec.support.worlds"

local LOST = -1

local function conforms(name, tag, protocols)
  local world = worlds[name]

  describe((world.title or "the " .. name .. " link") .. tag, function()
    local missing = world.missing and world.missing()
    if missing then
      pending(missing)
      return
    end

    before_each(function() world:begin() end)
    after_each(function() world:finish() end)
    teardown(function() return world.over and world:over() end)

    for _, protocol in ipairs(protocols or { 5, 4 }) do
      local function connected(fields)
        local attempt = { protocol = protocol }
        for key, value in pairs(fields or {}) do attempt[key] = value end
        local link = world:link()
        link:connect(attempt)
        return link
      end

      describe("with protocol " .. protocol, function()
        it("says connected first, and what it says carries owner and generation", function()
          local link = connected()
          assert.is_true(link:subscribe(7, "a/+", 1))
          local answer = link:wait "subscribed"
          assert.are.same({ 7, 1 }, { answer.ticket, answer.code })
          assert.is_true(link:publish(1, "a/b", "hello", 1))
          link:wait "message"
          link:rest(50)
          local story = link:story()
          assert.is_truthy(story == "connected subscribed message delivered:1:0"
            or story == "connected subscribed delivered:1:0 message", story)
          for _, mail in ipairs(link.seen) do
            assert.is_true(mail.ours)
            assert.are.equal(link.generation, mail.generation)
          end
        end)

        it("gives a new generation its own mails", function()
          local link = connected()
          link:abandon()
          local before = link.generation
          link:connect { protocol = protocol }
          assert.are.equal(before + 1, link.generation)
          assert.are.equal(link.generation, link.seen[#link.seen].generation)
        end)

        for qos = 0, 2 do
          it("returns each of 500 publishes once, QoS " .. qos, function()
            local link = connected()
            local given = 0
            while given < 500 do
              if link:publish(given + 1, "a/b", "payload " .. given, qos) then
                given = given + 1
              else
                assert(link:wait "delivered", "the window stays full")
              end
            end
            repeat local mail = link:take(1000) until not mail or #link.seen == 501
            local times, results = link:outcomes()
            for id = 1, 500 do
              assert.are.equal(1, times[id])
              assert.are.equal(0, results[id])
            end
            assert.are.same({}, link:rest(50))
          end)
        end

        it("takes no more than its window and says so", function()
          local link = connected()
          world:hold()
          local taken = 0
          for id = 1, 1000 do
            if not link:publish(id, "a/b", "x", 1) then break end
            taken = taken + 1
          end
          assert.are.equal(link:window(), taken)
          world:release(link)
          assert.is_truthy(link:wait "delivered")
          assert.is_true(link:publish(2000, "a/b", "x", 1))
        end)

        it("takes nothing while it is not connected", function()
          local link = world:link()
          local function nothing()
            assert.is_false(link:publish(1, "a", "x", 0))
            assert.is_false(link:subscribe(1, "a", 0))
            assert.is_false(link:unsubscribe(1, "a"))
            assert.is_false(link:probe(1))
          end
          nothing()
          link:connect { protocol = protocol }
          link:close()
          nothing()
          assert.is_truthy(link:wait "closed")
          nothing()
          link:connect { protocol = protocol }
          link:abandon()
          nothing()
        end)

        it("tells a refusal once, with its reason, and can be opened again", function()
          world:refuse()
          local link = world:link()
          link:open { protocol = protocol }
          local failed = link:wait "failed"
          assert.are.same({ "not_authorized", "connack" }, { failed.reason, failed.phase })
          assert.are.same({}, link:rest(200))
          world:recover()
          link:connect { protocol = protocol }
          assert.are.equal("failed connected", link:story())
        end)

        it("tells a broker that is not there", function()
          world:vanish()
          local link = world:link()
          link:open { protocol = protocol }
          assert.are.equal(link.generation, link:wait("failed").generation)
          assert.are.same({}, link:rest(200))
        end)

        it("tells nothing more of an attempt that was abandoned", function()
          world:stay_silent()
          local link = world:link()
          link:open { protocol = protocol }
          assert.are.same({}, link:rest(100))
          link:abandon()
          assert.are.same({}, link:rest(300))
          world:recover()
          link:connect { protocol = protocol }
          assert.are.equal("connected", link:story())
        end)

        it("gives back what was in flight when it is abandoned, and nothing else", function()
          local link = connected()
          world:hold()
          assert.is_true(link:publish(1, "a/b", "x", 1))
          assert.is_true(link:publish(2, "a/b", "x", 2))
          link:subscribe(1, "never", 0)
          link:abandon()
          link:rest(200)
          local times, results = link:outcomes()
          assert.are.same({ 1, 1 }, times)
          assert.are.same({ LOST, LOST }, results)
          assert.are.equal(3, #link.seen)
          world:release(link)
        end)

        it("tells a loss once, then what was lost with it", function()
          local link = connected()
          world:hold()
          assert.is_true(link:publish(1, "a/b", "x", 1))
          assert.is_true(link:publish(2, "a/b", "x", 2))
          world:lose(link)
          local down = link:wait "down"
          assert.are.same({ world.loss or "connection_lost", "up" }, { down.reason, down.phase })
          link:rest(200)
          local story = link:story()
          assert.is_truthy(story == "connected down delivered:1:-1 delivered:2:-1"
            or story == "connected down delivered:2:-1 delivered:1:-1", story)
        end)

        it("keeps QoS 2 over a loss when there is a session, and ends it after the next connect", function()
          local session = { protocol = protocol, session_expiry = 100 }
          local link = connected(session)
          world:hold()
          assert.is_true(link:publish(1, "a/b", "x", 1))
          assert.is_true(link:publish(2, "a/b", "x", 2))
          world:lose(link)
          link:wait "down"
          link:rest(200)
          local lost = "connected down delivered:1:-1" .. (world.carries and " delivered:2:-1" or "")
          assert.are.equal(lost, link:story())
          world:release(link)
          assert.is_true(link:connect(session).session_present)
          if world.carries then
            assert.is_true(link:again(1))
            assert.is_true(link:again(2))
            link:wait("delivered", 1000)
          end
          link:wait("delivered", 1000)
          link:rest(100)
          local last = world.carries and " connected delivered:1:0 delivered:2:0" or " connected delivered:2:0"
          assert.are.equal(lost .. last, link:story())
        end)

        it("gives QoS 2 back before it says that there is no session", function()
          local session = { protocol = protocol, session_expiry = 100 }
          local link = connected(session)
          world:hold()
          assert.is_true(link:publish(2, "a/b", "x", 2))
          world:lose(link)
          link:wait "down"
          local come = link:rest(100)
          if world.carries then
            assert.are.same({ "delivered", true }, { come[1].kind, come[1].carried })
            come = {}
          end
          assert.are.same({}, come)
          world:forget_sessions()
          assert.is_false(link:connect(session).session_present)
          assert.are.same({}, link:rest(100))
          assert.are.equal("connected down delivered:2:-1 connected", link:story())
        end)

        it("keeps QoS 2 when it is abandoned, and destroy returns it", function()
          local link = connected { session_expiry = 100 }
          world:hold()
          assert.is_true(link:publish(2, "a/b", "x", 2))
          assert.are.same({}, link:rest(100))
          link:abandon()
          if not world.carries then assert.are.same({}, link:rest(200)) end
          link:destroy()
          link:rest()
          assert.are.equal("connected delivered:2:-1", link:story())
        end)

        it("drains what it holds in destroy, and tells nothing afterwards", function()
          local link = connected()
          assert.is_true(link:subscribe(1, "a/b", 0))
          link:wait "subscribed"
          world:hold()
          for id = 1, 50 do assert.is_true(link:publish(id, "a/b", "x", 1 + id % 2)) end
          link:destroy()
          link:rest(0)
          local times, results = link:outcomes()
          for id = 1, 50 do
            assert.are.equal(1, times[id])
            assert.are.equal(LOST, results[id])
          end
          assert.are.same({}, link:rest(300))
        end)

        it("answers a close once", function()
          local link = connected()
          link:close(0, -1, 100)
          local closed = link:wait "closed"
          assert.are.same({ link.generation, "closed" }, { closed.generation, closed.reason })
          link:close(0, -1, 100)
          assert.are.same({}, link:rest(300))
        end)

        it("says down or closed, not both", function()
          local link = connected()
          world:hold()
          link:publish(1, "a/b", "x", 1)
          world:lose(link)
          link:close(0, -1, 300)
          link:rest(600)
          local ends = 0
          for _, mail in ipairs(link.seen) do
            if mail.kind == "down" or mail.kind == "closed" then ends = ends + 1 end
          end
          assert.are.equal(1, ends)
        end)

        it("answers a probe", function()
          local link = connected()
          assert.is_true(link:probe(99))
          assert.are.equal(99, link:wait("unsubscribed").ticket)
        end)

        it("unsubscribes", function()
          local link = connected()
          link:subscribe(1, "a/b", 0)
          link:wait "subscribed"
          assert.is_true(link:unsubscribe(2, "a/b"))
          local answer = link:wait "unsubscribed"
          assert.are.same({ 2, 0 }, { answer.ticket, answer.code })
          link:publish(1, "a/b", "x", 1)
          link:wait "delivered"
          assert.are.same({}, link:rest(100))
        end)

        it("carries a message from one link to another", function()
          local reader, writer = connected { client_id = "reader" }, connected { client_id = "writer" }
          reader:subscribe(1, "from/#", 2)
          reader:wait "subscribed"
          for qos = 0, 2 do
            writer:publish(qos + 1, "from/here", "payload\0 with a NUL", qos)
            local message = reader:wait "message"
            assert.are.same({ "from/here", "payload\0 with a NUL", qos, false },
              { message.topic, message.payload, message.qos, message.retain })
          end
          writer:publish(4, "from/here", "", 1)
          assert.are.equal("", reader:wait("message").payload)
        end)
      end)
    end
  end)
end

conforms("fake", "")
conforms("paho", " #broker")
conforms("native", " #broker")
conforms("unix", " #broker", { 5 })
conforms("websocket", " #broker")
conforms("secure", " #broker", { 5 })
conforms("quic", " #broker", { 5 })
conforms("http_proxy", " #broker", { 5 })
conforms("https_proxy", " #broker", { 5 })
conforms("socks5", " #broker", { 5 })
