local holdfast = require "holdfast"

local client = holdfast.new { server = "mqtt://localhost" }
client:on("lost", print) -- events print themselves; a handler of yours is function(event) ... end
client:on("ready", print)

local meters = client:subscribe("meters/+/power", { qos = 1 }) -- a wish: kept through every reconnect

holdfast.run(function()
  assert(client:connect(10)) -- waits until ready, or nil, message, code
  assert(client:publish("meters/kitchen/power", "42", { qos = 1 })) -- waits until the broker has it, outages included
  for message in meters:messages() do
    print(message.topic, message.payload)
  end
end)
