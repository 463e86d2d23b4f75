--- What the options of calls are for that are no client's, or only an argument of its `close`; and of options that
-- holdfast.reference leaves to their name.
return {
  attempts_per_second = "how many may begin a second, in the long run",
  burst = "how many may begin at once, after a pause",
  dict = "the name of a `lua_shared_dict`",
  ["close: timeout"] = "to deliver what is queued, at most; default: 0, which does not wait",
  ["close: will"] = "the broker publishes the will all the same",
  ["prometheus: format"] = "OpenMetrics 1.0, or the classic one",
  ["metrics_text: format"] = "OpenMetrics 1.0, or the classic one",
  labels = "on every series, `{ name = value }`",
  clients = "of so many each has series of its own, with its id in the label `client`, the oldest first; 0: of none",
  ["shared_metrics: dict"] = "the name of a `lua_shared_dict`",
  ["shared_metrics: interval"] = "between two that a worker leaves there",
  username = "CONNECT's own",
  password = "CONNECT's own",
  ["backoff.strategy"] = "how waits follow one another",
  ["queue.messages"] = "how many, at most",
  ["queue.bytes"] = "of their topics, payloads and properties, at most",
  ["inbox.messages"] = "how many, at most",
  ["inbox.bytes"] = "of their topics and payloads, at most",
  ["will.topic"] = "where it is published",
  ["will.payload"] = "what is",
  ["will.qos"] = "0: at most once, 1: at least once, 2: exactly once",
  ["will.retain"] = "the broker keeps it for who subscribes later",
  ["log: trace"] = "also what Paho says of itself, as `debug`: from `error` (little) over `protocol` (a line a "
    .. "packet) to `maximum`",
}
