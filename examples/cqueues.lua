-- A thermometer in a cqueues program: lua5.4 examples/cqueues.lua mqtt://localhost [readings]
local cqueues = require "cqueues"
local holdfast = require "holdfast"

local address, readings = arg[1] or "mqtt://localhost", tonumber(arg[2] or 10)
local controller = cqueues.new()

controller:wrap(function()
  -- Made where the controller runs, so that is the loop it waits on. Elsewhere, say loop = "cqueues".
  local client = holdfast.new { server = address }

  client:on("lost", print)
  client:subscribe("thermometer/+/set", { qos = 1 }, function(message)
    cqueues.sleep(0.01) -- a handler may wait for whatever cqueues can wait for
    print(message.topic, message.payload)
  end)

  assert(client:connect(10))
  for i = 1, readings do
    assert(client:publish("thermometer/kitchen", ("%.1f"):format(20 + i / 10), { qos = 1 }))
    cqueues.sleep(0.05)
  end
  assert(client:publish("thermometer/kitchen/set", "21.5", { qos = 1 }))
  cqueues.sleep(0.2)
  client:close(1)
end)

assert(controller:loop()) -- which ends, since nothing is left once the client is closed
print "closed"
