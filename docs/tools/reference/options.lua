--- The options by the call or table that takes them: each row of the schema with what LuaLS calls its table.
local reference = require "holdfast.reference"
local schema = require "holdfast.schema"

local options = { classes = {}, by_class = {} }

local function class(name, title)
  local made = { name = name, title = title, rows = {} }
  options.classes[#options.classes + 1] = made
  options.by_class[name] = made
  return made
end

local function add(to, row, name, words)
  to.rows[#to.rows + 1] = { row = row, name = name, text = words or "" }
end

local texts = require "reference.texts.process"

local main = class("holdfast.options", "What `holdfast.new` takes.")
for _, row in ipairs(schema) do
  local outer, inner = row.name:match "^([%w_]+)%.([%w_]+)$"
  if row.group then
    class("holdfast.options." .. row.name, ("The option `%s` of `holdfast.new`."):format(row.name)).nested = true
  end
  add(outer and options.by_class["holdfast.options." .. outer] or main, row, inner or row.name,
    reference[row.name] or texts[row.name])
end

-- What stands once stands behind the name of the first call that has it.
local first = {}
for _, call in ipairs(schema.calls) do
  if not call.argument then
    local of = class("holdfast.options." .. call.call, ("The options of `client:%s`."):format(call.call))
    for _, row in ipairs(call.rows) do
      first[row] = first[row] or reference[call.call .. ": " .. row.name]
      add(of, row, row.name, first[row] or reference["publish: " .. row.name])
    end
  end
end

local process = {
  limit = "The options of `holdfast.limit`.",
  shared_limit = "The options of `limit` of resty.holdfast.",
  close = "The options of `client:close`.",
  log = "The options of `holdfast.log`.",
  prometheus = "The options of `holdfast.prometheus`.",
  shared_metrics = "The options of `publish` of resty.holdfast.metrics.",
  metrics_text = "The options of `text` of resty.holdfast.metrics.",
}
for _, name in ipairs { "limit", "shared_limit", "close", "log", "prometheus", "shared_metrics", "metrics_text" } do
  local of = class("holdfast.options." .. name, process[name])
  for _, row in ipairs(schema.process[name]) do
    add(of, row, row.name, texts[name .. ": " .. row.name] or texts[row.name])
  end
end

--- Whether a name is that of an option of `holdfast.new` with options of its own.
function options.is_nested(name)
  local of = options.by_class["holdfast.options." .. name]
  return of ~= nil and of.nested == true
end

return options
