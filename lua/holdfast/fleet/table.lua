--- The results of several policies as lines of text.
-- @module holdfast.fleet.table
local text = require "holdfast.text"

local table_of = {}

local function number(format)
  return function(value)
    return value and text.format(format, value) or "never"
  end
end

-- Title, width and text of each column.
local columns = {
  { "t50", 9, function(r) return number "%.1f"(r.t50) end },
  { "t99", 9, function(r) return number "%.1f"(r.t99) end },
  { "t100", 9, function(r) return number "%.1f"(r.t100) end },
  { "ratio", 8, function(r) return number "%.2f"(r.ratio) end },
  { "attempts", 10, function(r) return number "%.2f"(r.attempts_per_client) end },
  { "before", 8, function(r) return number "%.2f"(r.attempts_before) end },
  { "peak", 8, function(r) return number "%.1f"(r.peak_over_rate) end },
  { "wasted", 8, function(r) return number "%.2f"(r.wasted_per_client) end },
  { "mean", 9, function(r) return number "%.1f"(r.downtime_mean) end },
  { "p99", 9, function(r) return number "%.1f"(r.downtime_p99) end },
}

local function line(name, cell)
  local cells = { ("%-22s"):format(name) }
  for _, column in ipairs(columns) do
    cells[#cells + 1] = ("%" .. column[2] .. "s"):format(cell(column))
  end
  return table.concat(cells)
end

--- What the columns mean, in a few lines.
table_of.legend = [[
t50, t99, t100: seconds after the broker's return until so many percent are connected; ratio: t99 over what the broker
needs; attempts: a client, after the return, and before it; peak: attempts in the worst second over accept_rate; wasted:
handshakes a client that the broker worked on in vain; mean, p99: seconds a client was not connected]]

--- One line a policy, under a head.
-- @tparam table found an array of { name, result }, the results of @{holdfast.fleet}.run
-- @treturn string
function table_of.format(found)
  local lines = { line("policy", function(column) return column[1] end) }
  for _, each in ipairs(found) do
    lines[#lines + 1] = line(each.name, function(column) return column[3](each.result) end)
  end
  return table.concat(lines, "\n")
end

return table_of
