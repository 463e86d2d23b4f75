-- A thermometer in a copas program: luajit examples/copas.lua mqtt://localhost [readings]
local copas = require "copas"
local holdfast = require "holdfast"

local address, readings = arg[1] or "mqtt://localhost", tonumber(arg[2] or 10)

local client = holdfast.new { server = address, loop = "copas" }

client:on("lost", print)
client:subscribe("thermometer/+/set", { qos = 1 }, function(message)
  holdfast.sleep(0.01) -- a handler is a coroutine of copas: it may wait for whatever copas can wait for
  print(message.topic, message.payload)
end)

local is_over = false

copas.addthread(function()
  assert(client:connect(10))
  for i = 1, readings do
    assert(client:publish("thermometer/kitchen", ("%.1f"):format(20 + i / 10), { qos = 1 }))
    holdfast.sleep(0.05) -- which copas 1.x, as Debian has it, cannot do by itself
  end
  assert(client:publish("thermometer/kitchen/set", "21.5", { qos = 1 }))
  holdfast.sleep(0.2)
  client:close(1)
  is_over = true
end)

repeat -- with copas 2.0 or later just copas.loop(), which ends once the client is closed
  copas.step()
until is_over
print "closed"
