--- The text formats in which Prometheus reads metrics: OpenMetrics 1.0, and the classic one, version 0.0.4.
-- A *sample* is { family, suffix, value, labels }: the name of its family in @{holdfast.families}, what stands behind
-- it, the value and the labels, both as they are written, the labels without their braces.
-- @module holdfast.exposition
local core = require "holdfast.core"
local families = require "holdfast.families"

local exposition = {}

--- What a server of them says in Content-Type, by `format`.
exposition.content_types = {
  openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8",
  text = "text/plain; version=0.0.4; charset=utf-8",
}

-- OpenMetrics has types that the classic format does not know.
local CLASSIC = { info = "gauge", stateset = "gauge" }

local UNKNOWN = "\239\191\189" -- U+FFFD

--- A value as far as it is text; a name may have been cut in the middle of a character.
-- @tparam string value
-- @treturn string
function exposition.text(value)
  if not core.utf8_problem(value) then
    return value
  end
  local whole = value:gsub("[\194-\244][\128-\191]*$", "")
  if core.utf8_problem(whole) then
    return (value:gsub("[%z\1-\8\14-\31\127-\255]", UNKNOWN))
  end
  return whole .. UNKNOWN
end

local ESCAPES = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

--- Labels as they are written.
-- @tparam {string,...} list names and values by turns
-- @treturn string
function exposition.labels(list)
  local written = {}
  for index = 1, #list, 2 do
    local value = exposition.text(list[index + 1]):gsub('[\\"\n]', ESCAPES)
    written[#written + 1] = ('%s="%s"'):format(list[index], value)
  end
  return table.concat(written, ",")
end

--- A number as it is written, whatever the locale.
-- @tparam number value
-- @treturn string
function exposition.number(value)
  if value == math.huge then
    return "+Inf"
  elseif value == math.floor(value) and math.abs(value) < 2 ^ 53 then
    return ("%d"):format(value)
  end
  return (("%.15g"):format(value):gsub(",", "."))
end

local function head(lines, family, format)
  local name, kind = family.name, family.type
  if format == "text" then
    name = kind == "counter" and name .. "_total" or kind == "info" and name .. "_info" or name
    kind = CLASSIC[kind] or kind
  end
  lines[#lines + 1] = ("# HELP %s %s"):format(name, family.help)
  lines[#lines + 1] = ("# TYPE %s %s"):format(name, kind)
  if family.unit and format == "openmetrics" then
    lines[#lines + 1] = ("# UNIT %s %s"):format(name, family.unit)
  end
end

--- Writes samples, each family's together.
-- @tparam {table,...} samples in any order of the families
-- @tparam string format "openmetrics" or "text"
-- @treturn string
-- @treturn string its content type
function exposition.write(samples, format)
  local by_family, lines = {}, {}
  for _, sample in ipairs(samples) do
    local own = by_family[sample.family] or {}
    own[#own + 1] = sample
    by_family[sample.family] = own
  end
  for _, family in ipairs(families) do
    local own = by_family[family.name]
    if own then
      head(lines, family, format)
      for _, sample in ipairs(own) do
        local labels = sample.labels ~= "" and "{" .. sample.labels .. "}" or ""
        lines[#lines + 1] = sample.family .. sample.suffix .. labels .. " " .. sample.value
      end
    end
  end
  if format == "openmetrics" then
    lines[#lines + 1] = "# EOF"
  end
  return table.concat(lines, "\n") .. "\n", exposition.content_types[format]
end

return exposition
