--- Which transport the clients of this run take that do not say which (`spec/run.lua --transport=NAME`), and what it
-- calls by another name than the other one.
local transport = {}

--- "paho" or "native".
function transport.name()
  return os.getenv "HOLDFAST_SPEC_TRANSPORT" or "native"
end

--- `either { paho = ..., native = ... }`
function transport.either(choices)
  return choices[transport.name()]
end

--- A port where nobody listens.
function transport.refused()
  return transport.either { paho = "connect_failed", native = "connection_refused" }
end

--- Whether that says that nobody listens: the system does, or the proxy in between.
function transport.absent(name)
  return name == transport.refused() or name == "socks_connection_refused" or name == "proxy_5xx"
end

--- A broker that was killed: its system says so with unread bytes in the socket, or not.
function transport.killed(name)
  return name == "connection_lost" or (transport.name() == "native" and name == "connection_reset")
end

return transport
