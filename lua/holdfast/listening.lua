--- Calls of a client about its events: `on`, `once`, `off`, `wait`.
-- @module holdfast.listening
local check = require "holdfast.check"
local defaults = require "holdfast.defaults"
local events = require "holdfast.events"
local loop = require "holdfast.loop"
local text = require "holdfast.text"

local listening = {
  LEAVING = "the worker is leaving, and nobody waits in it without end",
}

--- Before a call that acts and then waits: where it cannot wait, nothing must have happened.
-- @tparam string name of the call
-- @raise why not, at the line that called it
function listening.must_wait(name)
  local problem = loop.problem()
  if problem then
    error(name .. ": " .. problem, 3)
  end
end

--- Parks the caller on a waiter that `close` knows of. In a fork of the process, where nothing ever comes, it does not.
-- @tparam holdfast.client client
-- @tparam table waiter
-- @tparam ?number timeout seconds
function listening.park(client, waiter, timeout)
  local _, message, code = client.handle:consumed(0, 0)
  if code then
    waiter.done, waiter.message, waiter.code = true, message, code
    return
  end
  client.waiters[waiter] = true
  loop.park(waiter, timeout)
  client.waiters[waiter] = nil
end

--- Waits for the next event of a name.
-- @tparam holdfast.client client
-- @tparam string name
-- @tparam[opt] number timeout seconds; default: no end
-- @treturn ?table the event, or nil
-- @treturn ?string message
-- @treturn ?string "timeout" or "closed"
-- @raise when the name is unknown or the timeout no time
function listening.wait(client, name, timeout)
  check.method(client, "handle", "client:wait")
  timeout = defaults.timeout(client, "wait", timeout)
  local problem = events.problem(name) or check.timeout_problem(timeout)
  if problem then
    error("wait: " .. problem, 2)
  elseif client.closed then
    if name == "closed" then
      return client.closed
    end
    return nil, "the client is closed", "closed"
  elseif client.leaving and not timeout then
    return nil, listening.LEAVING, "closed"
  end
  listening.must_wait "wait"
  local waiter = { endless = not timeout }
  events.expect(client, name, waiter)
  listening.park(client, waiter, timeout)
  if waiter.timed_out then
    events.forget(client, name, waiter)
    return nil, ("no %s within %g s"):format(name, timeout), "timeout"
  end
  return waiter.value, waiter.message, waiter.code
end

local function handler_problem(name, fn)
  return events.problem(name) or not check.is_callable(fn)
    and ("handler of %s must be a function, got %s"):format(name, text.describe(fn))
end

--- Adds a handler for an event: `fn(event, client)` in a coroutine of its own, each time.
-- @tparam holdfast.client client
-- @tparam string name
-- @tparam function fn
-- @treturn holdfast.client the client
-- @raise when the name is unknown or `fn` no function
function listening.on(client, name, fn)
  check.method(client, "handle", "client:on")
  local problem = handler_problem(name, fn)
  if problem then
    error("on: " .. problem, 2)
  end
  events.add(client, name, fn, false)
  return client
end

--- Adds a handler for the next event of a name.
-- @tparam holdfast.client client
-- @tparam string name
-- @tparam function fn
-- @treturn holdfast.client the client
-- @raise when the name is unknown or `fn` no function
function listening.once(client, name, fn)
  check.method(client, "handle", "client:once")
  local problem = handler_problem(name, fn)
  if problem then
    error("once: " .. problem, 2)
  end
  events.add(client, name, fn, true)
  return client
end

--- Takes a handler out; one that is not there is no mistake.
-- @tparam holdfast.client client
-- @tparam string name
-- @tparam function fn
-- @treturn holdfast.client the client
-- @raise when the name is unknown or `fn` no function
function listening.off(client, name, fn)
  check.method(client, "handle", "client:off")
  local problem = handler_problem(name, fn)
  if problem then
    error("off: " .. problem, 2)
  end
  events.remove(client, name, fn)
  return client
end

return listening
