--- The metrics that there are, as OpenMetrics has them: docs/metrics.md says of each what it means.
-- Those of the process are called `holdfast_...`, those of one client `holdfast_client_...`, so that nothing is counted
-- twice by who adds up. Each row: `name`, `type`, `unit`, `help`, `labels` (beside those of all), and where its values
-- come from: `of` ("process" or "client") and `read`, called with `add(value, ...)`, which takes the labels' values
-- behind it, and the totals of @{holdfast.metrics} or a `status`.
-- @module holdfast.families
local core = require "holdfast.core"

local states = require("holdfast.metrics").states

local families = {}

local function row(of, kind, name, unit, help, labels, read)
  families[#families + 1] = {
    of = of, type = kind, name = (of == "client" and "holdfast_client_" or "holdfast_") .. name, unit = unit or nil,
    help = help, labels = labels or {}, read = read,
  }
end

-- What both have under one name: the process, by reason or cause where that is known, and a client.
local COUNTERS = {
  { "attempts", "attempts", "Attempts to connect that have begun." },
  { "connects", "connects", "Connections that a broker has accepted." },
  { "reconnects", "reconnects", "Connections but the first of each client." },
  { "failures", "failures", "Attempts that ended without a connection.", by = { "source", "reason" } },
  { "losses", "losses", "Connections that ended by themselves.", by = { "source", "reason" } },
  { "messages_sent", "sent", "Messages handed to a connection, again those that are sent again." },
  { "messages_delivered", "delivered", "Messages that were acknowledged, at QoS 0 written." },
  { "messages_dropped", "dropped", "Accepted messages that will not be delivered.", by = { "cause" } },
  { "messages_received", "received", "Messages that came." },
  { "messages_inbox_dropped", "inbox_dropped", "Messages of QoS 0 that found no room in the inbox." },
  { "messages_unclaimed", "unclaimed", "Messages that belong to no subscription, and nobody listened." },
  { "messages_parked", "parked", "Messages given up, since their handler threw too often." },
  { "events_dropped", "events_dropped", "Events and outcomes that found no room in the mailbox." },
}

local function of_reasons(field)
  return function(add, totals)
    for _, reason in ipairs(totals.reasons) do
      if reason[field] > 0 then
        add(reason[field], reason.source, reason.name)
      end
    end
  end
end

local by = { failures = of_reasons "failures", losses = of_reasons "losses" }

function by.dropped(add, totals)
  local causes = {}
  for cause in pairs(totals.drops) do
    causes[#causes + 1] = cause
  end
  table.sort(causes)
  for _, cause in ipairs(causes) do
    add(totals.drops[cause], cause)
  end
end

-- Of the process -----------------------------------------------------------------------------------------------------

row("process", "info", "build", nil, "Which holdfast this is.", { "version" }, function(add)
  add(1, core.VERSION)
end)
row("process", "gauge", "clients", nil, "Clients of the process that are not closed.", nil, function(add, totals)
  add(totals.clients)
end)
row("process", "gauge", "clients_by_state", nil, "Clients of this Lua state, by their state.", { "state" },
  function(add, totals)
    for _, state in ipairs(states) do
      add(totals.states[state], state)
    end
  end)
row("process", "gauge", "clients_unlisted", nil, "Clients of this Lua state without metrics of their own here.", nil,
  function(add, totals)
    add(totals.unlisted)
  end)
for _, counter in ipairs(COUNTERS) do
  local name, field, help = counter[1], counter[2], counter[3]
  row("process", "counter", name, nil, help, counter.by, counter.by and by[field] or function(add, totals)
    add(totals[field])
  end)
end
row("process", "counter", "downtime_seconds", "seconds", "Time that clients were to be connected and were not.", nil,
  function(add, totals)
    add(totals.downtime)
  end)
row("process", "gauge", "queue_messages", nil, "Messages accepted and not delivered yet.", nil, function(add, totals)
  add(totals.queued.messages)
end)
row("process", "gauge", "queue_bytes", "bytes", "What they take.", nil, function(add, totals)
  add(totals.queued.bytes)
end)
row("process", "gauge", "queue_oldest_seconds", "seconds", "Age of the oldest of them, 0 if there is none.", nil,
  function(add, totals)
    add(totals.queued.oldest or 0)
  end)
row("process", "gauge", "inbox_messages", nil, "Messages received and not consumed yet.", nil, function(add, totals)
  add(totals.inbox.messages)
end)
row("process", "gauge", "inbox_bytes", "bytes", "Their topics and payloads.", nil, function(add, totals)
  add(totals.inbox.bytes)
end)
row("process", "histogram", "dispatch_seconds", "seconds", "From the arrival of messages until Lua is given them.", nil,
  "dispatch")

-- Of a client --------------------------------------------------------------------------------------------------------

row("client", "stateset", "state", nil, "The state that the client is in.", { "holdfast_client_state" },
  function(add, status)
    for _, state in ipairs(states) do
      add(state == status.state and 1 or 0, state)
    end
  end)
row("client", "gauge", "ready", nil, "Whether the broker has confirmed every subscription, 1 or 0.", nil,
  function(add, status)
    add(status.ready and 1 or 0)
  end)
for _, counter in ipairs(COUNTERS) do
  local field = counter[2]
  row("client", "counter", counter[1], nil, counter[3], nil, function(add, status)
    add(status.counters[field])
  end)
end
row("client", "counter", "downtime_seconds", "seconds", "Time that it was to be connected and was not.", nil,
  function(add, status)
    add(status.downtime)
  end)
row("client", "gauge", "queue_messages", nil, "Messages accepted and not delivered yet.", nil, function(add, status)
  add(status.queued.messages)
end)
row("client", "gauge", "queue_bytes", "bytes", "What they take.", nil, function(add, status)
  add(status.queued.bytes)
end)
row("client", "gauge", "queue_oldest_seconds", "seconds", "Age of the oldest of them, 0 if there is none.", nil,
  function(add, status)
    add(status.queued.oldest or 0)
  end)
row("client", "gauge", "inbox_messages", nil, "Messages received and not consumed yet.", nil, function(add, status)
  add(status.inbox.messages)
end)
row("client", "gauge", "inbox_bytes", "bytes", "Their topics and payloads.", nil, function(add, status)
  add(status.inbox.bytes)
end)

return families
