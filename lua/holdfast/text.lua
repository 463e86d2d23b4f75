--- Words for messages: how a value is shown, and which name was probably meant.
-- @module holdfast.text
local core = require "holdfast.core"

local text = {}

local floor, huge = math.floor, math.huge
local SHOWN = 48 -- bytes of a string that a message shows

--- Groups the digits of a whole number: 65535 becomes "65,535".
-- @tparam number value
-- @treturn string
function text.number(value)
  local digits = ("%.0f"):format(value)
  local grouped = digits:reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (grouped:gsub("^,", ""):gsub("^%-,", "-"))
end

--- As `string.format`, with a point in numbers whatever the locale's decimal sign is.
-- @tparam string format
-- @param ... values
-- @treturn string
function text.format(format, ...)
  local values, place = { ... }, 0
  return (format:gsub("%%([%d%.]*)([%a%%])", function(width, kind)
    if kind == "%" then
      return "%"
    end
    place = place + 1
    local shown = ("%" .. width .. kind):format(values[place])
    return kind ~= "s" and shown:gsub(",", ".") or shown
  end))
end

--- A time to read, with three digits or whole.
-- @tparam number value seconds
-- @treturn string
function text.seconds(value)
  return text.format(value < 999.5 and "%.3g s" or "%.0f s", value)
end

--- A text that may come from anybody, for a terminal, which is not to be steered by it (ECMA-48: C0 and C1).
-- @param value anything
-- @treturn string
function text.safe(value)
  return (tostring(value):gsub("%c", "?"):gsub("\194[\128-\159]", "?"))
end

local function quote(value)
  local cut = #value > SHOWN and value:sub(1, SHOWN) or value
  local odd = core.utf8_problem((cut:gsub("%c", " "))) and '[%c"\\\128-\255]' or '[%c"\\]'
  cut = cut:gsub(odd, function(byte)
    return ("\\x%02x"):format(byte:byte())
  end)
  return '"' .. cut .. '"' .. (#value > SHOWN and (" ... (%s bytes)"):format(text.number(#value)) or "")
end

--- Shows what came, for the "got" of a message.
-- @param value anything
-- @tparam[opt] boolean secret true: only its type is told
-- @treturn string
function text.describe(value, secret)
  local kind = type(value)
  if kind == "nil" then
    return "nothing"
  elseif kind == "table" and not secret and next(value) == nil then
    return "an empty table"
  elseif secret or (kind ~= "string" and kind ~= "number" and kind ~= "boolean") then
    return "a " .. kind
  elseif kind == "string" then
    return quote(value)
  elseif kind == "number" then
    if value ~= value then
      return "NaN"
    elseif value == huge or value == -huge then
      return value > 0 and "infinity" or "minus infinity"
    elseif value == floor(value) and value > -1e15 and value < 1e15 then
      return text.number(value)
    end
    return (tostring(value):gsub(",", "."))
  end
  return tostring(value)
end

--- Joins words as a sentence does: "a, b or c".
-- @tparam table words an array of strings and numbers
-- @tparam[opt="or"] string last the word before the last one
-- @treturn string
function text.list(words, last)
  local count = #words
  if count < 2 then
    return tostring(words[1] or "")
  end
  return table.concat(words, ", ", 1, count - 1) .. " " .. (last or "or") .. " " .. words[count]
end

-- Edits (insert, delete, replace, swap of neighbours) between two words.
local function distance(a, b)
  local before, row = nil, {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local next_row = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local best = math.min(row[j] + 1, next_row[j - 1] + 1, row[j - 1] + (same and 0 or 1))
      if before and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        best = math.min(best, before[j - 2] + 1)
      end
      next_row[j] = best
    end
    before, row = row, next_row
  end
  return row[#b]
end

--- The known name that is nearest to a mistyped one.
-- @tparam string name
-- @tparam table known an array of names; what is no string in it is passed over
-- @treturn ?string nil when none is near enough to be worth proposing
function text.nearest(name, known)
  if #name > SHOWN then
    return nil
  end
  local best, least
  for _, candidate in ipairs(known) do
    if type(candidate) == "string" then
      local edits = distance(name:lower(), candidate)
      if edits <= math.max(1, floor(#candidate / 3)) and (not least or edits < least) then
        best, least = candidate, edits
      end
    end
  end
  return best
end

--- The sentence about a name that nobody knows.
-- @tparam string what "option", "event"
-- @param name what came
-- @tparam table known an array of names
-- @treturn string
function text.unknown(what, name, known)
  local near = type(name) == "string" and text.nearest(name, known)
  local hint = near and ('did you mean "%s"?'):format(near) or ("known are " .. text.list(known, "and"))
  return ("unknown %s %s; %s"):format(what, text.describe(name), hint)
end

return text
