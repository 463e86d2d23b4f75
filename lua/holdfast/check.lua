--- What a value must be: one small function for each type that the schema names.
-- Each answers the value as it is kept, or nil and words that continue the name of the option:
-- "must be a whole number from 0 to 65,535, got -1".
-- @module holdfast.check
local core = require "holdfast.core"
local text = require "holdfast.text"

local check = {}

local floor, huge = math.floor, math.huge
local describe, number = text.describe, text.number

local LONGEST = 4294967 -- seconds: what fits 32 bits of milliseconds, 49 days
local BYTES = 65535 -- of a string on the wire, MQTT 5 section 1.5.4
local HEADERS = 8192 -- bytes; more than that common servers do not read
local UNITS = { s = "seconds" }

local function wanted(words, value, row)
  return nil, ("must be %s, got %s"):format(words, describe(value, row and row.secret))
end

local function is_finite(value)
  return type(value) == "number" and value == value and value ~= huge and value ~= -huge
end

local function range(row, least, most)
  if row.above then
    return (" above %s and up to %s"):format(number(row.above), number(most))
  end
  return (" from %s to %s"):format(describe(least), number(most))
end

--- Seconds, fractions allowed. Row: `from` (0), `above`, `to`.
function check.seconds(value, row)
  local least, most = row.from or 0, row.to or LONGEST
  if not is_finite(value) or value < least or value > most or (row.above and value <= row.above) then
    return wanted("a number of seconds" .. range(row, least, most), value, row)
  end
  return value
end

--- A whole number. Row: `from` (0), `to`.
function check.whole(value, row)
  local least, most = row.from or 0, row.to
  if not is_finite(value) or value ~= floor(value) or value < least or value > most then
    local of = row.unit and " of " .. (UNITS[row.unit] or row.unit) or ""
    return wanted("a whole number" .. of .. range(row, least, most), value, row)
  end
  return floor(value)
end

--- Any number. Row: `from`, `to`.
function check.number(value, row)
  if not is_finite(value) or value < row.from or value > row.to then
    return wanted("a number" .. range(row, row.from, row.to), value, row)
  end
  return value
end

--- True or false.
function check.boolean(value, row)
  if type(value) ~= "boolean" then
    return wanted("true or false", value, row)
  end
  return value
end

--- One of a few words or numbers. Row: `choices`.
function check.choice(value, row)
  for _, choice in ipairs(row.choices) do
    if value == choice then
      return choice
    end
  end
  local shown = {}
  for index, choice in ipairs(row.choices) do
    shown[index] = describe(choice)
  end
  local near = type(value) == "string" and text.nearest(value, row.choices)
  local words, problem = wanted(text.list(shown), value, row)
  return words, problem .. (near and (' (did you mean "%s"?)'):format(near) or "")
end

--- UTF-8 as every receiver takes it: no control characters, no non-characters, at most 65,535 bytes (MQTT 5 section
-- 1.5.4). Row: `from` bytes at least, `most`.
function check.text(value, row)
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
function check.bytes(value, row)
  if type(value) ~= "string" then
    return wanted("a string", value, row)
  elseif #value > BYTES then
    return nil, ("must be at most %s bytes long, got %s"):format(number(BYTES), number(#value))
  end
  return value
end

--- What opens a private key: a string, or a function that is called here and now and returns one. At most 1,023 bytes
-- without NUL, which is what OpenSSL reads.
function check.phrase(value, row)
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
function check.hex(value, row)
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
function check.file(value, row)
  if type(value) ~= "string" or value == "" or value:find("%z") then
    return wanted("the name of a file", value, row)
  end
  return value
end

--- A topic name, without wildcards (MQTT 5 section 4.7).
function check.topic(value, row)
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
function check.filter(value, row)
  if type(value) ~= "string" then
    return wanted("a string", value, row)
  end
  local problem = core.filter_problem(value)
  if problem then
    return nil, problem .. ", got " .. describe(value)
  end
  return value
end

local getmetatable = debug and debug.getmetatable or getmetatable -- that of a table may be hidden

--- Whether a value can be called: a function, or a table or userdata whose metatable says so.
-- @param value
-- @treturn boolean
function check.is_callable(value)
  if type(value) == "function" then
    return true
  end
  local meta = getmetatable(value)
  return type(value) ~= "string" and type(meta) == "table" and rawget(meta, "__call") ~= nil
end

--- A function, or what can be called like one.
function check.callback(value, row)
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
function check.headers(value, row)
  if check.is_callable(value) then
    return value
  elseif type(value) ~= "table" then
    return wanted("a table of names and values, or a function", value, row)
  end
  return header_lines(value)
end

--- A list of short names, as ALPN wants them (RFC 7301: 1 to 255 bytes each).
function check.names(value, row)
  if type(value) ~= "table" or #value == 0 then
    return wanted("a list of names", value, row)
  end
  local names = {}
  for index, name in ipairs(value) do
    if type(name) ~= "string" or #name < 1 or #name > 255 or name:find("%z") then
      return nil, ("must hold names of 1 to 255 bytes, got %s in place %d"):format(describe(name), index)
    end
    names[index] = name
  end
  return names
end

-- What a URI may show in a message: never what stands in front of an "@", were it "%40", nor what follows a ":" and is
-- no port, nor a query.
local function without_secret(uri)
  local scheme, rest = uri:match "^(%w*://)(.*)$"
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

--- A server's address.
function check.server(value)
  if type(value) ~= "string" then
    return wanted('a string such as "mqtt://localhost"', value)
  end
  local server, problem = core.parse_server(value)
  if not server then
    local shown = without_secret(value)
    local _, safe = core.parse_server(shown) -- which quotes what is wrong
    return nil, ("%s, got %s"):format(safe or problem:gsub("'.*'", "'...'"), describe(shown))
  end
  return server
end

--- Addresses in order of preference.
function check.servers(value)
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
function check.client_id(value)
  if value == false then
    return value
  elseif type(value) ~= "string" then
    return wanted("a string, or false to let the broker choose", value)
  elseif value == "" then
    return nil, "must not be empty; leave it out for a random one, or say false to let the broker choose"
  end
  return check.text(value, {})
end

--- An event loop: the name of one, or a table with its functions. Row: `choices`.
function check.loop(value, row)
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

--- That a method was called with a colon: without it, what should be the object is the first argument.
-- @param self what came
-- @tparam string field what every object of that class has: "handle" a client, "wish" a subscription
-- @tparam string call the class as one names its objects, a colon and the method
-- @tparam[opt=3] number level of the method's caller
-- @raise at the line of the method's caller
function check.method(self, field, call, level)
  if type(self) ~= "table" or self[field] == nil then
    error(("%s: call it with a colon: %s(...)"):format(call:match ":(.*)", call), level or 3)
  end
end

--- The timeout of a call that waits.
-- @param value nil: no end
-- @treturn ?string what is wrong
function check.timeout_problem(value)
  if value == nil or (type(value) == "number" and value >= 0 and value <= LONGEST) then
    return nil
  end
  local words = ("a number of seconds from 0 to %s, or nothing to wait without end"):format(number(LONGEST))
  local _, problem = wanted(words, value)
  return "timeout " .. problem
end

return check
