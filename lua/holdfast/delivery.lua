--- The way of a received message to those who take it: the path that everything hot runs on.
-- A taker is a handler of `message`, or a subscription. A message counts against the client's inbox until its last
-- taker is done with it: the *item* that travels with it is its size while there is one taker, or a table that counts
-- them. An item is false once the message has been paid for.
-- @module holdfast.delivery
local events = require "holdfast.events"
local loop = require "holdfast.loop"
local registry = require "holdfast.registry"

local delivery = {}

local credit = registry.credit

--- One taker is done.
-- @tparam table client
-- @param item
local function consume(client, item)
  if item then
    if type(item) == "table" then
      item.takers = item.takers - 1
      if item.takers > 0 then
        return
      end
      item = item.bytes
    end
    credit(client, item)
  end
end

delivery.consume = consume

local function listener_done(client, item, err, trace)
  consume(client, item)
  if err ~= nil then
    events.report(client, err, trace)
  end
end

local function handler_done(subscription, item, err, trace)
  local client = subscription.client
  consume(client, item)
  if err ~= nil then
    events.report(client, err, trace)
  end
end

local function accept(subscription, message, item)
  local handler = subscription.handler
  if handler and not subscription.buffered then
    return loop.start(handler_done, subscription, item, handler, message, subscription)
  end
  return subscription:accept(message, item)
end

local function deliver_to_many(client, message, bytes, wishes)
  local listeners, count = events.take(client, "message")
  local subscriptions = {}
  for _, wish in ipairs(wishes) do
    subscriptions[#subscriptions + 1] = client.wishes[wish]
  end
  events.meet(client, "message", message)
  local takers = count + #subscriptions
  if takers == 0 then
    return credit(client, bytes)
  end
  local item = takers == 1 and bytes or { takers = takers, bytes = bytes }
  for index = 1, count do
    loop.start(listener_done, client, item, listeners[index].fn, message, client)
  end
  for _, subscription in ipairs(subscriptions) do
    if subscription.removed then -- by one of the takers before it
      consume(client, item)
    else
      accept(subscription, message, item)
    end
  end
end

--- Hands a message to its takers.
-- @tparam table client
-- @tparam table message
-- @tparam ?number|{number,...} wish of the subscription it is for; several in a table
function delivery.deliver(client, message, wish)
  local bytes = #message.topic + #message.payload -- now, a handler may change the table
  local several = type(wish) == "table"
  if several or client.handlers.message or client.expected.message then
    return deliver_to_many(client, message, bytes, several and wish or { wish })
  end
  local subscription = client.wishes[wish or 0]
  if subscription then
    return accept(subscription, message, bytes)
  end
  return credit(client, bytes)
end

return delivery
