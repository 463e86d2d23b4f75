--- Enhanced authentication (MQTT 5 section 4.12): what the user's functions are asked, and once more while connected.
-- @module holdfast.authenticating
local check = require "holdfast.check"
local events = require "holdfast.events"
local loop = require "holdfast.loop"
local protect = require "holdfast.loop.protect"
local registry = require "holdfast.registry"
local waiting = require "holdfast.waiting"

local authenticating = {}

local SECRET = { secret = true }

-- A call in such a function that waits for the connection would wait for itself.
local function call(client, kind, fn, ...)
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

local function settle(client, value, ...)
  local waiter = client.reauthenticating
  client.reauthenticating = nil
  if waiter and not waiter.done then
    waiter.value, waiter.message, waiter.code, waiter.reason = value, ...
    loop.unpark(waiter)
  end
end

--- It is over: the broker is content, or it could not be begun.
-- @tparam holdfast.client client
-- @tparam boolean fine
function authenticating.over(client, fine)
  registry.handed()
  if fine then
    settle(client, true)
  else
    settle(client, nil, "there is no connection, or the last exchange is not over", "not_connected")
  end
end

--- So is the connection.
-- @tparam holdfast.client client
-- @tparam ?table reason
function authenticating.lost(client, reason)
  settle(client, nil, ("the connection was lost: %s"):format(reason and reason.text or "it ended"), "lost", reason)
end

local function once_more(client, timeout)
  if client.closing then
    return nil, "the client is closed", "closed"
  elseif client.reauthenticating then
    return nil, "another call waits for the same already", "busy"
  end
  local waiter, data = {}, nil
  client.reauthenticating = waiter
  if client.auth_start then
    local fine, err, problem = protect.pcall(authenticating.first, client, nil, "auth")
    if not fine then
      client.reauthenticating, client.answering.auth = nil, nil
      error(err, 0)
    end
    data = err
    if problem then
      client.reauthenticating = nil
      return nil, problem, "credentials_failed"
    end
  end
  if client.reauthenticating == waiter then
    local fine, message, code = client.handle:reauthenticate(data)
    if not fine then
      client.reauthenticating = nil
      return nil, message, code
    end
  end
  waiting.park(client, waiter, timeout)
  if client.reauthenticating == waiter then
    client.reauthenticating = nil
  end
  if waiter.timed_out then
    return nil, "the broker has not answered in time", "timeout"
  elseif waiter.value then
    return true
  end
  return nil, waiter.message, waiter.code, waiter.reason
end

--- Enhanced authentication once more on the connection that stands, as before a token ends (MQTT 5 section 4.12.1).
-- Where the broker is not content it ends the connection, and the next attempt begins anew.
-- @function client:reauthenticate
-- @tparam holdfast.client client
-- @tparam[opt] number timeout seconds; default: no end
-- @treturn ?boolean true once the broker is content, or nil
-- @treturn ?string message
-- @treturn ?string "not_connected", "busy", "lost", "timeout", "credentials_failed", "closed" or "forked"
-- @treturn ?table the reason, when lost
-- @raise when the client has no `auth`, the timeout is no time, the caller stands where nothing can wait, or what
-- `auth.start` throws
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
  return once_more(client, timeout)
end

return authenticating
