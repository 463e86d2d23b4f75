--- The messages of one subscription that nobody has taken yet, oldest first, and those who read them.
-- The buffer owns a message until a reader shifts it. Who waits for one is woken, and no more: it may have been ended
-- meanwhile, or come too late, and the message is still here for the next.
--
-- While somebody reads, messages count against the client's inbox and none is dropped here: past the inbox's bounds the
-- broker keeps the rest. While nobody does, the buffer is a bounded memory of the newest and owes nothing, so that a
-- forgotten subscription cannot keep its client away from the broker. One that is new is given the time in which its
-- program comes to its loop: a session may hand over more than the buffer takes before `connect` returns. Not where a
-- full inbox can only end the connection: `connect` would wait for the reader.
-- @module holdfast.buffer
local chronicle = require "holdfast.chronicle"
local delivery = require "holdfast.delivery"
local first = require "holdfast.first"
local line = require "holdfast.line"
local log = require "holdfast.log"
local loop = require "holdfast.loop"
local reader = require "holdfast.reader"
local registry = require "holdfast.registry"

local relief = require("holdfast.late").module "holdfast.relief" -- which looks into buffers

local buffer = {
  look_after_hands = nil, -- of holdfast.hands
}

local done = delivery.done
local fill, owe, pay = registry.fill, registry.owe, registry.pay
local lives = reader.lives

local LEAST = 16
local CREDITS = 64 -- messages that are owed for at most, though the loop does not turn
local LOOK = 0.05 -- seconds after which another reader is woken for what nobody has shifted
local KEPT = 1000 -- messages, while nobody reads
local PATIENCE = 10 -- seconds from its first message of QoS 1 or 2 on, in which somebody may begin to read

-- The ring -----------------------------------------------------------------------------------------------------------

-- Next to each message lie its *item* (see @{holdfast.delivery}) and its size, since the message itself is a table that
-- its other takers may change. A ring: a window that slides through a plain Lua table has it rehashed again and
-- again. Each change of it comes true with one assignment, its last: what interrupts it leaves the buffer as it was.

-- `ends` counts bytes from the beginning on; it has an entry for the place before the oldest, too.
local function new_ring(room)
  return { messages = {}, items = {}, ends = {}, room = room }
end

--- An empty buffer.
-- @tparam ?table client
-- @treturn table
function buffer.new(client)
  local ring = new_ring(LEAST)
  ring.ends[1] = 0
  return {
    ring = ring, first = 1, last = 0, client = client,
    paid = 0, owes = false, -- up to where nothing is owed for what was shifted; whether that is known to be not all
    easy = 0, -- what comes before it may be shifted without a word to anybody
    shared = 0, -- the last that has other takers, too: each of them is done with by itself
  }
end

-- Only what is `first` and later has a place for good.
local function make_room(self, count)
  if self.paid < self.first - 1 then
    pay(self)
  end
  local old, room = self.ring, self.ring.room
  while self.last - self.first + 2 + count > room do
    room = room * 2
  end
  if room == old.room then
    return old
  end
  local ring = new_ring(room)
  for index = self.first - 1, self.last do
    local from, to = index % old.room + 1, index % ring.room + 1
    ring.messages[to], ring.items[to], ring.ends[to] = old.messages[from], old.items[from], old.ends[from]
  end
  self.ring = ring
  return ring
end

--- How many messages are in it.
-- @tparam table self
-- @treturn number
function buffer.count(self)
  return self.last - self.first + 1
end

--- How many bytes of topic and payload are in it.
-- @tparam table self
-- @treturn number
function buffer.bytes(self)
  local ring = self.ring
  return ring.ends[self.last % ring.room + 1] - ring.ends[(self.first - 1) % ring.room + 1]
end

--- Adds the newest; one that was the last to be added is not added again.
-- @tparam table self
-- @tparam table message
-- @tparam number item
-- @tparam number size bytes
-- @treturn boolean whether it was added
local function push(self, message, item, size)
  local ring, last = self.ring, self.last
  local newest = last % ring.room + 1
  if ring.items[newest] == item then
    return false
  elseif last - self.paid + 1 >= ring.room then
    ring = make_room(self, 1)
    newest = last % ring.room + 1
  end
  local place = (last + 1) % ring.room + 1
  ring.messages[place], ring.items[place], ring.ends[place] = message, item, ring.ends[newest] + size
  if item < 0 then
    self.shared = last + 1
  end
  self.last = last + 1
  return true
end

buffer.push = push

-- Adds the run in hand.
local function push_run(self, count)
  local ring, last = self.ring, self.last
  if last - self.paid + count >= ring.room then
    ring = make_room(self, count)
  end
  fill(ring, last, count)
  self.last = last + count
end

--- The oldest, which stays in it.
-- @tparam table self
-- @treturn ?table nil when it is empty
-- @treturn number its item
function buffer.head(self)
  if self.first > self.last then
    return nil
  end
  local ring = self.ring
  local place = self.first % ring.room + 1
  return ring.messages[place], ring.items[place]
end

--- Takes the oldest out.
-- @tparam table self
function buffer.drop(self)
  local ring, oldest = self.ring, self.first
  if self.paid == oldest - 1 then
    self.paid = oldest
  end
  self.first = oldest + 1
  ring.messages[oldest % ring.room + 1] = false
end

-- What was shifted before is given back, or is to be: it has an account of its own where its takers are several.
local function settle_up(self, item)
  if item < 0 then
    done(self.client, item)
  elseif pay(self) then
    loop.owing()
  end
end

-- In some hosts it is given back at once, so the oldest must have left by then.
local function leave_and_tell(self, oldest)
  self.first = oldest + 1
  loop.owing()
end

local function put_back(self, oldest, problem)
  if self.paid >= oldest then
    self.paid = oldest - 1
  end
  self.first = oldest
  error(problem, 0)
end

--- Takes the oldest out, of which its reader is done from here on. Nothing that can throw or be interrupted comes after
-- it has left: no call, for which LuaJIT may want memory.
-- @tparam table self
-- @treturn ?table nil when there is none
function buffer.shift(self)
  local first_one = self.first
  if first_one > self.last then
    return nil
  end
  local ring = self.ring
  local place = first_one % ring.room + 1
  local messages, item = ring.messages, ring.items[place]
  local message = messages[place]
  if item < 0 or first_one - self.paid > CREDITS then
    settle_up(self, item)
  end
  if item > 0 and not self.owes then
    owe(self)
    local fine, problem = pcall(leave_and_tell, self, first_one)
    if not fine then
      put_back(self, first_one, problem)
    end
  elseif self.shared <= first_one then
    local easy, last = self.paid + CREDITS, self.last
    self.easy = easy > last and last + 1 or easy
  end
  self.first = first_one + 1
  messages[place] = false
  return message
end

-- Those who read ------------------------------------------------------------------------------------------------------

--- Adds what readers need to a subscription.
-- @tparam table subscription
-- @tparam ?number messages the most that are kept while nobody reads, from the beginning; nil: KEPT, and, if the client
-- holds back acknowledgements, all of QoS 1 and 2 until somebody has had time to begin
-- @tparam number bytes likewise
-- @tparam boolean holds_back
function buffer.attach(subscription, messages, bytes, holds_back)
  subscription.buffer = buffer.new(subscription.client)
  subscription.most_messages, subscription.most_bytes = messages or KEPT, bytes
  subscription.is_new = holds_back and not messages
  subscription.awaiting = nil -- parked while one that is new is taken for one that is read
  subscription.dropped = 0
  subscription.readers = line.new()
  subscription.reader = setmetatable({}, { __mode = "v" }) -- [1]: who read last, while it lives
  subscription.others = setmetatable({}, { __mode = "k" }) -- who read before, as a set
  subscription.watchers = false -- of holdfast.first, once there has been one
end

-- Somebody has begun to read, or nobody will.
local function begin(subscription)
  subscription.is_new = false
  if subscription.awaiting then
    loop.unpark(subscription.awaiting)
    subscription.awaiting = nil
  end
end

--- Somebody reads.
-- @tparam table subscription
-- @tparam table who a loop over the messages, what @{holdfast.reader} answers, or the subscription for the main program
function buffer.reads(subscription, who)
  local last = subscription.reader[1]
  if last ~= who then
    begin(subscription)
    if last ~= nil then
      subscription.others[last] = true
    end
    subscription.reader[1] = who
  end
end

-- Who read last may have ended, and another one read on.
local function is_read_by_others(subscription)
  local latest, others = subscription.reader, subscription.others
  for who in pairs(others) do
    others[who] = nil
    if lives(who) then
      latest[1] = who
      return true
    end
  end
  latest[1] = nil
  local readers = subscription.readers
  while line.head(readers) do
    if not line.is_over(line.head(readers)) then
      return true
    end
    line.shift(readers)
  end
  return subscription.watchers and first.is_watched(subscription)
end

local function is_read(subscription)
  local who = subscription.reader[1]
  return who and lives(who) or is_read_by_others(subscription)
end

-- Of QoS 1 and 2 what is dropped here has been acknowledged: nobody else has it.
local function trim(subscription)
  local kept = subscription.buffer
  while buffer.count(kept) > subscription.most_messages
    or buffer.bytes(kept) > subscription.most_bytes and buffer.count(kept) > 1 do
    local message, item = buffer.head(kept)
    done(subscription.client, item)
    buffer.drop(kept)
    subscription.dropped = subscription.dropped + 1
    if message.qos > 0 and not subscription.is_told then
      subscription.is_told = true
      chronicle.unread(subscription)
    end
  end
end

-- If nobody reads any more, what is buffered owes nothing any more. It stays until there is more of it.
local function relieve(subscription)
  if subscription.is_handled then
    return buffer.look_after_hands(subscription)
  elseif subscription.owing and not subscription.awaiting and not is_read(subscription) then
    subscription.owing = false
    local kept = subscription.buffer
    local ring = kept.ring
    for index = kept.first, kept.last do
      done(subscription.client, ring.items[index % ring.room + 1])
    end
  end
end

--- One who read does so no more.
-- @tparam table subscription
-- @param[opt] who nil: everybody, but those who wait right now
function buffer.leaves(subscription, who)
  if who == nil then
    subscription.reader[1], subscription.others = nil, setmetatable({}, { __mode = "k" })
  else
    subscription.others[who] = nil
    if subscription.reader[1] == who then
      subscription.reader[1] = nil
    end
  end
  relieve(subscription)
end

-- Wakes who has waited longest, if the host has not ended it, and all who watch.
local function wake(subscription)
  local readers = subscription.readers
  local waiter = line.head(readers)
  while waiter do
    local is_over = waiter.done or loop.unpark(waiter) == false
    line.leave(readers, waiter)
    if not is_over then
      break
    end
    waiter = line.head(readers)
  end
  if subscription.watchers then
    first.tell(subscription)
  end
end

-- Whoever was woken may have been ended before it came, or not come at all (a controller that nobody steps any more).
local function look_after(subscription)
  local kept = subscription.buffer
  repeat
    local oldest = kept.first
    loop.park({}, LOOK)
    if kept.first == oldest and kept.first <= kept.last then
      wake(subscription)
    end
  until line.is_empty(subscription.readers) or kept.first > kept.last
end

local function looked(subscription, look, err, trace)
  look.is_over = true
  if subscription.look == look then
    subscription.look = nil
  end
  if err ~= nil then
    log.write("error", trace)
  end
end

-- A shut inbox brings no message over which one could see that the time is over. Somebody may have read before this
-- begins.
local function await_reader(waiter)
  loop.park(waiter, PATIENCE)
end

-- However it has ended, for want of memory perhaps: nobody else says that the time is over.
local function awaited(subscription, waiter, err, trace)
  waiter.is_over = true
  if subscription.awaiting == waiter then
    begin(subscription)
  end
  relieve(subscription)
  if err ~= nil then
    log.write("error", trace)
  end
end

-- Whether nobody reads it yet, but may be about to.
local function is_awaited(subscription, message)
  if subscription.is_new and message.qos > 0 and not subscription.awaiting then
    local waiter = {}
    loop.start(awaited, subscription, waiter, await_reader, waiter)
    subscription.awaiting = not waiter.is_over and waiter or nil -- not before: it may not have come about
  end
  return subscription.awaiting ~= nil
end

local function be_owed(subscription)
  subscription.owing = true
  local client = subscription.client
  if client.holds_back and not client.is_watched then
    relief.watch_room(client)
  end
end

local function wake_one(subscription)
  wake(subscription)
  if subscription.readers.last > 0 and not subscription.look then
    local look = {}
    loop.start(looked, subscription, look, look_after, subscription)
    subscription.look = not look.is_over and look or nil -- not before: it may not have come about
  end
end

--- Wakes a reader, if any waits, for one more message.
-- @tparam table subscription
-- @local
function buffer.wake(subscription)
  if subscription.readers.last > 0 or subscription.watchers then
    wake_one(subscription)
  end
end

--- Takes one message in for readers, whether or not there is one now, and wakes one.
-- @tparam table subscription
-- @tparam table message
-- @tparam number item
local function keep(subscription, message, item)
  push(subscription.buffer, message, item, #message.topic + #message.payload)
  be_owed(subscription)
  if subscription.readers.last > 0 or subscription.watchers then
    wake_one(subscription)
  end
end

buffer.keep = keep

--- Takes one message in, and wakes a reader.
-- @tparam table subscription
-- @tparam table message
-- @tparam number item
function buffer.accept(subscription, message, item)
  if is_read(subscription) or is_awaited(subscription, message) then
    return keep(subscription, message, item)
  end
  relieve(subscription)
  push(subscription.buffer, message, item, #message.topic + #message.payload)
  done(subscription.client, item)
  trim(subscription)
end

--- Takes a run of messages in, the one in hand, if somebody reads; the one that was added last is not added again.
-- @tparam table subscription
-- @tparam number count
-- @tparam number newest item of the last of them
-- @treturn boolean
function buffer.accept_run(subscription, count, newest)
  local kept = subscription.buffer
  if kept.ring.items[kept.last % kept.ring.room + 1] ~= newest then
    if not is_read(subscription) then
      return false
    end
    be_owed(subscription)
    push_run(kept, count)
  end
  local readers = subscription.readers
  local left = readers.last > 0 and count or subscription.watchers and 1 or 0
  while left > 0 do
    wake_one(subscription)
    left = readers.last > 0 and left - 1 or 0
  end
  return true
end

--- Takes everything out, unread. What is owed for what was read is given back now: nobody need keep the buffer from
-- here on.
-- @tparam table subscription
function buffer.clear(subscription)
  begin(subscription)
  local kept = subscription.buffer
  local message, item = buffer.head(kept)
  while message do
    done(subscription.client, item)
    buffer.drop(kept)
    message, item = buffer.head(kept)
  end
  if pay(kept) then
    loop.owing()
  end
end

--- Has what is owed for readers that have ended given back, as far as one can tell.
-- @tparam table subscription
-- @function buffer.look
buffer.look = relieve

--- The client is closed: what its new subscriptions were kept for will not come.
-- @tparam table client
function buffer.finish(client)
  for _, subscription in pairs(client.wishes) do
    begin(subscription)
  end
end

return buffer
