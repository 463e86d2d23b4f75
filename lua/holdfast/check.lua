--- What a value must be: one small function for each type that the schema names, the rarer ones in @{holdfast.kinds}.
-- Each answers the value as it is kept, or nil and words that continue the name of the option:
-- "must be a whole number from 0 to 65,535, got -1".
-- @module holdfast.check
local core = require "holdfast.core"
local late = require "holdfast.late"

local kinds = late.module "holdfast.kinds"
local text = late.module "holdfast.text"

local check = {}

local floor, huge = math.floor, math.huge

local LONGEST = 4294967 -- seconds: what fits 32 bits of milliseconds, 49 days
local UNITS = { s = "seconds" }

local function wanted(words, value, row)
  return nil, ("must be %s, got %s"):format(words, text.describe(value, row and row.secret))
end

check.wanted = wanted

--- Whether a value is a number, and no NaN or infinity.
-- @param value
-- @treturn boolean
function check.is_finite(value)
  return type(value) == "number" and value == value and value ~= huge and value ~= -huge
end

local is_finite = check.is_finite

--- The bounds of a number, in words.
-- @tparam table row
-- @tparam number least
-- @tparam number most
-- @treturn string
function check.range(row, least, most)
  if row.above then
    return (" above %s and up to %s"):format(text.number(row.above), text.number(most))
  end
  return (" from %s to %s"):format(text.describe(least), text.number(most))
end

--- Seconds, fractions allowed. Row: `from` (0), `above`, `to`.
function check.seconds(value, row)
  local least, most = row.from or 0, row.to or LONGEST
  if not is_finite(value) or value < least or value > most or (row.above and value <= row.above) then
    return wanted("a number of seconds" .. check.range(row, least, most), value, row)
  end
  return value
end

--- A whole number. Row: `from` (0), `to`.
function check.whole(value, row)
  local least, most = row.from or 0, row.to
  if not is_finite(value) or value ~= floor(value) or value < least or value > most then
    local of = row.unit and " of " .. (UNITS[row.unit] or row.unit) or ""
    return wanted("a whole number" .. of .. check.range(row, least, most), value, row)
  end
  return floor(value)
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
    shown[index] = text.describe(choice)
  end
  local near = type(value) == "string" and text.nearest(value, row.choices)
  local words, problem = wanted(text.list(shown), value, row)
  return words, problem .. (near and (' (did you mean "%s"?)'):format(near) or "")
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

--- A server's address; or a function, which is kept, where the row has `callable`.
function check.server(value, row)
  local server, problem
  if type(value) == "string" then
    server, problem = core.parse_server(value)
  end
  if row and row.callable and check.is_callable(value) then
    return value
  elseif not server then
    return kinds.no_server(value, problem, row)
  end
  return server
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
  local words = ("a number of seconds from 0 to %s, or nothing to wait without end"):format(text.number(LONGEST))
  local _, problem = wanted(words, value)
  return "timeout " .. problem
end

-- The rarer ones are read when they are needed.
setmetatable(check, { __index = function(_, name)
  return kinds[name]
end })

return check
