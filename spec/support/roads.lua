--- Another road to the brokers of specs that know plain TCP alone (`spec/run.lua --road=NAME`): what a client is told
-- stays what it was, where it goes does not.
local roads = {}

local sockets = os.getenv "HOLDFAST_SPEC_SOCKETS"

--- "unix", "ws", "wss", or nil: plain TCP.
function roads.name()
  return os.getenv "HOLDFAST_SPEC_ROAD"
end

--- Whether brokers speak WebSocket.
function roads.framed()
  return roads.name() == "ws" or roads.name() == "wss"
end

--- What a broker needs to be configured with for that road. The authority of its certificate is in SSL_CERT_FILE, so
-- that clients without a word of TLS trust it.
-- @treturn table lines
function roads.lines()
  if roads.name() ~= "wss" then return {} end
  local folder = sockets .. "/certificates"
  local there = io.open(folder .. "/server.pem")
  if there then
    there:close()
  else
    assert(os.rename(require("spec.support.certificates").make(), folder))
  end
  return { "certfile " .. folder .. "/server.pem", "keyfile " .. folder .. "/server.key" }
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
    server.road, server.path, server.tls = "websocket", "/mqtt", roads.name() == "wss"
  end
end

return roads
