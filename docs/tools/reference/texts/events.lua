--- Events and their fields, in the order in which the reference has them. A field: name, type, unit or false, words;
-- a "?" behind the type: it may be absent.
return {
  { "connecting", "An attempt begins.", {
    { "server", "string?", false, "the address; absent where a function of yours is asked for it, and has not "
      .. "answered" },
    { "attempt", "integer", false, "which it is since the last stable connection, from 1" },
  } },
  { "connected", "The broker has accepted us. Subscriptions are confirmed by `ready`.", {
    { "session_present", "boolean", false, "whether the broker goes on with our session (MQTT 5 section 3.2.2.1.1)" },
    { "server", "string", false, "the address" },
    { "attempts", "integer", false, "how many it took" },
    { "downtime", "number?", "seconds", "since the connection before was lost, or since the start" },
    { "response_information", "string?", false, "if the broker gave one (MQTT 5 section 3.2.2.3.15)" },
  } },
  { "ready", "The broker has confirmed every subscription.", {
    { "subscriptions", "integer", false, "how many there are" },
    { "refused", "integer", false, "how many of them the broker has refused; `subscription:granted` says which" },
    { "downtime", "number?", "seconds", "as of `connected`" },
  } },
  { "failed", "The attempt came to nothing.", {
    { "reason", "holdfast.reason", false, "why" },
    { "server", "string?", false, "the address" },
    { "attempt", "integer", false, "which it was" },
    { "retry_in", "number?", "seconds", "until the next one; absent: there is none" },
    { "server_reference", "string?", false, "another server, if the broker named one (MQTT 5 section 4.11)" },
    { "followed", "boolean?", false, "whether the next attempt goes there" },
  } },
  { "lost", "The connection is gone.", {
    { "reason", "holdfast.reason", false, "why" },
    { "uptime", "number?", "seconds", "for how long it stood" },
    { "retry_in", "number?", "seconds", "until the next attempt; absent: there is none, or it comes at once" },
    { "server_reference", "string?", false, "another server, if the broker named one (MQTT 5 section 4.11)" },
    { "followed", "boolean?", false, "whether the next attempt goes there" },
  } },
  { "sleeping", "No more attempts until `wake_in` is over, or `client:wake`.", {
    { "reason", "holdfast.reason", false, "why" },
    { "wake_in", "number?", "seconds", "absent: it sleeps until woken" },
  } },
  { "closed", "The end. Nothing follows.", {
    { "reason", "holdfast.reason", false, "`closed`, or `collected`" },
  } },
  { "message", "A message came that belongs to no subscription; the event is the message. Where nobody listens it is "
    .. "dropped and counted (`counters.unclaimed`); of QoS 1 and 2 the log says so, once a topic.", {
    { "topic", "string", false, "where it was published" },
    { "payload", "string", false, "any bytes" },
    { "qos", "integer", false, "0, 1 or 2" },
    { "retain", "boolean", false, "the broker had kept it" },
    { "duplicate", "boolean", false, "the broker sends it again (DUP, MQTT 5 section 3.3.1.1)" },
    { "properties", "holdfast.properties?", false, "MQTT 5; absent where none were sent" },
  } },
  { "delivered", "A posted message is with the broker. What `publish` sends is told by its return.", {
    { "id", "integer", false, "as `post` answered it" },
  } },
  { "dropped", "It never will be.", {
    { "id", "integer", false, "as `post` answered it" },
    { "why", "string", false, "a word: `overflow`, `expired`, `refused`, `too_large`, `qos_not_supported`, "
      .. "`retain_not_supported`, `disconnected`, `closed`, `kept`" },
    { "reason", "holdfast.reason?", false, "the broker's, of `refused` and `disconnected`" },
  } },
  { "parked", "A message was not handled in so many attempts, and is acknowledged all the same.", {
    { "message", "holdfast.message", false, "it" },
    { "filter", "string", false, "of the subscription" },
    { "attempts", "integer", false, "how many there were" },
    { "error", "string", false, "what the last of them threw, in words" },
  } },
  { "step", "With `inspect`: one step of an attempt, and what was found in it under names of its own.", {
    { "step", "string", false, "which it is: [the steps of an attempt](#the-steps-of-an-attempt)" },
    { "at", "number", "seconds", "since the attempt began" },
  } },
  { "store", "The file of the queue has failed; or, without a `code`, it has been made anew.", {
    { "code", "string?", false, "`store_failed`, `store_full` ..." },
    { "text", "string", false, "what has happened, with the name of the file" },
  } },
  { "error", "A handler of yours threw. If nobody listens, it goes to the log.", {
    { "message", "string", false, "in words" },
    { "traceback", "string", false, "where" },
    { "error", "any", false, "what was thrown" },
  } },
}
