-- luamqtt: connects, publishes once at QoS 1, disconnects. luamqtt.lua PORT
local mqtt = require "mqtt"

local client = mqtt.client { uri = "127.0.0.1:" .. arg[1], clean = true, version = mqtt.v50 }

client:on {
  connect = function()
    assert(client:publish { topic = "bench", payload = "x", qos = 1, callback = function()
      client:disconnect()
    end })
  end,
  error = error,
}

mqtt.run_ioloop(client)
