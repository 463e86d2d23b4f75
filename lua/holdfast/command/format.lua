--- What `sub` prints of a message: mosquitto_sub's formats (`-F`).
-- @module holdfast.command.format
local core = require "holdfast.core"
local json = require "holdfast.command.json"
local text = require "holdfast.text"

local format = {}

local function hexadecimal(bytes, digits)
  return (bytes:gsub(".", function(byte)
    return digits:format(byte:byte())
  end))
end

local function property(message, name)
  local value = message.properties and message.properties[name]
  return value == nil and "" or tostring(value)
end

local function user_properties(message)
  local words = {}
  for place, pair in ipairs(message.properties and message.properties.user or {}) do
    words[place] = pair[1] .. ":" .. pair[2]
  end
  return table.concat(words, " ")
end

--- A time of the wall clock, as RFC 3339 has it.
-- @tparam number at
-- @treturn string
function format.time(at)
  local zone = os.date("%z", at):gsub("(%d%d)$", ":%1") -- RFC 3339
  return os.date("%Y-%m-%dT%H:%M:%S", at) .. zone
end

local PROPERTIES = { "content_type", "response_topic", "correlation_data", "message_expiry", "payload_format",
  "subscription_identifiers", "user" }

local function properties_object(properties)
  local shown = {}
  for _, name in ipairs(PROPERTIES) do
    shown[name] = properties[name]
  end
  if shown.correlation_data then
    shown.correlation_data = json.base64(shown.correlation_data)
  end
  if shown.user then
    local pairs_of = {}
    for place, pair in ipairs(shown.user) do
      pairs_of[place] = { pair[1], pair[2] }
    end
    shown.user = pairs_of
  end
  return json.object(PROPERTIES, shown)
end

local FIELDS = { "time", "topic", "qos", "retain", "duplicate", "payload_bytes", "payload", "payload_base64",
  "properties" }

--- A message as a line of JSON, without its end.
-- @tparam table message
-- @tparam number at when it came, seconds of the wall clock
-- @treturn string
function format.json(message, at)
  local is_text = json.is_text(message.payload)
  return json.object(FIELDS, {
    time = format.time(at), topic = message.topic, qos = message.qos, retain = message.retain or false,
    duplicate = message.duplicate or nil, payload_bytes = #message.payload,
    payload = is_text and message.payload or nil,
    payload_base64 = not is_text and json.base64(message.payload) or nil,
    properties = message.properties and next(message.properties) and properties_object(message.properties) or nil,
  }).json
end

local LETTERS = {
  p = function(message) return message.payload end,
  t = function(message) return message.topic end,
  q = function(message) return tostring(message.qos) end,
  r = function(message) return message.retain and "1" or "0" end,
  l = function(message) return tostring(#message.payload) end,
  x = function(message) return hexadecimal(message.payload, "%02x") end,
  X = function(message) return hexadecimal(message.payload, "%02X") end,
  j = format.json,
  I = function(_, at) return format.time(at) end,
  U = function(_, at) return text.format("%.0f", at) end,
  C = function(message) return property(message, "content_type") end,
  D = function(message) return property(message, "correlation_data") end,
  E = function(message) return property(message, "message_expiry") end,
  F = function(message) return property(message, "payload_format") end,
  P = user_properties,
  R = function(message) return property(message, "response_topic") end,
  ["%"] = function() return "%" end,
}

local ESCAPES = { n = "\n", t = "\t", r = "\r", a = "\a", e = "\27", ["0"] = "\0", ["\\"] = "\\" }

--- Reads a format.
-- @tparam string given as of mosquitto_sub
-- @treturn ?function function(message, at) returning what is to be printed; nil and what is wrong
function format.read(given)
  local parts, at = {}, 1
  while at <= #given do
    local mark, letter = given:sub(at, at), given:sub(at + 1, at + 1)
    if mark == "%" and letter == "@" then -- strftime: one more letter
      local zone = given:sub(at + 2, at + 2)
      if zone == "" or not ("aAbBcdHIjmMpSUwWxXyYZz"):find(zone, 1, true) then
        return nil, ("--format: after %%@ a letter of strftime is wanted, got %s"):format(text.describe(zone))
      end
      parts[#parts + 1] = function(_, when) return os.date("%" .. zone, when) end
      at = at + 3
    elseif mark == "%" then
      if not LETTERS[letter] then
        return nil, ("--format: %%%s is unknown; known are %%p %%t %%q %%r %%l %%x %%X %%j %%I %%U %%@ %%C %%D %%E %%F "
          .. "%%P %%R %%%%"):format(letter)
      end
      parts[#parts + 1] = LETTERS[letter]
      at = at + 2
    elseif mark == "\\" and ESCAPES[letter] then
      local plain = ESCAPES[letter]
      parts[#parts + 1] = function() return plain end
      at = at + 2
    else
      local plain = given:match("^[^%%\\]+", at) or mark
      parts[#parts + 1] = function() return plain end
      at = at + #plain
    end
  end
  return function(message, when)
    local words = {}
    for place, part in ipairs(parts) do
      words[place] = part(message, when)
    end
    return table.concat(words)
  end
end

--- Whether a topic is left out.
-- @tparam table filters
-- @tparam string topic
-- @treturn boolean
function format.is_filtered(filters, topic)
  for _, filter in ipairs(filters) do
    if core.topic_matches(filter, topic) then
      return true
    end
  end
  return false
end

return format
