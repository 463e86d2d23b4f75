--- What the subcommands of `holdfast` have in common: who we are, TLS, the road to the broker, what is said meanwhile.
-- `declare` adds the options to a command, `client` makes of what was given the table for `holdfast.new`.
-- @module holdfast.command.options
local exit = require "holdfast.command.exit"
local schema = require "holdfast.schema"
local text = require "holdfast.text"
local values = require "holdfast.command.values"

local options = {}

local WHOLE_32 = 4294967295

local PROTOCOLS = { ["5"] = 5, mqttv5 = 5, ["311"] = 4, mqttv311 = 4, ["3.1.1"] = 4, ["4"] = 4 }

local function group(command, title)
  local elements = {}
  local function add(element)
    elements[#elements + 1] = element
    return element
  end
  local function option(name, argname, description)
    return add(command:option(name):argname(argname):description(description))
  end
  local function flag(name, description)
    return add(command:flag(name):description(description))
  end
  return option, flag, function()
    command:group(title, (table.unpack or unpack)(elements))
  end
end

local function declare_identity(command)
  local option, _, close = group(command, "Who we are")
  option("-u --username", "NAME", "User name.")
  option("-P --pw --password", "PASSWORD", "Its password, which the list of processes shows.")
    :target "password"
  option("--password-file", "FILE", "A file whose first line is the password.")
  option("-i --id", "ID", "Client id; a random one unless given.")
  option("-k --keepalive", "SECONDS", "A quiet link is probed after this (20); 0: never."):convert(
    values.whole("--keepalive", 0, 65535))
  option("-V --protocol-version", "VERSION", "mqttv5 or mqttv311; unless given, 5, or 3.1.1 if the broker refuses it.")
    :convert(values.choice("--protocol-version", PROTOCOLS, { "mqttv5", "mqttv311" })):target "protocol"
  option("--auth", "METHOD", "Enhanced authentication by SCRAM-SHA-1, -256 or -512, with -PLUS bound to TLS.")
  close()
end

local OCSP = { "ask", "require" }

local function declare_tls(command)
  local option, flag, close = group(command, "TLS")
  option("--cafile", "FILE", "Certificates to trust; the system's unless given.")
  option("--capath", "FOLDER", "The same as a hashed folder.")
  option("--cert", "FILE", "Our certificate chain.")
  option("--key", "FILE", "Its key, or a token's pkcs11: URI.")
  option("--keypass", "PHRASE", "The key's pass phrase, or the token's PIN.")
  option("--tls-alpn", "PROTOCOL", "Application protocol to offer; may be repeated."):count "*"
  option("--pin", "SHA256", "The key that the broker must have, base64; may be repeated."):count "*"
  option("--crl", "FILE", "Lists of revoked certificates.")
  option("--ocsp", "HOW", "ask or require a proof that nothing is revoked."):convert(
    values.word("--ocsp", OCSP))
  option("--psk-identity", "NAME", "With --psk in place of certificates.")
  option("--psk", "HEX", "A key that broker and client share.")
  flag("--insecure", "Do not check the broker's certificate.")
  close()
end

local function declare_road(command)
  local option, _, close = group(command, "The way to the broker")
  option("--transport", "NAME", "native (unless given) or paho.")
    :convert(values.word("--transport", { "native", "paho" }))
  option("--proxy", "URL", "http://, https://, socks5:// or socks5h://, or the word environment.")
  option("--header", "'NAME: VALUE'", "Of a WebSocket's request; may be repeated."):count "*":convert(function(word)
    local name, value = word:match "^([^%s:]+):%s*(.*)$"
    if not name then
      return nil, ("--header wants 'Name: value', got \"%s\""):format(word)
    end
    return { name, value }
  end)
  option("--connect-timeout", "SECONDS", "For one attempt (10)."):convert(
    values.number("--connect-timeout", "a number of seconds", 0.001, 86400))
  close()
end

local function declare_log(command)
  local option, flag, close = group(command, "What is said on the standard error")
  option("--log-level", "LEVEL", "debug, info, warning (unless given) or error."):convert(values.word("--log-level",
    { "debug", "info", "warning", "error" }))
  flag("-d --debug", "The same as --log-level debug, and a line for each packet.")
  flag("--quiet", "Nothing but errors: no word of an outage.")
  close()
end

--- Adds the options that all subcommands have.
-- @tparam table command of argparse
function options.declare(command)
  declare_identity(command)
  declare_tls(command)
  declare_road(command)
  declare_log(command)
end

--- Adds those of a session and a will, which not every subcommand has.
-- @tparam table command of argparse
function options.declare_session(command)
  local option, flag, close = group(command, "Session and will")
  flag("-c --disable-clean-session", "Go on with the session that the broker has under --id, and leave it there.")
    :target "keep_session"
  option("-x --session-expiry-interval", "SECONDS", "How long the broker keeps the session while we are away (3600).")
    :convert(values.whole("--session-expiry-interval", 0, WHOLE_32)):target "session_expiry"
  option("--will-topic", "TOPIC", "What the broker publishes when we are lost.")
  option("--will-payload", "TEXT", "Its payload.")
  option("--will-qos", "QOS", "Its quality of service (0)."):convert(values.qos "--will-qos")
  flag("--will-retain", "It is retained.")
  close()
end

--- Adds the addresses, as the last words of the command.
-- @tparam table command of argparse
-- @tparam[opt] boolean single only one
function options.declare_url(command, single)
  command:argument "url":args(single and 1 or "+"):description(
    "mqtt://host:1883, mqtts://, ws://host/path, wss://, quic://, unix:///run/broker.sock, mqtt+srv://service, "
    .. "mqtts+srv://" .. (single and "." or "; several are tried in that order."))
end

-- What may stand before the host belongs in the options: holdfast.new knows no such address.
local function without_user(url)
  local scheme, user, rest = url:match "^(%a[%a+]*://)([^/@]*)@(.*)$"
  if not scheme then
    return url
  end
  local function plain(word)
    return word and (word:gsub("%%(%x%x)", function(digits)
      return string.char(tonumber(digits, 16))
    end))
  end
  local name, password = user:match "^([^:]*):(.*)$"
  return scheme .. rest, plain(name or user), plain(password)
end

local TLS = { "cafile", "capath", "cert", "key", "keypass", "pin", "crl", "ocsp", "psk", "psk_identity" }

local function tls_of(arguments)
  local tls = {
    ca = arguments.cafile or arguments.capath, cert = arguments.cert, key = arguments.key,
    key_password = arguments.keypass, crl = arguments.crl, ocsp = arguments.ocsp,
    psk_identity = arguments.psk_identity, psk_key = arguments.psk,
    alpn = arguments.tls_alpn and arguments.tls_alpn[1] and arguments.tls_alpn or nil,
    pin = arguments.pin and arguments.pin[1] and arguments.pin or nil,
    verify = not arguments.insecure and nil,
  }
  if arguments.insecure then
    tls.verify = false
  end
  return next(tls) ~= nil and tls or nil
end

--- Whether an option was given that is of TLS alone.
-- @tparam table arguments
-- @treturn boolean
function options.wants_tls(arguments)
  for _, name in ipairs(TLS) do
    local given = arguments[name]
    if given ~= nil and (type(given) ~= "table" or given[1]) then
      return true
    end
  end
  return arguments.insecure == true
end

local function will_of(arguments)
  if not arguments.will_topic then
    return nil
  end
  return { topic = arguments.will_topic, payload = arguments.will_payload, qos = arguments.will_qos,
    retain = arguments.will_retain }
end

local function password_of(arguments)
  if not arguments.password_file then
    return arguments.password
  end
  local content, problem = values.read(arguments.password_file)
  if not content then
    return nil, "--password-file: " .. problem
  end
  return content:match "^[^\r\n]*"
end

local function conflict(arguments)
  if arguments.cafile and arguments.capath then
    return "--cafile and --capath exclude each other; keep one"
  elseif arguments.password and arguments.password_file then
    return "--password and --password-file exclude each other; keep one"
  elseif arguments.keep_session and not arguments.id then
    return "--disable-clean-session needs --id: the broker knows a session by no other name"
  elseif (arguments.will_payload or arguments.will_qos or arguments.will_retain) and not arguments.will_topic then
    return "--will-payload, --will-qos and --will-retain need --will-topic"
  end
end

--- The transport that a client made of this will have.
-- @tparam table made of `client`
-- @treturn string
function options.transport(made)
  for _, row in ipairs(schema) do
    if row.name == "transport" then
      return made.transport or row.default
    end
  end
end

--- Makes the table for `holdfast.new`.
-- @tparam table arguments that argparse has made; `url`: an address, or a list of them
-- @treturn ?table nil and what is wrong
function options.client(arguments)
  local problem = conflict(arguments)
  if problem then
    return nil, problem
  end
  local password
  password, problem = password_of(arguments)
  if problem then
    return nil, problem
  end
  local made = { servers = {}, username = arguments.username, password = password, client_id = arguments.id,
    keep_alive = arguments.keepalive, connect_timeout = arguments.connect_timeout, proxy = arguments.proxy,
    tls = tls_of(arguments), will = will_of(arguments), session_expiry = arguments.session_expiry,
    transport = arguments.transport }
  for place, url in ipairs(type(arguments.url) == "table" and arguments.url or { arguments.url }) do
    local server, name, secret = without_user(url)
    made.servers[place] = server
    made.username, made.password = made.username or name, made.password or secret
  end
  if arguments.protocol then
    made.protocol = arguments.protocol
  else
    made.fallback = true
  end
  if arguments.header and arguments.header[1] then
    made.headers = {}
    for _, header in ipairs(arguments.header) do
      local before = made.headers[header[1]]
      made.headers[header[1]] = before and { before, header[2] } or header[2]
    end
  end
  if arguments.auth then
    made.auth = { method = arguments.auth, username = made.username, password = made.password }
    made.username, made.password = nil, nil
  end
  return made
end

-- What holdfast.new calls its options -> what the command calls them.
local OURS = { client_id = "--id", keep_alive = "--keepalive", session_expiry = "--session-expiry-interval",
  protocol = "--protocol-version", connect_timeout = "--connect-timeout", headers = "--header", proxy = "--proxy",
  servers = "the address", server = "the address", password = "--password", username = "--username",
  transport = "--transport", ["tls.ca"] = "--cafile", ["tls.cert"] = "--cert", ["tls.key"] = "--key",
  ["tls.key_password"] = "--keypass", ["tls.alpn"] = "--tls-alpn", ["tls.pin"] = "--pin", ["tls.crl"] = "--crl",
  ["tls.ocsp"] = "--ocsp", ["tls.psk_key"] = "--psk", ["tls.psk_identity"] = "--psk-identity",
  ["tls.verify"] = "--insecure", ["will.topic"] = "--will-topic", ["will.payload"] = "--will-payload",
  ["auth.method"] = "--auth", ["auth.username"] = "--username", ["auth.password"] = "--password",
  ["queue.store"] = "--queue", ["queue.messages"] = "--queue-messages", ["queue.bytes"] = "--queue-bytes" }

--- A message of the library's in the words of the command line.
-- @tparam string message
-- @treturn string
function options.translated(message)
  local said = message:gsub("^.-holdfast%.new: ", ""):gsub("^[^:]*:%d+: ", "")
  return (said:gsub("[%a_]+%.?[%a_]*", function(name)
    return OURS[name]
  end, 1))
end

local LEVELS = { debug = 1, info = 2, warning = 3, error = 4 }

--- Has the library's own words go to the standard error, as far as they are wanted. Before all else.
-- @tparam table holdfast
-- @tparam table arguments
-- @tparam string name of the subcommand
function options.listen(holdfast, arguments, name)
  local least = LEVELS[arguments.debug and "debug" or arguments.log_level or arguments.quiet and "error" or "warning"]
  holdfast.log(function(level, message)
    if LEVELS[level] >= least then
      local line = message:gsub("[^\n\t]+", text.safe) -- several of a handler's error
      io.stderr:write(("holdfast %s: %s\n"):format(name, line))
    end
  end, arguments.debug and { trace = "protocol" } or nil)
end

--- Makes the client.
-- @tparam table holdfast
-- @tparam table made of `client`
-- @treturn ?holdfast.client nil, a message and an exit status
function options.new(holdfast, made)
  local fine, client, message = pcall(holdfast.new, made)
  if not fine then
    return nil, options.translated(tostring(client)), exit.wrong
  elseif not client then
    return nil, message, exit.failed
  end
  return client
end

return options
