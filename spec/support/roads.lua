--- Another road to the brokers of specs that know plain TCP alone (`spec/run.lua --road=NAME`): what a client is told
-- stays what it was, where it goes does not.
local roads = {}

local sockets = os.getenv "HOLDFAST_SPEC_SOCKETS"

--- "unix", "ws", or nil: plain TCP.
function roads.name()
  return os.getenv "HOLDFAST_SPEC_ROAD"
end

--- Where the broker at this port has its socket.
function roads.socket(port)
  return ("%s/%d"):format(sockets, port)
end

--- Paves the way to a port: without it clients go there by plain TCP.
function roads.pave(port)
  assert(io.open(roads.socket(port) .. ".paved", "w")):close()
end

--- Turns a server, as `holdfast.check` has it, into one of that road, if it leads there.
function roads.take(server)
  local paved = io.open(roads.socket(server.port) .. ".paved")
  if not paved then return end
  paved:close()
  if roads.name() == "unix" then
    server.road, server.host, server.port, server.ipv6 = "unix", roads.socket(server.port), 0, false
  else
    server.road, server.path = "websocket", "/mqtt"
  end
end

return roads
