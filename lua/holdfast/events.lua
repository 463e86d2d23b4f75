--- Handlers of events, and those who wait for one.
-- Each handler runs in a coroutine of its own, started in the order in which the events happened and the handlers
-- were added; one that waits holds up nothing. An error in one becomes an `error` event; where nobody listens to that,
-- and from a handler of `error`, it goes to `holdfast.log`, and without a listener there to the standard error.
-- @module holdfast.events
local core = require "holdfast.core"
local late = require "holdfast.late"
local line = require "holdfast.line"
local log = require "holdfast.log"
local loop = require "holdfast.loop"

local first = late.module "holdfast.first"
local printing = late.module "holdfast.printing"
local text = late.module "holdfast.text"

local events = {}

--- The names of all events: those that the core tells as they are, and what is made of others here.
events.names = { "message", "delivered", "dropped", "parked", "error" }
for index, event in ipairs(core.events) do
  table.insert(events.names, index, event.name)
end

-- The metatables that the core gives to what it makes.
function core.message_metatable.__tostring(message)
  return printing.message(message)
end

function core.reason_metatable.__tostring(reason)
  return printing.reason(reason)
end

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

local function is_listened_to(client, name)
  return client.handlers[name] or client.expected[name] or client.observed[name]
end

-- Who listens to an event has changed. `post` asks for its outcome where somebody will hear of it.
local function listeners_changed(client, name)
  if name == "delivered" or name == "dropped" then
    client.told = (is_listened_to(client, "delivered") or is_listened_to(client, "dropped")) ~= nil
    client.handle:posting(client.told)
  end
end

--- Adds a handler.
-- @tparam table client
-- @tparam string name
-- @tparam function fn
-- @tparam boolean once
function events.add(client, name, fn, once)
  local list = client.handlers[name] or { count = 0, passing = false }
  client.handlers[name] = list
  list.count = list.count + 1 -- whoever walks through it goes no further than the count was
  list[list.count] = { fn = printing.alone(fn), given = fn, once = once }
  list.passing = list.passing or once
  listeners_changed(client, name)
end

-- Nothing is ever taken out of a list, one may be being walked through: it is replaced.
local function without(list, is_unwanted, fn)
  local rest = { count = 0, passing = false }
  for index = 1, list.count do
    local entry = list[index]
    if not is_unwanted(entry, fn) then
      rest.count = rest.count + 1
      rest[rest.count] = entry
      rest.passing = rest.passing or entry.once
    end
  end
  return rest.count > 0 and rest or nil
end

local function calls(entry, fn)
  return entry.given == fn
end

local function passes(entry)
  return entry.once
end

--- Takes a handler out, however often it was added.
-- @tparam table client
-- @tparam string name
-- @tparam function fn
function events.remove(client, name, fn)
  local list = client.handlers[name]
  client.handlers[name] = list and without(list, calls, fn)
  listeners_changed(client, name)
end

-- The words for an error: itself, what it says as `message`, or else what `tostring` makes of it.
local function words_of(err, trace)
  if type(err) == "table" and type(rawget(err, "message")) == "string" then
    return err.message
  end
  return type(err) == "string" and err or trace:match "^[^\n]*"
end

events.words_of = words_of

-- Writes an error to the log, its trace under its words.
local function write(client, err, trace, before)
  local message = words_of(err, trace)
  local words = type(err) == "string" and trace or message .. trace:match "^[^\n]*(.*)"
  log.write("error", (before or "") .. words, {
    client = (client.handle:status() or {}).client_id,
    event = "error", message = message, traceback = trace, error = err,
  })
end

--- Reports an error in code of the user's.
-- @tparam table client
-- @param err what was thrown
-- @tparam string trace
function events.report(client, err, trace)
  if client.handlers.error or client.expected.error or client.observed.error then
    events.emit(client, "error", { message = words_of(err, trace), traceback = trace, error = err })
  else
    write(client, err, trace)
  end
end

local function handled(client, name, err, trace)
  if err == nil then
    return
  elseif name == "error" then
    write(client, err, trace, "error in a handler of `error`: ")
  else
    events.report(client, err, trace)
  end
end

--- The handlers that an event is for; those added with `once` are for no other.
-- @tparam table client
-- @tparam string name
-- @treturn ?table an array of `{ fn }`, of which handlers that are added from now on are no part
-- @treturn number how many there are
function events.take(client, name)
  local list = client.handlers[name]
  if not list then
    return nil, 0
  elseif list.passing then
    client.handlers[name] = without(list, passes)
    listeners_changed(client, name)
  end
  return list, list.count
end

--- Somebody waits for the next event of a name.
-- @tparam table client
-- @tparam string name
-- @tparam table waiter `is_blind`: it does not look at the event
function events.expect(client, name, waiter)
  local waiting = client.expected[name] or line.new()
  client.expected[name] = waiting
  line.join(waiting, waiter)
  listeners_changed(client, name)
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
    listeners_changed(client, name)
  end
end

--- Has an object keep the newest event of a name as its `value`, as long as anybody has it.
-- @tparam table client
-- @tparam string name
-- @tparam table object with `watchers`
-- @treturn table it
function events.observe(client, name, object)
  local observers = client.observed[name] or setmetatable({}, { __mode = "k" })
  client.observed[name] = observers
  observers[object] = true
  listeners_changed(client, name)
  return object
end

local function show(client, name, event)
  for object in pairs(client.observed[name]) do
    object.value = event
    first.tell(object)
  end
end

--- Lets go on all who wait for an event.
-- @tparam table client
-- @tparam string name
-- @param event
function events.meet(client, name, event)
  if client.observed[name] or client.handlers[name] then
    printing.teach(client, name, event)
  end
  if client.observed[name] then
    show(client, name, event)
  end
  local waiting = client.expected[name]
  if waiting then
    local waiter = line.head(waiting)
    while waiter do
      if not waiter.done then
        if not waiter.is_blind then
          printing.teach(client, name, event)
        end
        waiter.value = event
        loop.unpark(waiter)
      end
      line.leave(waiting, waiter)
      waiter = line.head(waiting)
    end
    client.expected[name] = nil
    listeners_changed(client, name)
  end
end

--- Lets go on those who wait for an event without end, with nothing to show for it.
-- @tparam table client
-- @tparam string message
-- @tparam string code
function events.dismiss(client, message, code)
  for _, waiting in pairs(client.expected) do
    for position = waiting.first, waiting.last do
      local waiter = waiting[position]
      if waiter and waiter.endless and not waiter.done then
        waiter.message, waiter.code = message, code
        loop.unpark(waiter)
      end
    end
  end
end

--- Starts the handlers of an event.
-- @tparam table client
-- @tparam string name
-- @param event
function events.start(client, name, event)
  local list, count = events.take(client, name)
  for index = 1, count do
    loop.start(handled, client, name, list[index].fn, event, client)
  end
end

--- Tells an event to everybody.
-- @tparam table client
-- @tparam string name
-- @param event
function events.emit(client, name, event)
  events.meet(client, name, event)
  events.start(client, name, event)
end

return events
