--- What options may go together: rules that no row of the schema can tell by itself.
-- Read by those who give more than an address and what goes with everything.
-- @module holdfast.rules
local core = require "holdfast.core"
local late = require "holdfast.late"
local options = require "holdfast.options"
local text = require "holdfast.text"
local walk = require "holdfast.walk"

local join = late.module "holdfast.join"
local proxy = late.module "holdfast.proxy"

local rules = {}

-- What means something to some strategies only.
local SERIES = { constant = true, linear = true, exponential = true, fibonacci = true }
local MEANT_FOR = {
  factor = { exponential = true },
  step = { linear = true },
  jitter = SERIES, -- the others draw by themselves
  clients = { spread = true },
  rate = { spread = true },
}

local PARTS = { "strategy", "min", "max", "factor", "step", "jitter", "clients", "rate" }

local function strategy_problem(given, name, strategy)
  for index = 2, #PARTS do
    local key = PARTS[index]
    local meant = MEANT_FOR[key]
    if given[key] ~= nil and (strategy == "none" or meant and not meant[strategy]) then
      local only = meant and meant ~= SERIES and next(meant)
      return only and ('%s.%s needs strategy = "%s", got "%s"'):format(name, key, only, strategy)
        or ('%s.%s does not go with strategy = "%s"'):format(name, key, strategy)
    end
  end
end

-- What belongs together, and what does not.
local function company_problem(given, name, strategy)
  for _, key in ipairs(PARTS) do
    if given.preset ~= nil and given[key] ~= nil then
      return ("%s.preset stands for all of %s; leave %s.%s out"):format(name, name, name, key)
    end
  end
  for _, key in ipairs { "clients", "rate" } do
    if strategy == "spread" and given[key] == nil then
      return ('%s.%s is missing: strategy = "spread" wants it'):format(name, key)
    end
  end
  if strategy == "spread" and given.max ~= nil then
    return ('%s.max does not go with strategy = "spread"; clients and rate say how long it is'):format(name)
  end
  return strategy_problem(given, name, strategy)
end

local function bounds_problem(spec, name)
  if spec.min == 0 and spec.strategy ~= "random" then
    return ("%s.min must be a number of seconds above 0 and up to 4,294,967, got 0"):format(name)
  end
  if spec.strategy ~= "spread" and spec.min > spec.max then
    return ("%s.max must be at least %s.min, which is %s s, got %s s"):format(name, name, text.describe(spec.min),
      text.describe(spec.max))
  end
  local problem = core.backoff.problem(options.milliseconds(spec))
  return problem and name .. ": " .. problem
end

--- Checks one backoff by itself.
-- @tparam table given `strategy`, `min`, `max`, `factor`, `step`, `jitter`
-- @tparam string name how messages call it
-- @tparam[opt] table defaults in place of the schema's
-- @treturn ?table with defaults, or nil and what is wrong
function rules.backoff(given, name, defaults)
  if type(given) ~= "table" then
    return nil, ("%s must be a table, got %s"):format(name, text.describe(given))
  end
  local values, problem = walk.nested("backoff", given, name .. ".", defaults)
  problem = problem or company_problem(given, name, values.strategy) or bounds_problem(values, name)
  if problem then
    return nil, problem
  end
  return values
end

-- What no row can tell by itself.
local parts = {}

function parts.one_clock(given)
  if given.keep_alive ~= nil and given.detect_within ~= nil then
    return "keep_alive and detect_within exclude each other; the second one sets the first"
  end
end

local function has_road(values, road)
  if values.ask_server then
    return true -- for all that is known
  end
  for _, server in ipairs(values.servers) do
    if server.road == road then
      return true
    end
  end
  return false
end

function parts.credentials(given, values)
  if given.credentials ~= nil and (given.username ~= nil or given.password ~= nil) then
    return "credentials replaces username and password; keep one of them"
  elseif values.protocol == 4 and given.password ~= nil and given.username == nil then
    return "password needs a username in MQTT 3.1.1 [MQTT-3.1.2-22]"
  end
end

function parts.protocol(given, values)
  if values.protocol == 5 then
    return nil
  elseif values.fallback then
    return "fallback = true leads from protocol 5 to 4, so it needs protocol = 5"
  elseif values.client_id == false then
    return "client_id = false (the broker chooses) needs protocol = 5"
  elseif given.response_topic ~= nil then
    return "response_topic needs protocol = 5"
  elseif given.properties ~= nil or (values.will and values.will.properties) then
    return (given.properties ~= nil and "properties" or "will.properties") .. " need protocol = 5"
  end
  for _, name in ipairs { "receive_maximum", "maximum_packet_size" } do
    if given[name] ~= nil then
      return name .. " needs protocol = 5"
    end
  end
  if given.redirect ~= nil and not has_road(values, "websocket") then
    return "redirect needs protocol = 5"
  end
end

function parts.store(given, values)
  if values.queue.store and not values.client_id then
    return "queue.store needs a client_id: the broker knows the session that it belongs to by no other name"
  elseif not values.queue.store and given.queue and given.queue.sync ~= nil then
    return "queue.sync needs a queue.store"
  end
end

function parts.sleep(given, values)
  if given.sleep_for ~= nil and not values.max_attempts then
    return "sleep_for needs max_attempts: who sleeps for another reason does so until woken"
  end
end

function parts.primary(given, values)
  if given.return_to_primary ~= nil and given.server ~= nil then
    return "return_to_primary needs servers: there is no other one to return from"
  elseif given.return_to_primary ~= nil and values.servers[1].service then
    return "return_to_primary looks at one server, and the first of servers is a service; leave one of them out"
  end
end

function parts.server(_, values)
  if values.ask_server and values.transport == "paho" then
    return 'server is a function, which only the native transport asks; say transport = "native"'
  end
end

function parts.inspect(_, values)
  if values.inspect and values.transport == "paho" then
    return 'inspect: Paho shows no steps; say transport = "native"'
  end
end

local ROADS = { unix = "a unix socket", websocket = "a WebSocket", quic = "reached by QUIC" }

function parts.headers(given, values)
  if given.headers ~= nil and not has_road(values, "websocket") then
    return "headers is given, but no server's address begins with ws:// or wss://"
  end
end

function parts.road(given, values)
  for index, server in ipairs(values.servers) do
    local place = given.server and "server" or ("servers in place %d"):format(index)
    local road = server.service and "the name of a service" or ROADS[server.road]
    if road and values.transport == "paho" then
      return ('%s is %s, which Paho does not go by; say transport = "native"'):format(place, road)
    end
    local missing = join.problem(server.road)
    if missing then
      return ("%s is reached by QUIC, and %s"):format(place, missing)
    end
  end
end

local function leads_anywhere(servers)
  for _, server in ipairs(servers) do
    if server.road ~= "unix" and server.road ~= "quic" then
      return true
    end
  end
  return false
end

function parts.proxy(given, values)
  if given.proxy == nil then
    return nil
  elseif values.transport == "paho" then
    return 'proxy: Paho stops every client of the process while it waits for one; say transport = "native"'
  elseif not values.ask_server and not leads_anywhere(values.servers) then
    return "proxy is given, but no server is reached by one: that takes TCP"
  end
  local problem
  values.proxy, problem = proxy.resolve(values.proxy)
  if values.proxy and given.return_to_primary ~= nil then
    return "return_to_primary looks at the first server directly, which proxy does not allow; leave one of them out"
  end
  return problem
end

rules.HANDLED_NATIVELY =
  'acknowledge = "handled" needs transport = "native": Paho acknowledges a message as it arrives'

function parts.acknowledge(_, values)
  if values.acknowledge == "handled" and values.transport == "paho" then
    return rules.HANDLED_NATIVELY
  end
end

function parts.limits(_, values)
  local limits = values.limits
  if limits and not limits.publish_per_second and not limits.bytes_per_second then
    return "limits needs publish_per_second, bytes_per_second or both"
  elseif limits and limits.burst and not limits.publish_per_second then
    return "limits.burst needs limits.publish_per_second"
  end
end

-- What Paho cannot do, which reads certificates from files by itself.
local function paho_problem(tls)
  for _, name in ipairs { "ca", "cert", "key" } do
    if tls[name] and tls[name]:find("-----BEGIN ", 1, true) then
      return ('tls.%s is PEM, and Paho reads files only; name one, or say transport = "native"'):format(name)
    end
  end
  if tls.key and tls.key:sub(1, 7):lower() == "pkcs11:" then
    return 'tls.key is a token\'s, and Paho reads files only; say transport = "native"'
  end
  for name, what in pairs { pin = "look at keys", crl = "look for what is revoked", ocsp = "ask for it" } do
    if tls[name] then
      return ('tls.%s: Paho does not %s; say transport = "native"'):format(name, what)
    end
  end
end

function parts.zero_rtt(_, values)
  if values.zero_rtt and not has_road(values, "quic") then
    return "zero_rtt is given, but no server's address begins with quic://"
  elseif values.zero_rtt and values.auth then
    return "zero_rtt does not go with auth, whose exchange begins when the handshake is complete"
  end
end

-- What GnuTLS is not asked to do, which QUIC is made with.
local function quic_problem(tls)
  for name, why in pairs { psk_key = "it has certificates only", ocsp = "it does not ask for that" } do
    if tls[name] then
      return ("tls.%s does not go with a server that is reached by QUIC: %s"):format(name, why)
    end
  end
  if tls.key and tls.key:sub(1, 7):lower() == "pkcs11:" then
    return "tls.key is a token's, which does not go with a server that is reached by QUIC; name a file"
  end
end

local function tls_problem(given, tls)
  if (tls.psk_identity == nil) ~= (tls.psk_key == nil) then
    return tls.psk_key and "tls.psk_key needs a tls.psk_identity" or "tls.psk_identity needs a tls.psk_key"
  elseif tls.psk_key then
    for _, name in ipairs { "ca", "cert", "key", "key_password", "pin", "crl", "ocsp", "verify" } do
      if given[name] ~= nil then
        return ("tls.psk_key takes the place of certificates; leave tls.%s out"):format(name)
      end
    end
  elseif not tls.verify and (tls.crl or tls.ocsp) then
    return ("tls.%s is about a chain, which verify = false does not look at"):format(tls.crl and "crl" or "ocsp")
  elseif not tls.cert and (tls.key or tls.key_password) then
    return ("tls.%s needs a tls.cert"):format(tls.key and "key" or "key_password")
  end
end

-- What a proxy has no use for.
local function proxy_tls_problem(tls)
  for _, name in ipairs { "cert", "psk_identity", "alpn" } do
    if tls[name] then
      return ("tls.%s is for a broker, and no server's address begins with mqtts://, wss:// or "
        .. "quic://: TLS to a proxy goes without it"):format(name)
    end
  end
end

function parts.tls(given, values)
  if values.tls == nil then
    return nil
  end
  local has_broker = values.ask_server
  for _, server in ipairs(values.servers) do
    has_broker = has_broker or server.tls
  end
  if not has_broker and not (values.proxy and proxy.may_be_secure(values.proxy)) then
    return "tls is given, but no server's address begins with mqtts://, wss:// or quic://"
  end
  return (values.transport == "paho" and paho_problem(values.tls))
    or (has_road({ servers = values.servers }, "quic") and quic_problem(values.tls))
    or tls_problem(given.tls, values.tls)
    or not has_broker and proxy_tls_problem(values.tls) or nil
end

function parts.backoff(given, values)
  local spec = type(given.backoff) == "table" and given.backoff or {}
  local problem = company_problem(spec, "backoff", values.backoff.strategy) or bounds_problem(values.backoff, "backoff")
  if problem then
    return problem
  end
  local slow = type(values.policy) == "table" and type(values.policy.slow) == "table" and not values.policy.slow.class
  values.slow, problem = rules.backoff(slow and values.policy.slow or {}, "policy.slow", { min = 30, max = 300 })
  return problem
end

-- Those that are built in.
local SCRAM = { ["SCRAM-SHA-1"] = true, ["SCRAM-SHA-256"] = true, ["SCRAM-SHA-512"] = true }

local NAME = 20000 -- bytes; escaped, it is thrice as long, and must go into one property

-- The form that both sides compute with, eleven times as long at worst. Where that takes a library which is not there,
-- the client cannot be made.
local function prepare(auth)
  for _, name in ipairs { "username", "password" } do
    local prepared, problem = core.saslprep(auth[name], name == "username")
    if problem then
      return ("auth.%s %s"):format(name, problem)
    end
    auth[name] = prepared or auth[name]
  end
  if #auth.username > NAME then
    return ("auth.username must be at most %s bytes long in the form of RFC 4013, got %s"):format(text.number(NAME),
      text.number(#auth.username))
  end
end

-- "-PLUS": bound to the TLS connection.
local function binding_problem(values)
  local method = values.auth.method
  if values.ask_server then
    return nil
  end
  for _, server in ipairs(values.servers) do
    if not server.tls then
      return ("auth.method = %s is bound to TLS, and %s has none; say mqtts://, wss:// or quic://, or leave -PLUS "
        .. "out"):format(text.describe(method), server.text)
    end
  end
end

local function auth_problem(values)
  local auth = values.auth
  local method = text.describe(auth.method)
  local named = auth.username ~= nil or auth.password ~= nil
  if auth.start or auth.continue then
    return named and "auth.username and auth.password do not go with functions, which say what they want" or nil
  end
  local plain = auth.method:gsub("%-PLUS$", "")
  if not SCRAM[plain] then
    return ('auth.method = %s needs auth.start, auth.continue or both; SCRAM-SHA-1, SCRAM-SHA-256 and SCRAM-SHA-512 '
      .. "are built in, with -PLUS and without"):format(method)
  elseif auth.username == nil or auth.password == nil then
    return ("auth.method = %s needs auth.username and auth.password"):format(method)
  end
  return plain ~= auth.method and binding_problem(values) or prepare(auth)
end

function parts.auth(_, values)
  if values.auth == nil then
    return nil
  elseif values.transport == "paho" then
    return 'auth: Paho has no enhanced authentication; say transport = "native"'
  elseif values.protocol ~= 5 then
    return "auth needs protocol = 5: MQTT 3.1.1 has no enhanced authentication"
  elseif values.fallback then
    return "auth does not go with fallback, which may lead to MQTT 3.1.1, and that has none"
  end
  return auth_problem(values)
end

local order = { "server", "road", "auth", "acknowledge", "inspect", "one_clock", "credentials", "headers", "protocol",
  "store", "limits", "sleep", "primary", "proxy", "zero_rtt", "tls", "backoff" }

-- Names of the environment's, and of other clients.
local PROXIES = { "http_proxy", "https_proxy", "all_proxy", "no_proxy" }

--- What is said before anything else is looked at.
-- @tparam table given
-- @treturn ?string what is wrong
function rules.proxy_problem(given)
  for _, name in ipairs(PROXIES) do
    if given[name] ~= nil then
      return name .. ': say proxy = "http://host:3128", or proxy = "environment" for what the environment names'
    end
  end
end

--- Checks what is given against all of them.
-- @tparam table given
-- @tparam table values of it, with defaults; `slow` is put in
-- @treturn ?string what is wrong
function rules.problem(given, values)
  for _, name in ipairs(order) do
    local problem = parts[name](given, values)
    if problem then
      return problem
    end
  end
end

return rules
