--- The tables that docs/reference shows of what the code knows: rendered from the code, so that a spec can compare.
local core = require "holdfast.core"
local reference = require "holdfast.reference"

local readme = {}

local function code(text)
  return "`" .. text .. "`"
end

local function show(row)
  local default, unit = row.default, row.unit
  if row.required then
    return "required"
  elseif default == nil then
    return row.group == "defaults" and "as below" or ""
  elseif type(default) == "string" then
    return code('"' .. default .. '"')
  elseif unit == "bytes" and default % (1024 * 1024) == 0 then
    return string.format("%d MiB", default / (1024 * 1024))
  end
  return code(tostring(default)) .. (unit and " " .. unit or "")
end

local function explain(row, call)
  local doc = reference[(call and call .. ": " or "") .. row.name]
  if doc or not row.choices then
    return ((doc or ""):gsub("|", "\\|"))
  end
  local choices = {}
  for i, choice in ipairs(row.choices) do
    choices[i] = code(type(choice) == "string" and '"' .. choice .. '"' or tostring(choice))
  end
  return table.concat(choices, ", ")
end

--- Every option with its default, from the schema.
function readme.options()
  local lines = { "| option | default | |", "|---|---|---|" }
  for _, row in ipairs(require "holdfast.schema") do
    lines[#lines + 1] = string.format("| %s | %s | %s |", code(row.name), show(row), explain(row))
  end
  return lines
end

--- Every option of the client's calls that is no argument, from the schema.
function readme.calls()
  local rows, calls, first = {}, {}, {}
  for _, call in ipairs(require("holdfast.schema").calls) do
    for _, row in ipairs(call.argument and {} or call.rows) do
      if calls[row] then
        calls[row] = calls[row] .. ", " .. code(call.call)
      else
        rows[#rows + 1], calls[row], first[row] = row, code(call.call), call.call
      end
    end
  end
  local lines = { "| option | of | default | |", "|---|---|---|---|" }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = string.format("| %s | %s | %s | %s |", code(row.name), calls[row], show(row),
      explain(row, first[row]))
  end
  return lines
end

--- The state machine, from the table that runs it.
function readme.states()
  local lines = { "| state | input | next state | then |", "|---|---|---|---|" }
  for _, row in ipairs(core.engine.table()) do
    local actions = {}
    for i, action in ipairs(row.actions) do
      actions[i] = (action:gsub("_", " "))
    end
    lines[#lines + 1] = string.format("| %s | %s | %s | %s |", row.state, (row.input:gsub("_", " ")), row.next,
      actions[1] and table.concat(actions, ", ") or "another deadline")
  end
  return lines
end

--- The way to an attempt, a line a gate, from the table that runs it.
function readme.gates()
  local lines, ways = { "| gate | input: next gate |", "|---|---|" }, {}
  for _, row in ipairs(require("core_probe").gates()) do
    local way = row.input .. ": " .. row.next
    if row.actions[1] then
      way = way .. " (" .. table.concat(row.actions, ", ") .. ")"
    end
    if ways.gate ~= row.gate then
      ways = { gate = row.gate }
    end
    ways[#ways + 1] = way
    lines[#ways == 1 and #lines + 1 or #lines] = string.format("| %s | %s |", row.gate, table.concat(ways, "; "))
  end
  return lines
end

local ORDINALS = { "1st", "2nd", "3rd" }
local CLASSES = { "retry", "slow", "switch", "stop", "none" }

--- The names of all reasons by class.
function readme.reasons()
  local names, seen = {}, {}
  for _, class in ipairs(CLASSES) do
    names[class], seen[class] = {}, {}
  end
  for _, row in ipairs(core.reason.all()) do
    local name = code(row.name)
    if row.after > 0 then
      name = string.format("%s (%s from the %s in a row on)", name, row.later, ORDINALS[row.after])
    end
    if not seen[row.class][name] then
      seen[row.class][name] = true
      table.insert(names[row.class], name)
    end
  end
  local lines = { "| class | reasons |", "|---|---|" }
  for _, class in ipairs(CLASSES) do
    table.sort(names[class])
    lines[#lines + 1] = string.format("| %s | %s |", class, table.concat(names[class], ", "))
  end
  return lines
end

return readme
