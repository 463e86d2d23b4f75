--- Readers whose messages are acknowledged once they have been handled (option `acknowledge = "handled"`).
--
-- A message of QoS 1 or 2 is *in the hand* of who has taken it, a coroutine or a loop, until that one comes back for
-- the next message, leaves, closes the client, or ends: having returned it has handled it. One that has ended in any
-- other way, or is gone without a trace, has not: its message is given to the next who reads, up to `handle_attempts`
-- times in all, and parked then.
-- @module holdfast.hands
local buffer = require "holdfast.buffer"
local handling = require "holdfast.handling"
local loop = require "holdfast.loop"
local reader = require "holdfast.reader"

local hands = {}

local FEW = 8 -- readers that are looked at each time one of them takes a message
local weakly = { __mode = "v" }

--- Adds what a subscription with readers needs.
-- @tparam table subscription
function hands.attach(subscription)
  subscription.held_by = setmetatable({}, { __mode = "k" }) -- who reads -> what is in its hand
  subscription.in_hand = {} -- the same as a set
  subscription.in_hands = 0
  subscription.again = {} -- what was not handled, oldest first
  subscription.taken = 0
end

local function let_go(subscription, held)
  if subscription.in_hand[held] then
    subscription.in_hand[held] = nil
    subscription.in_hands = subscription.in_hands - 1
  end
  local who = held.who[1]
  if who and subscription.held_by[who] == held then
    subscription.held_by[who] = nil
  end
end

local function finish(subscription, held)
  handling.finish(subscription.client, held.message, held.item)
  let_go(subscription, held)
end

-- In the order in which they were taken first.
local function give_back(subscription, held)
  local again, place = subscription.again, 1
  while again[place] and again[place].serial < held.serial do
    place = place + 1
  end
  if again[place] ~= held then
    table.insert(again, place, held)
  end
  let_go(subscription, held)
end

-- Who was to have it was interrupted on the way, and has not seen it. It may still be where it was.
local function put_back(subscription, held)
  local _, item = buffer.head(subscription.buffer)
  if item == held.item then
    let_go(subscription, held)
  else
    give_back(subscription, held)
  end
end

local function come_back(subscription, held)
  if held.is_out then
    finish(subscription, held)
  else
    put_back(subscription, held)
  end
end

--- Who reads has come back: what it had has been handled.
-- @tparam table subscription
-- @tparam table who
function hands.returns(subscription, who)
  local held = subscription.held_by[who]
  if held then
    come_back(subscription, held)
  end
end

-- Who had it has ended, or left by an error.
local function fail(subscription, held, words)
  local client = subscription.client
  if subscription.removed then
    finish(subscription, held)
  elseif not held.is_out then
    put_back(subscription, held)
    buffer.wake(subscription)
  elseif handling.is_over(client) then
    let_go(subscription, held)
  elseif held.attempts >= subscription.handle_attempts then
    let_go(subscription, held)
    handling.park(client, subscription, held.message, held.item, held.attempts, words)
  else
    give_back(subscription, held)
    buffer.wake(subscription)
  end
end

-- Whether it was in the hand of who has come to its end, and not by an error.
local function has_returned(held)
  local who = held.who[1]
  local caller = who and (who.caller or who)
  return held.is_out and caller ~= nil and caller.over and caller.has_returned
end

--- Looks for readers that have ended.
-- @tparam table subscription
function hands.look(subscription)
  local ended = {}
  for held in pairs(subscription.in_hand) do
    local who = held.who[1]
    if not who or not reader.lives(who) then
      ended[#ended + 1] = held
    end
  end
  table.sort(ended, function(one, other)
    return one.serial > other.serial
  end)
  for _, held in ipairs(ended) do
    if has_returned(held) then
      finish(subscription, held)
    else
      fail(subscription, held, "its reader has ended")
    end
  end
  local is_empty = subscription.in_hands == 0 and not subscription.again[1] and buffer.count(subscription.buffer) == 0
  subscription.owing = subscription.owing and not is_empty
end

buffer.look_after_hands = hands.look

local function hold(subscription, who, held)
  held.who = setmetatable({ who }, weakly)
  held.is_mains = who.caller == nil
  held.by = who.subscription ~= nil and setmetatable({ caller = who.caller, thread = who.thread }, weakly)
  held.since, held.is_out = loop.now(), false
  subscription.in_hand[held], subscription.held_by[who] = true, held
  subscription.in_hands = subscription.in_hands + 1
end

local function next_of(subscription)
  local kept = subscription.buffer
  local message, item = buffer.head(kept)
  if message and message.qos == 0 then
    buffer.drop(kept)
    handling.done(subscription.client, item)
    return message
  elseif message then
    subscription.taken = subscription.taken + 1
    return nil, { message = message, item = item, serial = subscription.taken, attempts = 0 }
  end
end

--- Takes the next message; what the caller has in its hand must have been seen to.
-- @tparam table subscription
-- @tparam table who reads
-- @treturn ?table message
function hands.take(subscription, who)
  if handling.is_over(subscription.client) then
    return nil -- the broker has it still
  elseif subscription.in_hands > 0 and subscription.in_hands <= FEW then
    hands.look(subscription)
  end
  local held = subscription.again[1]
  local is_new = not held
  if is_new then
    local unheld
    unheld, held = next_of(subscription)
    if not held then
      return unheld
    end
  end
  hold(subscription, who, held)
  if is_new then
    buffer.drop(subscription.buffer)
  else
    table.remove(subscription.again, 1)
  end
  held.attempts = held.attempts + 1
  held.is_out = true
  return held.message
end

--- A loop has been left.
-- @tparam table subscription
-- @tparam table who the loop
-- @param problem the error with which it was; nil: none
function hands.leaves(subscription, who, problem)
  if problem == nil then
    hands.returns(subscription, who)
  elseif subscription.held_by[who] then
    fail(subscription, subscription.held_by[who], type(problem) == "string" and problem or "its reader has thrown")
  end
end

--- The caller is done with what it has in its hand, by whichever call or loop it has come there.
-- @tparam table subscription
function hands.caller_leaves(subscription)
  local me, thread = reader.caller(), coroutine.running()
  for held in pairs(subscription.in_hand) do
    local by = held.by -- a loop that was left by `break` may be collected before its caller says so
    if by and by.caller == me and by.thread == thread and held.is_mains == (me == nil)
      or held.who[1] == (me or subscription) then
      come_back(subscription, held)
    end
  end
end

--- The caller closes the client, so it is done with what it has, as those are who have returned.
-- @tparam table client
function hands.part(client)
  for _, subscription in pairs(client.wishes) do
    if subscription.is_handled then
      hands.caller_leaves(subscription)
      for held in pairs(subscription.in_hand) do
        if has_returned(held) then
          finish(subscription, held)
        end
      end
    end
  end
end

--- The subscription has been removed: nobody is given again what is in a hand.
-- @tparam table subscription
function hands.clear(subscription)
  for held in pairs(subscription.in_hand) do
    finish(subscription, held)
  end
  for place = #subscription.again, 1, -1 do
    local held = subscription.again[place]
    handling.finish(subscription.client, held.message, held.item)
    subscription.again[place] = nil
  end
end

--- Whether there is something to take.
-- @tparam table subscription
-- @treturn boolean
function hands.is_full(subscription)
  return subscription.again[1] ~= nil or buffer.count(subscription.buffer) > 0
end

return hands
