--- The long way of `publish` and `post`: options are checked, there may be no room in the queue, and what was not
-- delivered has its words.
-- @module holdfast.submission
local check = require "holdfast.check"
local core = require "holdfast.core"
local line = require "holdfast.line"
local loop = require "holdfast.loop"
local text = require "holdfast.text"
local waiting = require "holdfast.waiting"
local walk = require "holdfast.walk"

local submission = {}

-- A packet's remaining length at most (MQTT 5 section 1.5.5); topic and payload share it with a few bytes of header.
local MOST = 268435455
local HEADER = 2 + 2 + 4 -- length of the topic, packet id, length of the properties

--- What it means that a message was not delivered.
submission.why_words = {
  refused = "the broker refused the message",
  closed = "the client is closed",
  kept = "the client is closed; the message is in its store, for the next one",
  too_large = "the message is larger than the broker takes (its Maximum Packet Size)",
  qos_not_supported = "the broker does not take this QoS (its Maximum QoS)",
  disconnected = "the broker has ended two connections over this message",
  retain_not_supported = "the broker keeps no retained messages",
  overflow = "the queue is full, and this message was the one to go (queue.overflow)",
  expired = "the message could not be sent in time (its ttl or message_expiry)",
}

local LONGEST = 4294967295 -- ms that the core takes

local function milliseconds(seconds)
  return seconds and math.min(math.max(1, math.floor(seconds * 1000 + 0.5)), LONGEST)
end

--- What is wrong with a topic and a payload.
-- @param topic
-- @param payload
-- @treturn ?string
function submission.problem(topic, payload)
  if type(topic) ~= "string" then
    return "topic must be a string, got " .. text.describe(topic)
  end
  local problem = core.topic_problem(topic)
  if problem then
    return ("topic %s, got %s"):format(problem, text.describe(topic))
  elseif type(payload) ~= "string" then
    return "payload must be a string, got " .. text.describe(payload)
  elseif #topic + #payload + HEADER > MOST then
    return ("payload must leave the packet at %s bytes or less (MQTT 5 section 1.5.5), got %s bytes"):format(
      text.number(MOST), text.number(#payload))
  end
end

-- Checks the arguments; the options come back as values.
local function checked(client, call, topic, payload, given)
  local problem = submission.problem(topic, payload)
  if problem then
    return nil, problem
  end
  local values
  values, problem = walk.call(call, given, type(client) == "table" and client.defaults or nil)
  if values and values.properties and client.protocol == 4 then
    return nil, "properties need protocol = 5"
  end
  return values, problem
end

local function settle(waiter, message, code, reason)
  waiter.message, waiter.code, waiter.reason = message, code, reason
  loop.unpark(waiter)
end

--- A publish could not be withdrawn: it has been sent.
-- @tparam table client
-- @tparam number id
function submission.not_withdrawn(client, id)
  local waiter = client.outcomes[id]
  if waiter then -- and stays where it is, since the outcome is still to come and interests nobody any more
    settle(waiter, nil, "sent")
  end
end

-- Tries to have it accepted; true when there is nothing more to try for now.
local function submit(client, waiter)
  local age = waiter.since and milliseconds(core.now() - waiter.since)
  local id, message, code = client.handle:post(waiter.topic, waiter.payload, waiter.qos, waiter.retain,
    waiter.properties, "await", milliseconds(waiter.ttl), age, waiter.priority)
  if id then
    waiter.id = id
    client.outcomes[id] = waiter
    return true
  elseif code == "queue_full" then
    return false
  end
  settle(waiter, message, code)
  return true
end

-- The line for room: places, each parked on until its waiter has been submitted.

--- The queue has room again: for those who wait, in the order in which they came.
-- @tparam table client
function submission.room(client)
  local queue = client.line
  local place = line.head(queue)
  while place and (line.is_over(place) or submit(client, place.waiter)) do
    line.leave(queue, place)
    loop.unpark(place)
    place = line.head(queue)
  end
end

-- The sooner of two times, either of which may be none.
local function sooner(one, other)
  return one and other and math.min(one, other) or one or other
end

-- How long it may wait for being sent; a message expiry of 0 is one of less than a second.
local function lifetime(waiter)
  local expiry = waiter.properties and waiter.properties.message_expiry
  return sooner(waiter.ttl, expiry and math.max(expiry, 1))
end

-- Waits for room; true when the waiter has been submitted, or nil, message, code and what has become of the message.
local function stand_in_line(client, waiter, timeout)
  local place, life = { waiter = waiter }, lifetime(waiter)
  client.handle:beware(true) -- nobody goes past the line
  line.join(client.line, place)
  waiting.park(client, place, sooner(timeout, life))
  if not place.timed_out then
    return not place.code, place.message, place.code
  end
  line.leave(client.line, place)
  if life and life <= (timeout or life) then
    return false, submission.why_words.expired, "expired"
  end
  return false, text.format("no room in the queue within %g s", timeout), "timeout", "withdrawn"
end

-- What `publish` answers then: no nil that `print` would show.
local function delivered(waiter)
  if waiter.reason then
    return true, waiter.reason
  end
  return true
end

local function withdraw(client, id, timeout)
  local waiter = {}
  client.outcomes[id] = waiter
  local _, _, code = client.handle:withdraw(id)
  if code == "out_of_memory" then
    waiter.code = "sent" -- or will be
  else
    waiting.park(client, waiter)
  end
  if waiter.value then
    return delivered(waiter) -- it was on its way already, and has arrived
  elseif waiter.code == "withdrawn" or waiter.code == "sent" then
    return nil, text.format("not delivered within %g s", timeout), "timeout", waiter.code
  end
  return nil, waiter.message, waiter.code, waiter.reason
end

--- What `publish` answers once it waits no more.
-- @tparam table client
-- @tparam table waiter
-- @tparam ?number timeout
function submission.answer(client, waiter, timeout)
  if waiter.value then
    return delivered(waiter)
  elseif waiter.code or not waiter.timed_out then
    return nil, waiter.message, waiter.code, waiter.reason
  end
  return withdraw(client, waiter.id, timeout)
end

--- Publishes a message and waits for its outcome. Called by `publish.publish`, at whose caller's line mistakes are.
-- @tparam table client
-- @param topic
-- @param payload
-- @param given
function submission.publish(client, topic, payload, given)
  local values, problem = checked(client, "publish", topic, payload, given)
  if not values or not client.handle then
    check.method(client, "handle", "client:publish", 4)
    error("publish: " .. problem, 3)
  elseif client.closing then
    return nil, "the client is closed", "closed"
  end
  waiting.must_wait("publish", 4)
  local fine, message, code = waiting.must_not_answer(client)
  if not fine then
    return nil, message, code
  end
  local timeout = values.timeout
  local waiter = {
    topic = topic,
    payload = payload,
    qos = values.qos,
    retain = values.retain or nil,
    properties = values.properties,
    ttl = values.ttl or client.ttl,
    priority = values.priority > 0 and values.priority or nil,
  }
  local left, first = timeout, line.head(client.line)
  if not first and next(client.answering) == nil then
    client.handle:beware(false)
  end
  if first or not submit(client, waiter) then
    waiter.since = core.now()
    local submitted, what
    submitted, message, code, what = stand_in_line(client, waiter, timeout)
    if not submitted then
      return nil, message, code, what
    end
    left = timeout and math.max(0, timeout - (core.now() - waiter.since))
  end
  waiting.park(client, waiter, left)
  return submission.answer(client, waiter, timeout)
end

--- Has a message accepted by the queue. Two callers stand between this and the caller of `post`.
-- @tparam table client
-- @param topic
-- @param payload
-- @param given
function submission.post(client, topic, payload, given)
  local values, problem = checked(client, "post", topic, payload, given)
  if not values or not client.handle then
    check.method(client, "handle", "client:post", 5)
    error("post: " .. problem, 4)
  elseif client.closing then
    return nil, "the client is closed", "closed"
  end
  return client.handle:post(topic, payload, values.qos, values.retain or nil, values.properties,
    client.told or nil, milliseconds(values.ttl or client.ttl), nil, values.priority > 0 and values.priority or nil)
end

return submission
