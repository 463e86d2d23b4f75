--- Every option there is, of a client and of its calls: from here values are checked and defaults taken, and the
-- tables of docs/reference are verified. What each is for stands in @{holdfast.reference}.
-- A row: `name` (dots lead into a nested table), `type` (a function of @{holdfast.check}), `unit`, `default`, the
-- bounds its type reads, `secret` (never shown in a message). A row with `group` opens a nested table: "defaults"
-- stands in for one that is not given, "optional" leaves it out.
-- @module holdfast.schema
local WHOLE_32 = 4294967295
local STRATEGIES = { "none", "constant", "linear", "exponential", "fibonacci", "random", "decorrelated", "spread" }

local schema = {
  { name = "server", type = "server", callable = true },
  { name = "servers", type = "servers" },
  { name = "client_id", type = "client_id" },
  { name = "protocol", type = "choice", choices = { 5, 4 }, default = 5 },
  { name = "fallback", type = "boolean", default = false },
  { name = "transport", type = "choice", choices = { "paho", "native" }, default = "native" },
  { name = "inspect", type = "boolean", default = false },
  { name = "keep_alive", type = "whole", unit = "s", to = 65535, default = 20 },
  { name = "detect_within", type = "seconds", unit = "s", from = 2.5, to = 163837 },
  { name = "clean_start", type = "boolean", default = false },
  { name = "session_expiry", type = "whole", unit = "s", to = WHOLE_32, default = 3600 },
  { name = "username", type = "text", secret = true },
  { name = "password", type = "bytes", secret = true },
  { name = "credentials", type = "callback", secret = true },
  { name = "headers", type = "headers", secret = true },
  { name = "proxy", type = "proxy", secret = true },
  { name = "response_topic", type = "topic" },
  { name = "connect_timeout", type = "seconds", unit = "s", above = 0, default = 10 },
  { name = "stable_after", type = "seconds", unit = "s", default = 10 },
  { name = "max_attempts", type = "whole", from = 1, to = WHOLE_32 },
  { name = "sleep_for", type = "seconds", unit = "s", above = 0 },
  { name = "receive_maximum", type = "whole", from = 1, to = 65535, default = 1000 },
  { name = "window", type = "whole", from = 1, to = 65535 },
  { name = "acknowledge", type = "choice", choices = { "arrived", "handled" }, default = "arrived" },
  { name = "handle_attempts", type = "whole", from = 1, to = WHOLE_32, default = 5 },
  { name = "handle_pause", type = "seconds", unit = "s", default = 1 },
  { name = "maximum_packet_size", type = "whole", unit = "bytes", from = 1, to = 268435460 },

  { name = "backoff", group = "defaults" },
  { name = "backoff.strategy", type = "choice", choices = STRATEGIES, default = "exponential" },
  { name = "backoff.min", type = "seconds", unit = "s", default = 1 },
  { name = "backoff.max", type = "seconds", unit = "s", above = 0, default = 45 },
  { name = "backoff.factor", type = "number", from = 1, to = 1000, default = 2 },
  { name = "backoff.step", type = "seconds", unit = "s", above = 0, default = 1 },
  { name = "backoff.jitter", type = "jitter", default = "full" },
  { name = "backoff.clients", type = "number", from = 1, to = 1e9 },
  { name = "backoff.rate", type = "number", from = 0.001, to = 1e9 },
  { name = "backoff.preset", type = "preset" },

  { name = "return_to_primary", type = "seconds", unit = "s", above = 0 },
  { name = "watch_network", type = "boolean", default = false },
  { name = "zero_rtt", type = "boolean", default = false },
  { name = "redirect", group = "optional" },
  { name = "redirect.allow", type = "names", required = true },
  { name = "redirect.hops", type = "whole", from = 1, to = 255, default = 3 },

  { name = "queue", group = "defaults" },
  { name = "queue.messages", type = "whole", from = 1, to = WHOLE_32, default = 10000 },
  { name = "queue.bytes", type = "whole", unit = "bytes", from = 1, to = 2 ^ 40, default = 64 * 1024 * 1024 },
  { name = "queue.ttl", type = "seconds", unit = "s", above = 0 },
  { name = "queue.overflow", type = "choice", choices = { "reject", "drop_oldest", "drop_newest" },
    default = "reject" },
  { name = "queue.store", type = "file" },
  { name = "queue.sync", type = "seconds", unit = "s", default = 1 },

  { name = "limits", group = "optional" },
  { name = "limits.publish_per_second", type = "number", from = 0.001, to = 1000000 },
  { name = "limits.bytes_per_second", type = "whole", unit = "bytes", from = 1, to = 2 ^ 40 },
  { name = "limits.burst", type = "whole", unit = "messages", from = 1, to = 1000000 },
  { name = "inbox", group = "defaults" },
  { name = "inbox.messages", type = "whole", from = 1, to = WHOLE_32, default = 1000 },
  { name = "inbox.bytes", type = "whole", unit = "bytes", from = 1, to = 2 ^ 40, default = 16 * 1024 * 1024 },

  { name = "tls", group = "optional" },
  { name = "tls.ca", type = "pem" },
  { name = "tls.cert", type = "pem" },
  { name = "tls.key", type = "key", secret = true },
  { name = "tls.key_password", type = "phrase", secret = true },
  { name = "tls.alpn", type = "names" },
  { name = "tls.pin", type = "pins" },
  { name = "tls.crl", type = "pem" },
  { name = "tls.ocsp", type = "choice", choices = { "ask", "require" } },
  { name = "tls.psk_identity", type = "text", from = 1, most = 128, secret = true },
  { name = "tls.psk_key", type = "hex", to = 256, secret = true },
  { name = "tls.verify", type = "boolean", default = true },

  { name = "auth", group = "optional" },
  { name = "auth.method", type = "text", from = 1, required = true },
  { name = "auth.username", type = "text", from = 1, most = 20000, secret = true }, -- escaped, it is thrice as long
  { name = "auth.password", type = "bytes", secret = true },
  { name = "auth.start", type = "callback" },
  { name = "auth.continue", type = "callback" },

  { name = "will", group = "optional" },
  { name = "will.topic", type = "topic", required = true },
  { name = "will.payload", type = "bytes", default = "" },
  { name = "will.qos", type = "choice", choices = { 0, 1, 2 }, default = 0 },
  { name = "will.retain", type = "boolean", default = false },
  { name = "will.properties", type = "properties", packet = "will" },

  { name = "loop", type = "loop", choices = { "builtin", "cqueues", "copas", "luv", "openresty" } },

  { name = "defaults", type = "defaults" },
  { name = "policy", type = "policy" },
  { name = "properties", type = "properties", packet = "connect" },
}

local qos = { name = "qos", type = "choice", choices = { 0, 1, 2 }, default = 0 }
local retain = { name = "retain", type = "boolean", default = false }
local properties = { name = "properties", type = "properties", packet = "publish" }
local ttl = { name = "ttl", type = "seconds", unit = "s", above = 0 }
local priority = { name = "priority", type = "whole", to = 9, default = 0 }
local timeout = { name = "timeout", type = "seconds", unit = "s" }

--- The options of calls: an array of { call, rows }. Those with `argument` take their only option as an argument, not
-- in a table, so that theirs can be given in `client.defaults` alone.
schema.calls = {
  { call = "publish", rows = { qos, retain, properties, ttl, priority, timeout } },
  { call = "post", rows = { qos, retain, properties, ttl, priority } },
  { call = "request", rows = {
    { name = "qos", type = "choice", choices = { 0, 1, 2 }, default = 1 }, properties,
    { name = "timeout", type = "seconds", unit = "s", default = 30 },
  } },
  { call = "subscribe", rows = {
    qos,
    { name = "ordered", type = "boolean", default = false },
    { name = "buffer", type = "whole", unit = "messages", from = 1, to = WHOLE_32 },
    { name = "acknowledge", type = "choice", choices = { "arrived", "handled" } },
    { name = "handle_attempts", type = "whole", from = 1, to = WHOLE_32 },
    { name = "handle_pause", type = "seconds", unit = "s" },
    { name = "no_local", type = "boolean", default = false },
    { name = "retain_as_published", type = "boolean", default = false },
    { name = "retain_handling", type = "choice", choices = { 0, 1, 2, "always", "new", "never" }, default = "always" },
    { name = "identifier", type = "whole", from = 1, to = 268435455 },
    { name = "properties", type = "properties", packet = "subscribe" },
  } },
  { call = "connect", argument = true, rows = { timeout } },
  { call = "ready", argument = true, rows = { timeout } },
  { call = "wait", argument = true, rows = { timeout } },
  { call = "receive", argument = true, rows = { timeout } },
  { call = "messages", argument = true, rows = { timeout } },
  { call = "granted", argument = true, rows = { timeout } },
}

local format = { name = "format", type = "choice", choices = { "openmetrics", "text" }, default = "openmetrics" }
local labels = { name = "labels", type = "labels" }
local clients = { name = "clients", type = "whole", to = WHOLE_32, default = 100 }

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
    timeout,
    { name = "will", type = "boolean", default = false },
  },
  prometheus = { format, labels, clients },
  shared_metrics = { -- those of resty.holdfast.metrics
    { name = "dict", type = "text", from = 1, required = true },
    { name = "interval", type = "seconds", unit = "s", above = 0, default = 5 },
    labels, clients,
  },
  metrics_text = { format },
  log = { { name = "trace", type = "choice", choices = require("holdfast.log").traces } },
}

return schema
