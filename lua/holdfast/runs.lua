--- Messages in a row for one subscription, handed out one by one: to its handler, as a rule.
-- They come from the mailbox at once, and stay its own until the last has been handed out; an interruption, or the end
-- of the loop's time, leaves the rest of them for the next time. As everywhere in @{holdfast.delivery}, a step that may
-- not have been done is done again.
-- @module holdfast.runs
local events = require "holdfast.events"
local loop = require "holdfast.loop"
local registry = require "holdfast.registry"

local runs = {
  give = nil, -- of holdfast.delivery: `give(subscription, message, item)` to a handler in a coroutine of its own, or
  done = nil, -- to the buffer; `done(client, item)`
}

local hand = registry.hand
local gethook, has_own_hook = debug.gethook, not rawget(_G, "jit") -- LuaJIT has one for all coroutines

-- The run in hand, if no buffer keeps it: a ring like theirs, in which the place after its number is each message's.
-- `first` is behind what handlers are done with.
local ring = { messages = {}, items = {}, ends = { 0 }, room = 2 ^ 31 }
local kept = { ring = ring, first = 1, paid = 0, owes = false, client = nil }

-- Handlers of a run share a coroutine, for as long as none of them waits in it, throws, or leaves a hook there. Whoever
-- does has it to himself, and the next ones begin in another.
local shift -- { client, subscription, serial, count, item, is_over }: the coroutine in which they begin right now

-- The handler that has begun last has not returned: it is accounted for by itself.
local function part_from(which)
  if shift == which then
    shift = nil
    registry.pay(kept)
    kept.first = hand.served + 1
    kept.paid = hand.served
  end
end

local function handle_in_turn(mine)
  local client, subscription, serial, count = mine.client, mine.subscription, mine.serial, mine.count
  local handle_of, messages, items = client.handle, ring.messages, ring.items
  local hook = has_own_hook and gethook()
  repeat
    local serving = hand.served + 1
    local place = serving + 1
    local message, item = messages[place], items[place]
    mine.item = item
    hand.served = serving -- from here on it has the message
    messages[place] = false
    if client.holds_back and message.qos > 0 and handle_of:begun(item) then
      loop.owing()
    end
    subscription.handler(message, subscription)
    if shift ~= mine then
      return
    end
    kept.first = serving + 1
    mine.item = nil
  until serving >= count or subscription.removed or hand.serial ~= serial or hand.is_late()
    or has_own_hook and gethook() ~= hook
end

local function shift_over(mine, _, err, trace)
  mine.is_over = true
  local client, item = mine.client, mine.item
  if item then
    part_from(mine)
    runs.done(client, item)
    mine.item = nil
  end
  if err ~= nil then
    events.report(client, err, trace)
  end
end

local function handle_some(client, subscription, serial, count)
  if not kept.owes then
    registry.owe(kept)
  end
  local mine = { client = client, subscription = subscription, serial = serial, count = count, is_over = false }
  shift = mine
  loop.start(shift_over, mine, nil, handle_in_turn, mine)
  if not mine.is_over then
    part_from(mine) -- it waits
  end
  if shift == mine then
    shift = nil
  end
end

local function give_next(client, subscription, serial)
  local serving = hand.served + 1
  local place = serving + 1
  registry.pay(kept)
  kept.first = serving + 1
  kept.paid = serving
  hand.takers, hand.serving = ring, serving
  if subscription then
    runs.give(subscription, ring.messages[place], ring.items[place])
  else
    runs.done(client, ring.items[place])
    hand.served = serving
  end
  if hand.serial == serial then
    ring.messages[place] = false
  end
end

--- Hands the run in hand out one by one. A handler may drive the loop, which goes on with the run in there.
-- @tparam table client
-- @tparam number wish
-- @tparam number count
-- @treturn boolean false: there was no time for all, and it is to be called once more for the rest
function runs.deliver(client, wish, count)
  local serial = hand.serial
  if hand.many ~= serial then
    if kept.client then
      registry.pay(kept) -- of a run that was interrupted
    end
    registry.fill(ring, 0, count)
    hand.served = 0
    kept.client, kept.first, kept.paid = client, 1, 0
    hand.many = serial
  elseif shift then
    part_from(shift)
  end
  while hand.serial == serial and hand.served < count do
    local subscription = client.wishes[wish]
    local is_plain = subscription and not subscription.buffered and not subscription.is_handled
    if is_plain and loop.starts_at_once() then
      handle_some(client, subscription, serial, count)
    else
      give_next(client, subscription, serial)
    end
    if hand.serial == serial and hand.served < count and hand.is_late() then
      registry.pay(kept)
      return false
    end
  end
  if hand.serial == serial then
    registry.pay(kept)
    kept.client = nil -- nothing here keeps one alive
  end
  return true
end

return runs
