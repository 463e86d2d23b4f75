--- Calls of a client about its events: `on`, `once`, `off`, `wait`, `event`.
-- @module holdfast.listening
local check = require "holdfast.check"
local defaults = require "holdfast.defaults"
local events = require "holdfast.events"
local printing = require "holdfast.printing"
local text = require "holdfast.text"
local waiting = require "holdfast.waiting"

local Event = {}
Event.__index = Event

local listening = {}

--- Waits for the next event of a name.
-- @tparam holdfast.client client
-- @tparam holdfast.event_name name
-- @tparam[opt] number timeout seconds; default: that of `client.defaults.wait`, or no end
-- @treturn ?holdfast.event the event, or nil
-- @treturn ?string message
-- @treturn ?string code: "timeout", "closed", "forked", "credentials", "backoff", "auth"
-- @raise when the name is unknown or the timeout no time, or the caller stands where nothing can wait
-- @usage
-- local event = client:wait("lost", 60)
-- print(event and event.reason.name or "a quiet minute")
function listening.wait(client, name, timeout)
  check.method(client, "handle", "client:wait")
  timeout = defaults.timeout(client, "wait", timeout)
  local problem = events.problem(name) or check.timeout_problem(timeout)
  if problem then
    error("wait: " .. problem, 2)
  elseif client.closed then
    if name == "closed" then
      printing.teach(client, name, client.closed)
      return client.closed
    end
    return nil, "the client is closed", "closed"
  elseif client.leaving and not timeout then
    return nil, waiting.LEAVING, "closed"
  end
  waiting.must_wait "wait"
  local fine, message, code = waiting.must_not_answer(client)
  if not fine then
    return nil, message, code
  end
  local waiter = { endless = not timeout }
  events.expect(client, name, waiter)
  waiting.park(client, waiter, timeout)
  if waiter.timed_out then
    events.forget(client, name, waiter)
    return nil, text.format("no %s within %g s", name, timeout), "timeout"
  end
  return waiter.value, waiter.message, waiter.code
end

--- Keeps the newest event of a name from now on, until it is taken: nothing is missed between two waits.
-- @tparam holdfast.client client
-- @tparam holdfast.event_name name
-- @treturn holdfast.latest for `holdfast.first`, too
-- @raise when the name is unknown
-- @usage
-- local lost = client:event "lost"
-- client:reconnect()
-- print(lost:wait(5)) -- though it may have happened before this line
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

Event.is_ready, Event.watch, Event.unwatch = is_over, waiting.watch, waiting.unwatch

--- Takes the newest event, or waits for one.
-- @tparam[opt] number timeout seconds; default: no end
-- @treturn ?holdfast.event the event, or nil
-- @treturn ?string message
-- @treturn ?string code: "timeout", "closed", "forked", "credentials", "backoff", "auth"
-- @raise when the timeout is no time
-- @usage
-- local ready = client:event "ready"
-- client:start()
-- print(ready:wait(10).subscriptions)
function Event:wait(timeout)
  check.method(self, "watchers", "event:wait")
  local problem = check.timeout_problem(timeout)
  if problem then
    error("wait: " .. problem, 2)
  end
  local waiter = {}
  if not is_over(self) then
    self.watchers[waiter] = true
    waiting.park(self.client, waiter, timeout)
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
-- @tparam holdfast.event_name name
-- @tparam function fn `fn(event, client)`; may wait
-- @treturn holdfast.client the client
-- @raise when the name is unknown or `fn` no function
-- @usage
-- client:on("lost", function(event)
--   print(event.reason.name, event.retry_in)
-- end)
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
-- @tparam holdfast.event_name name
-- @tparam function fn `fn(event, client)`; may wait
-- @treturn holdfast.client the client
-- @raise when the name is unknown or `fn` no function
-- @usage
-- client:once("ready", print)
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
-- @tparam holdfast.event_name name
-- @tparam function fn
-- @treturn holdfast.client the client
-- @raise when the name is unknown or `fn` no function
-- @usage
-- client:off("lost", print)
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
