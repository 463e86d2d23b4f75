--- Every option there is, of a client and of its calls: from here values are checked and defaults taken, and README's
-- tables are verified.
-- A row: `name` (dots lead into a nested table), `type` (a function of @{holdfast.check}), `unit`, `default`, the
-- bounds its type reads, `secret` (never shown in a message), `doc`. A row with `group` opens a nested table:
-- "defaults" stands in for one that is not given, "optional" leaves it out.
-- @module holdfast.schema
local WHOLE_32 = 4294967295
local STRATEGIES = { "none", "constant", "linear", "exponential", "fibonacci", "random", "decorrelated", "spread" }
local PRESETS = require("holdfast.presets").names

local schema = {
  { name = "server", type = "server",
    doc = "where the broker is: mqtt://host:1883, mqtts://, ws://host/path, wss://, unix:///run/broker.sock" },
  { name = "servers", type = "servers", doc = "several, in order of preference" },
  { name = "client_id", type = "client_id",
    doc = "default: random, kept for the client's life; false: the broker chooses" },
  { name = "protocol", type = "choice", choices = { 5, 4 }, default = 5, doc = "MQTT 5, or 4 for MQTT 3.1.1" },
  { name = "fallback", type = "boolean", default = false,
    doc = "one downgrade to 3.1.1 if the broker refuses 5; back to 5 where a server refuses 3.1.1" },
  { name = "transport", type = "choice", choices = { "paho", "native" }, default = "paho",
    doc = "what carries the connection: Eclipse Paho C, or holdfast's own" },
  { name = "keep_alive", type = "whole", unit = "s", to = 65535, default = 20,
    doc = "a quiet link is probed after this; 0: never (MQTT 5 section 3.1.2.10)" },
  { name = "detect_within", type = "seconds", unit = "s", from = 2.5, to = 163837,
    doc = "in place of keep_alive: a dead link is noticed within this time" },
  { name = "clean_start", type = "boolean", default = false, doc = "the first connect begins a new session" },
  { name = "session_expiry", type = "whole", unit = "s", to = WHOLE_32, default = 3600,
    doc = "how long the broker keeps the session while we are away; 4294967295: for ever (MQTT 5 section 3.1.2.11.2)" },
  { name = "username", type = "text", secret = true, doc = "" },
  { name = "password", type = "bytes", secret = true, doc = "" },
  { name = "credentials", type = "callback", secret = true,
    doc = "function(attempt) returning both, asked before each attempt; it may wait" },
  { name = "headers", type = "headers", secret = true,
    doc = "of a WebSocket's request: { name = value }, or a function(attempt) returning that, asked likewise" },
  { name = "connect_timeout", type = "seconds", unit = "s", above = 0, default = 10, doc = "for one attempt" },
  { name = "stable_after", type = "seconds", unit = "s", default = 10,
    doc = "a connection that lives this long resets the backoff" },
  { name = "max_attempts", type = "whole", from = 1, to = WHOLE_32,
    doc = "failures in a row before the client sleeps; default: no limit" },
  { name = "sleep_for", type = "seconds", unit = "s", above = 0,
    doc = "how long it sleeps after max_attempts; default: until woken" },
  { name = "receive_maximum", type = "whole", from = 1, to = 65535, default = 1000,
    doc = "QoS 1 and 2 messages on their way to us at once (MQTT 5 section 3.1.2.11.3)" },
  { name = "window", type = "whole", from = 1, to = 65535,
    doc = "unfinished QoS 1 and 2 exchanges of ours at most; default: the broker's Receive Maximum, 20 with 3.1.1" },
  { name = "maximum_packet_size", type = "whole", unit = "bytes", from = 1, to = 268435460,
    doc = "the largest packet we accept; default: no limit (MQTT 5 section 3.1.2.11.4)" },

  { name = "backoff", group = "defaults", doc = "or a function(failure) returning seconds, false or nil; it may wait" },
  { name = "backoff.strategy", type = "choice", choices = STRATEGIES, default = "exponential", doc = "" },
  { name = "backoff.min", type = "seconds", unit = "s", default = 1,
    doc = "the shortest delay; 0 for `random` alone" },
  { name = "backoff.max", type = "seconds", unit = "s", above = 0, default = 45, doc = "the longest delay" },
  { name = "backoff.factor", type = "number", from = 1, to = 1000, default = 2,
    doc = "exponential: from one to the next" },
  { name = "backoff.step", type = "seconds", unit = "s", above = 0, default = 1, doc = "linear: from one to the next" },
  { name = "backoff.jitter", type = "jitter", default = "full", doc = '"none", "full", "equal" or a fraction up to 1' },
  { name = "backoff.clients", type = "number", from = 1, to = 1e9, doc = "spread: how many share the broker" },
  { name = "backoff.rate", type = "number", from = 0.001, to = 1e9,
    doc = "spread: how many connections the broker takes a second" },
  { name = "backoff.preset", type = "choice", choices = PRESETS,
    doc = "as another client waits by default, in place of all the others" },

  { name = "return_to_primary", type = "seconds", unit = "s", above = 0,
    doc = "connected to another server, look so often whether the first is back; default: only at the next outage" },
  { name = "watch_network", type = "boolean", default = false,
    doc = "Linux: a link that comes up or an address that is new is a `network_changed()`" },
  { name = "redirect", group = "optional",
    doc = "follow a broker that names another server (MQTT 5 section 4.11), or an HTTP redirect" },
  { name = "redirect.allow", type = "names", required = true,
    doc = 'hosts that may be followed; "*.example" stands for every name below' },
  { name = "redirect.hops", type = "whole", from = 1, to = 255, default = 3,
    doc = "references followed in a row, without a stable connection between" },

  { name = "queue", group = "defaults", doc = "messages accepted and not delivered yet" },
  { name = "queue.messages", type = "whole", from = 1, to = WHOLE_32, default = 10000, doc = "" },
  { name = "queue.bytes", type = "whole", unit = "bytes", from = 1, to = 2 ^ 40, default = 64 * 1024 * 1024, doc = "" },
  { name = "queue.ttl", type = "seconds", unit = "s", above = 0,
    doc = "a message that could not be sent within this is dropped; default: no limit" },
  { name = "queue.overflow", type = "choice", choices = { "reject", "drop_oldest", "drop_newest" }, default = "reject",
    doc = "which message goes when there is no room: the new one is not taken, the oldest unsent one, the new one" },
  { name = "queue.store", type = "file",
    doc = "a file that keeps what is queued at QoS 1 and 2, and the exchanges of QoS 2, over the end of the process" },
  { name = "queue.sync", type = "seconds", unit = "s", default = 1,
    doc = "how much of the store's newest a power cut may cost; 0: none, `post` waits for the disk" },

  { name = "inbox", group = "defaults",
    doc = "messages received and not consumed yet; past it the broker keeps the rest" },
  { name = "inbox.messages", type = "whole", from = 1, to = WHOLE_32, default = 1000, doc = "" },
  { name = "inbox.bytes", type = "whole", unit = "bytes", from = 1, to = 2 ^ 40, default = 16 * 1024 * 1024, doc = "" },

  { name = "tls", group = "optional",
    doc = "for mqtts and wss servers; without it the system's certificates are used" },
  { name = "tls.ca", type = "file", doc = "certificates to trust, a file or a hashed folder; default: the system's" },
  { name = "tls.cert", type = "file", doc = "our own certificate chain, PEM" },
  { name = "tls.key", type = "file", doc = "its key; default: in the same file" },
  { name = "tls.key_password", type = "phrase", secret = true,
    doc = "the key's pass phrase, or a function that returns it, called once" },
  { name = "tls.alpn", type = "names", doc = "application protocols to offer (RFC 7301)" },
  { name = "tls.psk_identity", type = "text", from = 1, most = 128, secret = true,
    doc = "with psk_key in place of certificates: a key that broker and client share" },
  { name = "tls.psk_key", type = "hex", to = 256, secret = true, doc = "1 to 256 bytes as hexadecimal digits" },
  { name = "tls.verify", type = "boolean", default = true, doc = "the chain and the host name" },

  { name = "will", group = "optional", doc = "what the broker publishes for us when we are lost" },
  { name = "will.topic", type = "topic", required = true, doc = "" },
  { name = "will.payload", type = "bytes", default = "", doc = "" },
  { name = "will.qos", type = "choice", choices = { 0, 1, 2 }, default = 0, doc = "" },
  { name = "will.retain", type = "boolean", default = false, doc = "" },
  { name = "will.properties", type = "properties", packet = "will", doc = "MQTT 5, also will_delay" },

  { name = "loop", type = "loop", choices = { "builtin", "cqueues", "copas", "luv", "openresty" },
    doc = "the event loop of this Lua state, or a table of functions (`holdfast.loop`); default: the one that runs" },

  { name = "defaults", type = "defaults",
    doc = "options of calls that are not given any: { publish = { qos = 1, timeout = 5 } }; later `client.defaults`" },
  { name = "policy", type = "policy", doc = "what follows from a reason, by name, code or class" },
  { name = "properties", type = "properties", packet = "connect",
    doc = "MQTT 5 user properties of CONNECT: { user = ... }" },
}

local qos = { name = "qos", type = "choice", choices = { 0, 1, 2 }, default = 0,
  doc = "0: at most once, 1: at least once, 2: exactly once; a subscription's is an upper bound" }
local retain = { name = "retain", type = "boolean", default = false,
  doc = "the broker keeps the message for who subscribes later" }
local properties = { name = "properties", type = "properties", packet = "publish",
  doc = "MQTT 5: `content_type`, `response_topic`, `correlation_data`, `message_expiry`, `payload_format`, `user`" }
local ttl = { name = "ttl", type = "seconds", unit = "s", above = 0,
  doc = "a message that could not be sent within this is dropped; default: that of `queue.ttl`" }

local function timeout(doc)
  return { name = "timeout", type = "seconds", unit = "s", doc = doc }
end

--- The options of calls: an array of { call, rows }. Those with `argument` take their only option as an argument, not
-- in a table, so that theirs can be given in `client.defaults` alone.
schema.calls = {
  { call = "publish", rows = { qos, retain, properties, ttl,
    timeout "after it a message that is not sent yet is withdrawn; default: no end" } },
  { call = "post", rows = { qos, retain, properties, ttl } },
  { call = "subscribe", rows = {
    qos,
    { name = "ordered", type = "boolean", default = false, doc = "handlers one after the other, in order" },
    { name = "buffer", type = "whole", unit = "messages", from = 1, to = WHOLE_32,
      doc = "kept while nobody reads; the oldest go first; default: 1000" },
    { name = "no_local", type = "boolean", default = false, doc = "MQTT 5: not what this client has published" },
    { name = "retain_as_published", type = "boolean", default = false,
      doc = "MQTT 5: `retain` as its publisher set it" },
    { name = "retain_handling", type = "choice", choices = { 0, 1, 2, "always", "new", "never" }, default = "always",
      doc = 'MQTT 5: when retained messages come: `"always"`, `"new"` (subscription), `"never"`' },
    { name = "identifier", type = "whole", from = 1, to = 268435455,
      doc = "MQTT 5: a subscription identifier; default: one of the client's own" },
    { name = "properties", type = "properties", packet = "subscribe", doc = "MQTT 5: `user`" },
  } },
  { call = "connect", argument = true, rows = { timeout "default: no end" } },
  { call = "ready", argument = true, rows = { timeout "default: no end" } },
  { call = "wait", argument = true, rows = { timeout "default: no end" } },
  { call = "receive", argument = true, rows = { timeout "default: no end" } },
  { call = "messages", argument = true, rows = { timeout "for each message; default: no end" } },
  { call = "granted", argument = true, rows = { timeout "default: no end" } },
}

--- Those of calls that are no client's.
schema.process = {
  limit = {
    { name = "attempts_per_second", type = "number", from = 0.001, to = 1000000, required = true },
    { name = "burst", type = "whole", from = 1, to = 1000000, default = 1 },
  },
  shared_limit = { -- that of resty.holdfast
    { name = "attempts_per_second", type = "number", from = 0.001, to = 1000000, required = true },
    { name = "burst", type = "whole", from = 1, to = 1000000, default = 1 },
    { name = "dict", type = "text", from = 1, required = true },
  },
  close = { -- a client's, but `timeout` may also be its only argument
    timeout "to deliver what is queued, at most; default: 0, what is queued is lost",
    { name = "will", type = "boolean", default = false,
      doc = "the broker publishes the will all the same (DISCONNECT 0x04; with 3.1.1 without a word)" },
  },
  log = { { name = "trace", type = "choice", choices = require("holdfast.log").traces } },
}

return schema
