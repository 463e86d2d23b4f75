--- Enhanced authentication (MQTT 5 section 4.12): what the user's functions are asked, and once more while connected.
-- @module holdfast.authenticating
local check = require "holdfast.check"
local events = require "holdfast.events"
local line = require "holdfast.line"
local loop = require "holdfast.loop"
local protect = require "holdfast.loop.protect"
local registry = require "holdfast.registry"
local text = require "holdfast.text"
local waiting = require "holdfast.waiting"

local authenticating = {}

local CLOSED = "the client is closed"
local last_ticket = 0 -- of an exchange that was asked for
local SECRET = { secret = true }

-- A call in such a function that waits for the connection would wait for itself.
local function call(client, kind, fn, ...)
  client.handle:beware(true)
  client.answering[kind] = protect.running()
  local data, other = fn(...)
  client.answering[kind] = nil
  return data, other
end

local function words_of(name, value)
  local fine, problem = check.bytes(value, SECRET)
  return not fine and ("what %s returned %s"):format(name, problem) or nil
end

--- The first word.
-- @tparam holdfast.client client with `auth_start`
-- @tparam ?number attempt nil: once more, while connected
-- @tparam string kind of the question that it is part of
-- @treturn ?string nil
-- @treturn ?string and why not
function authenticating.first(client, attempt, kind)
  local data, problem = call(client, kind, client.auth_start, attempt)
  if data == nil then
    return nil, type(problem) == "string" and problem or "auth.start returned none"
  end
  problem = words_of("auth.start", data)
  return not problem and data or nil, problem
end

local function answer(client, ticket, said)
  local data, expected, problem
  if not client.auth_continue then
    problem = "the broker asks for more than auth.start has said, and there is no auth.continue"
  else
    data, expected = call(client, "auth", client.auth_continue, said)
    if data == nil then
      problem = type(expected) == "string" and expected or "auth.continue returned none"
    else
      problem = words_of("auth.continue", data)
        or expected ~= nil and words_of("auth.continue", expected) or nil
    end
  end
  if problem then
    client.handle:authenticate(ticket, false, problem)
  else
    client.handle:authenticate(ticket, data, expected)
  end
end

--- The broker has said something.
-- @tparam holdfast.client client
-- @param ticket
-- @tparam string said
function authenticating.said(client, ticket, said)
  registry.handed()
  loop.serve(function(_, _, err, trace)
    client.answering.auth = nil
    if err ~= nil then
      client.handle:authenticate(ticket, false, trace:match "^[^\n]*")
      events.report(client, err, trace)
    end
  end, client, nil, answer, client, ticket, said)
end

-- Handing out what it comes from can be interrupted, and is done again: the waiter is known until it goes on.
local function settle(client, value, ...)
  local waiter = client.reauthenticating
  if waiter and not waiter.done then
    waiter.value, waiter.message, waiter.code, waiter.reason = value, ...
    loop.unpark(waiter)
  end
  client.reauthenticating = nil
end

--- It is over. Of one whose caller did not wait so long nobody hears.
-- @tparam holdfast.client client
-- @tparam number ticket
-- @tparam number how 0: it could not be begun, or its connection has been renewed; 1: the broker is content; 2: its
-- connection is lost, of which the next event tells
function authenticating.over(client, ticket, how)
  local waiter = client.reauthenticating
  if not waiter or waiter.ticket ~= ticket then
    return
  elseif how == 1 then
    settle(client, true)
  elseif how == 2 then
    waiter.lost = true
  else
    settle(client, nil, "there is no connection, or the last exchange is not over", "not_connected")
  end
end

--- A connection is lost: it may be one from before the exchange that is waited for.
-- @tparam holdfast.client client
-- @tparam ?table reason
function authenticating.lost(client, reason)
  if not client.reauthenticating.lost then
    return
  end
  settle(client, nil, ("the connection was lost: %s"):format(reason and reason.text or "it ended"), "lost", reason)
end

-- In a coroutine of its own, so that the caller's time may end, and its coroutine be ended, while the function thinks.
local function begin(client, waiter)
  local data, problem
  if client.auth_start then
    data, problem = authenticating.first(client, nil, "auth")
  end
  if client.reauthenticating ~= waiter or line.is_over(waiter) then
    return
  elseif problem then
    return settle(client, nil, problem, "credentials_failed")
  elseif client.closing then
    return settle(client, nil, CLOSED, "closed")
  end
  last_ticket = last_ticket % (2 ^ 31 - 1) + 1
  waiter.ticket = last_ticket
  local fine, message, code = client.handle:reauthenticate(last_ticket, data)
  if not fine then
    settle(client, nil, message, code)
  end
end

local function begun(client, waiter, err, trace)
  if err == nil then
    return
  end
  client.answering.auth = nil
  if client.reauthenticating == waiter and not line.is_over(waiter) then
    waiter.thrown = err
    settle(client)
  else
    events.report(client, err, trace)
  end
end

local function once_more(client, timeout)
  local other = client.reauthenticating
  if client.closing then
    return nil, CLOSED, "closed"
  elseif other and not line.is_over(other) then
    return nil, "another call waits for the same already", "busy"
  end
  local waiter = {}
  client.reauthenticating = waiter
  loop.serve(begun, client, waiter, begin, client, waiter)
  waiting.park(client, waiter, timeout)
  if client.reauthenticating == waiter then
    client.reauthenticating = nil
  end
  if waiter.thrown ~= nil then
    error(waiter.thrown, 0)
  elseif waiter.timed_out then
    return nil, text.format("not over within %g s", timeout), "timeout"
  elseif waiter.value then
    return true
  end
  return nil, waiter.message, waiter.code, waiter.reason
end

--- Enhanced authentication once more on the connection that stands, as before a token ends (MQTT 5 section 4.12.1).
-- Where the broker is not content it ends the connection, and the next attempt begins anew.
-- @tparam holdfast.client client
-- @tparam[opt] number timeout seconds; default: no end
-- @treturn ?boolean true once the broker is content, or nil
-- @treturn ?string message
-- @treturn ?string code: "not_connected", "busy", "lost", "timeout", "credentials_failed", "closed", "forked",
-- "out_of_memory", "credentials", "backoff", "auth"
-- @treturn ?holdfast.reason why, when lost
-- @raise when the client has no `auth`, the timeout is no time, the caller stands where nothing can wait, or what
-- `auth.start` throws
-- @usage
-- local fine, message, code = client:reauthenticate(10)
function authenticating.reauthenticate(client, timeout)
  check.method(client, "handle", "client:reauthenticate")
  local problem = check.timeout_problem(timeout)
  if not client.auth then
    problem = "the client has no option auth"
  end
  if problem then
    error("reauthenticate: " .. problem, 2)
  end
  waiting.must_wait "reauthenticate"
  local fine, message, code = waiting.must_not_answer(client)
  if not fine then
    return nil, message, code
  end
  return once_more(client, timeout)
end

return authenticating
