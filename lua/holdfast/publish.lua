--- `publish` and `post`: one waits for the outcome, the other never waits. What the short way of csrc/lua/plain.c does
-- not do, and what goes wrong, is for @{holdfast.submission}.
-- @module holdfast.publish
local core = require "holdfast.core"
local events = require "holdfast.events"
local late = require "holdfast.late"
local loop = require "holdfast.loop"
local registry = require "holdfast.registry"

local submission = late.module "holdfast.submission"

local publish = {}

local plain_publish = core.plain_publish

local function pass(...)
  return ...
end

--- The outcome of a publish.
-- @tparam table client
-- @tparam number id
-- @tparam boolean delivered
-- @tparam ?string why not
-- @tparam ?table reason of the broker
function publish.outcome(client, id, delivered, why, reason)
  local waiter = client.outcomes[id]
  if waiter then
    waiter.value = delivered
    if why or reason then
      waiter.message, waiter.code, waiter.reason = reason and reason.text or submission.why_words[why], why, reason
    end
    loop.unpark(waiter)
    client.outcomes[id] = nil
    return
  end
  registry.handed()
  if delivered then
    events.emit(client, "delivered", { id = id, reason = reason })
  else
    events.emit(client, "dropped", { id = id, why = why, reason = reason })
  end
end

--- All of a row of publishes have been delivered, and there is nothing more to say of any.
-- @tparam table client
-- @tparam number from id
-- @tparam number to id
function publish.outcomes(client, from, to)
  loop.unpark_all(client.outcomes, from, to) -- but for who went on already, before an interruption
end

--- A publish could not be withdrawn: it has been sent.
-- @tparam table client
-- @tparam number id
function publish.not_withdrawn(client, id)
  submission.not_withdrawn(client, id)
end

--- The queue has room again: for those who wait, in the order in which they came.
-- @tparam table client
function publish.room(client)
  submission.room(client)
end

--- Publishes a message and waits for its outcome, through outages.
-- With a full queue it first waits for room, in line with the other calls that do, unless `queue.overflow` has another
-- message go.
-- @tparam holdfast.client client
-- @tparam string topic no wildcards (MQTT 5 section 4.7)
-- @tparam string payload
-- @tparam[opt] holdfast.options.publish given
-- @treturn ?boolean true once it is acknowledged as its QoS demands, at QoS 0 once it is handed to the network; or nil
-- @treturn ?string|holdfast.reason message why not; when it is, the reason, if the broker had something to say
-- @treturn ?string code: "timeout", "refused", "expired", "overflow", "closed", "kept", "disconnected", "too_large",
-- "qos_not_supported", "retain_not_supported", "forked", "out_of_memory", "credentials", "backoff", "auth"; or what is
-- wrong with `queue.store`: "store_full", "store_failed"
-- @return "sent" or "withdrawn" after "timeout"; the reason after "refused" and "disconnected"
-- @raise when an argument is wrong, or the caller stands where nothing can wait; then nothing is published
-- @usage
-- local delivered, message, code, more = client:publish("meters/kitchen/power", "42", { qos = 1, timeout = 5 })
-- if code == "timeout" and more == "withdrawn" then
--   print "it never left"
-- end
function publish.publish(client, topic, payload, given)
  local worker = loop.poised()
  if worker or not loop.problem() then
    local id, most = plain_publish(client, topic, payload, given)
    if id then
      local waiter = { id = id, worker = false, done = false, value = false }
      client.outcomes[id] = waiter
      if worker then
        loop.suspend(worker, waiter, most)
      else
        loop.park(waiter, most)
      end
      if waiter.value and not waiter.reason then
        return true
      end
      return submission.answer(client, waiter, most)
    end
  end
  return pass(submission.publish(client, topic, payload, given)) -- no tail call, it counts its callers
end

local function post(client, topic, payload, given)
  return pass(submission.post(client, topic, payload, given))
end

--- Has a message accepted by the queue, without waiting. To wait for the outcome, `publish`: a `wait` for `delivered`
-- begins when that may have happened already.
-- @function publish.post
-- @tparam holdfast.client client
-- @tparam string topic no wildcards (MQTT 5 section 4.7)
-- @tparam string payload
-- @tparam[opt] holdfast.options.post given
-- @treturn ?number id; the outcome comes as `delivered` or `dropped` if there is a handler for one of them by now; or
-- nil
-- @treturn ?string message
-- @treturn ?string code: "queue_full", "closed", "too_large", "forked", "out_of_memory"; or what is wrong with
-- `queue.store`: "store_full", "store_failed"
-- @raise when an argument is wrong
-- @usage
-- local id, message, code = client:post("meters/kitchen/power", "42", { qos = 1 })
publish.post = core.poster(post)

return publish
