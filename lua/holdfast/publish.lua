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
-- @tparam[opt] table given `qos` (0), `retain` (false), `properties` (MQTT 5), `ttl` (seconds within which it must be
-- sent; default: `queue.ttl`), `priority` (0 to 9, which leaves the queue first), `timeout` (seconds; default: no end)
-- @treturn ?boolean true once it is acknowledged as its QoS demands, at QoS 0 once it is handed to the network
-- @treturn ?string message when it is not; the reason (a table) when it is and the broker had something to say
-- @treturn ?string code: "credentials" or "backoff" (called from that function of this client), "timeout",
-- "refused", "expired", "overflow", "closed", "too_large" ...
-- @return "sent" or "withdrawn" after "timeout"; the reason after "refused"
-- @raise when an argument is wrong, or the caller stands where nothing can wait; then nothing is published
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
-- @tparam[opt] table given `qos` (0), `retain` (false), `properties` (MQTT 5), `ttl` (seconds within which it must be
-- sent; default: `queue.ttl`)
-- @treturn ?number id; the outcome comes as `delivered` or `dropped` if there is a handler for one of them by now
-- @treturn ?string message
-- @treturn ?string code: "queue_full", "closed", "too_large", "forked"
-- @raise when an argument is wrong
publish.post = core.poster(post)

return publish
