--- The public calls in the order of the reference: by object, each with the LDoc module and name of its comment.
-- `waits`: it suspends its coroutine. `bound`: its first parameter is the object in front of the colon.
local function of(module, names)
  local calls = {}
  for _, name in ipairs(names) do
    calls[#calls + 1] = { name = name:gsub("!", ""), module = module, waits = name:find("!", 1, true) ~= nil }
  end
  return calls
end

-- "!": it waits.
local function catalog_of(object, title, class, parts)
  local calls = {}
  for _, part in ipairs(parts) do
    for _, call in ipairs(of(part[1], part[2])) do
      call.item = (part.prefix or "") .. (part.as and part.as[call.name] or call.name)
      call.heading = object .. (part.separator or ":") .. call.name
      call.bound = part.bound
      call.colon = (part.separator or ":") == ":"
      calls[#calls + 1] = call
    end
  end
  return { object = object, title = title, class = class, calls = calls }
end

return {
  catalog_of("holdfast", "The module", "holdfast", {
    { "holdfast", { "new", "run!", "spawn", "sleep!", "limit", "metrics", "prometheus", "log" }, separator = "." },
    { "holdfast.first", { "first!" }, separator = ".", as = { first = "of" } },
    { "holdfast.loop.protect", { "pcall" }, separator = "." },
    { "holdfast.reason", { "reason" }, separator = ".", as = { reason = "holdfast.reason" } },
  }),
  catalog_of("client", "A client", "holdfast.client", {
    { "holdfast.client", { "start", "connect!", "ready!" }, prefix = "Client:" },
    { "holdfast.listening", { "on", "once", "off", "wait!", "event" }, bound = true },
    { "holdfast.wishing", { "subscribe" }, bound = true },
    { "holdfast.publish", { "publish!", "post" }, bound = true },
    { "holdfast.requesting", { "request!", "respond" }, bound = true },
    { "holdfast.authenticating", { "reauthenticate!" }, bound = true },
    { "holdfast.client", { "status", "history", "wake", "reconnect", "network_changed", "close!", "pollfd", "events",
      "timeout", "getfd", "dirty" }, prefix = "Client:" },
    { "resty.holdfast", { "set_timeouts" }, prefix = "client.class:" },
  }),
  catalog_of("subscription", "A subscription", "holdfast.subscription", {
    { "holdfast.subscription", { "messages!", "receive!", "granted!", "ended", "leave", "remove" },
      prefix = "Subscription:" },
  }),
  catalog_of("closer", "What closes a loop over messages", "holdfast.closer", {
    { "holdfast.subscription", { "close" }, prefix = "Loop:" },
  }),
  catalog_of("latest", "What client:event answers", "holdfast.latest", {
    { "holdfast.listening", { "wait!" }, prefix = "Event:" },
  }),
  catalog_of("task", "A task", "holdfast.task", {
    { "holdfast.task", { "join!", "cancel" }, prefix = "Task:" },
  }),
  catalog_of("resty.holdfast", "In OpenResty", "resty.holdfast", {
    { "resty.holdfast", { "new", "kept" } },
    { "resty.holdfast", { "limit" }, separator = "." },
  }),
  catalog_of("resty.holdfast.metrics", "Metrics of all workers", "resty.holdfast.metrics", {
    { "resty.holdfast.metrics", { "publish", "text", "serve" }, separator = "." },
  }),
  catalog_of("holdfast.backoff", "Backoff by itself", "holdfast.module.backoff", {
    { "holdfast.backoff", { "new" }, separator = "." },
  }),
  catalog_of("backoff", "A backoff", "holdfast.backoff", {
    { "holdfast.backoff", { "next", "reset", "interval", "preview" }, prefix = "Backoff:" },
  }),
  catalog_of("holdfast.engine", "The engine by itself", "holdfast.module.engine", {
    { "holdfast.engine", { "new", "table" }, separator = "." },
  }),
  catalog_of("engine", "An engine", "holdfast.engine", {
    { "holdfast.engine", { "step", "state" }, prefix = "Engine:" },
  }),
  catalog_of("holdfast.reason", "Reasons by themselves", "holdfast.module.reason", {
    { "holdfast.reason", { "all" }, separator = "." },
  }),
  catalog_of("holdfast.topic", "Topics by themselves", "holdfast.module.topic", {
    { "holdfast.topic", { "check", "match" }, separator = "." },
  }),
  catalog_of("holdfast.fleet", "A simulated fleet", "holdfast.module.fleet", {
    { "holdfast.fleet", { "run" }, separator = "." },
  }),
}
