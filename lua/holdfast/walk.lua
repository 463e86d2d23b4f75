--- The walk through a table of options, row by row of the schema: the one reader of what users give.
-- A value counts wherever it comes from, the table itself or what its metatable puts behind it. That all names are
-- known can be said of the table's own keys alone.
-- @module holdfast.walk
local check = require "holdfast.check"
local late = require "holdfast.late"
local schema = require "holdfast.schema"

local hints = late.module "holdfast.hints"
local policy = late.module "holdfast.policy"
local text = late.module "holdfast.text"

local walk = {}

-- The rows as a tree: { rows = { ... }, names = { ... } }, a nested table under its row's `children`.
local function grow(list)
  local root = { rows = {}, names = {}, by_name = {} }
  for _, row in ipairs(list) do
    local parent, key = root, row.name
    local group, rest = row.name:match "^(%w+)%.(.+)$"
    if group then
      parent, key = root.by_name[group].children, rest
    end
    local node = { key = key, row = row, default = row.default }
    if row.group then
      node.children = { rows = {}, names = {}, by_name = {} }
    end
    table.insert(parent.rows, node)
    table.insert(parent.names, key)
    parent.by_name[key] = node
  end
  return root
end

local tree = grow(schema)
local calls, call_names = {}, {}
for position, call in ipairs(schema.calls) do
  calls[call.call], call_names[position] = grow(call.rows), call.call
end
local process = {}
for name, rows in pairs(schema.process) do
  process[name] = grow(rows)
end

local visit

local function unknown_key(group, given, where)
  for key in pairs(given) do
    if not group.by_name[key] then
      if group == tree and hints.options[key] then
        return ("unknown option %s; %s"):format(text.describe(key), hints.options[key])
      end
      return text.unknown("option" .. where, key, group.names)
    end
  end
end

local function nested(node, value, prefix)
  if type(value) ~= "table" then
    local wanted = node.key == "backoff" and "a table or a function" or "a table"
    return nil, ("%s must be %s, got %s"):format(prefix .. node.key, wanted, text.describe(value))
  end
  return visit(node.children, value, prefix .. node.key .. ".")
end

-- `defaults`: in place of those of the rows.
function visit(group, given, prefix, defaults)
  local wrong = unknown_key(group, given, prefix ~= "" and (" in %s"):format(prefix:sub(1, -2)) or "")
  if wrong then
    return nil, wrong
  end
  local values = {}
  for _, node in ipairs(group.rows) do
    local key, row, problem = node.key, node.row, nil
    local value = given[key]
    if value == nil and defaults then
      value = defaults[key]
    end
    if node.children then
      if key == "backoff" and check.is_callable(value) then
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
-- @tparam[opt] table defaults in place of the schema's
-- @treturn ?table values, with defaults
-- @treturn ?string what is wrong
function walk.nested(group, given, prefix, defaults)
  return visit(tree.by_name[group].children, given, prefix, defaults)
end

-- The values of one call: what is given, else what `fallback` has, else the defaults of the rows.
local function take(group, given, fallback, where)
  if given ~= nil and type(given) ~= "table" then
    return nil, "options must be a table, got " .. text.describe(given)
  elseif fallback ~= nil and type(fallback) ~= "table" then
    return nil, ("%s must be a table, got %s"):format(where, text.describe(fallback))
  end
  local problem = given and unknown_key(group, given, "") or fallback and unknown_key(group, fallback, " in " .. where)
  if problem then
    return nil, problem
  end
  local values, rows = {}, group.rows
  for index = 1, #rows do
    local node = rows[index]
    local key, value, is_own = node.key, nil, true
    if given then
      value = given[key]
    end
    if value == nil and fallback then
      value, is_own = fallback[key], false
    end
    if value ~= nil then
      local row = node.row
      value, problem = check[row.type](value, row)
      if value == nil then
        return nil, ("%s%s %s"):format(is_own and "" or where .. ".", key, problem)
      end
      values[key] = value
    elseif node.row.required then
      return nil, key .. " is missing"
    else
      values[key] = node.default
    end
  end
  return values
end

--- Checks the options of a call of a client.
-- @tparam string call its name in the schema
-- @tparam ?table given
-- @tparam ?table defaults of the client, by call
-- @treturn ?table values, with defaults
-- @treturn ?string what is wrong
function walk.call(call, given, defaults)
  local fallback = defaults and defaults[call]
  return take(calls[call], given, fallback, fallback ~= nil and "defaults." .. call)
end

--- Checks the options of a call that is no client's.
-- @tparam string call its name in the schema
-- @param given
-- @treturn ?table values, with defaults
-- @treturn ?string what is wrong
function walk.process(call, given)
  return take(process[call], given == nil and {} or given)
end

--- Checks options that are no part of the schema.
-- @param given
-- @tparam table rows by name, each as in the schema
-- @tparam table names the names, for messages
-- @treturn ?table values, without defaults
-- @treturn ?string what is wrong
function walk.rows(given, rows, names)
  local nodes = {}
  for position, name in ipairs(names) do
    nodes[position] = rows[name] and { key = name, row = rows[name] }
  end
  return take({ rows = nodes, names = names, by_name = rows }, given == nil and false or given)
end

--- What is wrong with the defaults of one call.
-- @param call its name
-- @param given nil: none
-- @treturn ?string
function walk.defaults_problem(call, given)
  if not calls[call] then
    return text.unknown("call in defaults", call, call_names)
  elseif given ~= nil then
    local _, problem = take(calls[call], nil, given, "defaults." .. call)
    return problem
  end
end

--- The names of all calls that have options.
walk.calls = call_names

return walk
