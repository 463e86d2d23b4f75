-- A hundred thousand random operations and faults over several clients, and what must hold after each of them.
local virtual = require "spec.support.virtual"
local core, probe = virtual.core, virtual.probe

local STEPS = tonumber(os.getenv "HOLDFAST_WALK") or 100000
local SEED = tonumber(os.getenv "HOLDFAST_SEED") or 20260117
local CLIENTS = 4

local STATES = { idle = true, connecting = true, connected = true, waiting = true, sleeping = true, closed = true }

-- What may follow what, in the order in which a client is told. "again" is `sleeping` after a hint that led nowhere.
local FOLLOWS = {
  connecting = { start = true, failed = true, lost = true, sleeping = true },
  connected = { connecting = true },
  ready = { connected = true },
  failed = { connecting = true },
  lost = { connected = true, ready = true },
  sleeping = { failed = true, lost = true, sleeping = true },
  closed = { start = true, connecting = true, connected = true, ready = true, failed = true, lost = true,
    sleeping = true },
}

-- Park and Miller's generator: the same draws on every Lua, though the collector comes when it likes.
local seed = SEED

local function random(most)
  seed = seed * 16807 % 2147483647
  return math.floor(seed / 2147483647 * most) + 1
end

local function one_of(list)
  return list[random(#list)]
end

local function chance(in_how_many)
  return random(in_how_many) == 1
end

local world, actors, made, step

local function fault(actor, format, ...)
  error(("seed %d, step %d, client %d: "):format(SEED, step, actor and actor.id or 0) .. format:format(...), 0)
end

-- Actors ------------------------------------------------------------------------------------------------------------

local function bounds(messages, bytes)
  return { messages = messages, bytes = bytes }
end

local function settings()
  local servers = {}
  for i = 1, random(3) do
    servers[i] = virtual.server(("abc"):sub(i, i))
  end
  made = made + 1
  return {
    client_id = "walker" .. made % 7, servers = servers, protocol = one_of { 4, 5, 5, 5 }, fallback = chance(2),
    clean_start = chance(3), end_session = chance(3), session_expiry = one_of { 0, 3600 },
    ask_credentials = chance(3), ask_delay = chance(3), max_attempts = one_of { 0, 0, 2, 5 },
    sleep_for = one_of { 0, 20000 }, stable_after = one_of { 0, 1000, 10000 }, watch_network = chance(2),
    connect_timeout = one_of { 500, 10000 }, return_to_primary = one_of { 0, 5000 },
    backoff = one_of {
      virtual.constant(1000), virtual.constant(50),
      { strategy = "exponential", jitter = "full", min = 100, max = 30000, factor = 2 },
      { strategy = "decorrelated", jitter = "none", min = 100, max = 30000 },
    },
    queue = one_of { bounds(1, 100000), bounds(50, 100000), bounds(50, 2000) },
    inbox = one_of { bounds(3, 100000), bounds(100, 100000), bounds(100, 50) },
  }
end

local function new_actor()
  local client = world:client(settings())
  actors[#actors + 1] = {
    client = client, id = client:id(), last = "start", pending = {}, waiting = 0,
    received = 0, received_bytes = 0, wishes = {}, next_wish = 1, last_id = 0,
  }
  if not chance(4) then
    client:start()
  end
end

local function actor_of(client)
  for _, actor in ipairs(actors) do
    if actor.client == client then
      return actor
    end
  end
end

local function replace(actor)
  for i, known in ipairs(actors) do
    if known == actor then
      table.remove(actors, i)
    end
  end
  new_actor()
end

-- What the clients are told -----------------------------------------------------------------------------------------

local function hear()
  world:answer("event", function(client, name)
    local actor = actor_of(client)
    if not actor then
      return
    end
    if not FOLLOWS[name][actor.last] then
      fault(actor, "%s was told after %s", name, actor.last)
    end
    actor.last = name
  end)
  world:answer("outcome", function(client, id)
    local actor = actor_of(client)
    if not actor then
      return
    end
    if not actor.pending[id] then
      fault(actor, "an outcome of %d, which has had one or wanted none", id)
    end
    actor.pending[id] = nil
    actor.waiting = actor.waiting - 1
  end)
  world:answer("message", function(client, message)
    local actor = actor_of(client)
    if actor then
      actor.received = actor.received + 1
      actor.received_bytes = actor.received_bytes + #message.topic + #message.payload
    end
  end)
end

local function check(actor, due)
  local status = actor.client:status()
  if not STATES[status.state] then
    fault(actor, "the state %s", tostring(status.state))
  end
  local queued, inbox = status.queued, status.inbox
  if queued.messages < actor.waiting or queued.messages > 1000 or queued.bytes > 100000 then
    fault(actor, "%d messages of %d bytes are queued, %d wait for an outcome", queued.messages, queued.bytes,
      actor.waiting)
  end
  if inbox.messages ~= actor.received or inbox.bytes ~= actor.received_bytes then
    fault(actor, "%d messages of %d bytes in the inbox, not %d of %d", inbox.messages, inbox.bytes, actor.received,
      actor.received_bytes)
  end
  if actor.last == "closed" then
    if status.state ~= "closed" or queued.messages ~= 0 or queued.bytes ~= 0 or actor.waiting ~= 0 then
      fault(actor, "closed, but %s with %d messages and %d outcomes due", status.state, queued.messages, actor.waiting)
    end
    return
  end
  if status.state == "closed" then
    return -- its DISCONNECT is on the way
  end
  if (status.state == "connected") ~= (actor.last == "connected" or actor.last == "ready")
    or (status.state == "connecting") ~= (actor.last == "connecting") then
    fault(actor, "%s, but the last word was %s", status.state, actor.last)
  end
  if status.ready ~= (actor.last == "ready") then
    fault(actor, "ready is %s after %s", tostring(status.ready), actor.last)
  end
  if actor.closing and world:now() > actor.closing then
    fault(actor, "%s, though it should have been closed at %g", status.state, actor.closing)
  end
  if status.held_by == "slow_consumer" then
    return -- it waits for the script
  end
  if status.state == "connecting" and not due or status.state == "waiting" and not (due and status.retry_in) then
    fault(actor, "%s, and nothing will ever happen", status.state)
  end
end

-- What is done to them ----------------------------------------------------------------------------------------------

local topics = { "a", "a/b", "a/b/c", "x" }
local filters = { "a", "a/+", "#", "a/b", "$share/g/a/#", "x" }

local reasons = {
  { "network", 9 }, { "network", 4 }, { "disconnect", 0x00 }, { "disconnect", 0x81 }, { "disconnect", 0x87 },
  { "disconnect", 0x8B }, { "disconnect", 0x8E }, { "disconnect", 0x95 }, { "disconnect", 0x9C },
  { "disconnect", 0x77 },
}
local refusals = {
  { "network", 2 }, { "network", 6 }, { "network", 8 }, { "connack", 0x84 }, { "connack", 0x86 }, { "connack", 0x89 },
  { "connack", 0x8A }, { "connack", 0x9D }, { "connack_v3", 1 }, { "tls", 3 },
}

-- The faults end.
local function calm()
  probe.script {
    connect = "accept", session_present = -1, hold_publishes = false, hold_subscriptions = false, hold_close = false,
    publish_result = 0, refuse_subscriptions = 0, refuse_to_take = false, refuse_to_create = false,
    names = "answer", opens = true, receive_maximum = 65535, maximum_qos = 2, retain_available = true,
    wildcard_available = true, shared_available = true, identifiers_available = true, maximum_packet_size = 0,
    server_keep_alive = 0, assigned_client_id = false,
  }
  core.limit(nil)
  probe.resolved()
  for link = 1, probe.links() do
    probe.accept(link)
    probe.release(link)
  end
end

local namings = { "answer", "answer", "answer", "answer", "answer", "hold", "fail", "hold_fail", "refuse" }

local operations = {
  { 12, function(actor)
    local notify = chance(2)
    local id = actor.client:post(one_of(topics), ("x"):rep(random(40)), random(3) - 1, chance(5), nil, notify)
    if id then
      actor.last_id = id
      if notify then
        actor.pending[id] = true
        actor.waiting = actor.waiting + 1
      end
    end
  end },
  { 2, function(actor) actor.client:withdraw(math.max(1, actor.last_id - random(10) + 1)) end },
  { 3, function(actor)
    actor.client:subscribe(actor.next_wish, one_of(filters), random(3) - 1, chance(4), chance(4), random(3) - 1,
      chance(5) and random(3) or nil)
    actor.wishes[#actor.wishes + 1] = actor.next_wish
    actor.next_wish = actor.next_wish + 1
  end },
  { 3, function(actor)
    if #actor.wishes > 0 then
      actor.client:unsubscribe(table.remove(actor.wishes, random(#actor.wishes)))
    end
  end },
  { 4, function(actor) actor.client:start() end },
  { 2, function(actor) actor.client:wake() end },
  { 2, function(actor) actor.client:reconnect() end },
  { 2, function(actor) actor.client:network_changed() end },
  { 1, function() probe.news(chance(2)) end },
  { 9, function(actor)
    local asked = world:newest_of(actor.client, "credentials")
    if asked and chance(5) then
      actor.client:credentials(asked[1] - random(2) + 1, false, "none")
    elseif asked then
      actor.client:credentials(asked[1], "u", chance(2) and "p" or nil)
    end
  end },
  { 3, function(actor)
    local asked = world:newest_of(actor.client, "delay")
    if asked then
      actor.client:delay(asked[1], one_of { 0, 10, 5000, false })
    end
  end },
  { 6, function(actor)
    local count = actor.received > 0 and random(actor.received) or 0
    local bytes = count == actor.received and actor.received_bytes or math.floor(actor.received_bytes / 2)
    actor.client:consumed(count, bytes)
    actor.received, actor.received_bytes = actor.received - count, actor.received_bytes - bytes
  end },
  { 8, function() probe.send(one_of(topics), ("y"):rep(random(20)), random(3) - 1) end },
  { 1, function(actor)
    if chance(2) then
      local patience = one_of { 0, 0, 500, 20000 }
      actor.client:close(patience)
      actor.closing = math.min(actor.closing or math.huge, world:now() + patience / 1000)
    end
  end },
  { 1, function(actor)
    if chance(3) then
      world:forget(actor.client) -- the collector will find it, some time
      replace(actor)
    end
  end },
  { 3, function() world:pass(random(500) / 1000) end },
  { 1, function() world:pass(random(30000) / 1000) end },
  { 3, function()
    local refusal = one_of(refusals)
    probe.script {
      connect = one_of { "accept", "accept", "accept", "accept", "refuse", "silent" },
      source = refusal[1], code = refusal[2],
    }
  end },
  { 1, function() probe.script { session_present = one_of { -1, -1, 0, 1 } } end },
  { 1, function() probe.script { hold_publishes = chance(2) } end },
  { 1, function() probe.script { hold_subscriptions = chance(3) } end },
  { 1, function() probe.script { hold_close = chance(2) } end },
  { 1, function() probe.script { publish_result = one_of { 0, 0, 0x10, 0x87 } } end },
  { 1, function() probe.script { refuse_subscriptions = one_of { 0, 0, 0x87 } } end },
  { 1, function() probe.script { refuse_to_take = chance(3) } end },
  { 1, function() probe.script { refuse_to_create = chance(6) } end },
  { 1, function() probe.script { names = one_of(namings) } end },
  { 1, function() probe.script { opens = chance(2) } end },
  { 1, function()
    probe.script {
      receive_maximum = one_of { 1, 3, 65535 }, maximum_qos = one_of { 0, 1, 2, 2 }, retain_available = chance(2),
      wildcard_available = chance(2), shared_available = chance(2), identifiers_available = chance(2),
      maximum_packet_size = one_of { 0, 30 }, server_keep_alive = one_of { 0, 3 },
      assigned_client_id = one_of { false, false, "assigned" },
    }
  end },
  { 1, function() core.limit(one_of { 0.2, 20, false, false, false } or nil, 2) end },
  { 2, function() probe.resolved() end },
  { 2, calm },
  { 4, function(_, link) if link then probe.accept(link) end end },
  { 3, function(_, link) if link then probe.release(link) end end },
  { 3, function(_, link) if link then probe.acknowledge(link, random(3)) end end },
  { 3, function(_, link)
    local reason = one_of(reasons)
    if link then
      probe.drop(link, reason[1], reason[2])
    end
  end },
}

local weighted = {}
for _, operation in ipairs(operations) do
  for _ = 1, operation[1] do
    weighted[#weighted + 1] = operation[2]
  end
end

-- Everything works again, and everybody looks: whatever was going on, the clients come back and their queues empty.
local function recover()
  calm()
  collectgarbage()
  collectgarbage()
  world:turn()
  local owners = {}
  for _, actor in ipairs(actors) do -- no fight over a client id: the newest has it
    local client_id = actor.client:status().client_id
    local older = owners[client_id]
    if older then
      older.client:close(0)
      older.closing = world:now()
    end
    owners[client_id] = actor
  end
  world:answer("credentials", function(client, ticket) client:credentials(ticket, "u", "p") end)
  world:answer("message", function(client, message) client:consumed(1, #message.topic + #message.payload) end)
  for _, actor in ipairs(actors) do
    local asked = world:newest_of(actor.client, "credentials")
    if asked then
      actor.client:credentials(asked[1], "u", "p")
    end
    actor.client:start()
    actor.client:wake()
    actor.client:consumed(actor.received, actor.received_bytes)
    actor.received, actor.received_bytes = 0, 0
  end
  world:pass(600)
  for _, actor in ipairs(actors) do
    local status = actor.client:status()
    local expected = actor.closing and "closed" or "connected"
    if status.state ~= expected or (expected == "connected" and not status.ready) then
      fault(actor, "%s (%s, %s) at the end, not %s", status.state, actor.last,
        status.reason and status.reason.name or "no reason", expected)
    end
    if status.queued.messages ~= 0 or actor.waiting ~= 0 then
      fault(actor, "%d messages are stuck, %d outcomes are due", status.queued.messages, actor.waiting)
    end
  end
end

describe("a random walk", function()
  before_each(function()
    world, actors, made, step = virtual.new(), {}, 0, 0
    hear()
    for _ = 1, CLIENTS do
      new_actor()
    end
  end)

  after_each(function()
    core.limit(nil)
    world:finish()
  end)

  it("never leaves the rules", function()
    for number = 1, STEPS do
      step = number
      local actor = one_of(actors)
      local links = probe.links()
      one_of(weighted)(actor, links > 0 and random(links) or nil)
      if not chance(4) then -- several things may happen in one moment
        local due = world:turn()
        world.mails = {}
        for _, each in ipairs(actors) do
          check(each, due)
        end
        local wrong = world:asked "wrong:"
        if wrong[1] then
          fault(actor, "%s", wrong[1])
        end
      end
      if actor.last == "closed" then
        replace(actor)
      end
    end
    recover()
  end)
end)
