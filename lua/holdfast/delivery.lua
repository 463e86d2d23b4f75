--- The way of a received message to those who take it: the path that everything hot runs on.
-- A taker is a handler of `message`, or a subscription. A message has one owner at any time: the mailbox until each
-- taker has it, then the buffer of a subscription until a reader shifts it, or the coroutine of a handler. Handing it
-- out can be interrupted anywhere (an error of a hook, Ctrl-C, no memory), so each step is done again until it is known
-- to be done, and doing one twice means nothing.
--
-- A message counts against the client's inbox until its last taker is done with it: the *item* that travels with it is
-- its receipt while there is one taker; of several each has a number of its own, below 0. It comes by two moments, both
-- in this room: @{begun}, when a handler of it starts, and @{done}, when a taker needs it no more. A reader has both at
-- once as it shifts it.
-- @module holdfast.delivery
local chronicle = require "holdfast.chronicle"
local events = require "holdfast.events"
local loop = require "holdfast.loop"
local registry = require "holdfast.registry"

local delivery = {}

local hand = registry.hand

--- A taker is done with a message, however that came: it has been handled, shifted, dropped, or given up. A second call
-- means nothing.
-- @tparam table client
-- @tparam number item
local function done(client, item)
  if item < 0 then
    local share = client.shares[item]
    if not share then
      return
    end
    share.takers[item] = nil
    local receipt = next(share.takers) == nil and share.receipt
    if receipt and client.handle:done(receipt) then
      loop.owing()
    end
    client.shares[item] = nil
  elseif client.handle:done(item) then
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
  end
end

delivery.begun = begun

--- A handler starts with the message, which may then be acknowledged, though its place in the inbox is held until the
-- handler has returned: the broker's window must not be shut by handlers that wait for what stands behind them. Of one
-- with several takers the last to be @{done} is waited for.
-- @tparam table client
-- @param item
local function started(client, item)
  if client.holds_back and type(item) ~= "table" and client.handle:begun(item) then
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

local function give(subscription, message, item)
  hand.item = item
  if subscription.buffered then
    subscription:accept(message, item)
  else
    loop.start(handler_done, subscription, item, handle, subscription, message, item)
  end
  if hand.item == item then
    begun(item) -- who starts it later has it, too
  end
end

local last_share = 0

-- Who takes a message, and the item of each.
local function takers_of(client, receipt, wishes)
  local listeners = client.handlers.message
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
    last_share = last_share - 1
    taker.item = last_share
    share.takers[taker.item], client.shares[taker.item] = true, share
  end
  return takers
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
  loop.start(listener_done, client, taker.item, listen, taker.fn, message, { client, taker.item })
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
  events.take(client, "message")
  events.meet(client, "message", hand.message)
  if #takers == 0 then
    chronicle.unclaimed(client, message)
    return done(client, receipt)
  end
  while hand.serial == serial and hand.served < #takers do
    hand.serving = hand.served + 1
    serve(client, takers[hand.serving], hand.message)
  end
end

--- Hands a message to its takers.
-- @tparam table client
-- @tparam table message
-- @tparam ?number|{number,...} wish of the subscription it is for; several in a table
-- @tparam number receipt
function delivery.deliver(client, message, wish, receipt)
  local several = type(wish) == "table"
  if several or client.handlers.message or client.expected.message or client.observed.message then
    return deliver_to_many(client, message, several and wish or { wish }, receipt)
  end
  hand.takers = nil
  local subscription = client.wishes[wish or 0]
  if subscription then
    return give(subscription, message, receipt)
  end
  if not wish then
    chronicle.unclaimed(client, message)
  end
  return done(client, receipt)
end

return delivery
