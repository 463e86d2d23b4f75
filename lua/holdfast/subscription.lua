--- A subscription: a wish that outlives every connection, with a handler or a reader.
--
-- With a handler, each message starts it in a coroutine of its own; with `ordered = true` one after the other.
-- Without, messages wait for @{receive} and @{messages}. While somebody reads, none is dropped. While nobody does, the
-- newest are kept (option `buffer`) and `subscription.dropped` counts the others. `subscription.filter` is what was
-- asked for.
-- @classmod holdfast.subscription
local buffer = require "holdfast.buffer"
local check = require "holdfast.check"
local defaults = require "holdfast.defaults"
local delivery = require "holdfast.delivery"
local events = require "holdfast.events"
local line = require "holdfast.line"
local listening = require "holdfast.listening"
local loop = require "holdfast.loop"
local reader = require "holdfast.reader"

local consume = delivery.consume

local Subscription = {}
Subscription.__index = Subscription

local subscription = {}

--- Makes one.
-- @tparam table client
-- @tparam number wish
-- @tparam string filter
-- @tparam table options checked: `ordered`, `buffer`
-- @tparam ?function handler
-- @treturn holdfast.subscription
-- @local
function subscription.new(client, wish, filter, options, handler)
  local self = setmetatable({
    client = client,
    wish = wish,
    filter = filter,
    handler = handler,
    buffered = not handler or options.ordered or false,
    buffer = buffer.new(),
    askers = line.new(), -- of granted
  }, Subscription)
  reader.attach(self, options.buffer or 1000, client.inbox_bytes)
  return self
end

function Subscription:__tostring()
  local state = self.removed and "removed" or self.refusal and "refused" or self.qos_granted and "granted" or "wanted"
  return ("holdfast.subscription %s (%s)"):format(self.filter, state)
end

local function in_order(self)
  local message, item = buffer.shift(self.buffer)
  while message do
    self.item = item
    self.handler(message, self)
    self.item = nil
    consume(self.client, item)
    message, item = buffer.shift(self.buffer)
  end
end

local function work(self, _, err, trace)
  if err ~= nil then
    local item = self.item
    self.item = nil
    consume(self.client, item)
    events.report(self.client, err, trace)
  end
  self.busy = self.buffer.count > 0
  if self.busy then
    return loop.start(work, self, nil, in_order, self)
  end
end

--- Takes one message in.
-- @tparam table message
-- @param item
-- @local
function Subscription:accept(message, item)
  if self.removed then
    return consume(self.client, item)
  elseif not self.handler then
    return reader.accept(self, message, item)
  end
  buffer.push(self.buffer, message, item, 0)
  if not self.busy then
    return work(self)
  end
end

-- Waits in one of the subscription's own lines.
local function wait(self, queue, timeout, what, iterator)
  local client = self.client
  if self.removed then
    return nil, "the subscription has been removed", "removed"
  elseif client.closed then
    return nil, "the client is closed", "closed"
  end
  local waiter = { iterator = iterator }
  line.join(queue, waiter)
  listening.park(client, waiter, timeout)
  if waiter.timed_out then
    line.leave(queue, waiter)
    return nil, ("no %s within %g s"):format(what, timeout), "timeout"
  end
  return waiter.value, waiter.message, waiter.code
end

local function next_message(self, timeout, iterator)
  local message, item = buffer.shift(self.buffer)
  if message then
    consume(self.client, item)
    return message
  end
  local words, code
  message, words, code = wait(self, self.readers, timeout, "message", iterator)
  return message, words, code
end

local function reading_problem(self, timeout)
  if self.handler then
    return ("the subscription to %s has a handler, which takes its messages"):format(self.filter)
  end
  return check.timeout_problem(timeout)
end

--- Takes one message, waiting for it.
-- @tparam[opt] number timeout seconds; default: no end
-- @treturn ?table message `{ topic, payload, qos, retain, duplicate, properties }`, or nil
-- @treturn ?string why not
-- @treturn ?string "timeout", "removed" or "closed"
-- @raise when the subscription has a handler, or the timeout is no time
function Subscription:receive(timeout)
  check.method(self, "wish", "subscription:receive")
  timeout = defaults.timeout(self.client, "receive", timeout)
  local problem = reading_problem(self, timeout)
  if problem then
    error("receive: " .. problem, 2)
  end
  if self.buffer.count == 0 then
    listening.must_wait "receive"
  end
  reader.reads(self)
  return next_message(self, timeout)
end

-- A table that can be called: unlike a closure it is no constant of a trace that LuaJIT compiles, so that its
-- collection tells for sure that the loop was left.
local Iterator = {}

function Iterator:__call()
  reader.reads(self.subscription, self)
  local message = next_message(self.subscription, self.timeout, true) -- no tail call: Lua 5.1 must see who called
  return message
end

--- Iterates over the messages as they come, until the subscription is removed or the client closed.
-- On Lua 5.1, which cannot suspend a `for`, only one coroutine at a time can wait in such a loop.
-- @tparam[opt] number timeout seconds for each message, after which the loop ends; default: no end
-- @return what a `for` loop calls for the next message
-- @raise when the subscription has a handler, or the timeout is no time
function Subscription:messages(timeout)
  check.method(self, "wish", "subscription:messages")
  timeout = defaults.timeout(self.client, "messages", timeout)
  local problem = reading_problem(self, timeout)
  if problem then
    error("messages: " .. problem, 2)
  end
  local iterator = setmetatable({ subscription = self, timeout = timeout }, Iterator)
  reader.reads(self, iterator)
  return iterator
end

--- Waits for the broker's verdict, or answers the latest.
-- @tparam[opt] number timeout seconds; default: no end
-- @treturn ?number the granted QoS, which may be lower than the one asked for (MQTT 5 section 3.9.3), or nil
-- @treturn ?string why not
-- @treturn ?string "refused", "timeout", "removed" or "closed"
-- @treturn ?table the reason, when refused
-- @raise when the timeout is no time
function Subscription:granted(timeout)
  check.method(self, "wish", "subscription:granted")
  timeout = defaults.timeout(self.client, "granted", timeout)
  local problem = check.timeout_problem(timeout)
  if problem then
    error("granted: " .. problem, 2)
  end
  if not self.qos_granted and not self.refusal then
    listening.must_wait "granted"
    local told, words, code = wait(self, self.askers, timeout, "answer of the broker")
    if not told then
      return nil, words, code
    end
  end
  if self.refusal then
    return nil, ("the broker refused %s: %s"):format(self.filter, self.refusal.text), "refused", self.refusal
  end
  return self.qos_granted
end

--- A verdict of the broker.
-- @tparam ?number qos
-- @tparam ?table reason of a refusal
-- @local
function Subscription:judge(qos, reason)
  self.qos_granted, self.refusal = qos, reason
  local waiter = line.shift(self.askers)
  while waiter do
    waiter.value = true
    loop.unpark(waiter)
    waiter = line.shift(self.askers)
  end
end

--- Ends the subscription: the broker is told, the wish forgotten, what is buffered dropped.
-- @treturn boolean true
function Subscription:remove()
  check.method(self, "wish", "subscription:remove")
  if self.removed then
    return true
  end
  self.removed = true
  self.client:forget_wish(self)
  local message, item = buffer.shift(self.buffer)
  while message do
    consume(self.client, item)
    message, item = buffer.shift(self.buffer)
  end
  for _, queue in ipairs { self.readers, self.askers } do
    local waiter = line.shift(queue)
    while waiter do
      waiter.message, waiter.code = "the subscription has been removed", "removed"
      loop.unpark(waiter)
      waiter = line.shift(queue)
    end
  end
  return true
end

return subscription
