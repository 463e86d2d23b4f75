--- MQTT 5 properties as mosquitto_sub and mosquitto_pub have them said: `-D PUBLISH content-type text/plain`.
-- @module holdfast.command.properties
local checks = require "holdfast.properties"
local text = require "holdfast.text"

local properties = {}

local function whole(word)
  return word:find "^%d+$" and tonumber(word)
end

local FORMATS = { ["0"] = "bytes", ["1"] = "utf8" }

-- Name on the command line -> the library's, and what makes its value, nil: it stays what it is.
local NAMES = {
  ["content-type"] = { "content_type" },
  ["correlation-data"] = { "correlation_data" },
  ["message-expiry-interval"] = { "message_expiry", whole, "a whole number of seconds" },
  ["payload-format-indicator"] = { "payload_format", function(word) return FORMATS[word] end, "0 or 1" },
  ["response-topic"] = { "response_topic" },
  ["will-delay-interval"] = { "will_delay", whole, "a whole number of seconds" },
  ["session-expiry-interval"] = { "session_expiry", whole, "a whole number of seconds" },
  ["receive-maximum"] = { "receive_maximum", whole, "a whole number" },
  ["maximum-packet-size"] = { "maximum_packet_size", whole, "a whole number of bytes" },
}

local MESSAGE = { "content-type", "correlation-data", "message-expiry-interval", "payload-format-indicator",
  "response-topic" }

-- Packet -> what it takes.
local PACKETS = {
  connect = { "session-expiry-interval", "receive-maximum", "maximum-packet-size" },
  publish = MESSAGE,
  subscribe = {},
  will = { "will-delay-interval", (table.unpack or unpack)(MESSAGE) },
}

-- Fields of CONNECT that are options of the client.
local OF_CLIENT = { session_expiry = true, receive_maximum = true, maximum_packet_size = true }

--- Adds the option.
-- @tparam table command of argparse
-- @tparam table packets those that the command sends
function properties.declare(command, packets)
  local shown = {}
  for place, packet in ipairs(packets) do
    shown[place] = packet:upper()
  end
  command:option "-D --property":args "3-4":count "*":argname { "PACKET", "NAME", "VALUE" }:description(
    ("An MQTT 5 property of %s; a user-property has two words for a value. May be repeated."):format(text.list(shown)))
end

local function one(packet, words)
  local name, value = words[2], words[3]
  local known = PACKETS[packet]
  if name == "user-property" then
    if not words[4] then
      return nil, nil, ("--property %s user-property wants a name and a value"):format(packet)
    end
    return "user", { value, words[4] }
  elseif words[4] then
    return nil, nil, ("--property %s %s wants one value, got two"):format(packet, name)
  end
  for _, candidate in ipairs(known) do
    if candidate == name then
      local row = NAMES[name]
      local made = value
      if row[2] then
        made = row[2](value)
      end
      if not made then
        return nil, nil, ("--property %s %s wants %s, got %s"):format(packet, name, row[3], text.describe(value))
      end
      return row[1], made
    end
  end
  local names = { "user-property" }
  for _, candidate in ipairs(known) do
    names[#names + 1] = candidate
  end
  return nil, nil, ("--property %s: %s"):format(packet, text.unknown("property", name, names))
end

--- Reads them.
-- @tparam ?table given lists of words
-- @tparam table packets those that the command sends
-- @treturn ?table packet = its properties; nil and what is wrong
function properties.read(given, packets)
  local found = {}
  for _, packet in ipairs(packets) do
    found[packet] = {}
  end
  for _, words in ipairs(given or {}) do
    local packet = words[1]:lower()
    if not found[packet] then
      return nil, "--property: " .. text.unknown("packet", words[1], packets)
    end
    local name, value, problem = one(packet, words)
    if problem then
      return nil, problem
    elseif name == "user" then
      found[packet].user = found[packet].user or {}
      table.insert(found[packet].user, value)
    else
      found[packet][name] = value
    end
  end
  local _, problem = checks.check(found.publish or {}, "publish") -- the others holdfast.new and subscribe look at
  if problem then
    return nil, "--property " .. problem
  end
  return found
end

--- Puts those of CONNECT and of the will into the table for `holdfast.new`.
-- @tparam table made
-- @tparam table found of `read`
-- @treturn ?string what is wrong
function properties.apply(made, found)
  for name, value in pairs(found.connect or {}) do
    if OF_CLIENT[name] then
      made[name] = value
    else
      made.properties = { user = value }
    end
  end
  if found.will and next(found.will) ~= nil then
    if not made.will then
      return "--property WILL needs --will-topic"
    end
    made.will.properties = found.will
  end
end

--- A table of properties, nil where there are none.
-- @tparam table found
-- @treturn ?table
function properties.some(found)
  return next(found) ~= nil and found or nil
end

return properties
