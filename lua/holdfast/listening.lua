--- Calls of a client about its events: `on`, `once`, `off`, `wait`.
-- @module holdfast.listening
local check = require "holdfast.check"
local defaults = require "holdfast.defaults"
local events = require "holdfast.events"
local loop = require "holdfast.loop"
local protect = require "holdfast.loop.protect"
local text = require "holdfast.text"

local Event = {}
Event.__index = Event

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

--- Before a call that acts and then waits: one in the client's own credentials or backoff function would wait for the
-- connection that waits for that function.
-- @tparam holdfast.client client
-- @treturn ?boolean true, or nil
-- @treturn ?string message
-- @treturn ?string "credentials" or "backoff"
function listening.must_not_answer(client)
  if next(client.answering) == nil then
    return true
  end
  local me = protect.running()
  for kind, thread in pairs(client.answering) do
    if thread == me then
      return nil, ("the %s function of this client cannot wait for the connection that waits for it"):format(kind), kind
    end
  end
  return true
end

-- From now on `close` knows of a waiter. In a fork of the process nothing ever comes: there it is done already.
local function enter(client, waiter)
  local _, message, code = client.handle:consumed(0, 0)
  if not code then
    _, message, code = listening.must_not_answer(client)
  end
  if code then
    waiter.done, waiter.message, waiter.code = true, message, code
    return
  end
  client.waiters[waiter] = true
end

--- Parks the caller on a waiter that `close` knows of.
-- @tparam holdfast.client client
-- @tparam table waiter
-- @tparam ?number timeout seconds
function listening.park(client, waiter, timeout)
  enter(client, waiter)
  loop.park(waiter, timeout)
  client.waiters[waiter] = nil
end

--- A waiter of `holdfast.first` watches something of a client.
-- @tparam table object with `client` and `watchers`
-- @tparam table waiter
function listening.watch(object, waiter)
  enter(object.client, waiter)
  object.watchers[waiter] = true
end

--- It does so no more.
-- @tparam table object
-- @tparam table waiter
function listening.unwatch(object, waiter)
  object.watchers[waiter] = nil
  object.client.waiters[waiter] = nil
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
  local fine, message, code = listening.must_not_answer(client)
  if not fine then
    return nil, message, code
  end
  local waiter = { endless = not timeout }
  events.expect(client, name, waiter)
  listening.park(client, waiter, timeout)
  if waiter.timed_out then
    events.forget(client, name, waiter)
    return nil, text.format("no %s within %g s", name, timeout), "timeout"
  end
  return waiter.value, waiter.message, waiter.code
end

--- Keeps the newest event of a name from now on, until it is taken: nothing is missed between two waits.
-- @tparam holdfast.client client
-- @tparam string name
-- @treturn table for `holdfast.first`; its `wait([timeout])` takes the event, or waits for one, as `client:wait` does
-- @raise when the name is unknown
function listening.event(client, name)
  check.method(client, "handle", "client:event")
  local problem = events.problem(name)
  if problem then
    error("event: " .. problem, 2)
  end
  return events.observe(client, name, setmetatable({ client = client, name = name, watchers = {} }, Event))
end

local function is_over(self)
  return self.value ~= nil or self.client.closed ~= nil
end

Event.is_ready, Event.watch, Event.unwatch = is_over, listening.watch, listening.unwatch

-- Takes the newest, waiting for it.
function Event:wait(timeout)
  check.method(self, "watchers", "event:wait")
  local problem = check.timeout_problem(timeout)
  if problem then
    error("wait: " .. problem, 2)
  end
  local waiter = {}
  if not is_over(self) then
    self.watchers[waiter] = true
    listening.park(self.client, waiter, timeout)
    self.watchers[waiter] = nil
  end
  local event = self.value
  self.value = nil
  if event ~= nil then
    return event
  elseif waiter.timed_out then
    return nil, text.format("no %s within %g s", self.name, timeout), "timeout"
  end
  return nil, waiter.message or "the client is closed", waiter.code or "closed"
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
