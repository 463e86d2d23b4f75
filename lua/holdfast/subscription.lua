--- A subscription: a wish that outlives every connection, with a handler or a reader.
--
-- With a handler, each message starts it in a coroutine, which others share only before it has waited; with `ordered =
-- true` one after the other.
-- Without, messages wait for @{receive} and @{messages}. While somebody reads, none is dropped. While nobody does, the
-- newest are kept (option `buffer`) and `subscription.dropped` counts the others; of QoS 1 or 2, the first is told in
-- the log. `subscription.filter` is what was asked for.
-- With `acknowledge = "handled"` the broker is told of a message of QoS 1 or 2 only when its handler has returned, or
-- who reads comes back for the next one: @{holdfast.handling}, @{holdfast.hands}.
-- @classmod holdfast.subscription
local buffer = require "holdfast.buffer"
local check = require "holdfast.check"
local defaults = require "holdfast.defaults"
local delivery = require "holdfast.delivery"
local events = require "holdfast.events"
local first = require "holdfast.first"
local handling = require "holdfast.handling"
local hands = require "holdfast.hands"
local line = require "holdfast.line"
local loop = require "holdfast.loop"
local reader = require "holdfast.reader"
local text = require "holdfast.text"
local waiting = require "holdfast.waiting"

local begun, started, done = delivery.begun, delivery.started, delivery.done

local running, take_from = coroutine.running, buffer.shift

local Subscription = {}
Subscription.__index = Subscription

local subscription = {}

--- Makes one.
-- @tparam table client
-- @tparam number wish
-- @tparam string filter
-- @tparam table options checked: `ordered`, `buffer`, `acknowledge`, `handle_attempts`, `handle_pause`
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
    shifts = 0, -- how often handlers were to run in order
    holder = nil, -- number of the shift in which they do
    is_waited_for = false, -- by who holds up handlers, perhaps: its handler begins all the same
    askers = line.new(), -- of granted
  }, Subscription)
  buffer.attach(self, options.buffer, client.inbox_bytes, client.holds_back)
  hands.attach(self)
  local acknowledge = options.acknowledge
  self.is_handled = acknowledge == "handled" or not acknowledge and client.is_handled
  client.handles = client.handles or self.is_handled
  self.handle_attempts = options.handle_attempts or client.handle_attempts
  self.handle_pause = options.handle_pause or client.handle_pause
  return self
end

function Subscription:__tostring()
  local state = self.removed and "removed" or self.refusal and "refused" or self.qos_granted and "granted" or "wanted"
  return ("holdfast.subscription %s (%s)"):format(self.filter, state)
end

-- One handler after the other, as long as there is time. What was begun twice, since the first time was interrupted,
-- does nothing while another holds.
local function in_order(self, shift)
  if self.holder then
    return
  end
  self.holder = shift
  self.at_work = true
  if self.trial then
    handling.try(self)
  end
  local message, item = buffer.head(self.buffer)
  while message do
    if not handling.is_awaited(self, message) then
      self.item = item
      buffer.drop(self.buffer)
      begun(item)
      started(self.client, item)
      self.handler(message, self)
      done(self.client, item)
      self.item = nil
    elseif item == self.tried then
      buffer.drop(self.buffer)
    else
      handling.try(self, message, item, buffer.drop)
    end
    if loop.is_late() then
      return
    end
    message, item = buffer.head(self.buffer)
  end
end

local work

-- With nobody at work it is for whoever comes: a shift may end before it has begun, and without a word of why, and the
-- next one may not have come about. One too many does no harm.
local function worked(self, shift, err, trace)
  local is_mine = not self.holder or shift == self.holder
  local item = is_mine and self.item
  if item then -- there may have been no memory to say what went wrong
    done(self.client, item)
    self.item = nil
  end
  if err ~= nil then
    if is_mine and self.trial then
      handling.fail(self, err, trace)
    else
      events.report(self.client, err, trace)
    end
  end
  if is_mine then -- until there is a next one: this may be interrupted, and then is done again
    if self.trial ~= nil or buffer.count(self.buffer) > 0 then
      work(self)
    else
      self.busy = false
    end
    self.holder = nil
  end
end

function work(self)
  self.busy, self.at_work = true, false
  local shift = self.shifts + 1
  self.shifts = shift
  loop.start(worked, self, shift, in_order, self, shift)
end

--- Takes one message in; a second time means nothing.
-- @tparam table message
-- @param item
-- @local
function Subscription:accept(message, item)
  if self.removed then
    return done(self.client, item)
  elseif not self.handler then
    local accept = self.is_handled and buffer.keep or buffer.accept
    return accept(self, message, item)
  end
  local is_new = buffer.push(self.buffer, message, item, 0)
  if not self.busy or not is_new and not self.at_work then
    work(self) -- interrupted in there, the message is shown again
  end
end

--- Takes a run of messages in, the one in hand; a second time means nothing.
-- @tparam number count
-- @tparam number newest item of the last of them
-- @treturn boolean false: they are to be given one by one
-- @local
function Subscription:accept_run(count, newest)
  return not self.handler and not self.is_handled and buffer.accept_run(self, count, newest)
end

-- Why there will be nothing any more.
local function over(self)
  if self.removed then
    return "the subscription has been removed", "removed"
  elseif self.client.closed then
    return "the client is closed", "closed"
  end
end

-- Waits in one of the subscription's own lines.
local function wait(self, queue, waiter, timeout, what)
  line.join(queue, waiter)
  waiting.park(self.client, waiter, timeout)
  line.leave(queue, waiter)
  if waiter.timed_out then
    return text.format("no %s within %g s", what, timeout), "timeout"
  end
  return waiter.message, waiter.code
end

-- Waits for a message, and takes it. Who was woken for one that another has shifted waits again.
local function await_message(self, who, timeout, iterator)
  local left, since = timeout, timeout and loop.now()
  local message
  repeat
    local words, code = over(self)
    if not code then
      words, code = wait(self, self.readers, { iterator = iterator }, left, "message")
      left = timeout and math.max(0, timeout - (loop.now() - since))
    end
    if self.is_handled then
      message = hands.take(self, who)
    else
      message = take_from(self.buffer)
    end
    if code and not message then
      return nil, code == "timeout" and text.format("no message within %g s", timeout) or words, code
    end
  until message
  return message
end

-- With a small frame of its own: what wants memory for the stack of the calls in here has it before one is taken.
local function receive(self, timeout)
  local who = reader.caller() or self
  buffer.reads(self, who) -- may want memory: no message is taken before
  local message
  if self.is_handled then
    hands.returns(self, who)
    message = hands.take(self, who)
  else
    message = take_from(self.buffer)
  end
  if message then
    return message
  end
  return await_message(self, who, timeout)
end

local function reading_problem(self, timeout)
  if self.handler then
    return ("the subscription to %s has a handler, which takes its messages"):format(self.filter)
  end
  return check.timeout_problem(timeout)
end

--- Takes one message, waiting for it.
-- @tparam[opt] number timeout seconds; default: that of `client.defaults.receive`, or no end
-- @treturn ?holdfast.message or nil
-- @treturn ?string message why not
-- @treturn ?string code: "timeout", "removed", "closed", "forked", "credentials", "backoff", "auth"
-- @raise when the subscription has a handler, or the timeout is no time
-- @usage
-- local message = meters:receive(60)
-- print(message and message.payload or "nothing for a minute")
function Subscription:receive(timeout)
  check.method(self, "wish", "subscription:receive")
  timeout = defaults.timeout(self.client, "receive", timeout)
  local problem = reading_problem(self, timeout)
  if problem then
    error("receive: " .. problem, 2)
  end
  if not hands.is_full(self) then
    waiting.must_wait "receive"
  end
  return receive(self, timeout)
end

-- A loop over the messages: what closes it, too. While it and the coroutine that calls it live, its subscription is
-- read.
local Loop = {}
Loop.__index = Loop

local function end_loop(self, problem)
  if not self.over then
    self.over = true
    self.subscription.end_of_loop = self.ending or "left"
    hands.leaves(self.subscription, self, problem)
    buffer.leaves(self.subscription, self)
  end
end

--- Ends the loop: its subscription is no longer read by it.
-- @usage
-- local take, _, _, closer = meters:messages(60)
-- print(take())
-- closer:close()
function Loop:close()
  end_loop(self)
end

-- With the error by which it was left, if any.
Loop.__close = end_loop

local function iterate(self)
  if self.over then
    return nil
  end
  local source, caller, thread = self.subscription, self.caller, running()
  if thread ~= self.thread or caller and caller.over then
    self.caller, self.thread = reader.caller(), thread
  end
  if source.reader[1] ~= self then
    buffer.reads(source, self)
  end
  local message
  if source.is_handled then
    hands.returns(source, self)
    hands.returns(source, self.caller or source) -- what it has had by `receive`
    message = hands.take(source, self)
  else
    message = take_from(source.buffer)
  end
  if not message then
    local _
    message, _, self.ending = await_message(source, self, self.timeout, true)
    if not message then
      self:close()
    end
  end
  return message
end

local function new_iterator(state, source)
  local kept, latest = source.buffer, source.reader
  return function()
    local first_one, caller = kept.first, state.caller
    if first_one < kept.easy and latest[1] == state and running() == state.thread and not (caller and caller.over) then
      local ring = kept.ring
      local messages, place = ring.messages, first_one % ring.room + 1
      local oldest = messages[place]
      kept.first = first_one + 1
      messages[place] = false
      return oldest
    end
    local message = iterate(state) -- no tail call: Lua 5.1 must see who called
    return message
  end
end

-- What LuaJIT compiles keeps the very closure that it ran alive, and with it a loop that was left long ago, unless it
-- has seen its function make several.
if rawget(_G, "jit") then
  for _ = 1, 4 do
    new_iterator({}, {})
  end
end

--- Iterates over the messages as they come, until the subscription is removed or the client closed.
-- On Lua 5.1, which cannot suspend a `for`, only one coroutine at a time can wait in such a loop. One that is left by
-- `break`, `return` or an error still counts as somebody who reads, for whom messages are kept, until it is closed: by
-- Lua 5.4 itself, elsewhere by `closer:close()` or @{leave}.
-- @tparam[opt] number timeout seconds for each message, after which the loop ends; default: that of
-- `client.defaults.messages`, or no end
-- @treturn function what a `for` loop calls for the next message
-- @treturn nil
-- @treturn nil
-- @treturn holdfast.closer what closes the loop
-- @raise when the subscription has a handler, or the timeout is no time
-- @usage
-- for message in meters:messages(60) do
--   print(message.topic, message.payload)
-- end
-- print(meters:ended()) --> timeout, after a minute without a message
function Subscription:messages(timeout)
  check.method(self, "wish", "subscription:messages")
  timeout = defaults.timeout(self.client, "messages", timeout)
  local problem = reading_problem(self, timeout)
  if problem then
    error("messages: " .. problem, 2)
  end
  local state = setmetatable({ subscription = self, timeout = timeout }, Loop)
  self.end_of_loop = nil
  buffer.reads(self, state)
  return new_iterator(state, self), nil, nil, state
end

--- Says why the latest loop over the messages has ended.
-- @treturn ?string "left" (closed before its end), "timeout", "removed" or "closed"; nil while it goes on, or before
-- the first
-- @usage
-- if meters:ended() == "removed" then
--   print "somebody has removed the subscription"
-- end
function Subscription:ended()
  check.method(self, "wish", "subscription:ended")
  return self.end_of_loop
end

--- Says that nobody reads any more but who waits for a message right now: what closing a loop says of that one alone.
-- Who reads again, or goes on with its loop, counts again. What the caller has in its hand has been handled.
-- @treturn boolean true
-- @usage
-- for message in meters:messages() do
--   if message.payload == "stop" then
--     break
--   end
-- end
-- meters:leave() -- Lua 5.4 needs no such line
function Subscription:leave()
  check.method(self, "wish", "subscription:leave")
  self.end_of_loop = self.end_of_loop or "left"
  hands.caller_leaves(self)
  buffer.leaves(self)
  return true
end

--- Waits for the broker's verdict, or answers the latest.
-- @tparam[opt] number timeout seconds; default: that of `client.defaults.granted`, or no end
-- @treturn ?number the granted QoS, which may be lower than the one asked for (MQTT 5 section 3.9.3), or nil
-- @treturn ?string message why not
-- @treturn ?string code: "refused", "timeout", "removed", "closed", "forked", "credentials", "backoff", "auth"
-- @treturn ?holdfast.reason why, when refused
-- @raise when the timeout is no time, or there is no verdict yet and the caller stands where nothing can wait
-- @usage
-- local qos, message = meters:granted(10)
-- print(qos and "granted" or message, qos)
function Subscription:granted(timeout)
  check.method(self, "wish", "subscription:granted")
  timeout = defaults.timeout(self.client, "granted", timeout)
  local problem = check.timeout_problem(timeout)
  if problem then
    error("granted: " .. problem, 2)
  end
  if not self.qos_granted and not self.refusal then
    waiting.must_wait "granted"
    local words, code = over(self)
    if not code then
      words, code = wait(self, self.askers, {}, timeout, "answer of the broker")
    end
    if code then
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
  local waiter = line.head(self.askers)
  while waiter do
    loop.unpark(waiter)
    line.leave(self.askers, waiter)
    waiter = line.head(self.askers)
  end
end

--- Ends the subscription: the broker is told, the wish forgotten, what is buffered dropped. Nobody is given again what
-- readers have in their hands, which is acknowledged.
-- @treturn boolean true
-- @usage
-- meters:remove()
function Subscription:remove()
  check.method(self, "wish", "subscription:remove")
  if self.removed then
    return true
  end
  self.removed = true
  self.client:forget_wish(self)
  hands.clear(self)
  buffer.clear(self)
  for _, queue in ipairs { self.readers, self.askers } do
    local waiter = line.shift(queue)
    while waiter do
      waiter.message, waiter.code = over(self)
      loop.unpark(waiter)
      waiter = line.shift(queue)
    end
  end
  if self.watchers then
    first.tell(self)
  end
  return true
end

-- What holdfast.first asks for, see there.

function Subscription:is_ready()
  return hands.is_full(self) or over(self) ~= nil
end

function Subscription:watch(waiter)
  local who = reader.caller() or self
  buffer.reads(self, who)
  if self.is_handled then
    hands.returns(self, who)
  end
  self.watchers = self.watchers or setmetatable({}, { __mode = "k" })
  waiting.watch(self, waiter)
end

Subscription.unwatch = waiting.unwatch

return subscription
