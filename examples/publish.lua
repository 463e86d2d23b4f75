-- Publishes the lines of its standard input, each acknowledged before the next is read; outages only take time.
--
--     ls | lua publish.lua mqtt://localhost a/topic
local holdfast = require "holdfast"

local address, topic = arg[1] or "mqtt://localhost", arg[2] or "lines"
local client = holdfast.new { server = address }

client:on("ready", function()
  print("ready at " .. address)
end)
client:on("failed", print)
client:on("lost", print)

client:start()
local count = 0
for line in io.lines() do
  local delivered, message = client:publish(topic, line, { qos = 1 })
  if not delivered then
    io.stderr:write("not delivered: ", message, "\n")
    os.exit(1)
  end
  count = count + 1
end
client:close(5)
print(("%d lines on %s"):format(count, topic))
