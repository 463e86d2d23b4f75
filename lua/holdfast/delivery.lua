--- The way of a received message to those who take it: the path that everything hot runs on.
-- A taker is a subscription or, of what belongs to none, a handler of `message`. A message has one owner at any time:
-- the mailbox until each taker has it, then the buffer of a subscription until a reader shifts it, or the coroutine of
-- a handler. Handing it out can be interrupted anywhere (an error of a hook, Ctrl-C, no memory), so each step is done
-- again until it is known to be done, and doing one twice means nothing.
--
-- A message counts against the client's inbox until its last taker is done with it: the *item* that travels with it is
-- its receipt while there is one taker; of several each has a number of its own, below 0. It comes by two moments, both
-- in this room: `begun`, when a handler of it starts, and `done`, when a taker needs it no more. A reader has both at
-- once as it shifts it. Of one that is acknowledged when it has been handled (@{holdfast.handling}, @{holdfast.hands})
-- the first says nothing to the link.
-- @module holdfast.delivery
local chronicle = require "holdfast.chronicle"
local core = require "holdfast.core"
local events = require "holdfast.events"
local handling = require "holdfast.handling"
local loop = require "holdfast.loop"
local registry = require "holdfast.registry"
local runs = require "holdfast.runs"

local delivery = {}

local hand = registry.hand

--- A taker is done with a message, however that came: it has been handled, shifted, dropped, or given up. A second call
-- means nothing.
-- @tparam table client
-- @tparam number item
-- @tparam ?boolean now whether the link hears of it before all that is owed is given back
local function done(client, item, now)
  if item < 0 then
    local share = client.shares[item]
    if not share then
      return
    end
    share.takers[item] = nil
    local receipt = next(share.takers) == nil and share.receipt
    if receipt and client.handle:done(receipt, now) then
      loop.owing()
    end
    client.shares[item] = nil
  elseif client.handle:done(item, now) then
    loop.owing()
  end
end

delivery.done = done

--- A taker has the message, so that it is not handed to that one again.
-- @tparam number item
local function begun(item)
  if hand.item == item then
    if hand.takers then
      hand.served = hand.serving
    else
      hand.finished = hand.serial
    end
    hand.item = nil
  elseif hand.kept and hand.kept.item == item then
    hand.kept.had[hand.kept.whose] = true
  end
end

delivery.begun = begun

--- A handler starts with the message, which may then be acknowledged, though its place in the inbox is held until the
-- handler has returned: the broker's window must not be shut by handlers that wait for what stands behind them. Of one
-- with several takers the last to be `done` is waited for.
-- @tparam table client
-- @param item
local function started(client, item)
  if client.holds_back and item > 0 and client.handle:begun(item) then
    loop.owing()
  end
end

delivery.started = started

local function listener_done(client, item, err, trace)
  done(client, item)
  if err ~= nil then
    events.report(client, err, trace)
  end
end

local function handler_done(subscription, item, err, trace)
  local client = subscription.client
  done(client, item)
  if err ~= nil then
    events.report(client, err, trace)
  end
end

local function listen(fn, message, given)
  begun(given[2])
  started(given[1], given[2])
  fn(message, given[1])
end

local function handle(subscription, message, item)
  begun(item)
  started(subscription.client, item)
  subscription.handler(message, subscription)
end

local function pass(subscription, message, item)
  if subscription.buffered then
    subscription:accept(message, item)
  elseif handling.is_awaited(subscription, message) then
    handling.start(subscription.client, subscription, subscription.handler, subscription, message, item)
  else
    local start = subscription.is_waited_for and loop.serve or loop.start
    start(handler_done, subscription, item, handle, subscription, message, item)
  end
end

local function give(subscription, message, item)
  hand.item = item
  pass(subscription, message, item)
  if hand.item == item then
    begun(item) -- who starts it later has it, too
  end
end

runs.give, runs.done = give, done
handling.begun, handling.done = begun, done

-- To a handler of `message`.
local function start_listener(client, fn, message, item)
  if handling.is_awaited(client, message) then
    handling.start(client, nil, fn, client, message, item)
  else
    loop.start(listener_done, client, item, listen, fn, message, { client, item })
  end
end

local last_share = 0

local function new_number()
  last_share = last_share - 1
  return last_share
end

local function enter(client, share, item)
  share.takers[item], client.shares[item] = true, share
end

-- The item of one more taker of a shared message.
local function new_item(client, share)
  local item = new_number()
  enter(client, share, item)
  return item
end

-- Who takes a message, and the item of each.
local function takers_of(client, receipt, wishes)
  local listeners = not wishes[1] and client.handlers.message
  local takers = {}
  for index = 1, listeners and listeners.count or 0 do
    takers[index] = { fn = listeners[index].fn }
  end
  for _, wish in ipairs(wishes) do
    local subscription = client.wishes[wish]
    if subscription then
      takers[#takers + 1] = { subscription = subscription }
    end
  end
  if #takers == 1 then
    takers[1].item = receipt
    return takers
  end
  local share = { receipt = receipt, takers = {} }
  for _, taker in ipairs(takers) do
    taker.item = new_item(client, share)
  end
  return takers
end

local function is_listened_to(client)
  return client.handlers.message or client.expected.message or client.observed.message
end

local function tell_listeners(client, message)
  if not is_listened_to(client) then
    client.handle:unclaimed()
    chronicle.unclaimed(client, message)
  end
  events.take(client, "message")
  events.meet(client, "message", message)
end

local function serve(client, taker, message)
  local subscription = taker.subscription
  if subscription and subscription.removed then -- by one of the takers before it
    done(client, taker.item)
    hand.served = hand.serving
    return
  elseif subscription then
    return give(subscription, message, taker.item)
  end
  hand.item = taker.item
  start_listener(client, taker.fn, message, taker.item)
  begun(taker.item)
end

-- A message that is shown again, since handing it out was interrupted, goes to those who have not got it.
local function deliver_to_many(client, message, wishes, receipt)
  local serial = hand.serial
  if hand.many ~= serial then
    hand.served, hand.message, hand.takers = 0, message, takers_of(client, receipt, wishes)
    hand.many = serial
  end
  local takers = hand.takers
  if not wishes[1] then
    tell_listeners(client, hand.message)
  end
  if #takers == 0 then
    return done(client, receipt)
  end
  while hand.serial == serial and hand.served < #takers do
    hand.serving = hand.served + 1
    serve(client, takers[hand.serving], hand.message)
  end
end

-- Before its taker is there -------------------------------------------------------------------------------------------

-- The session of an earlier process has its messages sent as soon as there is a connection, and a program that
-- subscribes after `connect` has had no chance yet. What belongs to no subscription is kept until it has had a turn
-- after the first `ready`, and counts against the inbox meanwhile.

local TURN = 0.02 -- seconds

local function keep(client, message, receipt)
  local early = client.early
  local newest = early[early.last]
  if not newest or newest.receipt ~= receipt then
    early[early.last + 1] = { message = message, receipt = receipt, had = {}, items = {} }
    early.last = early.last + 1
  end
  hand.takers, hand.item = nil, receipt
  begun(receipt)
end

-- The subscriptions that a message is for, whoever made them when: no identifier tells.
local function wishes_for(client, message)
  local wishes = {}
  for wish, subscription in pairs(client.wishes) do
    if core.topic_matches(subscription.filter, message.topic) then
      wishes[#wishes + 1] = wish
    end
  end
  table.sort(wishes)
  return wishes
end

-- Whoever has it already, by its own word, is passed over: handing out may have been interrupted.
local function hand_over(client, kept, whose, taker)
  if not kept.had[whose] then
    kept.whose, kept.item, hand.kept = whose, taker.item, kept
    if taker.subscription then
      pass(taker.subscription, kept.message, taker.item)
    else
      start_listener(client, taker.fn, kept.message, taker.item)
    end
    kept.had[whose] = true
  end
  hand.kept = nil -- through it the client would never be collected
end

-- One subscription has it now. Another that it is for may still be made, for which an item of its own stands.
local function hand_kept_to(client, kept, wish)
  if not kept.share then
    local share = { receipt = kept.receipt, takers = {} }
    kept.rest = new_item(client, share)
    kept.share = share
  end
  kept.items[wish] = kept.items[wish] or new_number() -- which is known before the share waits for it
  enter(client, kept.share, kept.items[wish])
  hand_over(client, kept, wish, { subscription = client.wishes[wish], item = kept.items[wish] })
end

local function hand_out_kept(client, kept)
  local wishes = wishes_for(client, kept.message)
  if kept.share then
    for _, wish in ipairs(wishes) do
      if client.wishes[wish] and not kept.had[wish] then
        hand_kept_to(client, kept, wish)
      end
    end
    return done(client, kept.rest)
  end
  if not kept.takers then
    kept.takers = takers_of(client, kept.receipt, wishes)
    if not wishes[1] then
      tell_listeners(client, kept.message)
    end
  end
  for _, taker in ipairs(kept.takers) do
    hand_over(client, kept, taker, taker)
  end
  if #kept.takers == 0 then
    done(client, kept.receipt)
  end
end

-- Before the first message that came for a subscription it has those that came before it was made; from then on none
-- that is for it is kept.
local function hand_out_earlier(client, wishes)
  local early = client.early
  for _, wish in ipairs(wishes) do
    local subscription = client.wishes[wish]
    local index = subscription and not early.caught_up[wish] and early.first or early.last + 1
    while index <= early.last and client.wishes[wish] do -- a handler that drives the loop may have more kept
      local kept = early[index]
      local is_free = kept and not kept.takers and not kept.had[wish] -- others are for `settle`, further down the stack
      if is_free and core.topic_matches(subscription.filter, kept.message.topic) then
        hand_kept_to(client, kept, wish)
      end
      index = index + 1
    end
    early.caught_up[wish] = true
  end
end

--- The client has connected, to a session that is older: what comes for no subscription is kept.
-- @tparam table client
function delivery.connected(client)
  if client.early == nil then
    client.early = { first = 1, last = 0, caught_up = {} }
  end
end

-- What had come before such a subscription was made may still be on its way, however late the program looks: until the
-- broker's verdict, behind which nothing is, the topic tells.
local function without_verdict(client)
  local wishes = {}
  for wish, subscription in pairs(client.wishes) do
    if not subscription.qos_granted and not subscription.refusal then
      wishes[wish] = true
    end
  end
  return next(wishes) ~= nil and wishes or nil
end

--- There is a verdict on that wish.
-- @tparam table client
-- @tparam number wish
function delivery.judged(client, wish)
  client.unjudged[wish] = nil
  if next(client.unjudged) == nil then
    client.unjudged = nil
  end
end

-- Of a wish that is gone no verdict comes any more.
local function unjudged_for(client, message)
  local wishes = {}
  for wish in pairs(client.unjudged) do
    local subscription = client.wishes[wish]
    if not subscription then
      client.unjudged[wish] = nil
    elseif core.topic_matches(subscription.filter, message.topic) then
      wishes[#wishes + 1] = wish
    end
  end
  if next(client.unjudged) == nil then
    client.unjudged = nil
  end
  table.sort(wishes)
  return wishes[1] and wishes
end

--- The program has had its turn, or there is no room for more: what is kept goes to who is there.
-- @tparam table client
function delivery.settle(client)
  local early = client.early
  if early then
    local index = early.first
    while index <= early.last do -- a handler that drives the loop may have more kept
      local kept = early[index]
      if kept then
        hand_out_kept(client, kept)
        early[index] = nil
      end
      index = index + 1
    end
    early.first = index
    client.early = false
    client.unjudged = without_verdict(client)
  end
end

local function settle_soon(client)
  loop.park({}, 0) -- those that were woken by the same turn go on after it
  loop.park({}, TURN)
  delivery.settle(client)
end

-- However that has ended, for want of memory perhaps.
local function settled(client, _, err, trace)
  delivery.settle(client)
  if err ~= nil then
    events.report(client, err, trace)
  end
end

--- The client is ready: the program has a turn from now on.
-- @tparam table client
function delivery.ready(client)
  local early = client.early
  if early and not early.is_over then
    loop.start(settled, client, nil, settle_soon, client)
    early.is_over = true -- not before: it may not have come about
  end
end

--- Hands a run of messages to the one subscription that it is for.
-- @tparam table client
-- @tparam number wish
-- @tparam number count
-- @tparam number newest receipt of the last of them
-- @treturn boolean false: there was no time for all, and it is to be called once more for the rest
function delivery.deliver_run(client, wish, count, newest)
  local serial = hand.serial
  hand.count = count
  if client.early and not client.early.caught_up[wish] then
    hand_out_earlier(client, { wish })
    if hand.serial ~= serial or hand.finished >= serial then -- a handler has driven the loop
      return true
    end
  end
  local subscription = client.wishes[wish]
  if hand.many ~= serial and subscription and subscription:accept_run(count, newest) then
    return true
  end
  return runs.deliver(client, wish, count)
end

--- Hands a message to its takers.
-- @tparam table client
-- @tparam table message
-- @tparam ?number|{number,...} wish of the subscription it is for; several in a table
-- @tparam number receipt
function delivery.deliver(client, message, wish, receipt)
  local several = type(wish) == "table"
  if client.early then
    if not wish then
      return keep(client, message, receipt)
    end
    local serial = hand.serial
    hand_out_earlier(client, several and wish or { wish })
    if hand.serial ~= serial or hand.finished >= serial then -- a handler has driven the loop
      return
    end
  end
  if not wish and client.unjudged then
    wish = unjudged_for(client, message) or nil
    several = wish ~= nil
  end
  if several or not wish and is_listened_to(client) then
    return deliver_to_many(client, message, several and wish or { wish }, receipt)
  end
  hand.takers = nil
  local subscription = client.wishes[wish or 0]
  if subscription then
    return give(subscription, message, receipt)
  end
  if not wish then
    tell_listeners(client, message)
  end
  return done(client, receipt)
end

return delivery
