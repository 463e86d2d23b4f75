--- Handlers of events, and those who wait for one.
-- Each handler runs in a coroutine of its own, started in the order in which the events happened and the handlers
-- were added; one that waits holds up nothing. An error in one becomes an `error` event; where nobody listens to that,
-- and from a handler of `error`, it goes to `holdfast.log`, and without a listener there to the standard error.
-- @module holdfast.events
local line = require "holdfast.line"
local log = require "holdfast.log"
local loop = require "holdfast.loop"
local text = require "holdfast.text"

local events = {}

--- The names of all events.
events.names = {
  "connecting", "connected", "ready", "failed", "lost", "sleeping", "closed", "message", "delivered", "dropped",
  "error",
}

local known = {}
for _, name in ipairs(events.names) do
  known[name] = true
end

--- Checks the name of an event.
-- @treturn ?string what is wrong with it
function events.problem(name)
  if not known[name] then
    return text.unknown("event", name, events.names)
  end
end

--- Adds a handler.
-- @tparam table client
-- @tparam string name
-- @tparam function fn
-- @tparam boolean once
function events.add(client, name, fn, once)
  local list = { { fn = fn, once = once } } -- lists are never changed, only replaced: one may be being walked through
  for index, entry in ipairs(client.handlers[name] or {}) do
    list[index] = entry
    list[index + 1] = { fn = fn, once = once }
  end
  client.handlers[name] = list
end

local function without(list, unwanted)
  local rest = {}
  for _, entry in ipairs(list or {}) do
    if entry ~= unwanted and entry.fn ~= unwanted then
      rest[#rest + 1] = entry
    end
  end
  return rest[1] and rest or nil
end

--- Takes a handler out, however often it was added.
-- @tparam table client
-- @tparam string name
-- @tparam function fn
function events.remove(client, name, fn)
  client.handlers[name] = without(client.handlers[name], fn)
end

--- Reports an error in code of the user's.
-- @tparam table client
-- @param err what was thrown
-- @tparam string trace
function events.report(client, err, trace)
  local message = type(err) == "string" and err or trace:match "^[^\n]*"
  if client.handlers.error or client.expected.error then
    events.emit(client, "error", { message = message, traceback = trace, error = err })
  else
    log.write("error", trace)
  end
end

local function handled(client, name, err, trace)
  if err == nil then
    return
  elseif name == "error" then
    log.write("error", "error in a handler of `error`: " .. trace)
  else
    events.report(client, err, trace)
  end
end

--- Starts one handler, and drops it if it was added with `once`.
-- @tparam table client
-- @tparam string name
-- @tparam table entry
-- @tparam function finish for `loop.start`, with the client
-- @param item for `loop.start`
-- @tparam table event
-- @treturn boolean whether it was started
function events.call(client, name, entry, finish, item, event)
  if entry.once then
    if entry.called then
      return false -- an event from inside the handler of the one before
    end
    entry.called = true
    client.handlers[name] = without(client.handlers[name], entry)
  end
  loop.start(finish, client, item, entry.fn, event, client)
  return true
end

--- Somebody waits for the next event of a name.
-- @tparam table client
-- @tparam string name
-- @tparam table waiter
function events.expect(client, name, waiter)
  local waiting = client.expected[name] or line.new()
  client.expected[name] = waiting
  line.join(waiting, waiter)
end

--- Somebody waits no more.
-- @tparam table client
-- @tparam string name
-- @tparam table waiter
function events.forget(client, name, waiter)
  local waiting = client.expected[name]
  if waiting then
    line.leave(waiting, waiter)
    client.expected[name] = not line.is_empty(waiting) and waiting or nil
  end
end

--- Lets go on all who wait for an event.
-- @tparam table client
-- @tparam string name
-- @param event
function events.meet(client, name, event)
  local waiting = client.expected[name]
  if waiting then
    client.expected[name] = nil
    local waiter = line.shift(waiting)
    while waiter do
      if not waiter.done then
        waiter.value = event
        loop.unpark(waiter)
      end
      waiter = line.shift(waiting)
    end
  end
end

--- Tells an event.
-- @tparam table client
-- @tparam string name
-- @param event
function events.emit(client, name, event)
  local list = client.handlers[name]
  if list then
    for index = 1, #list do
      events.call(client, name, list[index], handled, name, event)
    end
  end
  if client.expected[name] then
    events.meet(client, name, event)
  end
end

return events
