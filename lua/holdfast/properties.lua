--- MQTT 5 properties as users write them, checked. A message that came in shows them under the same names.
-- @module holdfast.properties
local check = require "holdfast.check"
local text = require "holdfast.text"

local properties = {}

local WHOLE_32 = 4294967295

local rows = {
  content_type = { type = "text" }, -- MQTT 5 section 3.3.2.3.9
  response_topic = { type = "topic" }, -- section 3.3.2.3.5
  correlation_data = { type = "bytes" }, -- section 3.3.2.3.6
  message_expiry = { type = "whole", unit = "s", to = WHOLE_32 }, -- section 3.3.2.3.3
  payload_format = { type = "choice", choices = { "utf8", "bytes" } }, -- section 3.3.2.3.2
  will_delay = { type = "whole", unit = "s", to = WHOLE_32 }, -- section 3.1.3.2.2
}

-- Which packet takes which, as far as an application sets them (MQTT 5 table 2-4).
local allowed = {
  publish = { "content_type", "response_topic", "correlation_data", "message_expiry", "payload_format", "user" },
  subscribe = { "user" },
  connect = { "user" },
}
allowed.will = { "will_delay" }
for _, name in ipairs(allowed.publish) do
  table.insert(allowed.will, name)
end

local is_allowed = {}
for packet, names in pairs(allowed) do
  is_allowed[packet] = {}
  for _, name in ipairs(names) do
    is_allowed[packet][name] = true
  end
end

local text_row = {}

local function pair(name, value)
  if type(name) ~= "string" or type(value) ~= "string" then
    return nil, ("user must hold strings under names that are strings, got %s under %s"):format(text.describe(value),
      text.describe(name))
  end
  for _, word in ipairs { name, value } do
    local fine, problem = check.text(word, text_row)
    if not fine then
      return nil, "user: a name or value " .. problem
    end
  end
  return { name, value }
end

local function from_list(list)
  local pairs_out, last = {}, {}
  for index, entry in ipairs(list) do
    if type(entry) ~= "table" then
      return nil, ("user must be { name = value } or a list of { name, value }, got %s in place %d"):format(
        text.describe(entry), index)
    end
    local made, problem = pair(entry[1], entry[2])
    if not made then
      return nil, problem
    end
    pairs_out[index], last[entry[1]] = made, entry[2]
  end
  for name, value in pairs(list) do -- what came in answers by name too, and may go out again as it is
    if type(name) == "string" and last[name] ~= value then
      return nil, ("user must be { name = value } or a list of { name, value }, got both (%s)"):format(
        text.describe(name))
    end
  end
  return pairs_out
end

local function from_map(map)
  local names, pairs_out = {}, {}
  for name, value in pairs(map) do
    local made, problem = pair(name, value)
    if not made then
      return nil, problem
    end
    names[#names + 1] = name
  end
  table.sort(names)
  for index, name in ipairs(names) do
    pairs_out[index] = { name, map[name] }
  end
  return pairs_out
end

local function user(value)
  if type(value) ~= "table" then
    return nil, ("user must be { name = value } or a list of { name, value }, got %s"):format(text.describe(value))
  end
  if value[1] ~= nil then
    return from_list(value)
  end
  return from_map(value)
end

--- Checks the properties of one packet.
-- @tparam table given `content_type`, `response_topic`, `correlation_data`, `message_expiry` (seconds),
-- `payload_format` ("utf8" or "bytes"), `will_delay` (seconds, wills only), `user` ({ name = value } or a list of
-- { name, value } pairs)
-- @tparam string packet "publish", "will", "subscribe" or "connect"
-- @treturn ?table a copy for the core, or nil and what is wrong
function properties.check(given, packet)
  if type(given) ~= "table" then
    return nil, "must be a table, got " .. text.describe(given)
  end
  for name in pairs(given) do
    if not is_allowed[packet][name] then
      return nil, ("of a %s: %s"):format(packet, text.unknown("property", name, allowed[packet]))
    end
  end
  local kept = {}
  for _, name in ipairs(allowed[packet]) do
    local value, problem = given[name], nil
    if name == "user" and value ~= nil then
      kept.user, problem = user(value)
    elseif value ~= nil then
      kept[name], problem = check[rows[name].type](value, rows[name])
      problem = problem and name .. " " .. problem
    end
    if problem then
      return nil, ("of a %s: %s"):format(packet, problem)
    end
  end
  return kept
end

return properties
