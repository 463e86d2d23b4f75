-- A sensor behind a metered link: what it has measured while it was away goes out slowly, and an alarm before all of
-- it.
--
--     lua alarm.lua mqtt://localhost
local holdfast = require "holdfast"

local address = arg[1] or "mqtt://localhost"

local sensor = holdfast.new { server = address, limits = { publish_per_second = 20, burst = 1 } }
local station = holdfast.new { server = address }
local heard = station:subscribe("house/#", { qos = 1 })

holdfast.run(function()
  assert(station:connect(10))
  assert(heard:granted(10))
  for degrees = 20, 22 do -- not connected yet: they wait in the queue
    sensor:post("house/temperature", tostring(degrees), { qos = 1 })
  end
  sensor:post("house/smoke", "kitchen", { qos = 1, priority = 9 })
  assert(sensor:connect(10))
  for _ = 1, 4 do
    local message = assert(heard:receive(10))
    print(message.topic, message.payload)
  end
  sensor:close(1)
  station:close(1)
end)
