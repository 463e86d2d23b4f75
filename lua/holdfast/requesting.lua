--- `client:request` and `client:respond`: questions and answers as MQTT 5 has them (section 4.10).
--
-- A client has one topic for its answers, to which it subscribes with the first question: below the Response
-- Information that the broker gave, or else the option `response_topic`, or one of its own. An answer is known by its
-- correlation data, whatever stands before it in a queue. It comes at QoS 0: at QoS 1 it would stand behind what waits
-- for handlers that ask. So one can be lost with its connection, and after an outage what has no answer yet is asked
-- again, under the same correlation data; a second answer is dropped.
-- @module holdfast.requesting
local check = require "holdfast.check"
local core = require "holdfast.core"
local loop = require "holdfast.loop"
local publish = require "holdfast.publish"
local submission = require "holdfast.submission"
local text = require "holdfast.text"
local waiting = require "holdfast.waiting"
local walk = require "holdfast.walk"
local wishing = require "holdfast.wishing"

local requesting = {}

-- The client's own topic: the same in the next process, or the session would keep a subscription of each. What means
-- something in a topic filter is none in it.
local function own_topic(client)
  client.name = client.name or core.random_id()
  return "holdfast/answers/" .. client.name:gsub("[+#/%$]", "_")
end

local function topic_of(client)
  local information = client.response_information
  if information and not core.topic_problem(information) then
    return information:gsub("/$", "") .. "/answers"
  end
  return client.response_topic or own_topic(client)
end

local function take_answer(client, message)
  local key = message.properties and message.properties.correlation_data
  local question = key and client.questions_asked[key]
  if question and not question.answer then
    question.answer = message
    if question.waiter then
      loop.unpark(question.waiter)
    end
  end
end

-- The subscription to the answers, and its topic.
local function answers_of(client)
  local topic = topic_of(client)
  local former = client.answers
  if former and former.filter == topic and not former.removed then
    return former
  elseif former then
    former:remove()
  end
  local made, message, code = wishing.subscribe(client, topic, { qos = 0, ordered = false }, function(answer)
    take_answer(client, answer)
  end)
  if made then
    client.answers, made.is_waited_for = made, true
    client.handle:answers(made.wish)
  end
  return made, message, code
end

--- The client is connected: the broker may want answers below another topic than before.
-- @tparam table client
function requesting.connected(client)
  if not client.closing then
    answers_of(client)
  end
end

--- The client is ready: what was asked over an earlier connection is asked again.
-- @tparam table client
function requesting.ready(client)
  for _, question in pairs(client.questions_asked) do
    if question.is_out then
      question.is_out = false
      loop.unpark(question.waiter)
    end
  end
end

-- Waits until answers can come.
local function prepare(client, left)
  local fine, message, code, reason = client:ready(left())
  if not fine then
    return nil, message, code, reason
  elseif client.handle:status().protocol ~= 5 then
    return nil, "request needs MQTT 5, and this connection speaks 3.1.1", "protocol"
  end
  local answers, granted
  repeat
    answers, message, code = answers_of(client)
    if not answers then
      return nil, message, code
    end
    granted, message, code, reason = answers:granted(left())
  until granted or code ~= "removed"
  return granted and answers.filter, message, code, reason
end

local function ask_once(client, question, left)
  local topic, message, code, reason = prepare(client, left)
  if not topic then
    return nil, message, code, reason
  end
  local properties = question.properties
  properties.response_topic = topic
  local fine, extra
  fine, message, code, extra = publish.publish(client, question.topic, question.payload,
    { qos = question.qos, retain = false, timeout = left(), properties = properties })
  if not fine and not question.answer then
    return nil, message, code, extra
  end
  return true
end

local function await_answer(client, question, left)
  local waiter = {}
  question.waiter, question.is_out = waiter, true
  waiting.park(client, waiter, left())
  question.is_out = false
  question.waiter = nil
  return waiter
end

local function ask(client, question, timeout)
  local deadline = loop.now() + timeout
  local function left()
    return math.max(0, deadline - loop.now())
  end
  while not question.answer do
    local fine, message, code, extra = ask_once(client, question, left)
    if not fine then
      return nil, message, code, extra
    end
    local waiter = not question.answer and await_answer(client, question, left) or {}
    if waiter.timed_out and not question.answer then
      return nil, text.format("no answer within %g s", timeout), "timeout"
    elseif waiter.code and not question.answer then
      return nil, waiter.message, waiter.code
    end
  end
  return question.answer
end

local last_key = 0

local function new_key(client)
  client.question_prefix = client.question_prefix or core.random_id()
  last_key = last_key + 1
  return ("%s/%.0f"):format(client.question_prefix, last_key)
end

local function checked(client, topic, payload, given)
  local values, problem = walk.call("request", given, type(client) == "table" and client.defaults or nil)
  if not values then
    return nil, problem
  elseif client.protocol == 4 then
    return nil, "needs protocol = 5: MQTT 3.1.1 has no response topics"
  end
  for _, name in ipairs { "response_topic", "correlation_data" } do
    if values.properties and values.properties[name] then
      return nil, ("properties.%s is the client's own here"):format(name)
    end
  end
  return values, submission.problem(topic, payload)
end

--- Publishes a question and waits for its answer, through outages (MQTT 5 section 4.10).
-- @tparam holdfast.client client
-- @tparam string topic where it is asked
-- @tparam string payload
-- @tparam[opt] holdfast.options.request given the question's `message_expiry` is the timeout unless given
-- @treturn ?holdfast.message the answer, or nil
-- @treturn ?string message
-- @treturn ?string code: "timeout", "closed", "sleeping", "refused" (the question, or the subscription to the answers),
-- "protocol", "expired", "overflow", "disconnected", "too_large", "qos_not_supported", "forked", "out_of_memory",
-- "credentials", "backoff", "auth"; or what is wrong with `queue.store`: "store_full", "store_failed"
-- @return the reason after "refused", "disconnected" and "sleeping"
-- @raise when an argument is wrong, the client's protocol is 4, or the caller stands where nothing can wait
-- @usage
-- local answer, message, code = client:request("adder/add", "1 2", { timeout = 5 })
-- print(answer and answer.payload or message)
function requesting.request(client, topic, payload, given)
  check.method(client, "handle", "client:request")
  local values, problem = checked(client, topic, payload, given)
  if not values or problem then
    error("request: " .. problem, 2)
  elseif client.closing then
    return nil, "the client is closed", "closed"
  end
  waiting.must_wait "request"
  local fine, message, code = waiting.must_not_answer(client)
  if not fine then
    return nil, message, code
  end
  local key, properties = new_key(client), {}
  for name, value in pairs(values.properties or {}) do
    properties[name] = value
  end
  properties.correlation_data = key
  properties.message_expiry = properties.message_expiry or math.ceil(values.timeout)
  local question = { topic = topic, payload = payload, qos = values.qos, properties = properties }
  client.questions_asked[key] = question
  local answer, extra
  answer, message, code, extra = ask(client, question, values.timeout)
  client.questions_asked[key] = nil
  if answer then
    return answer
  end
  return nil, message, code, extra
end

local function send_answer(client, question, payload, given)
  local asked = question.properties
  if payload == nil or not (asked and asked.response_topic) then
    return
  end
  local problem = submission.problem(asked.response_topic, payload)
  local values, id, code
  if not problem then
    values, problem = walk.call("post", given)
  end
  if values then
    local properties = values.properties or {}
    properties.correlation_data = asked.correlation_data
    local options = setmetatable({ qos = given and given.qos or 1, properties = properties }, { __index = given })
    id, problem, code = client:post(asked.response_topic, payload, options)
    if code == "queue_full" then
      id, problem = client:publish(asked.response_topic, payload, options)
    end
  end
  if not id then
    error(("the answer to a question at %s: %s"):format(question.topic, problem), 0)
  end
end

--- Answers the questions that match a filter: as `subscribe` with a handler that returns the answer.
-- @tparam holdfast.client client
-- @tparam string filter
-- @tparam[opt] holdfast.options.subscribe given `qos` is 1 unless given
-- @tparam function fn `fn(question, subscription)` returns the payload of the answer, and options of `post` (`qos`
-- is 1 unless given); nil: none is sent, nor to a message that asks for none. May take the place of `given`
-- @treturn ?holdfast.subscription or nil
-- @treturn ?string message
-- @treturn ?string code: "closed", "forked", "out_of_memory"
-- @raise when an argument is wrong, or the client's protocol is 4
-- @usage
-- client:respond("adder/add", function(question)
--   local one, other = question.payload:match "(%d+) (%d+)"
--   return tostring(one + other)
-- end)
function requesting.respond(client, filter, given, fn)
  check.method(client, "handle", "client:respond")
  if fn == nil and check.is_callable(given) then
    given, fn = nil, given
  end
  local problem = client.protocol == 4 and "needs protocol = 5: MQTT 3.1.1 has no response topics"
    or not check.is_callable(fn) and "handler must be a function, got " .. text.describe(fn)
    or given ~= nil and type(given) ~= "table" and "options must be a table, got " .. text.describe(given)
  if not problem then
    local options = {}
    for name, value in pairs(given or options) do
      options[name] = value
    end
    options.qos = given and given.qos or 1
    given = setmetatable(options, { __index = given })
    problem = wishing.problem(client, filter, given, fn)
  end
  if problem then
    error("respond: " .. problem, 2)
  end
  return wishing.subscribe(client, filter, given, function(question, subscription)
    send_answer(client, question, fn(question, subscription))
  end)
end

return requesting
