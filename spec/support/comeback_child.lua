-- Run by resumption_spec: connects with a store and says how that went; "stay" has it wait to be killed.
-- Arguments: server, or two with a comma between, which are tried side by side; authorities, or - to believe anyone;
-- store, whether to stay.
local holdfast = require "holdfast"

local given, ca, store, stay = (table.unpack or unpack)(arg)
local servers = {}
for server in given:gmatch "[^,]+" do servers[#servers + 1] = server end

holdfast.run(function()
  local client = assert(holdfast.new { servers = servers, client_id = "comeback", transport = "native",
    zero_rtt = #servers == 1, tls = ca == "-" and { verify = false } or { ca = ca }, queue = { store = store },
    backoff = { strategy = "constant", min = 0.05, jitter = "none" } })
  local why
  client:on("failed", function(event) why = event.reason.name end)
  client:start()
  while not why and not client:ready(0.01) do holdfast.sleep(0.01) end
  if not why then assert(client:publish("settle", "", { qos = 1, timeout = 10 })) end
  print(why or "ready")
  io.stdout:flush()
  if stay then holdfast.sleep(60) end
  client:close(5)
end)
