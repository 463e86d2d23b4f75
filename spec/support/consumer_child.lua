-- Run by consumers.lua: handles messages until it is killed, and writes down each one whose handler comes to its end.
-- Arguments: port, store, QoS, protocol, log.
local holdfast = require "holdfast"

local port, store, qos, protocol, log = (table.unpack or unpack)(arg)
local file = assert(io.open(log, "a"))
file:setvbuf "no"

local client = assert(holdfast.new {
  server = "mqtt://127.0.0.1:" .. port, client_id = "consumer", protocol = tonumber(protocol), transport = "native",
  acknowledge = "handled", handle_pause = 0, queue = { store = store },
  receive_maximum = protocol == "5" and tonumber(qos) == 2 and 1 or nil,
  backoff = { strategy = "constant", min = 0.05, max = 0.05, jitter = "none" },
})

local failed = {}

client:on("error", function() end)
client:subscribe("numbers", { qos = tonumber(qos), ordered = qos == "2" }, function(message)
  holdfast.sleep(math.random() * 0.002)
  if tonumber(message.payload) % 7 == 0 and not failed[message.payload] then
    failed[message.payload] = true
    error "not at the first attempt"
  end
  file:write(message.payload .. "\n") -- in one piece: what is cut off runs into the next line
end)

holdfast.run(function()
  assert(client:start())
  holdfast.sleep(3600)
end)
