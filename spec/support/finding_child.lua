-- Run by finding_spec in a network namespace of its own whose names are looked up at 127.0.0.1: `finding_child.lua
-- folder`. A service with two brokers, a name server, and each of the three killed and back.
local certificates = require "spec.support.certificates"
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local sockets = require "socket_probe"

local name_server = require("spec.support.named").new(arg[1])

local function say(...)
  print(...)
  io.stdout:flush()
end

local function client_of(server, more)
  local options = { server = server, transport = "native", connect_timeout = 20,
    backoff = { strategy = "constant", min = 0.1, max = 0.1, jitter = "none" },
    policy = { slow = { strategy = "constant", min = 0.1, max = 0.1, jitter = "none" } } }
  for key, value in pairs(more or {}) do
    options[key] = value
  end
  return holdfast.new(options)
end

local function ready(client)
  repeat
    holdfast.sleep(0.01)
  until client:status().ready
end

-- The next failure that is another one.
local function failure(client, than)
  local event
  repeat
    event = assert(client:wait("failed", 15))
  until event.reason.name ~= than
  return event.reason.name .. " " .. client:history()[#client:history()].phase
end

assert(os.execute "ip link set lo up")
local first, second = mosquitto.start(), mosquitto.start()
local at = { first.port, second.port }
name_server:write { ("SRV _mqtt._tcp.home.example 0 0 0 %d b.example"):format(at[1]),
  ("SRV _mqtt._tcp.home.example 0 1 0 %d c.example"):format(at[2]), "A b.example 127.0.0.1", "A c.example 127.0.0.1" }
name_server:start()

holdfast.run(function()
  local client = client_of "mqtt+srv://home.example"
  local heard, sent = {}, 0
  client:subscribe("t", { qos = 1 }, function(message) heard[message.payload] = true end)
  local function publish()
    sent = sent + 1
    assert(client:post("t", tostring(sent), { qos = 1 }))
  end
  local function lost()
    local deadline, missing = core.now() + 10, 1
    while missing > 0 and core.now() < deadline do
      holdfast.sleep(0.01)
      missing = 0
      for n = 1, sent do
        missing = missing + (heard[tostring(n)] and 0 or 1)
      end
    end
    return missing
  end
  assert(client:connect(10))
  publish()
  say("connected to " .. client:status().server)
  first:kill()
  publish()
  assert(client:wait("ready", 10))
  say("the second broker", lost())
  name_server:kill()
  publish()
  say("without a name server", lost())
  second:kill()
  publish()
  say("without either", failure(client, nil))
  name_server:start()
  say("the name server is back", failure(client, "name_server_failing"))
  second:restart()
  ready(client)
  say("and the broker", lost())
  second:kill()
  publish()
  say("without a broker", failure(client, nil))
  name_server:kill()
  say("without either", failure(client, "connection_refused"))
  first:restart()
  holdfast.sleep(0.2)
  say("the broker is back", client:status().state ~= "connected" and failure(client, nil))
  name_server:start()
  ready(client)
  say("and the name server", lost())
  client:close()

  local proxy, port = assert(sockets.listen(0))
  client = client_of("mqtt+srv://home.example", { proxy = "http://127.0.0.1:" .. port })
  client:start()
  local peer = assert(proxy:accept(5000))
  local asked = ""
  repeat
    asked = asked .. assert(peer:some(1, 5000))
  until asked:find "\n"
  say("the proxy", (asked:match("^CONNECT %S+"):gsub(at[1], "first")))
  client:close()
  peer:close()
  proxy:close()

  name_server:write {}
  client = client_of "mqtt+srv://home.example"
  client:start()
  say("nobody knows", failure(client))
  client:close()
end)

local certificate = certificates.make()
local secure = mosquitto.start { lines = { "certfile " .. certificate .. "/server.pem", "keyfile " .. certificate
  .. "/server.key" } }
name_server:write { ("SRV _secure-mqtt._tcp.localhost 60 0 0 %d b.example"):format(secure.port),
  ("SRV _secure-mqtt._tcp.other.example 60 0 0 %d b.example"):format(secure.port), "A b.example 127.0.0.1" }
holdfast.run(function()
  local client = client_of("mqtts+srv://localhost", { tls = { ca = certificate .. "/ca.pem" } })
  say("the service's certificate", client:connect(10))
  client:close()
  client = client_of("mqtts+srv://other.example", { tls = { ca = certificate .. "/ca.pem" } })
  client:start()
  say("another one's", failure(client))
  client:close()
end)
name_server:kill()
mosquitto.finish()
process.remove_folder(certificate)
