--- The life of a client as lines of the log.
-- One line an event, made only if somebody listens; its fields are the event's own, with the reason taken apart.
-- @module holdfast.chronicle
local log = require "holdfast.log"
local text = require "holdfast.text"

local chronicle = {}

local ASKED = "a server that is asked for"

local function again(event)
  return event.retry_in and ", again in " .. text.seconds(event.retry_in) or ""
end

local function why(event)
  local reason = event.reason
  return reason and ("%s (%s)"):format(reason.name, reason.text) or "no reason given"
end

-- Name of an event -> level, and the words.
local lines = {
  connecting = { "debug", function(event)
    return ("connecting to %s, attempt %d"):format(event.server or ASKED, event.attempt)
  end },
  connected = { "info", function(event)
    return ("connected to %s, session %s"):format(event.server, event.session_present and "present" or "new")
  end },
  ready = { "info", function(event)
    local refused = event.refused > 0 and (", %d refused"):format(event.refused) or ""
    local count = event.subscriptions
    return ("ready with %d subscription%s%s"):format(count, count == 1 and "" or "s", refused)
  end },
  failed = { "warning", function(event)
    return ("attempt %d at %s failed: %s%s"):format(event.attempt, event.server or ASKED, why(event), again(event))
  end },
  lost = { "warning", function(event)
    return ("connection lost: %s%s"):format(why(event), again(event))
  end },
  sleeping = { "warning", function(event)
    return ("asleep after %s%s"):format(why(event), event.wake_in and ", for " .. text.seconds(event.wake_in) or "")
  end },
  closed = { "info", function()
    return "closed"
  end },
}

local function fields_of(client, name, event)
  local fields = { client = client.handle:status().client_id, event = name }
  for key, value in pairs(event) do
    fields[key] = value
  end
  local reason = event.reason
  if reason then
    fields.reason, fields.class, fields.code, fields.source = reason.name, reason.class, reason.code, reason.source
    fields.text = reason.text
  end
  return fields
end

--- Says that an event has happened; need not be called if nobody listens, but for `store`.
-- @tparam table client
-- @tparam string name
-- @tparam table event
function chronicle.event(client, name, event)
  if name == "store" then -- even where nobody listens: what was promised may not hold
    log.write(event.code and "error" or "warning", event.text, fields_of(client, name, event))
  end
  local line = lines[name]
  if line and log.is_heard() then
    log.tell(line[1], line[2](event), fields_of(client, name, event))
  end
end

--- Says what the keeper does about a client besides.
-- @tparam table client
-- @tparam string words
function chronicle.note(client, words)
  log.tell("debug", words, fields_of(client, "note", {}))
end

--- Says that the broker refuses a subscription.
-- @tparam table client
-- @tparam string filter
-- @tparam table reason
function chronicle.refused(client, filter, reason)
  if log.is_heard() then
    log.tell("warning", ("subscription %s refused: %s"):format(filter, why { reason = reason }),
      fields_of(client, "refused", { filter = filter, reason = reason }))
  end
end

--- Says, even where nobody listens, that messages which the broker was told we have are dropped, for nobody reads them.
-- @tparam table subscription
function chronicle.unread(subscription)
  local filter, most = subscription.filter, subscription.most_messages
  log.write("warning", ("nobody reads subscription %s: its oldest messages are dropped beyond %d, or the bytes of the "
    .. "inbox, and were acknowledged; subscription.dropped counts them"):format(filter, most),
    { client = subscription.client.handle:status().client_id, event = "unread", filter = filter })
end

--- Says, even where nobody listens but only once a subscription, that its reader holds up all others.
-- @tparam table subscription
-- @tparam number seconds
-- @tparam number held how many messages are not acknowledged
function chronicle.stalled(subscription, seconds, held)
  log.write("warning", ("the inbox is full, and the reader of subscription %s has taken nothing for "
    .. "%s: %d messages stand, and the broker sends no more of QoS 1 and 2"):format(subscription.filter,
    text.seconds(seconds), held),
    { client = subscription.client.handle:status().client_id, event = "stalled", filter = subscription.filter,
      seconds = seconds, held = held })
end

--- Says, even where nobody listens, that a message is given up: it is acknowledged, and nobody has handled it.
-- @tparam table client
-- @tparam table event `parked`
function chronicle.parked(client, event)
  log.write("error", ("a message for %s is parked, not handled in %d attempt%s: %s"):format(event.message.topic,
    event.attempts, event.attempts == 1 and "" or "s", event.error),
    { client = (client.handle:status() or {}).client_id, event = "parked", topic = event.message.topic,
      filter = event.filter, attempts = event.attempts, error = event.error })
end

local TOPICS = 20 -- of which it is said

--- Says, even where nobody listens but only once a topic, that a message which the broker was told we have belongs to
-- no subscription.
-- @tparam table client
-- @tparam table message
function chronicle.unclaimed(client, message)
  local told = client.told_unclaimed or { count = 0 } -- topics, [topic] = true
  if message.qos == 0 or told[message.topic] or told.count >= TOPICS then
    return
  end
  client.told_unclaimed = told
  told[message.topic], told.count = true, told.count + 1
  local last = told.count == TOPICS and "; nothing is said of other topics" or ""
  log.write("warning", ("a message for %s belongs to no subscription, maybe to one of this client id in an earlier "
    .. "process: it is dropped, as others will be; counters.unclaimed counts them, client:on(\"message\") takes them%s")
    :format(message.topic, last),
    { client = client.handle:status().client_id, event = "unclaimed", topic = message.topic })
end

--- Says, even where nobody listens, that a client believes whoever answers.
-- @tparam table client
function chronicle.unverified(client)
  log.write("warning", "tls.verify = false: certificates and host names are not verified, anybody can be the broker",
    { client = client.handle:status().client_id, event = "unverified" })
end

--- Says, even where nobody listens, what is probably a mistake about a new client.
-- @tparam table client
-- @tparam ?string doubt about its options
-- @tparam ?string server to which another client of this Lua state connects under the same client id
function chronicle.doubts(client, doubt, server)
  local id = client.handle:status().client_id
  if doubt then
    log.write("warning", doubt, { client = id, event = "doubt" })
  end
  if server then
    local words = "another client of this process has the client_id %s at %s, too: a broker lets in only one of them, "
      .. "so they will take the connection from each other for ever"
    log.write("warning", words:format(text.describe(id), server), { client = id, event = "twin" })
  end
end

return chronicle
