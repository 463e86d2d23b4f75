--- What a value must be: the types of the schema that few clients use, as @{holdfast.check} has the others.
-- @module holdfast.kinds
local check = require "holdfast.check"
local core = require "holdfast.core"
local late = require "holdfast.late"
local text = require "holdfast.text"

local presets = late.module "holdfast.presets"
local properties = late.module "holdfast.properties"

local kinds = {}

local BYTES = 65535 -- of a string on the wire, MQTT 5 section 1.5.4
local HEADERS = 8192 -- bytes; more than that common servers do not read

local wanted = check.wanted
local describe, number = text.describe, text.number

--- Any number. Row: `from`, `to`.
function kinds.number(value, row)
  if not check.is_finite(value) or value < row.from or value > row.to then
    return wanted("a number" .. check.range(row, row.from, row.to), value, row)
  end
  return value
end

--- UTF-8 as every receiver takes it: no control characters, no non-characters, at most 65,535 bytes (MQTT 5 section
-- 1.5.4). Row: `from` bytes at least, `most`.
function kinds.text(value, row)
  if type(value) ~= "string" then
    return wanted("a string", value, row)
  elseif #value < (row.from or 0) then
    return nil, "must not be empty"
  elseif row.most and #value > row.most then
    return nil, ("must be at most %s bytes long, got %s"):format(number(row.most), number(#value))
  end
  local problem = core.utf8_problem(value)
  if problem then
    return nil, problem .. (row.secret and "" or ", got " .. describe(value))
  end
  return value
end

--- Any bytes, at most 65,535 (MQTT 5 section 1.5.6).
function kinds.bytes(value, row)
  if type(value) ~= "string" then
    return wanted("a string", value, row)
  elseif #value > BYTES then
    return nil, ("must be at most %s bytes long, got %s"):format(number(BYTES), number(#value))
  end
  return value
end

--- What opens a private key: a string, or a function that is called here and now and returns one. At most 1,023 bytes
-- without NUL, which is what OpenSSL reads.
function kinds.phrase(value, row)
  if check.is_callable(value) then
    value = value()
    if type(value) ~= "string" then
      return nil, "must be a string, or a function that returns one; it returned " .. describe(value, true)
    end
  elseif type(value) ~= "string" then
    return wanted("a string, or a function that returns one", value, row)
  end
  if value:find("%z") then
    return nil, "must not contain a NUL"
  elseif #value > 1023 then
    return nil, ("must be at most 1,023 bytes long, got %s"):format(number(#value))
  end
  return value
end

--- Bytes as pairs of hexadecimal digits; kept as bytes. Row: `to` bytes at most.
function kinds.hex(value, row)
  if type(value) ~= "string" then
    return wanted("a string of hexadecimal digits", value, row)
  elseif value == "" or #value % 2 ~= 0 or value:find "%X" or #value > 2 * row.to then
    return nil, ("must be 1 to %s bytes as pairs of hexadecimal digits, got %s characters"):format(number(row.to),
      number(#value))
  end
  return (value:gsub("%x%x", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

--- The name of a file or folder.
function kinds.file(value, row)
  if type(value) ~= "string" or value == "" or value:find("%z") then
    return wanted(row.type == "file" and "the name of a file" or "the name of a file, or PEM text", value, row)
  end
  return value
end

-- RFC 7512; what is a URI of it by its looks is no file's name.
local function is_token(value)
  return type(value) == "string" and value:sub(1, 7):lower() == "pkcs11:"
end

--- The name of a file, or what would be in it, PEM (RFC 7468), of which nothing is shown.
function kinds.pem(value, row)
  local is_pem = type(value) == "string" and value:find("-----BEGIN ", 1, true)
  if is_pem and value:find("%z") then
    return nil, "is PEM, and must not contain a NUL"
  end
  if is_pem then
    return value
  elseif is_token(value) then
    return nil, "cannot be a token's, only tls.key can; name a file, or give PEM text"
  end
  return kinds.file(value, row)
end

-- A key without the lines around it, or as DER: by its looks what no file is called, and the name of a file that cannot
-- be read is shown. The base64 of a DER sequence begins so.
local function is_bare_key(value)
  return value:find "%c" or #value >= 40 and value:find "^M[A-P][%w+/]+=*$"
end

--- A private key: likewise, or a token's URI, which may hold a PIN.
function kinds.key(value, row)
  if is_token(value) then
    if value:find "[%z\1-\32\127]" then
      return nil, "is a URI (RFC 7512), and must not contain spaces or control characters"
    end
    return value
  elseif type(value) == "string" and not value:find("-----BEGIN ", 1, true) and is_bare_key(value) then
    return nil, "must be the name of a file, or PEM, with the lines that begin with -----BEGIN and -----END"
  end
  return kinds.pem(value, row)
end

-- The base64 of 32 bytes; the last digit has two bits that mean nothing, and are 0.
local PIN = "^" .. ("[A-Za-z0-9+/]"):rep(42) .. "[AEIMQUYcgkosw048]=$"

-- What is read of a list, if that is all there is in it: what lies behind a gap would be left out without a word.
local function gap_problem(list, read)
  for key in pairs(list) do
    if not read[key] then
      return nil, ("must be a list without gaps, got something in place %s behind %d"):format(describe(key), #read)
    end
  end
  return read
end

--- Pins of public keys, one or a list; a list is kept.
function kinds.pins(value, row)
  local list, pins = type(value) == "table" and value or { value }, {}
  for index, pin in ipairs(list) do
    if type(pin) ~= "string" or not pin:find(PIN) then
      return wanted("the base64 of a public key's SHA-256 (RFC 7469), 44 characters, or a list of such", pin, row)
    end
    pins[index] = pin
  end
  if #pins == 0 then
    return wanted("the base64 of a public key's SHA-256 (RFC 7469), 44 characters, or a list of such", value, row)
  end
  return gap_problem(list, pins)
end

--- A topic name, without wildcards (MQTT 5 section 4.7).
function kinds.topic(value, row)
  if type(value) ~= "string" then
    return wanted("a string", value, row)
  end
  local problem = core.topic_problem(value)
  if problem then
    return nil, problem .. ", got " .. describe(value)
  end
  return value
end

--- A topic filter (MQTT 5 section 4.7).
function kinds.filter(value, row)
  if type(value) ~= "string" then
    return wanted("a string", value, row)
  end
  local problem = core.filter_problem(value)
  if problem then
    return nil, problem .. ", got " .. describe(value)
  end
  return value
end

--- A function, or what can be called like one.
function kinds.callback(value, row)
  if not check.is_callable(value) then
    return wanted("a function", value, row)
  end
  return value
end

-- What the handshake itself says (RFC 6455 section 4.1).
local OURS = { host = true, upgrade = true, connection = true, ["content-length"] = true,
  ["transfer-encoding"] = true }

-- The lines of headers, sorted by name so that they are the same each time.
local function header_lines(value)
  local names, lines = {}, {}
  for name in pairs(value) do
    if type(name) ~= "string" then
      return nil, "must hold strings under names that are strings"
    end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    if OURS[name:lower()] or name:lower():find "^sec%-websocket%-" then
      return nil, ("must leave %s to the handshake"):format(name)
    end
    local values = value[name]
    for _, one in ipairs(type(values) == "table" and values or { values }) do
      if type(one) ~= "string" then
        return nil, "must hold strings, or lists of strings"
      end
      local problem = core.header_problem(name, one)
      if problem then
        return nil, problem
      end
      lines[#lines + 1] = name .. ": " .. one .. "\r\n"
    end
  end
  local all = table.concat(lines)
  if #all > HEADERS then
    return nil, ("must be at most %d bytes long together"):format(HEADERS)
  end
  return all
end

--- Headers of an HTTP request as lines, from { name = value or list of values }; or a function, which is kept.
function kinds.headers(value, row)
  if check.is_callable(value) then
    return value
  elseif type(value) ~= "table" then
    return wanted("a table of names and values, or a function", value, row)
  end
  return header_lines(value)
end

--- The address of a proxy, "environment", or a function, which is kept. It may hold a password: none of it is shown.
function kinds.proxy(value, row)
  if check.is_callable(value) or value == "environment" then
    return value
  elseif type(value) ~= "string" then
    return wanted('an address such as "http://proxy:3128", "environment", or a function', value, row)
  end
  local problem = core.proxy_problem(value)
  if problem then
    return nil, problem
  end
  return value
end

-- What metrics have of their own.
local TAKEN = { cause = true, client = true, holdfast_client_state = true, le = true, quantile = true, reason = true,
  source = true, state = true, version = true, worker = true }

--- Labels of metrics, { name = value } (OpenMetrics 1.0, "Label Names").
function kinds.labels(value, row)
  if type(value) ~= "table" then
    return wanted("a table of names and values", value, row)
  end
  for name, one in pairs(value) do
    if type(name) ~= "string" or not name:find "^[%a_][%w_]*$" or name:find "^__" then
      return nil, ("must have names of letters, digits and _ that begin with a letter, got %s"):format(
        text.describe(name))
    elseif TAKEN[name] then
      return nil, ("must leave %s to the metrics themselves"):format(name)
    elseif type(one) ~= "string" then
      return nil, ("must have strings for values, got %s for %s"):format(text.describe(one), name)
    end
  end
  return value
end

--- A list of short names, as ALPN wants them (RFC 7301: 1 to 255 bytes each).
function kinds.names(value, row)
  if type(value) ~= "table" or #value == 0 and next(value) == nil then
    return wanted("a list of names", value, row)
  end
  local names = {}
  for index, name in ipairs(value) do
    if type(name) ~= "string" or #name < 1 or #name > 255 or name:find("%z") then
      return nil, ("must hold names of 1 to 255 bytes, got %s in place %d"):format(describe(name), index)
    end
    names[index] = name
  end
  return gap_problem(value, names)
end

-- What a URI may show in a message: never what stands in front of an "@", were it "%40", nor what follows a ":" and is
-- no port, nor a query.
local function without_secret(uri)
  local scheme, rest = uri:match "^([%w+]*://)(.*)$"
  scheme, rest = scheme or "", rest or uri
  local last = rest:match "^.*()@"
  local encoded = not rest:find "^%[" and rest:match "^.*()%%40"
  if last or encoded then
    local at = math.max(last or 0, (encoded or -2) + 2)
    rest = "...@" .. rest:sub(at + 1)
  end
  local host, port, tail = rest:match "^([^:/?#%[]*):([^/?#]*)(.*)$"
  if not host then
    host, port, tail = rest:match "^(%[[^%]]*%]):([^/?#]*)(.*)$"
  end
  if host and port:find "%D" then
    rest = host .. ":..." .. tail
  end
  return scheme .. rest:gsub("[?#].+$", "?...")
end

--- Addresses in order of preference.
function kinds.servers(value)
  local servers, count = {}, 0
  while type(value) == "table" and value[count + 1] ~= nil and count <= BYTES do
    count = count + 1
    local server, problem = check.server(value[count])
    if not server then
      return nil, ("in place %d %s"):format(count, problem)
    end
    servers[count] = server
  end
  if count == 0 or count > BYTES then
    return wanted('a list of addresses such as { "mqtt://localhost" }', value)
  end
  return servers
end

--- 1 to 65,535 bytes of UTF-8, or false: the broker chooses (MQTT 5 section 3.1.3.1). More than 23 bytes, which a
-- 3.1.1 broker need not take, are allowed, since nearly all do.
function kinds.client_id(value)
  if value == false then
    return value
  elseif type(value) ~= "string" then
    return wanted("a string, or false to let the broker choose", value)
  elseif value == "" then
    return nil, "must not be empty; leave it out for a random one, or say false to let the broker choose"
  end
  return kinds.text(value, {})
end

--- An event loop: the name of one, or a table with its functions. Row: `choices`.
function kinds.loop(value, row)
  if type(value) ~= "table" then
    return check.choice(value, row)
  end
  for _, name in ipairs { "park", "unpark", "start", "attend" } do
    if type(value[name]) ~= "function" then
      return nil, ("must have a function %s, got %s"):format(name, describe(value[name]))
    end
  end
  return value
end

--- What is wrong with a server's address.
-- @param value
-- @tparam ?string problem what the core says of it
-- @tparam[opt] table row
-- @treturn nil
-- @treturn string
function kinds.no_server(value, problem, row)
  if type(value) ~= "string" then
    return wanted('a string such as "mqtt://localhost"' .. (row and row.callable and ", or a function" or ""), value)
  end
  local shown = without_secret(value)
  local _, safe = core.parse_server(shown) -- which quotes what is wrong
  return nil, ("%s, got %s"):format(safe or problem:gsub("'.*'", "'...'"), describe(shown))
end

--- Properties of a packet. Row: `packet`.
function kinds.properties(value, row)
  return properties.check(value, row.packet)
end

--- How a delay is drawn.
function kinds.jitter(value)
  if type(value) == "number" then
    local fraction, problem = kinds.number(value, { from = 0, to = 1 })
    if fraction == 0 then
      return nil, 'must be above 0; say "none" for no jitter'
    end
    return fraction, problem
  end
  if value ~= "none" and value ~= "full" and value ~= "equal" then
    return nil, 'must be "none", "full", "equal" or a fraction up to 1, got ' .. describe(value)
  end
  return value
end

--- How another client waits.
function kinds.preset(value, row)
  return check.choice(value, { choices = presets.names, secret = row.secret })
end

--- Options of calls, which are checked by themselves.
function kinds.defaults(value)
  if type(value) ~= "table" then
    return nil, "must be a table, got " .. describe(value)
  end
  return value
end

return kinds
