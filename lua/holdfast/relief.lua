--- What helps a client whose messages are not consumed: over a link that steps away from its broker, and over one that
-- holds messages back.
-- @module holdfast.relief
local buffer = require "holdfast.buffer"
local chronicle = require "holdfast.chronicle"
local log = require "holdfast.log"
local loop = require "holdfast.loop"

local relief = {}

-- A reader that is merely slow needs nothing: the client comes back as it catches up. But one that has ended must not
-- keep the client away for ever. Of a loop that was left and not closed nothing tells but its collection, which is
-- helped along here in small steps, ever rarer: a full one would hold up a large program.
local PAUSE, RARER = 0.02, 1.01 -- seconds between the first two; from one pause to the next
local LONGEST = 60 -- seconds between two looks for readers that have ended
local STALL, TOLD = 1, 5 -- seconds between two looks at a link that stands still; until that is said
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
    buffer.look(subscription)
    owing = owing or subscription.owing
  end
  return owing
end

local function new_waiter(client)
  client.pausing = {}
  return client.pausing
end

-- What is first in each buffer has not moved since the last look.
local function has_stalled(client)
  local stalled
  for _, subscription in pairs(client.wishes) do
    local kept = subscription.buffer
    if kept and subscription.owing and kept.first <= kept.last then
      if kept.first ~= subscription.seen then
        subscription.seen, subscription.stands_since = kept.first, loop.now()
      elseif not stalled or subscription.stands_since < stalled.stands_since then
        stalled = subscription
      end
    end
  end
  return stalled
end

-- A link that holds messages back never steps away: it stands still when there is no room. Then those who have ended
-- are looked for, and the one that is waited for is named.
local function watch_room(weak)
  while weak.client and not weak.client.leaving and not weak.client.closed and owes(weak.client) do
    local client = weak.client
    local stalled = has_stalled(client)
    local inbox = stalled and client.handle:status().inbox
    if inbox and inbox.oldest and inbox.oldest >= STALL then
      collect_some()
      local seconds = loop.now() - stalled.stands_since
      if owes(client) and stalled.owing and seconds >= TOLD and not stalled.is_told_stalled then
        stalled.is_told_stalled = true
        chronicle.stalled(stalled, seconds, inbox.held)
      end
    end
    local waiter = new_waiter(client)
    client, stalled, inbox = nil, nil, nil -- luacheck: ignore 311
    loop.park(waiter, STALL)
  end
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
  weak.is_over = true
  if weak.client then
    weak.client.is_watched = false
  end
  if err ~= nil then
    log.write("error", trace)
  end
end

-- It is marked when it is known to have come about.
local function begin(client, how)
  local weak = setmetatable({ client = client, is_over = false }, { __mode = "v" })
  loop.start(watched, weak, nil, how, weak)
  client.is_watched = not weak.is_over
end

--- The inbox of a client fills up.
-- @tparam table client
function relief.watch_room(client)
  begin(client, watch_room)
end

--- The client has stepped away; `client.held` says how long it stays.
-- @tparam table client
function relief.begin(client)
  client.held = true
  if not client.is_watched then
    begin(client, watch)
  end
end

--- The client is closed: what watches it must not keep a loop running.
-- @tparam table client
function relief.finish(client)
  buffer.finish(client)
  if client.pausing then
    loop.unpark(client.pausing)
  end
end

return relief
