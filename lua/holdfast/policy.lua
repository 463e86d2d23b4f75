--- `policy`: what follows from a reason, changed by class, by code or by name.
-- @module holdfast.policy
local core = require "holdfast.core"
local text = require "holdfast.text"

local policy = {}

-- Codes are the broker's: the numbers of other sources are this library's own and mean nothing to a user.
local CODED = { connack = true, connack_v3 = true, disconnect = true }

local classes, is_class = { "retry", "slow", "switch", "stop" }, {}
for _, class in ipairs(classes) do
  is_class[class] = true
end

local function rows()
  local found = {}
  for _, row in ipairs(core.reason.all()) do
    if is_class[row.class] then -- a refusal of one filter or one publish has no consequence for the connection
      found[#found + 1] = row
    end
  end
  return found
end

-- "stop", or { class = "slow", later = "stop", after = 3 }
local function rule(value)
  if is_class[value] then
    return { class = value, later = value, after = 0 }
  elseif type(value) ~= "table" then
    return nil, ("must be %s, or { class, later, after }, got %s"):format(text.list(classes), text.describe(value))
  end
  for key in pairs(value) do
    if key ~= "class" and key ~= "later" and key ~= "after" then
      return nil, "has an " .. text.unknown("key", key, { "class", "later", "after" })
    end
  end
  if not is_class[value.class] then
    return nil, ("needs a class, one of %s, got %s"):format(text.list(classes), text.describe(value.class))
  elseif value.later == nil and value.after == nil then
    return { class = value.class, later = value.class, after = 0 }
  elseif not is_class[value.later] then
    return nil, ("needs `later`, one of %s, got %s"):format(text.list(classes), text.describe(value.later))
  elseif type(value.after) ~= "number" or value.after % 1 ~= 0 or value.after < 1 or value.after > 255 then
    return nil, "needs `after`, a whole number from 1 to 255, got " .. text.describe(value.after)
  end
  return { class = value.class, later = value.later, after = value.after }
end

local function show(key)
  return type(key) == "number" and ("[0x%02X]"):format(key) or tostring(key)
end

-- The row of all codes that nobody has assigned stands under the lowest of them, which is no reason to mean it.
local function is_assigned(row)
  return not row.name:find "^unknown_"
end

-- How a key selects rows, and its rank: what is said of one reason outweighs what is said of its class.
local function selector(key)
  if is_class[key] then
    return 1, function(row)
      return row.class == key
    end
  elseif type(key) == "number" and key % 1 == 0 and key >= 0 and key <= 255 then
    return 2, function(row)
      return row.code == key and CODED[row.source] and is_assigned(row)
    end
  elseif type(key) == "string" then
    return 3, function(row)
      return row.name == key
    end
  end
  return nil
end

local function unknown(key, all)
  if type(key) == "string" then
    local names = {}
    for _, row in ipairs(all) do
      names[#names + 1] = row.name
    end
    for _, class in ipairs(classes) do
      names[#names + 1] = class
    end
    local near = text.nearest(key, names)
    local hint = near and ('; did you mean "%s"?'):format(near) or ""
    return ("has an unknown reason %s%s"):format(text.describe(key), hint)
  end
  if type(key) == "number" then
    return ("has the code %s, which no broker answers with"):format(text.describe(key))
  end
  return ("must have names, classes or codes of reasons as keys, got %s"):format(text.describe(key))
end

-- The table's own keys, and those of the known ones that its metatable puts behind it.
local function keys_of(given, all)
  local keys = {}
  for key in pairs(given) do
    keys[key] = true
  end
  for _, row in ipairs(all) do
    for _, key in ipairs { row.name, row.class, row.code } do
      keys[key] = given[key] ~= nil or nil
    end
  end
  return keys
end

--- Resolves a policy to rows of the reason table.
-- @tparam table given keys: names of reasons, codes of the broker (0x97), classes; values: a class, or
-- { class = "slow", later = "stop", after = 3 } for "stop from the third in a row on". The key `slow` may hold a
-- table with a backoff for that class (checked elsewhere).
-- @treturn ?table rules by row number (nil when none is changed), or nil and what is wrong
-- @treturn ?string
function policy.check(given)
  if type(given) ~= "table" then
    return nil, "must be a table, got " .. text.describe(given)
  end
  local all, rules, ranks = rows(), {}, {}
  for key in pairs(keys_of(given, all)) do
    local value = given[key]
    if not (key == "slow" and type(value) == "table" and value.class == nil) then
      local rank, selects = selector(key)
      local found = false
      local made, problem = rule(value)
      for _, row in ipairs(rank and all or {}) do
        if selects(row) then
          found = true
          if rank > (ranks[row.row] or 0) then
            rules[row.row], ranks[row.row] = made, rank
          end
        end
      end
      if not found then
        return nil, unknown(key, all)
      elseif problem then
        return nil, ("%s %s"):format(show(key), problem)
      end
    end
  end
  return next(rules) ~= nil and rules or nil
end

return policy
