--- The fields of what `status`, `history` and `metrics` answer, and of the values that stand in them and in events: by
-- the name of the class, rows as in events.lua.
local counters = {
  { "attempts", "integer", false, "connection attempts that were begun" },
  { "connects", "integer", false, "those that the broker accepted" },
  { "reconnects", "integer", false, "of those, all but the first of each client" },
  { "failures", "integer", false, "attempts that came to nothing" },
  { "losses", "integer", false, "connections that were lost" },
  { "sent", "integer", false, "PUBLISH packets handed to the transport, those sent again included" },
  { "delivered", "integer", false, "messages of ours that are with the broker" },
  { "dropped", "integer", false, "messages of ours that never will be" },
  { "received", "integer", false, "messages that came" },
  { "inbox_dropped", "integer", false, "of those, dropped because the inbox was full" },
  { "unclaimed", "integer", false, "of those, dropped because they belong to no subscription and nobody listens" },
  { "parked", "integer", false, "of those, acknowledged though their handler has failed as often as it may" },
  { "events_dropped", "integer", false, "outcomes of posts that were only counted, since nobody looked at them" },
}

local metrics = {
  { "clients", "integer", false, "clients that are there now" },
  { "downtime", "number", "seconds", "that clients were to be connected and were not, in all" },
  { "reasons", "holdfast.reason_count[]", false, "failures and losses by reason: those that there have been" },
  { "drops", "holdfast.drops", false, "messages of ours that never will be delivered, by cause" },
  { "states", "holdfast.states", false, "clients of this Lua state by their state" },
  { "queued", "holdfast.queued", false, "of the clients of this Lua state: messages accepted and not delivered yet" },
  { "inbox", "holdfast.inbox", false, "likewise: messages received and not consumed yet" },
  { "dispatch", "holdfast.dispatch", false, "how long messages that came have waited for Lua" },
}
for _, row in ipairs(counters) do
  metrics[#metrics + 1] = row
end

return {
  { "holdfast.status", "What `client:status` answers.", {
    { "state", "string", false, "`idle`, `connecting`, `connected`, `waiting`, `sleeping` or `closed`: [the state "
      .. "machine](states.md)" },
    { "server", "string?", false, "the address of the connection, or of the next attempt" },
    { "attempt", "integer", false, "which it is since the last stable connection; 0: none has begun" },
    { "retry_in", "number?", "seconds", "until the state ends by itself: a wait, a sleep, an attempt's time; absent: "
      .. "it does not" },
    { "since", "number", "seconds", "for how long the state has lasted" },
    { "reason", "holdfast.reason?", false, "why it is not connected, or was not; absent at first" },
    { "ready", "boolean", false, "connected, and every subscription answered" },
    { "session_present", "boolean", false, "whether the broker went on with our session" },
    { "held_by", "string?", false, "what keeps it from its broker besides time: `budget` (`holdfast.limit`) or "
      .. "`slow_consumer`" },
    { "transport", "string", false, "`native` or `paho`" },
    { "client_id", "string", false, "its id, cut after 63 bytes" },
    { "keep_alive", "integer", "seconds", "in force, which the broker may have set" },
    { "session_expiry", "integer", "seconds", "in force, which the broker may have set" },
    { "protocol", "integer", false, "5, or 4 for MQTT 3.1.1" },
    { "downtime", "number", "seconds", "that it was to be connected and was not, in all" },
    { "path", "holdfast.path?", false, "natively, while connected: what is known of the way to the broker, or to the "
      .. "proxy" },
    { "queued", "holdfast.queued", false, "messages accepted and not delivered yet" },
    { "inbox", "holdfast.inbox", false, "messages received and not consumed yet" },
    { "counters", "holdfast.counters", false, "since the client was made" },
  } },
  { "holdfast.queued", "How much has been accepted and not delivered.", {
    { "messages", "integer", false, "how many" },
    { "bytes", "integer", "bytes", "that they take" },
    { "oldest", "number?", "seconds", "since the oldest of them was accepted; absent: there is none" },
  } },
  { "holdfast.inbox", "How much has been received and not consumed.", {
    { "messages", "integer", false, "how many" },
    { "bytes", "integer", "bytes", "of their topics and payloads" },
    { "held", "integer?", false, "natively, while it is full: messages that are not acknowledged for it" },
    { "oldest", "number?", "seconds", "for how long none of those has been acknowledged" },
  } },
  { "holdfast.path", "What is known of the way to the broker. What the system does not tell is absent.", {
    { "road", "string", false, "`tcp`, `websocket`, `unix` or `quic`" },
    { "age", "number", "seconds", "since it was looked at: at the connect, and after each `status`, once a "
      .. "second at most" },
    { "rtt", "number?", "seconds", "there and back, smoothed (RFC 9002 section 5.3, RFC 6298)" },
    { "rtt_min", "number?", "seconds", "the least there was" },
    { "rtt_variance", "number?", "seconds", "how it varies" },
    { "sent", "integer?", false, "packets" },
    { "retransmitted", "integer?", false, "packets that were sent again" },
    { "migrations", "integer?", false, "over QUIC: to another address of ours" },
    { "resumed", "boolean?", false, "with TLS: whether a session was taken up again" },
    { "early", "string?", false, "over QUIC: what the server made of CONNECT in 0-RTT: `none`, `offered`, `accepted` "
      .. "or `rejected`" },
  } },
  { "holdfast.counters", "What has happened, counted.", counters },
  { "holdfast.attempt", "One of what `client:history` answers, 16 at most, oldest first.", {
    { "server", "string?", false, "the address; absent where it never was known" },
    { "started", "number", "seconds", "ago" },
    { "phase", "string", false, "how far it came: `none`, `dns`, `tcp`, `proxy`, `quic`, `tls`, `websocket`, "
      .. "`connack` or `up`" },
    { "class", "string?", false, "what followed from its reason; absent, as the next three, while it runs or stands" },
    { "name", "string?", false, "the reason's" },
    { "source", "string?", false, "the reason's" },
    { "code", "integer?", false, "the reason's" },
    { "delay", "number?", "seconds", "that was chosen after it; absent: none" },
    { "beside", "holdfast.rival?", false, "of two servers that it took, the one that was not taken in the end" },
  } },
  { "holdfast.rival", "Of an attempt at `quic` and behind it `mqtts` of the same host (RFC 8305): which was not "
    .. "taken.", {
    { "server", "string", false, "the address" },
    { "phase", "string", false, "how far it came" },
    { "name", "string?", false, "the reason's, where it failed and was not only slower" },
    { "source", "string?", false, "the reason's" },
    { "code", "integer?", false, "the reason's" },
  } },
  { "holdfast.metrics", "What `holdfast.metrics` answers: totals of the process since its start.", metrics },
  { "holdfast.reason_count", "How often a reason was one.", {
    { "name", "string", false, "the reason's" },
    { "source", "string", false, "the reason's" },
    { "failures", "integer", false, "attempts that came to nothing for it" },
    { "losses", "integer", false, "connections that were lost for it" },
  } },
  { "holdfast.drops", "How many messages each cause has cost; the causes are those of the event `dropped`.", {
    { "refused", "integer", false, "the broker refused them" },
    { "expired", "integer", false, "their `ttl` or `message_expiry` was over" },
    { "overflow", "integer", false, "they were the ones to go in a full queue" },
    { "disconnected", "integer", false, "connections have ended over them" },
    { "too_large", "integer", false, "they were larger than the broker takes" },
    { "qos_not_supported", "integer", false, "the broker does not take their QoS" },
    { "retain_not_supported", "integer", false, "the broker keeps no retained messages" },
    { "withdrawn", "integer", false, "by the `timeout` of their `publish`" },
    { "closed", "integer", false, "the client was closed first" },
  } },
  { "holdfast.states", "How many clients are in each state.", {
    { "idle", "integer", false, "not started" },
    { "connecting", "integer", false, "in an attempt" },
    { "connected", "integer", false, "with a connection" },
    { "waiting", "integer", false, "for the next attempt" },
    { "sleeping", "integer", false, "until woken, or for long" },
  } },
  { "holdfast.dispatch", "From the arrival of messages until Lua is given them, as a histogram.", {
    { "count", "integer", false, "how many" },
    { "sum", "number", "seconds", "that they have waited, together" },
    { "buckets", "holdfast.bucket[]", false, "by how long, the last without end" },
  } },
  { "holdfast.bucket", "Messages that have waited so long at most.", {
    { "le", "number", "seconds", "at most" },
    { "count", "integer", false, "how many" },
  } },
  { "holdfast.reason", "Why a connection, an attempt, a subscription or a message has ended.", {
    { "name", "string", false, "one of [all reasons](reasons.md)" },
    { "class", "string", false, "what follows: `retry`, `slow`, `switch`, `stop` or `none`" },
    { "code", "integer", false, "as on the wire, where the source is the broker" },
    { "source", "string", false, "who says so: `connack`, `disconnect`, `network`, `tls` ..." },
    { "text", "string", false, "in words, with what is known of this case" },
  } },
  { "holdfast.reason_row", "A row of the table of reasons.", {
    { "name", "string", false, "" },
    { "class", "string", false, "what follows at first" },
    { "code", "integer", false, "" },
    { "source", "string", false, "" },
    { "text", "string", false, "in words" },
    { "later", "string", false, "the class from the `after`-th in a row on" },
    { "after", "integer", false, "0: `class` for ever" },
    { "floor", "number", "seconds", "that a slow wait takes at least" },
    { "fresh_credentials", "boolean", false, "the functions of yours are asked anew" },
    { "may_switch", "boolean", false, "the next attempt goes to another server if there is one" },
    { "wide", "boolean", false, "the first wait is drawn from a wider window, since many come back at once" },
    { "row", "integer", false, "its place in the table" },
  } },
  { "holdfast.message", "A message that came.", {
    { "topic", "string", false, "where it was published" },
    { "payload", "string", false, "any bytes" },
    { "qos", "integer", false, "0, 1 or 2" },
    { "retain", "boolean", false, "the broker had kept it" },
    { "duplicate", "boolean", false, "the broker sends it again (DUP, MQTT 5 section 3.3.1.1)" },
    { "properties", "holdfast.properties?", false, "MQTT 5; absent where none were sent" },
  } },
  { "holdfast.properties", "MQTT 5 properties, as they are given and as they come.", {
    { "content_type", "string?", false, "of the payload (MQTT 5 section 3.3.2.3.9); of a message and a will" },
    { "response_topic", "string?", false, "where an answer is wanted (section 3.3.2.3.5); of a message and a will" },
    { "correlation_data", "string?", false, "what the answer is known by (section 3.3.2.3.6); of a message and a "
      .. "will" },
    { "message_expiry", "integer?", "seconds", "for which the broker keeps it (section 3.3.2.3.3); of a message and a "
      .. "will" },
    { "payload_format", "string?", false, "`utf8` or `bytes` (section 3.3.2.3.2); of a message and a will" },
    { "will_delay", "integer?", "seconds", "until the will is published (section 3.1.3.2.2); of a will" },
    { "user", "table?", false, "`{ name = value }`, or a list of `{ name, value }`; of any packet" },
    { "subscription_identifiers", "integer[]?", false, "those that you have given (section 3.3.2.3.8); of a message "
      .. "that came" },
  } },
}
