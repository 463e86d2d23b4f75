-- A message that is refused, and its connection with it, must not hold up the acknowledgements of later ones.
local holdfast = require "holdfast"
local scripted = require "spec.support.scripted_broker"

describe("a message with more Subscription Identifiers than subscriptions #broker", function()
  for qos = 1, 2 do
    it("of QoS " .. qos .. " ends its connection, and none of those that follow goes unanswered", function()
      local broker = scripted.listen()
      local ack = qos == 1 and "puback" or "pubrec"
      local client = holdfast.new {
        server = "mqtt://127.0.0.1:" .. broker.port, client_id = "refuses", transport = "native", session_expiry = 60,
        backoff = { strategy = "constant", min = 0.01, jitter = "none" },
      }
      local got = {}
      client:subscribe("a", { qos = qos }, function(message) got[#got + 1] = message.payload end)
      local lost
      client:on("lost", function(event)
        lost = event.reason.name
        client:reconnect()
      end)
      holdfast.run(function()
        client:start()
        local function welcome(present)
          local peer
          for _ = 1, 200 do
            holdfast.sleep(0.01)
            peer = peer or broker:accept_now()
            if peer then break end
          end
          peer:expect "connect"
          return peer:connack { session_present = present }
        end
        local peer = welcome(false)
        holdfast.sleep(0.1)
        local subscribe = peer:expect "subscribe"
        peer:suback(subscribe.id, qos)
        peer:publish { topic = "a", qos = qos, id = 1, payload = "one" }
        peer:publish { topic = "a", qos = qos, id = 2, payload = "bad", properties = { "\11\1", "\11\2", "\11\3" } }
        holdfast.sleep(0.3)
        assert.equal("protocol_error", lost)
        peer = welcome(true)
        for id = 3, 5 do
          peer:publish { topic = "a", qos = qos, id = id, payload = "later " .. id }
        end
        holdfast.sleep(0.3)
        local answered = {}
        for i = 1, 3 do answered[i] = peer:expect(ack).id end
        assert.same({ 3, 4, 5 }, answered)
        client:close(1)
      end)
      broker:close()
      assert.equal("later 5", got[#got])
    end)
  end
end)
