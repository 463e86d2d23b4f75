--- Handlers whose messages are acknowledged once they have returned (option `acknowledge = "handled"`).
--
-- A message of QoS 1 or 2 is on *trial* then: its handler is called, and if it throws, again after a pause, up to
-- `handle_attempts` times in all; then the message is *parked*, which is told, counted and acknowledged, so that it
-- does not hold up all that stand behind it ([MQTT-4.6.0-2]: acknowledgements keep the order of arrival). A message
-- whose client is being closed is not begun with any more: the broker has it still, and sends it again in its session.
--
-- As everywhere on the way of a message a step may be interrupted, and is done again then; `finish` functions may be
-- called twice.
-- @module holdfast.handling
local events = require "holdfast.events"
local loop = require "holdfast.loop"
local protect = require "holdfast.loop.protect"
local waiting = require "holdfast.waiting"

local chronicle = require("holdfast.late").module "holdfast.chronicle"

local handling = {
  begun = nil, -- of holdfast.delivery: `begun(item)`, a taker has it; and `done(client, item, now)`, is done with it
  done = nil,
}

--- Whether a message waits for its handler to be acknowledged.
-- @tparam table which a subscription, or a client for its handlers of `message`
-- @tparam table message
-- @treturn boolean
function handling.is_awaited(which, message)
  return which.is_handled and message.qos > 0
end

--- Whether nothing is begun with any more: what is not acknowledged comes again.
-- @tparam table client
-- @treturn boolean
function handling.is_over(client)
  return client.closing or client.parting or client.closed ~= nil
end

-- The trial of one message by one handler. `source` is its subscription, nil for a handler of `message`.
local function new_trial(client, source, fn, argument, message, item)
  return {
    client = client, source = source, fn = fn, argument = argument, message = message, item = item,
    number = 1, -- of the attempt that is under way, or next
    begun = 0, -- of the latest that has begun
    is_handled = false, is_parked = false, since = nil, thread = nil,
  }
end

--- It is done with: acknowledged once all who take the message are.
-- @tparam table client
-- @tparam table message
-- @tparam number item
function handling.finish(client, message, item)
  handling.done(client, item, message.qos == 2) -- what was handled once must not be again
end

local function told(client)
  local waiter = client.parting
  if waiter and not waiter.done then
    for trial in pairs(client.trials) do
      if trial.thread ~= waiter.thread then
        return
      end
    end
    loop.unpark(waiter)
  end
end

local function conclude(trial)
  local client = trial.client
  client.trials[trial] = nil
  if trial.is_handled then
    handling.finish(client, trial.message, trial.item)
  end
  told(client)
end

local function perform(trial)
  local client, source = trial.client, trial.source
  if source and source.removed then
    trial.is_handled = true -- nobody wants it
  elseif not handling.is_over(client) then
    trial.since, trial.thread = trial.since or loop.now(), protect.running()
    client.trials[trial] = true
    trial.fn(trial.message, trial.argument)
    trial.is_handled = true
  end
end

--- A message has failed as often as it may.
-- @tparam table client
-- @tparam ?table source its subscription
-- @tparam table message
-- @tparam number item
-- @tparam number attempts
-- @tparam string words of the latest failure
function handling.park(client, source, message, item, attempts, words)
  handling.finish(client, message, item)
  client.handle:parked()
  local event = { message = message, filter = source and source.filter, attempts = attempts, error = words }
  chronicle.parked(client, event)
  events.emit(client, "parked", event)
end

-- A handler has thrown. Whether it is to be called again.
local function judge(trial, err, trace)
  local client, source = trial.client, trial.source
  client.trials[trial] = nil
  if trial.is_parked then
    return false
  end
  events.report(client, err, trace)
  if trial.is_handled then
    conclude(trial)
  elseif source and source.removed then
    handling.finish(client, trial.message, trial.item)
  elseif not handling.is_over(client) and trial.number < (source or client).handle_attempts then
    return true
  elseif not handling.is_over(client) then
    handling.park(client, source, trial.message, trial.item, trial.number, events.words_of(err, trace))
    trial.is_parked = true -- not before: interrupted in there it is done again
  end
  told(client)
  return false
end

local function pause(trial)
  waiting.park(trial.client, {}, (trial.source or trial.client).handle_pause)
end

-- By itself ----------------------------------------------------------------------------------------------------------

local function attempt(trial, number)
  if number == 1 then
    handling.begun(trial.item)
  else
    pause(trial)
  end
  if trial.begun < number then
    trial.begun = number
    perform(trial)
  end
end

local function tried(trial, number, err, trace)
  if number ~= trial.number then
    return
  elseif err == nil then
    conclude(trial)
  elseif judge(trial, err, trace) then
    loop.start(tried, trial, number + 1, attempt, trial, number + 1)
    trial.number = number + 1
  end
end

--- Has a handler try a message, in a coroutine of its own.
-- @tparam table client
-- @tparam ?table source its subscription
-- @tparam function fn `fn(message, argument)`
-- @param argument
-- @tparam table message
-- @tparam number item
function handling.start(client, source, fn, argument, message, item)
  local trial = new_trial(client, source, fn, argument, message, item)
  loop.start(tried, trial, 1, attempt, trial, 1)
end

-- One after the other ------------------------------------------------------------------------------------------------

--- Tries a message of an ordered subscription: again if it has failed before.
-- @tparam table source the subscription
-- @tparam ?table message nil: the one that has failed
-- @tparam ?number item
-- @tparam ?function take `take(buffer)` takes it out
function handling.try(source, message, item, take)
  if message then
    source.trial = new_trial(source.client, source, source.handler, source, message, item)
    source.tried = item -- should it still be in the buffer after an interruption, it is not tried by itself again
    take(source.buffer)
    handling.begun(item)
  else
    source.trial.number = source.trial.number + 1
    pause(source.trial)
  end
  local trial = source.trial
  perform(trial)
  conclude(trial) -- interrupted in there, it is done again as long as the trial is known
  source.trial = nil
end

--- The handler of an ordered subscription has thrown: its message stays the next to be tried, or is over.
-- @tparam table source
-- @param err
-- @tparam string trace
function handling.fail(source, err, trace)
  local trial = source.trial
  if not judge(trial, err, trace) and source.trial == trial then
    source.trial = nil
  end
end

-- At the end ---------------------------------------------------------------------------------------------------------

--- A handler closes the client, so it has handled its message: which would come again and again if that is what it is
-- closed for.
-- @tparam table client
function handling.caller_leaves(client)
  local thread = protect.running()
  for trial in pairs(client.trials) do
    if trial.thread == thread then
      trial.is_handled = true
      handling.finish(client, trial.message, trial.item)
    end
  end
end

local function seen_to(client, _, err, trace)
  if err ~= nil then
    events.report(client, err, trace)
  end
end

-- Who closes the client may be ended as it waits, and the client would stay as it is then, for nothing.
local function see_to(client, timeout, will)
  if not client.closing then
    waiting.park(client, {}, timeout)
  end
  if not client.closing then
    client:close { will = will }
  end
end

--- Before a client is closed: from here on nothing is begun with, and what is under way may come to its end, but for
-- the caller's own.
-- @tparam table client
-- @tparam number timeout seconds
-- @tparam boolean will of @{holdfast.client.close}
function handling.part(client, timeout, will)
  local waiter = { thread = protect.running() }
  client.parting = waiter
  for trial in pairs(client.trials) do
    if trial.thread ~= waiter.thread then
      loop.start(seen_to, client, nil, see_to, client, timeout, will)
      return waiting.park(client, waiter, timeout)
    end
  end
end

return handling
