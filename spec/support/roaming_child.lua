-- Run by spec/quic/roaming_spec.lua at the other end of its link: roaming_child.lua SERVER TOPIC COUNT MOVES. Publishes
-- so many messages of QoS 2, a share of them after each of the moves that it hears of, and says how many connections
-- were lost meanwhile.
local holdfast = require "holdfast"

local server, topic, count, moves = arg[1], arg[2], tonumber(arg[3]), tonumber(arg[4])
local share = count / (moves + 1)

holdfast.run(function()
  local client = holdfast.new { server = server, transport = "native", tls = { verify = false }, watch_network = true,
    detect_within = 5, connect_timeout = 10, backoff = { strategy = "constant", min = 0.1, jitter = "none" } }
  local lost, done, next_one, moved = 0, 0, 1, 0
  client:on("lost", function() lost = lost + 1 end)
  client:subscribe(topic .. "/moved", { qos = 1 }, function(message) moved = tonumber(message.payload) end)
  assert(client:connect(20))
  for _ = 1, 20 do
    holdfast.spawn(function()
      while next_one <= count do
        local number = next_one
        next_one = number + 1
        while number > share * (moved + 1) do holdfast.sleep(0.01) end
        assert(client:publish(topic, tostring(number), { qos = 2, timeout = 120 }))
        done = done + 1
        holdfast.sleep(0.01)
      end
    end)
  end
  while done < count do holdfast.sleep(0.01) end
  print(("lost=%d"):format(lost))
  client:close(5)
end)
