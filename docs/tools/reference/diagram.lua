--- The state machine as a graph for Graphviz, drawn from the table that runs it.
local core = require "holdfast.core"

local diagram = {}

--- The graph, in DOT.
function diagram.dot()
  local edges, order, states, seen = {}, {}, {}, {}
  local function state(name)
    if not seen[name] then
      seen[name] = true
      states[#states + 1] = ('  %s;'):format(name)
    end
  end
  for _, row in ipairs(core.engine.table()) do
    state(row.state)
    state(row.next)
    local key = ("%s -> %s"):format(row.state, row.next)
    if not edges[key] then
      order[#order + 1], edges[key] = key, {}
    end
    table.insert(edges[key], (row.input:gsub("_", " ")))
  end
  local lines = {
    "digraph states {",
    '  graph [bgcolor="#ffffff", pad=0.3, nodesep=0.6, ranksep=0.8];',
    '  node [shape=box, style="rounded,filled", fillcolor="#eceff1", color="#455a64", fontname="sans-serif"];',
    '  edge [color="#455a64", fontname="sans-serif", fontsize=12];',
    table.concat(states, "\n"),
  }
  for _, key in ipairs(order) do
    lines[#lines + 1] = ('  %s [label="%s"];'):format(key, table.concat(edges[key], "\\n"))
  end
  lines[#lines + 1] = "}\n"
  return table.concat(lines, "\n")
end

return diagram
