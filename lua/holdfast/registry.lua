--- The clients of this Lua state, and the way of a mail to the one it is for.
-- The registry does not keep a client alive: subscriptions, waiting coroutines and a running loop do. What is owed to
-- the inboxes is given back in one call a turn, not in one a message, where the loop has turns.
-- @module holdfast.registry
local core = require "holdfast.core"
local log = require "holdfast.log"
local loop = require "holdfast.loop"

local registry = {}

local clients = setmetatable({}, { __mode = "v" })
local mailbox, take, finish, fill
local message_metatable, is_compiled = core.message_metatable, rawget(_G, "jit") ~= nil
local tracing = false
local receivers -- kind of mail -> function(client, ...)

-- The mail, or the run of messages, that is being handed out. It stays the mailbox's, which shows it again after an
-- interruption, until `finished` has come to its serial; one that is shown again inside the handing out of itself (a
-- handler that drives the loop) goes on where that stands.
local hand = {
  serial = 0,
  finished = 0,
  item = nil, -- of the message that a taker is being given
  many = 0, -- serial of the message that goes to `takers`, of whom `served` have it; or of the run
  takers = nil, served = 0, serving = 0, message = nil,
  kept = nil, -- what a taker is being given that came before its subscription
  is_late = nil, -- whether whoever hands out has had its share of time
}

registry.hand = hand

-- What readers have taken is owed for by their buffers, until it is given back in one call.
local debts, debt_count = setmetatable({}, { __mode = "v" }), 0

--- A reader has taken something out of a buffer, for which nothing was owed.
-- @tparam table kept the buffer: `ring`, `first`, `client`, and `paid`, up to where nothing is owed
function registry.owe(kept)
  debt_count = debt_count + 1
  debts[debt_count] = kept
  kept.owes = true
end

--- Gives back what is owed for a buffer; where nothing is it may have no client.
-- @tparam table kept
-- @treturn ?boolean whether its client owed nothing else
function registry.pay(kept)
  local ring, upto = kept.ring, kept.first - 1
  kept.easy = 0
  if kept.paid >= upto then
    return nil
  end
  local first = kept.client.handle:done_all(ring.items, ring.room, kept.paid + 1, upto)
  kept.paid = upto
  return first
end

--- What is owed to the inboxes is given back.
local function settle()
  while debt_count > 0 do
    local kept = debts[debt_count]
    if kept then
      kept.owes = false
      registry.pay(kept)
    end
    debts[debt_count] = nil
    debt_count = debt_count - 1
  end
  mailbox:settle(hand.finished)
end

--- A client is about to be closed: what has been read is acknowledged first.
-- @tparam table client
-- @raise when it has been collected
function registry.part(client)
  client.handle:id()
  settle()
end

--- The mail in hand, which is no message, has done all that must not be lost; what follows is done at most once.
function registry.handed()
  hand.finished = hand.serial
  finish(mailbox, hand.serial)
end

-- Of messages that are alike the payloads are there already.
local function make_alike(ring, last, count, topic, qos)
  local messages, room = ring.messages, ring.room
  for index = last + 1, last + count do
    local place = index % room + 1
    messages[place] = setmetatable({
      topic = topic, payload = messages[place], qos = qos, retain = false, duplicate = false,
    }, message_metatable)
  end
end

--- Puts the run in hand into a ring.
-- @tparam table ring `messages`, `items`, `ends`, `room`
-- @tparam number last behind whose place it goes
-- @tparam number count how many they are
function registry.fill(ring, last, count)
  local topic, qos = fill(mailbox, hand.serial, ring.messages, ring.items, ring.ends, ring.room, last, is_compiled)
  if topic then
    make_alike(ring, last, count, topic, qos)
  end
end

local function route(serial, kind, id, ...)
  if serial == nil then
    return false
  end
  hand.serial = serial
  local client = clients[id]
  if client and kind == "message" then
    receivers.message(client, ...)
  elseif client then
    if receivers[kind](client, ...) == false then
      return true -- it is shown again for the rest of it
    end
  elseif kind == "trace" then
    registry.handed()
    log.trace(...)
  else
    finish(mailbox, serial, true)
  end
  if hand.finished < serial then
    hand.finished = serial
  end
  if hand.takers and hand.serial == serial then
    hand.takers, hand.message = nil, nil
  end
  return true
end

local function never()
  return false
end

-- What is in hand may have been so before, and then takes part of the limit again.
local function dispatch(limit, is_late)
  local taken = 0
  repeat
    hand.is_late, hand.count = is_late or never, 1
    if not route(take(mailbox, hand.finished, limit - taken)) then
      return taken > 0
    end
    taken = taken + hand.count
  until taken >= limit or is_late and is_late()
  return true
end

local function attend()
  if not mailbox then
    mailbox = core.mailbox()
    take, finish, fill = mailbox.take, mailbox.finish, mailbox.fill
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
-- @tparam table by_kind kind of mail -> function(client, ...)
function registry.add(client, by_kind)
  receivers = by_kind
  attend()
  clients[client.handle:id()] = client
end

local function shares_server(one, other)
  for _, server in ipairs(one.servers) do
    for _, another in ipairs(other.servers) do
      if server.host:lower() == another.host:lower() and server.port == another.port then
        return server.text
      end
    end
  end
end

--- Whether another client that is not closed has the same client id and a server in common.
-- @tparam table client that is not added yet
-- @treturn ?string the server
function registry.twin(client)
  local id = client.handle:status().client_id
  for _, other in pairs(clients) do
    if not other.closing and other.handle:status().client_id == id then
      local server = shares_server(client, other)
      if server then
        return server
      end
    end
  end
end

--- The clients there are, in no order.
-- @return what `for` takes: number, client
function registry.each()
  return pairs(clients)
end

--- Takes a client out; nothing reaches it any more.
-- @tparam table client
function registry.remove(client)
  clients[client.handle:id()] = nil
end

return registry
