--- Lines of JSON (RFC 8259), their fields in the order that is asked for.
-- @module holdfast.command.json
local core = require "holdfast.core"
local text = require "holdfast.text"

local json = {}

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quote(value)
  return '"' .. value:gsub('[%c"\\]', function(byte)
    return ESCAPES[byte] or ("\\u%04x"):format(byte:byte())
  end) .. '"'
end

local function number(value)
  if value ~= value or value == math.huge or value == -math.huge then
    return "null"
  end
  local whole = value == math.floor(value) and math.abs(value) < 2 ^ 53
  return text.format(whole and "%.0f" or "%.6f", value)
end

--- Whether a string can stand in JSON as it is.
-- @tparam string value
-- @treturn boolean
function json.is_text(value)
  return core.utf8_problem((value:gsub("%c", " "))) == nil
end

--- One value.
-- @param value a string of UTF-8, a number, a boolean, nil, a list, or what `object` has made
-- @treturn string
function json.value(value)
  local kind = type(value)
  if kind == "string" then
    return quote(value)
  elseif kind == "number" then
    return number(value)
  elseif kind == "boolean" then
    return tostring(value)
  elseif kind == "table" and value.json then
    return value.json
  elseif kind == "table" then
    local items = {}
    for place, item in ipairs(value) do
      items[place] = json.value(item)
    end
    return "[" .. table.concat(items, ",") .. "]"
  end
  return "null"
end

--- An object.
-- @tparam table names of its fields, in order
-- @tparam table fields by name; what is nil is left out
-- @treturn table for `value`; its text is the field `json`
function json.object(names, fields)
  local parts = {}
  for _, name in ipairs(names) do
    if fields[name] ~= nil then
      parts[#parts + 1] = quote(name) .. ":" .. json.value(fields[name])
    end
  end
  return { json = "{" .. table.concat(parts, ",") .. "}" }
end

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

--- Bytes in base64 (RFC 4648 section 4).
-- @tparam string bytes
-- @treturn string
function json.base64(bytes)
  local made = {}
  for at = 1, #bytes, 3 do
    local a, b, c = bytes:byte(at, at + 2)
    local all = a * 65536 + (b or 0) * 256 + (c or 0)
    local digits = ""
    for place = 3, 0, -1 do
      local digit = math.floor(all / 64 ^ place) % 64 + 1
      digits = digits .. DIGITS:sub(digit, digit)
    end
    made[#made + 1] = c and digits or b and digits:sub(1, 3) .. "=" or digits:sub(1, 2) .. "=="
  end
  return table.concat(made)
end

return json
