-- Connects, publishes once at QoS 1, closes. once.lua PORT TRANSPORT
local holdfast = require "holdfast"

local client = holdfast.new { server = "mqtt://127.0.0.1:" .. arg[1], transport = arg[2] }

assert(client:connect(10))
assert(client:publish("bench", "x", { qos = 1, timeout = 10 }))
client:close(1)
