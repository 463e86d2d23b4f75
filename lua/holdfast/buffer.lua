--- The messages of one subscription that nobody has taken yet, oldest first, and those who read them.
-- The buffer owns a message until a reader shifts it. Who waits for one is woken, and no more: it may have been ended
-- meanwhile, or come too late, and the message is still here for the next.
--
-- While somebody reads, messages count against the client's inbox and none is dropped here: past the inbox's bounds the
-- broker keeps the rest. While nobody does, the buffer is a bounded memory of the newest and owes nothing, so that a
-- forgotten subscription cannot keep its client away from the broker.
-- @module holdfast.buffer
local chronicle = require "holdfast.chronicle"
local delivery = require "holdfast.delivery"
local first = require "holdfast.first"
local line = require "holdfast.line"
local log = require "holdfast.log"
local loop = require "holdfast.loop"

local buffer = {}

local done = delivery.done
local running, status = coroutine.running, coroutine.status

local LEAST = 16
local LOOK = 0.05 -- seconds after which another reader is woken for what nobody has shifted
local LONGEST = 60 -- seconds between two looks for readers that have ended

-- The ring -----------------------------------------------------------------------------------------------------------

-- Next to each message lie its *item* (see @{holdfast.delivery}) and its size, because the message itself is a table
-- that its other takers may change. A ring: a window that slides through a plain Lua table has it rehashed again and
-- again. Each change of it comes true with one assignment, its last: what interrupts it leaves the buffer as it was.

local function new_ring(room)
  return { messages = {}, items = {}, sizes = {}, starts = {}, room = room }
end

--- An empty buffer.
-- @treturn table
function buffer.new()
  return { ring = new_ring(LEAST), first = 1, last = 0 }
end

local function grow(self)
  local old = self.ring
  local ring = new_ring(old.room * 2)
  for index = self.first, self.last do
    local from, to = index % old.room + 1, index % ring.room + 1
    ring.messages[to], ring.items[to], ring.sizes[to] = old.messages[from], old.items[from], old.sizes[from]
    ring.starts[to] = old.starts[from]
  end
  self.ring = ring
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
  if self.first > self.last then
    return 0
  end
  local ring = self.ring
  local oldest, newest = self.first % ring.room + 1, self.last % ring.room + 1
  return ring.starts[newest] + ring.sizes[newest] - ring.starts[oldest]
end

--- Adds the newest; one that was the last to be added is not added again.
-- @tparam table self
-- @tparam table message
-- @param item
-- @tparam number size bytes
-- @treturn boolean whether it was added
function buffer.push(self, message, item, size)
  local ring, last = self.ring, self.last
  local newest = last % ring.room + 1
  if ring.items[newest] == item then
    return false
  elseif last - self.first + 1 == ring.room then
    grow(self)
    ring = self.ring
    newest = last % ring.room + 1
  end
  local start = last >= self.first and ring.starts[newest] + ring.sizes[newest] or 0
  local place = (last + 1) % ring.room + 1
  ring.messages[place], ring.items[place], ring.sizes[place], ring.starts[place] = message, item, size, start
  self.last = last + 1
  return true
end

--- The oldest, which stays in it.
-- @tparam table self
-- @treturn ?table nil when it is empty
-- @return its item
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
  self.first = oldest + 1
  ring.messages[oldest % ring.room + 1] = false
end

-- Those who read ------------------------------------------------------------------------------------------------------

--- Adds what readers need to a subscription.
-- @tparam table subscription
-- @tparam number messages the most that are kept while nobody reads
-- @tparam number bytes likewise
function buffer.attach(subscription, messages, bytes)
  subscription.buffer = buffer.new()
  subscription.most_messages, subscription.most_bytes = messages, bytes
  subscription.dropped = 0
  subscription.readers = line.new()
  subscription.reader = setmetatable({}, { __mode = "v" }) -- [1]: who read last, while it lives
  subscription.others = setmetatable({}, { __mode = "k" }) -- who read before, as a set
  subscription.watchers = setmetatable({}, { __mode = "k" }) -- waiters of holdfast.first, as a set
end

--- Somebody reads: a loop (a table, `over` once it was left), a task, a coroutine or the program.
-- @tparam table subscription
-- @param who its life tells how long
function buffer.reads(subscription, who)
  local last = subscription.reader[1]
  if last ~= who then
    if last ~= nil then
      subscription.others[last] = true
    end
    subscription.reader[1] = who
  end
end

--- What stands for the caller as a reader.
-- @tparam table subscription
function buffer.caller(subscription)
  return loop.task() or running() or subscription
end

local function lives(who)
  if type(who) == "thread" then
    return status(who) ~= "dead"
  end
  return not who.over and not (who.task and not lives(who.task))
end

local function is_read(subscription)
  local reader, others = subscription.reader, subscription.others
  if reader[1] ~= nil and lives(reader[1]) then
    return true
  end
  for who in pairs(others) do
    others[who] = nil
    if lives(who) then
      reader[1] = who
      return true
    end
  end
  reader[1] = nil
  while line.head(subscription.readers) do
    if not line.is_over(line.head(subscription.readers)) then
      return true
    end
    line.shift(subscription.readers)
  end
  return next(subscription.watchers) ~= nil
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
  if subscription.owing and not is_read(subscription) then
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

-- Wakes who has waited longest, if the host has not ended it.
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
  if next(subscription.watchers) ~= nil then
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

local function looked(subscription, _, err, trace)
  subscription.is_looked_after = false
  if err ~= nil then
    log.write("error", trace)
  end
end

--- Takes one message in, and wakes a reader.
-- @tparam table subscription
-- @tparam table message
-- @param item
function buffer.accept(subscription, message, item)
  local size = #message.topic + #message.payload
  if not is_read(subscription) then
    relieve(subscription)
    buffer.push(subscription.buffer, message, item, size)
    done(subscription.client, item)
    return trim(subscription)
  end
  subscription.owing = true
  buffer.push(subscription.buffer, message, item, size)
  wake(subscription)
  if not line.is_empty(subscription.readers) and not subscription.is_looked_after then
    subscription.is_looked_after = true
    loop.start(looked, subscription, nil, look_after, subscription)
  end
end

--- Takes everything out, unread.
-- @tparam table subscription
function buffer.clear(subscription)
  local kept = subscription.buffer
  local message, item = buffer.head(kept)
  while message do
    done(subscription.client, item)
    buffer.drop(kept)
    message, item = buffer.head(kept)
  end
end

-- A client that is away because its messages are not consumed ---------------------------------------------------------

-- A reader that is merely slow needs nothing: the client comes back as it catches up. But one that has ended must not
-- keep the client away for ever. Of a loop that was left and not closed nothing tells but its collection, which is
-- helped along here in small steps, ever rarer: a full one would hold up a large program.
local PAUSE, RARER = 0.02, 1.01 -- seconds between the first two; from one pause to the next
local STEPS, KILOBYTES, SECONDS = 64, 64, 0.005 -- at a time; each, as `collectgarbage` counts; in all

local function collect_some()
  local until_then = loop.now() + SECONDS
  for _ = 1, STEPS do
    collectgarbage("step", KILOBYTES)
    if loop.now() >= until_then then
      return
    end
  end
end

-- Whether anything is owed for somebody who reads, as far as one can tell.
local function owes(client)
  local owing = false
  for _, subscription in pairs(client.wishes) do
    relieve(subscription)
    owing = owing or subscription.owing
  end
  return owing
end

local function new_waiter(client)
  client.pausing = {}
  return client.pausing
end

-- Looks again and again, without keeping the client alive between two looks.
local function watch(weak)
  local pause = PAUSE
  while weak.client and weak.client.held and not weak.client.leaving do
    if owes(weak.client) then
      collect_some()
    end
    loop.park(new_waiter(weak.client), pause)
    pause = math.min(pause * RARER, LONGEST)
  end
end

local function watched(weak, _, err, trace)
  if weak.client then
    weak.client.is_watched = false
  end
  if err ~= nil then
    log.write("error", trace)
  end
end

--- The client has stepped away; `client.held` says how long it stays.
-- @tparam table client
function buffer.relieve(client)
  client.held = true
  if not client.is_watched then
    client.is_watched = true
    local weak = setmetatable({ client = client }, { __mode = "v" })
    loop.start(watched, weak, nil, watch, weak)
  end
end

--- The client is closed: what watches it must not keep a loop running.
-- @tparam table client
function buffer.finish(client)
  if client.pausing then
    loop.unpark(client.pausing)
  end
end

return buffer
