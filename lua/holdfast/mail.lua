--- What a client does with each kind of mail but messages.
-- @module holdfast.mail
local budget = require "holdfast.budget"
local check = require "holdfast.check"
local chronicle = require "holdfast.chronicle"
local delivery = require "holdfast.delivery"
local events = require "holdfast.events"
local line = require "holdfast.line"
local loop = require "holdfast.loop"
local protect = require "holdfast.loop.protect"
local publish = require "holdfast.publish"
local registry = require "holdfast.registry"
local relief = require "holdfast.relief"
local text = require "holdfast.text"

local mail = {
  run = delivery.deliver_run,
  outcome = publish.outcome,
  outcomes = publish.outcomes,
  not_withdrawn = publish.not_withdrawn,
  room = publish.room,
}

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
  delivery.connected(client, event.session_present)
end

function facts.ready(client)
  resolve_connecting(client, true)
  delivery.ready(client)
end

function facts.failed(client, event)
  client.last_failure = event.reason
end

function facts.lost(client, event)
  client.last_failure = event.reason
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
  delivery.settle(client)
  relief.finish(client)
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
  chronicle.event(client, name, event)
  events.start(client, name, event)
  if name == "lost" and event.reason and event.reason.name == "slow_consumer" then
    delivery.settle(client)
    relief.begin(client)
  elseif name == "closed" then
    part(client)
  end
end

function mail.note(client, words)
  registry.handed()
  chronicle.note(client, words)
end

function mail.granted(client, wish, qos, reason)
  local subscription = client.wishes[wish]
  if subscription then
    subscription:judge(qos, reason)
    registry.handed()
    if reason then
      chronicle.refused(client, subscription.filter, reason)
    end
  end
end

-- Questions -------------------------------------------------------------------------------------------------------

local username_row, password_row, headers_row = { secret = true }, { secret = true }, { secret = true }

-- One question of a kind is open at a time. `client.answering` knows in which coroutine its function runs: a call there
-- that waits for the connection would wait for itself.
local function call(client, kind, fn, ...)
  client.answering[kind] = protect.running()
  local one, other = fn(...)
  client.answering[kind] = nil
  return one, other
end

-- The ticket that an answer is for: of the latest question, and then none is open any more.
local function close_question(client, kind)
  local ticket = client.questions[kind]
  client.questions[kind], client.answering[kind] = nil, nil
  return ticket
end

-- Both are answered, or nil, and nil and why not.
local function found_credentials(client, attempt)
  local username, password = call(client, "credentials", client.credentials, attempt)
  if username == nil then
    return nil, nil, type(password) == "string" and password or "the credentials function returned none"
  end
  local fine, problem = check.text(username, username_row)
  if not fine then
    return nil, nil, "the user name " .. problem
  elseif password ~= nil then
    fine, problem = check.bytes(password, password_row)
  end
  return username, password, not fine and "the password " .. problem or nil
end

local function found_headers(client, attempt)
  local headers, problem = call(client, "credentials", client.headers, attempt)
  if headers == nil then
    return nil, type(problem) == "string" and problem or "the headers function returned none"
  end
  headers, problem = check.headers(headers, headers_row)
  if type(headers) ~= "string" then
    return nil, "what the headers function returned " .. (problem or "is a function")
  end
  return headers
end

local function find_credentials(client, attempt)
  local username, password, headers, problem
  if client.credentials then
    username, password, problem = found_credentials(client, attempt)
  end
  if client.headers and not problem then
    headers, problem = found_headers(client, attempt)
  end
  local ticket = close_question(client, "credentials")
  if problem then
    client.handle:credentials(ticket, false, problem)
  else
    client.handle:credentials(ticket, username, password, headers)
  end
end

local function credentials_found(client, _, err, trace)
  if err ~= nil then
    client.handle:credentials(close_question(client, "credentials"), false, trace:match "^[^\n]*")
    events.report(client, err, trace)
  end
end

-- An attempt that comes while the function still runs for the one before gets that answer.
function mail.credentials(client, ticket, attempt)
  registry.handed()
  local is_open = client.questions.credentials
  client.questions.credentials = ticket
  if not is_open then
    loop.serve(credentials_found, client, nil, find_credentials, client, attempt)
  end
end

local function find_delay(client, ticket, failure)
  local answer = call(client, "backoff", client.strategy, failure)
  local milliseconds = answer
  if type(answer) == "number" and not check.timeout_problem(answer) then
    milliseconds = math.floor(answer * 1000 + 0.5)
  elseif answer ~= nil and answer ~= false then
    local words = text.format("backoff must return seconds, false or nil, got %s; the built-in delay of %g s is used",
      text.describe(answer), failure.retry_in)
    answer, milliseconds = nil, nil
    events.report(client, words, words)
  end
  if client.asking == ticket then -- it has not waited, so the event that is about to be told can say the truth
    client.chosen = answer
  end
  client.handle:delay(ticket, milliseconds)
end

local function answered(client, _, err, trace)
  if err ~= nil then
    events.report(client, err, trace)
  end
end

local function delay_found(client, _, err, trace)
  close_question(client, "backoff")
  answered(client, nil, err, trace)
end

-- A failure that comes while the function still thinks about the one before takes the built-in delay.
function mail.delay(client, ticket, failure)
  registry.handed()
  if client.questions.backoff then
    return
  end
  client.questions.backoff = ticket
  client.asking = ticket
  loop.serve(delay_found, client, nil, find_delay, client, ticket, failure)
  client.asking = nil
end

function mail.turn(client, ticket)
  registry.handed()
  loop.serve(answered, client, ticket, budget.answer, client, ticket)
end

return mail
