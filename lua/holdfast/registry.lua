--- The clients of this Lua state, and the way of a mail to the one it is for.
-- The registry does not keep a client alive: subscriptions, waiting coroutines and a running loop do. What a client
-- owes to its inbox is given back in one call a turn, not in one a message, where the loop has turns.
-- @module holdfast.registry
local core = require "holdfast.core"
local log = require "holdfast.log"
local loop = require "holdfast.loop"

local registry = {}

local CREDITS = 64 -- given back at once by a program that reads without ever waiting

local clients = setmetatable({}, { __mode = "v" })
local debtors, count = {}, 0 -- clients with consumed messages that the core has not been told of
local mailbox, take
local tracing = false
local deliver -- of holdfast.delivery, set when the first client is made
local receivers -- kind of mail -> function(client, ...)

local function settle_one(client)
  local messages, bytes = client.consumed_messages, client.consumed_bytes
  if messages > 0 then
    client.consumed_messages, client.consumed_bytes = 0, 0
    client.handle:consumed(messages, bytes)
  end
end

local function settle()
  for index = 1, count do
    local client = debtors[index]
    debtors[index] = nil
    client.is_debtor = false
    settle_one(client)
  end
  count = 0
end

--- A message has been consumed: its room in the inbox is free again.
-- @tparam table client
-- @tparam number bytes of topic and payload
function registry.credit(client, bytes)
  local messages = client.consumed_messages + 1
  client.consumed_messages = messages
  client.consumed_bytes = client.consumed_bytes + bytes
  if not client.is_debtor then
    client.is_debtor = true
    count = count + 1
    debtors[count] = client
    loop.owing()
  elseif messages >= CREDITS then
    settle_one(client)
  end
end

local function route(kind, id, ...)
  if kind == nil then
    return false
  elseif kind == "trace" then
    log.trace(...)
    return true
  end
  local client = clients[id]
  if client then
    if kind == "message" then
      deliver(client, ...)
    else
      receivers[kind](client, ...)
    end
  end
  return true
end

local function dispatch(limit)
  for taken = 1, limit do
    if not route(take(mailbox)) then
      return taken > 1
    end
  end
  return true
end

local function attend()
  if not mailbox then
    mailbox = core.mailbox()
    take = mailbox.take
    loop.attend(mailbox, dispatch, settle)
  end
end

--- Has the transport library's trace come to the log, or no longer.
-- @tparam ?string level one of `log.traces`; nil: off
-- @treturn ?boolean true, or nil, message, "forked"
function registry.trace(level)
  local number = 0
  for position, name in ipairs(log.traces) do
    number = name == level and position or number
  end
  if number == 0 and not tracing then
    return true
  end
  tracing = number > 0
  attend()
  if not core.trace(number) then
    return nil, "this process is a fork, or there is not enough memory", "forked"
  end
  return true
end

--- Adds a client.
-- @tparam table client with `handle`
-- @tparam function deliver_message `deliver_message(client, message, wish ...)`
-- @tparam table by_kind kind of mail -> function(client, ...)
function registry.add(client, deliver_message, by_kind)
  deliver, receivers = deliver_message, by_kind
  attend()
  clients[client.handle:id()] = client
end

--- Takes a client out; nothing reaches it any more.
-- @tparam table client
function registry.remove(client)
  clients[client.handle:id()] = nil
end

return registry
