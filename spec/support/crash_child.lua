-- Run by crashes.lua: posts "<run>.<number>" for as long as it lives and writes down each that was accepted, or, as
-- the last run, waits until everything is delivered. Arguments: port, store, QoS, protocol, run, log.
local holdfast = require "holdfast"

local port, store, qos, protocol, run, log = (table.unpack or unpack)(arg)
local file = assert(io.open(log, "a"))
file:setvbuf "no"

local client = assert(holdfast.new {
  server = "mqtt://127.0.0.1:" .. port, client_id = "writer", protocol = tonumber(protocol),
  backoff = { strategy = "constant", min = 0.05, max = 0.05, jitter = "none" },
  queue = { messages = 2000, store = store },
})
assert(client:start())

local function post_for_ever()
  for number = 1, math.huge do
    local id
    repeat
      id = client:post("numbers", run .. "." .. number, { qos = tonumber(qos) })
      if not id or number % 20 == 0 then
        holdfast.sleep(0.002)
      end
    until id
    file:write(("%s.%d %.0f\n"):format(run, number, id))
  end
end

holdfast.run(function()
  if run ~= "last" then
    post_for_ever()
  end
  while client:status().queued.messages > 0 do
    holdfast.sleep(0.01)
  end
  client:close(2)
end)
