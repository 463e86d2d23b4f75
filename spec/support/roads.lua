--- Another road to the brokers of specs that know plain TCP alone (`spec/run.lua --road=NAME`): what a client is told
-- stays what it was, where it goes does not. The runner begins a road and ends it; the other functions are for the
-- specs' processes.
local roads = {}

local FRAMED = { ws = true, wss = true }
local PROXIES = { http_proxy = "http://127.0.0.1:", https_proxy = "https://localhost:", socks5 = "socks5://127.0.0.1:",
  socks5h = "socks5h://127.0.0.1:" }

local sockets = os.getenv "HOLDFAST_SPEC_SOCKETS"
local through = os.getenv "HOLDFAST_SPEC_PROXY"

--- "unix", "ws", "wss", "quic", the kind of a proxy, or nil: plain TCP.
function roads.name()
  return os.getenv "HOLDFAST_SPEC_ROAD"
end

--- Whether brokers speak WebSocket.
function roads.framed()
  return FRAMED[roads.name()] or false
end

--- The address of the proxy that stands in between, or nil.
function roads.proxy()
  return through
end

-- ---- for the runner ----

local function proxy_of(name, folder)
  local proxies = require "spec.support.proxies"
  local proxy = name:find "^socks" and proxies.socks() or proxies.http()
  return PROXIES[name] .. (name == "https_proxy" and proxies.secure(proxy, folder .. "/certificates") or proxy).port
end

--- Why a road cannot be built here.
-- @tparam string name
-- @treturn ?string nil: it can
function roads.missing(name)
  return name == "quic" and require("spec.support.quic_server").missing() or nil
end

--- Builds a road for all files of a run. Proxies end with `roads.finish`, or with this process.
-- @tparam string name
-- @tparam string folder where sockets and certificates stand
-- @treturn table the environment that specs need: name -> value
function roads.begin(name, folder)
  assert(name == "unix" or name == "quic" or FRAMED[name] or PROXIES[name], "there is no road " .. name)
  local words = { HOLDFAST_SPEC_ROAD = name, HOLDFAST_SPEC_SOCKETS = folder }
  if name == "wss" or name == "quic" or name == "https_proxy" then
    assert(os.rename(require("spec.support.certificates").make(), folder .. "/certificates"))
    words.SSL_CERT_FILE = folder .. "/certificates/ca.pem"
  end
  words.HOLDFAST_SPEC_PROXY = PROXIES[name] and proxy_of(name, folder)
  return words
end

function roads.finish()
  require("spec.support.proxies").finish()
end

-- ---- for brokers ----

--- The folder of those that all trust.
function roads.certificates()
  return sockets .. "/certificates"
end

--- What a listener without TLS of its own needs to be configured with. The authority of its certificate is in
-- SSL_CERT_FILE, so that clients without a word of TLS trust it.
-- @treturn table lines
function roads.lines()
  if roads.name() ~= "wss" then return {} end
  local folder = roads.certificates()
  return { "certfile " .. folder .. "/server.pem", "keyfile " .. folder .. "/server.key" }
end

-- Whether the listener that begins at that line is within TLS.
local function is_secure(lines, from)
  for index = from + 1, #lines do
    if lines[index]:find "^listener " then break end
    if lines[index]:find "^certfile " or lines[index]:find "^psk_" then return true end
  end
  return false
end

--- A broker's lines, in which each listener at a port is one of that road, and paved.
function roads.through(lines)
  if not roads.name() then return lines end
  local all = {}
  for index, line in ipairs(lines) do
    all[#all + 1] = line
    local port = line:match "^listener (%d+)"
    if port and port ~= "0" and roads.name() ~= "unix" then
      roads.pave(port)
      all[#all + 1] = roads.framed() and "protocol websockets" or nil
      for _, more in ipairs(is_secure(lines, index) and {} or roads.lines()) do all[#all + 1] = more end
    end
  end
  return all
end

--- Where the broker at this port has its socket.
function roads.socket(port)
  return ("%s/%d"):format(sockets, port)
end

--- Paves the way to a port: without it clients go there by plain TCP. A server of QUIC has the same number, of UDP.
function roads.pave(port)
  if roads.name() == "quic" then
    require("spec.support.quic_server").start { upstream = port, port = port, folder = roads.certificates() }
  end
  assert(io.open(roads.socket(port) .. ".paved", "w")):close()
end

-- ---- for clients ----

--- Turns a server, as `holdfast.check` has it, into one of that road, if it leads there.
function roads.take(server)
  if server.road ~= "tcp" or server.service or server.tls and roads.name() == "quic" then return end
  local paved = io.open(roads.socket(server.port) .. ".paved")
  if not paved then return end
  paved:close()
  if through then
    server.proxied = true
  elseif roads.name() == "quic" then
    server.road, server.tls = "quic", true
    assert(not require("holdfast.join").problem "quic")
  elseif roads.name() == "unix" then
    server.road, server.host, server.port, server.ipv6 = "unix", roads.socket(server.port), 0, false
  else
    server.road, server.path, server.tls = "websocket", "/mqtt", server.tls or roads.name() == "wss"
  end
end

--- Turns options, as `holdfast.options` has them, into those of a client that goes through the proxy, where all of its
-- servers are behind it.
function roads.go_through(values)
  if not through or values.proxy or values.return_to_primary or not values.servers[1] then return end
  for _, server in ipairs(values.servers) do
    if not server.proxied then return end
  end
  values.proxy = { plain = through, secure = through }
end

return roads
