--- What a client does with each kind of mail but messages.
-- @module holdfast.mail
local events = require "holdfast.events"
local late = require "holdfast.late"
local line = require "holdfast.line"
local log = require "holdfast.log"
local loop = require "holdfast.loop"
local publish = require "holdfast.publish"
local registry = require "holdfast.registry"

local authenticating = late.module "holdfast.authenticating"
local chronicle = late.module "holdfast.chronicle"
local delivery = late.module "holdfast.delivery"
local questions = late.module "holdfast.questions"
local relief = late.module "holdfast.relief"
local requesting = late.module "holdfast.requesting"

local mail = {
  outcome = publish.outcome,
  outcomes = publish.outcomes,
  not_withdrawn = publish.not_withdrawn,
  room = publish.room,
}

function mail.message(...)
  mail.message = delivery.deliver
  return mail.message(...)
end

function mail.run(...)
  mail.run = delivery.deliver_run
  return mail.run(...)
end

local function resolve(waiter, value, message, code, reason)
  if not waiter.done then
    waiter.value, waiter.message, waiter.code, waiter.reason = value, message, code, reason
    loop.unpark(waiter)
  end
end

local function resolve_connecting(client, ...)
  local waiter = line.head(client.connecting)
  while waiter do
    resolve(waiter, ...)
    line.leave(client.connecting, waiter)
    waiter = line.head(client.connecting)
  end
end

--- What `connect` says about a client that sleeps.
-- @tparam table client
-- @tparam table event `sleeping`
-- @treturn string
function mail.sleeping_words(client, event)
  local reason, last = event.reason, client.last_failure
  if not reason then
    return "asleep"
  elseif last and last.name == reason.name then -- and says more, such as which file cannot be read
    return ("asleep after %s: %s"):format(last.name, last.text)
  end
  local words = ("asleep after %s: %s"):format(reason.name, reason.text)
  if last then -- of max_attempts: that alone helps nobody
    words = ("%s; the last failure is %s (%s)"):format(words, last.name, last.text)
  end
  return words
end

-- Events ----------------------------------------------------------------------------------------------------------

-- What each means for the client itself, before its handlers start.
local facts = {}

function facts.connecting(client)
  client.asleep, client.held = nil, nil
end

function facts.connected(client, event)
  if event.session_present then
    delivery.connected(client)
  elseif client.early == nil then
    client.early = false -- nothing can come for nobody
  end
  client.response_information = event.response_information
  if client.answers then
    requesting.connected(client)
  end
end

function facts.ready(client)
  resolve_connecting(client, true)
  if next(client.questions_asked) then
    requesting.ready(client)
  end
  if client.early then
    delivery.ready(client)
  end
end

function facts.failed(client, event)
  client.last_failure = event.reason
end

function facts.lost(client, event)
  client.last_failure = event.reason
  if client.reauthenticating then
    authenticating.lost(client, event.reason)
  end
  if event.reason and event.reason.name == "slow_consumer" then
    relief.begin(client) -- which no other event would begin
  end
end

function facts.sleeping(client, event)
  client.asleep = event
  resolve_connecting(client, nil, mail.sleeping_words(client, event), "sleeping", event.reason)
end

function facts.closed(client, event)
  client.held = nil
  client.closing = true
  client.closed = event
end

local function part(client)
  local waiters = {}
  for waiter in pairs(client.waiters) do
    waiters[#waiters + 1] = waiter
  end
  for _, waiter in pairs(client.outcomes) do
    waiters[#waiters + 1] = waiter
  end
  for _, waiter in ipairs(waiters) do
    resolve(waiter, nil, "the client is closed", "closed")
  end
  if client.early then
    delivery.settle(client)
  end
  if client.pausing or next(client.wishes) ~= nil then
    relief.finish(client)
  end
  if client.let_go then
    client.let_go()
  end
  loop.release(client)
  registry.remove(client)
end

function mail.event(client, name, event)
  if facts[name] then
    facts[name](client, event)
  end
  if event.retry_in and client.chosen ~= nil then
    event.retry_in = client.chosen or nil
  end
  client.chosen = nil
  events.meet(client, name, event)
  registry.handed()
  if name == "store" or log.is_heard() then
    chronicle.event(client, name, event)
  end
  events.start(client, name, event)
  if name == "lost" and event.reason and event.reason.name == "slow_consumer" then
    delivery.settle(client)
  elseif name == "closed" then
    part(client)
  end
end

function mail.note(client, words)
  registry.handed()
  if log.is_heard() then
    chronicle.note(client, words)
  end
end

function mail.granted(client, wish, qos, reason)
  if client.unjudged then
    delivery.judged(client, wish)
  end
  local subscription = client.wishes[wish]
  if subscription then
    subscription:judge(qos, reason)
    registry.handed()
    if reason then
      chronicle.refused(client, subscription.filter, reason)
    end
  end
end

function mail.credentials(...)
  return questions.credentials(...)
end

function mail.delay(...)
  return questions.delay(...)
end

function mail.authenticate(...)
  return authenticating.said(...)
end

function mail.authenticated(...)
  return authenticating.over(...)
end

function mail.turn(...)
  return questions.turn(...)
end

return mail
