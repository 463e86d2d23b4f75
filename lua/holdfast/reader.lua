--- What a subscription without a handler does with its messages.
-- While somebody reads, they count against the client's inbox and none is dropped here: past the inbox's bounds the
-- broker keeps the rest. While nobody does, the buffer is a bounded memory of the newest and owes nothing, so that a
-- forgotten subscription cannot keep its client away from the broker.
-- @module holdfast.reader
local buffer = require "holdfast.buffer"
local delivery = require "holdfast.delivery"
local line = require "holdfast.line"
local loop = require "holdfast.loop"

local reader = {}

local consume = delivery.consume
local running, status = coroutine.running, coroutine.status

--- Adds what a reader needs to a subscription.
-- @tparam table subscription
-- @tparam number messages the most that are kept while nobody reads
-- @tparam number bytes likewise
function reader.attach(subscription, messages, bytes)
  subscription.most_messages, subscription.most_bytes = messages, bytes
  subscription.dropped = 0
  subscription.readers = line.new()
  subscription.reader = setmetatable({}, { __mode = "v" }) -- [1]: who read last, while it lives
end

--- Somebody reads.
-- @tparam table subscription
-- @tparam ?table iterator whose life tells how long; default: the task, the coroutine, or the program that calls
function reader.reads(subscription, iterator)
  subscription.reader[1] = iterator or loop.task() or running() or subscription
end

local function is_read(subscription)
  local last = subscription.reader[1]
  if type(last) == "thread" then
    return status(last) ~= "dead"
  end
  return last ~= nil and not last.over
end

local function trim(subscription)
  local kept = subscription.buffer
  while kept.count > subscription.most_messages or (kept.bytes > subscription.most_bytes and kept.count > 1) do
    local _, item = buffer.shift(kept)
    consume(subscription.client, item)
    subscription.dropped = subscription.dropped + 1
  end
end

--- If nobody reads any more, what is buffered owes nothing any more.
-- @tparam table subscription
function reader.relieve(subscription)
  if subscription.owing and not is_read(subscription) then
    buffer.settle(subscription.buffer, consume, subscription.client)
    subscription.owing = false
    trim(subscription)
  end
end

--- Takes one message in.
-- @tparam table subscription
-- @tparam table message
-- @param item
function reader.accept(subscription, message, item)
  local readers = subscription.readers
  local waiter = line.shift(readers)
  while waiter do
    if not waiter.done then
      waiter.value = message
      if loop.unpark(waiter) ~= false then
        return consume(subscription.client, item)
      end
    end
    waiter = line.shift(readers)
  end
  local size = type(item) == "table" and item.bytes or item
  if is_read(subscription) then
    subscription.owing = true
    return buffer.push(subscription.buffer, message, item, size)
  end
  reader.relieve(subscription)
  buffer.push(subscription.buffer, message, false, size)
  trim(subscription)
  return consume(subscription.client, item)
end

return reader
