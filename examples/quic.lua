-- By QUIC where UDP comes through, and by TCP where it does not:
-- lua5.4 examples/quic.lua quic://localhost mqtts://localhost [ca.pem [seconds between messages]]
-- It says by which server each message went. Where this machine changes its network meanwhile, a connection over QUIC
-- goes on from there, and nothing is lost. QUIC is of the package holdfast-quic.
local holdfast = require "holdfast"

local by_quic, by_tcp, ca, pause = arg[1] or "quic://localhost", arg[2] or "mqtts://localhost", arg[3], tonumber(arg[4])

local client = holdfast.new { -- raises an error that names the package, where it is not there
  servers = { by_quic, by_tcp },
  transport = "native",
  tls = { ca = ca },
  detect_within = 5,
}

client:on("failed", function(event)
  print(("failed: %s at %s"):format(event.reason.name, event.server))
end)
client:on("lost", function(event)
  print("lost: " .. event.reason.name)
end)

holdfast.run(function()
  client:start()
  for count = 1, 3 do
    local published, message = client:publish("examples/quic", tostring(count), { qos = 1, timeout = 30 })
    print(published and ("%d by %s"):format(count, client:status().server) or message)
    holdfast.sleep(pause or 1)
  end
  client:close(1)
end)
