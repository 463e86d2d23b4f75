--- Where the broker is, as mosquitto_sub and mosquitto_pub have it said: `-h`, `-p`, `-L`.
-- @module holdfast.command.broker
local options = require "holdfast.command.options"
local values = require "holdfast.command.values"

local broker = {}

--- Adds the options.
-- @tparam table command of argparse
function broker.declare(command)
  command:group("The broker",
    command:option "-h --host":argname "HOST":description "Its name or address (localhost).",
    command:option "-p --port":argname "PORT":description "Its port; 1883, or 8883 with TLS, unless given.":convert(
      values.whole("--port", 1, 65535)),
    command:option "-L --url":argname "URL":count "*":description("mqtt://user:password@host:1883/topic, mqtts://..., "
      .. "or ws://, wss://, quic://, unix:// without a topic; repeated, several are tried in that order."),
    command:option "--unix":argname "PATH":description "A unix socket.",
    command:flag "-S --srv":description "The host is the name of a service (SRV records).",
    command:flag "--tls-use-os-certs":description "TLS, with the system's certificates.")
end

local function with_host(arguments)
  local tls = arguments.tls_use_os_certs or options.wants_tls(arguments)
  local scheme = (tls and "mqtts" or "mqtt") .. (arguments.srv and "+srv" or "")
  local host = arguments.host or "localhost"
  if host:find(":", 1, true) and host:sub(1, 1) ~= "[" then
    host = "[" .. host .. "]"
  end
  return scheme .. "://" .. host .. (arguments.port and ":" .. arguments.port or "")
end

-- mqtt://host/topic: the path of another scheme's address is its own.
local function split(url)
  local address, topic = url:match "^(mqtts?://[^/]+)/(.*)$"
  if address and topic ~= "" then
    return address, (topic:gsub("%%(%x%x)", function(digits)
      return string.char(tonumber(digits, 16))
    end))
  end
  return address or url
end

--- Puts the addresses into `arguments.url`.
-- @tparam table arguments
-- @treturn ?string the topic in an address
-- @treturn ?string what is wrong
function broker.resolve(arguments)
  local given = arguments.url or {}
  local by_host = arguments.host or arguments.port or arguments.srv or arguments.tls_use_os_certs
  if (given[1] and 1 or 0) + (arguments.unix and 1 or 0) + (by_host and 1 or 0) > 1 then
    return nil, "--url, --unix and --host (with --port, --srv, --tls-use-os-certs) exclude each other; keep one"
  elseif arguments.srv and arguments.port then
    return nil, "--srv finds the port itself; leave --port out"
  elseif arguments.unix then
    arguments.url = { "unix://" .. arguments.unix }
    return nil
  elseif not given[1] then
    arguments.url = { with_host(arguments) }
    return nil
  end
  local topic
  for place, url in ipairs(given) do
    local address, its_topic = split(url)
    given[place], topic = address, topic or its_topic
  end
  return topic
end

return broker
