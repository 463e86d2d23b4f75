--- Totals: of the process, as csrc/keeper/tally.h counts them, and of the clients of this Lua state.
-- @module holdfast.metrics
local core = require "holdfast.core"
local registry = require "holdfast.registry"

local metrics = {}

--- The states that a client which is not closed can be in.
metrics.states = { "idle", "connecting", "connected", "waiting", "sleeping" }

--- How the clients of this Lua state that are not closed stand, the oldest first.
-- @treturn {table,...} { number, status }; none in a fork
function metrics.clients()
  local list = {}
  for number, client in registry.each() do
    local status = client.handle:status()
    if status and status.state ~= "closed" then
      list[#list + 1] = { number = number, status = status }
    end
  end
  table.sort(list, function(one, other)
    return one.number < other.number
  end)
  return list
end

--- Adds what is no counter to the totals of the process.
-- @tparam {table,...} clients as @{clients} answers them
-- @treturn table as of @{holdfast.metrics}
function metrics.of(clients)
  local totals = core.metrics()
  local states, queued, inbox = {}, { messages = 0, bytes = 0 }, { messages = 0, bytes = 0 }
  for _, state in ipairs(metrics.states) do
    states[state] = 0
  end
  for _, client in ipairs(clients) do
    local status = client.status
    states[status.state] = states[status.state] + 1
    queued.messages, queued.bytes = queued.messages + status.queued.messages, queued.bytes + status.queued.bytes
    inbox.messages, inbox.bytes = inbox.messages + status.inbox.messages, inbox.bytes + status.inbox.bytes
    if status.queued.oldest and status.queued.oldest > (queued.oldest or -1) then
      queued.oldest = status.queued.oldest
    end
  end
  totals.states, totals.queued, totals.inbox = states, queued, inbox
  return totals
end

--- What `holdfast.metrics` answers.
-- @treturn table
function metrics.totals()
  return metrics.of(metrics.clients())
end

return metrics
