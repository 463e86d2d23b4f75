--- The walk through a table of options, row by row of the schema.
-- @module holdfast.walk
local check = require "holdfast.check"
local policy = require "holdfast.policy"
local properties = require "holdfast.properties"
local schema = require "holdfast.schema"
local text = require "holdfast.text"

local walk = {}

-- The rows as a tree: { rows = { ... }, names = { ... } }, a nested table under its row's `children`.
local function grow()
  local root = { rows = {}, names = {}, by_name = {} }
  for _, row in ipairs(schema) do
    local parent, key = root, row.name
    local group, rest = row.name:match "^(%w+)%.(.+)$"
    if group then
      parent, key = root.by_name[group].children, rest
    end
    local node = { key = key, row = row }
    if row.group then
      node.children = { rows = {}, names = {}, by_name = {} }
    end
    table.insert(parent.rows, node)
    table.insert(parent.names, key)
    parent.by_name[key] = node
  end
  return root
end

local tree = grow()

function check.properties(value, row)
  return properties.check(value, row.packet)
end

function check.jitter(value)
  if type(value) == "number" then
    local fraction, problem = check.number(value, { from = 0, to = 1 })
    if fraction == 0 then
      return nil, 'must be above 0; say "none" for no jitter'
    end
    return fraction, problem
  end
  if value ~= "none" and value ~= "full" and value ~= "equal" then
    return nil, 'must be "none", "full", "equal" or a fraction up to 1, got ' .. text.describe(value)
  end
  return value
end

local visit

local function nested(node, value, prefix)
  if type(value) ~= "table" then
    local wanted = node.key == "backoff" and "a table or a function" or "a table"
    return nil, ("%s must be %s, got %s"):format(prefix .. node.key, wanted, text.describe(value))
  end
  return visit(node.children, value, prefix .. node.key .. ".")
end

function visit(group, given, prefix)
  for key in pairs(given) do
    if not group.by_name[key] then
      local where = prefix ~= "" and (" in %s"):format(prefix:sub(1, -2)) or ""
      return nil, text.unknown("option" .. where, key, group.names)
    end
  end
  local values = {}
  for _, node in ipairs(group.rows) do
    local key, row, problem = node.key, node.row, nil
    local value = given[key]
    if node.children then
      if type(value) == "function" and key == "backoff" then
        values.strategy = value -- the built-in strategy stays in hand for when the function has no answer
        value = nil
      end
      if value ~= nil or row.group == "defaults" then
        values[key], problem = nested(node, value == nil and {} or value, prefix)
      end
    elseif value ~= nil then
      if row.type == "policy" then
        values.rules, problem = policy.check(value)
        values.policy = value
      else
        values[key], problem = check[row.type](value, row)
      end
      problem = problem and ("%s %s"):format(prefix .. key, problem)
    elseif row.required then
      problem = ("%s is missing"):format(prefix .. key)
    else
      values[key] = row.default
    end
    if problem then
      return nil, problem
    end
  end
  return values
end

--- Checks a whole table of options.
-- @tparam table given
-- @treturn ?table values, with defaults; `strategy` when `backoff` is a function, `rules` when there is a `policy`
-- @treturn ?string what is wrong
function walk.all(given)
  return visit(tree, given, "")
end

--- Checks a nested table by itself.
-- @tparam string group its name in the schema
-- @tparam table given
-- @tparam string prefix how messages call it, with a dot at the end
-- @treturn ?table values, with defaults
-- @treturn ?string what is wrong
function walk.nested(group, given, prefix)
  return visit(tree.by_name[group].children, given, prefix)
end

return walk
