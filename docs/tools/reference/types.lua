--- The types of options, in words and as LuaLS writes them.
local text = require "holdfast.text"

local types = {}

local function literal(value)
  return type(value) == "string" and '"' .. value .. '"' or tostring(value)
end

local function choices(row)
  local words = {}
  for index, choice in ipairs(row.choices) do
    words[index] = literal(choice)
  end
  return words
end

-- Type of the schema -> words, and LuaLS. A "%s" of either is the choices.
local kinds = {
  boolean = { "true or false", "boolean" },
  whole = { "whole number", "integer" },
  seconds = { "number", "number" },
  number = { "number", "number" },
  choice = { "%s", "%s" },
  text = { "string, UTF-8", "string" },
  bytes = { "string, any bytes", "string" },
  phrase = { "string, or a function that returns one", "string|fun(): string" },
  hex = { "string of hexadecimal digits", "string" },
  file = { "string, the name of a file", "string" },
  pem = { "string, the name of a file or PEM", "string" },
  key = { "string, the name of a file, PEM or a `pkcs11:` URI", "string" },
  pins = { "string, or a list of strings", "string|string[]" },
  names = { "list of strings", "string[]" },
  topic = { "string, a topic name", "string" },
  callback = { "function", "function" },
  headers = { "table of names and values, or a function",
    "table<string, string|string[]>|fun(attempt: integer): table" },
  proxy = { "string, or a function", "string|fun(attempt: integer): string|false" },
  server = { "string, an address; or a function", "string|fun(attempt: integer): string" },
  servers = { "list of strings, addresses", "string[]" },
  client_id = { "string, or false", "string|false" },
  properties = { "table of [properties](status.md#holdfastproperties)", "holdfast.properties" },
  jitter = { '"none", "full", "equal", or a number above 0 and up to 1', '"none"|"full"|"equal"|number' },
  preset = { "%s", "%s" },
  loop = { "%s, or a table of functions", "%s|table" },
  defaults = { "table, by the name of the call", "holdfast.defaults" },
  labels = { "table of names and values", "table<string, string>" },
  policy = { "table, by class, code or name", "table" },
}

-- Where an option's own is finer than that of its type.
local own = {
  credentials = "fun(attempt: integer): string?, string?",
  ["auth.start"] = "fun(attempt: integer?): string?, string?",
  ["auth.continue"] = "fun(data: string): string?, string?",
}

local function filled(pattern, row, separator, last)
  if not pattern:find("%s", 1, true) then
    return pattern
  end
  local words = choices(row.type == "preset" and { choices = require("holdfast.presets").names } or row)
  local final = last and table.remove(words)
  local listed = table.concat(words, separator)
  return (pattern:gsub("%%s", function()
    return final and listed .. last .. final or listed
  end))
end

local UNITS = { s = "seconds", bytes = "bytes", messages = "messages" }

local MANY = { [4294967295] = true, [4294967] = true, [2 ^ 40] = true }

local function number(value)
  return value % 1 == 0 and text.number(value) or ("%g"):format(value)
end

--- The bounds of a number, in words; nil: there are none that anybody meets.
local function bounds(row)
  local most = row.to and not MANY[row.to] and number(row.to)
  if row.above then
    return ("above %s"):format(number(row.above)) .. (most and " and up to " .. most or "")
  elseif row.type == "whole" or row.type == "seconds" or row.type == "number" then
    local least = number(row.from or 0)
    return most and ("from %s to %s"):format(least, most) or least .. " or more"
  end
end

--- An option's type in words, with its unit and bounds.
function types.words(row)
  if row.group then
    return "table"
  end
  local parts = { filled(kinds[row.type][1], row, ", ", " or ") }
  parts[#parts + 1] = UNITS[row.unit]
  parts[#parts + 1] = bounds(row)
  return table.concat(parts, ", ")
end

--- Its default as it is written in Lua; nil: there is none.
function types.default(row)
  if row.default == nil then
    return nil
  end
  local default = row.default
  if type(default) == "number" and default >= 1024 * 1024 and default % (1024 * 1024) == 0 then
    return ("%d * 1024 * 1024"):format(default / (1024 * 1024))
  end
  return literal(default)
end

--- Its type for LuaLS.
function types.luals(row)
  return own[row.name] or filled(kinds[row.type][2], row, "|")
end

--- A type of LDoc's for LuaLS.
function types.of_comment(name)
  local inner = name:match "^{(.-),%.%.%.}$"
  name = inner and inner .. "[]" or name
  return (name:gsub("^function$", "fun(...: any): any"):gsub("^number|string$", "integer|string"))
end

--- A type of LDoc's in words.
function types.of_comment_words(name)
  local inner = name:match "^{(.-),%.%.%.}$"
  if inner then
    return "list of " .. types.of_comment_words(inner) .. "s"
  end
  return (name:gsub("|", " or "):gsub("%f[%w]table%f[%W]", "table"))
end

return types
