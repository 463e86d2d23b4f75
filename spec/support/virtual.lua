--- The whole module below Lua on virtual time: clients over a scripted broker, and what they were told, when.
--
--     local world = virtual.new()                        -- in before_each; world:finish() in after_each
--     local client = world:client { client_id = "a" }    -- a core handle; the settings are `virtual.settings`, changed
--     client:start()
--     world:pass(20)                                      -- seconds of virtual time, to the millisecond
--     assert.same({ "0 connecting 1", "0 connected 1 downtime=0 session=false" }, world:told(client))
--     world:asked()                                       -- lines: what the links were asked for
--
-- One world at a time. `finish` closes every client and fails unless each was told so exactly once and last, no link is
-- left, and no credit.
local probe = require "keeper_probe"

local core = probe.core
local mailbox = core.mailbox()

local virtual = { core = core, probe = probe }

local World = {}
World.__index = World

local function copy(from, changes)
  local made = {}
  for key, value in pairs(from) do
    made[key] = value
  end
  for key, value in pairs(changes or {}) do
    made[key] = value
  end
  return made
end

local function constant(milliseconds)
  return { strategy = "constant", jitter = "none", min = milliseconds, max = milliseconds }
end

virtual.constant = constant

--- One server of a settings table, named as itself.
function virtual.server(name)
  return { host = name, port = 1883, text = name }
end

--- Settings as core.client takes them: waits of exactly 1 s, slow ones of 30 s.
-- @tparam[opt] table changes keys to set; `false` leaves one out
function virtual.settings(changes)
  local made = copy({
    servers = { virtual.server "a" }, client_id = "c", protocol = 5, keep_alive = 20, session_expiry = 3600,
    connect_timeout = 10000, stable_after = 10000, max_attempts = 0, sleep_for = 0,
    backoff = constant(1000), slow = constant(30000), queue = { messages = 1000, bytes = 1000000 },
    inbox = { messages = 1000, bytes = 1000000 }, receive_maximum = 100,
  }, changes)
  for key, value in pairs(made) do
    made[key] = value or nil
  end
  return made
end

--- A world without clients or sessions, at second 0 of its own.
function virtual.new()
  probe.reset()
  return setmetatable({
    began = core.now(), clients = {}, by_id = {}, mails = {}, newest = {}, answers = {}, closed = {}, late = {},
  }, World)
end

--- Seconds since this world began, to the millisecond.
function World:now()
  return math.floor((core.now() - self.began) * 1000 + 0.5) / 1000
end

--- A client; `finish` closes it.
function World:client(changes)
  local client = assert(core.client(virtual.settings(changes)))
  self.clients[#self.clients + 1] = client
  self.by_id[client:id()] = client
  self.newest[client:id()] = {}
  return client
end

--- Forgets a client, which then belongs to the caller alone, or to the collector.
function World:forget(client)
  self.by_id[client:id()] = nil
  self.newest[client:id()] = nil
  for i, known in ipairs(self.clients) do
    if known == client then
      table.remove(self.clients, i)
      return
    end
  end
end

--- Calls `fn(client, ...)` with what such a mail carries whenever one is taken; it may command the client.
function World:answer(kind, fn)
  self.answers[kind] = fn
end

--- The newest mail of that kind: a list of what it carries, and `now`.
function World:newest_of(client, kind)
  return self.newest[client:id()][kind]
end

local function keep(world, serial, kind, id, ...)
  if not serial then
    return false
  end
  local mail = { now = world:now(), kind = kind, id = id, n = select("#", ...), ... }
  world.mails[#world.mails + 1] = mail
  if world.newest[id] then
    world.newest[id][kind] = mail
  end
  if world.closed[id] then
    world.late[#world.late + 1] = mail
  end
  world.closed[id] = world.closed[id] or kind == "event" and ... == "closed" or nil
  if world.answers[kind] and world.by_id[id] then
    world.answers[kind](world.by_id[id], ...)
    world.answered = true
  end
  return true
end

--- Lets everything happen that follows at this moment; returns the seconds until something will by itself, or nil.
-- The mails are taken unless `world.blind` is set, as with a script that never looks.
function World:turn()
  local due
  repeat
    due = probe.turn()
    self.answered = false
    repeat until self.blind or not keep(self, mailbox:take())
  until not self.answered
  return due
end

--- Lets time pass, stopping at each moment at which something happens.
function World:pass(seconds)
  local left = math.floor(seconds * 1000 + 0.5)
  while true do
    local due = self:turn()
    local step = due and math.floor(due * 1000 + 0.5)
    if not step or step > left then
      break
    end
    probe.advance(step / 1000)
    left = left - step
  end
  probe.advance(left / 1000)
  self:turn()
end

local function number(value)
  return string.format("%.10g", value)
end

local function words(...)
  local list = {}
  for i = 1, select("#", ...) do
    local word = select(i, ...)
    if word then
      list[#list + 1] = word
    end
  end
  return table.concat(list, " ")
end

local function seconds(name, value)
  return value and name .. "=" .. number(value)
end

local events = {
  connecting = function(e) return number(e.attempt), e.server ~= "a" and "at " .. (e.server or "somewhere") end,
  connected = function(e)
    return number(e.attempts), seconds("downtime", e.downtime), "session=" .. tostring(e.session_present)
  end,
  ready = function(e)
    return number(e.subscriptions), e.refused > 0 and "refused=" .. number(e.refused), seconds("downtime", e.downtime)
  end,
  failed = function(e) return e.reason.name, number(e.attempt), seconds("retry_in", e.retry_in) end,
  lost = function(e) return e.reason.name, seconds("uptime", e.uptime), seconds("retry_in", e.retry_in) end,
  sleeping = function(e) return e.reason.name, seconds("wake_in", e.wake_in) end,
  store = function(e) return e.code or "anew" end,
  closed = function() end,
}

local kinds = {
  event = function(mail) return words(mail[1], events[mail[1]](mail[2])) end,
  granted = function(mail)
    return words(mail[2] and "granted" or "refused", number(mail[1]), mail[2] and "qos=" .. number(mail[2]),
      mail[3] and mail[3].name)
  end,
  outcome = function(mail)
    return words(mail[2] and "delivered" or "dropped", number(mail[1]), mail[3], mail[4] and mail[4].name)
  end,
  outcomes = function(mail) return words("delivered", number(mail[1]), "to", number(mail[2])) end,
  not_withdrawn = function(mail) return "not_withdrawn " .. number(mail[1]) end,
  credentials = function(mail) return "credentials " .. number(mail[2]) end,
  delay = function(mail) return "delay " .. mail[2].reason.name .. " " .. number(mail[3]) end,
  room = function() return "room" end,
  turn = function() return "turn" end,
  authenticated = function(mail) return words("authenticated", number(mail[1]), number(mail[2])) end,
  message = function(mail)
    local message, wishes = mail[1], {}
    for _, wish in ipairs(type(mail[2]) == "table" and mail[2] or { mail[2] }) do
      wishes[#wishes + 1] = number(wish)
    end
    return words("message", message.topic, message.payload, "qos=" .. number(message.qos),
      "for " .. table.concat(wishes, ","))
  end,
}

--- What a client was told since the last call, oldest first: "second words ..." a line.
-- @tparam[opt] string ... only lines with these first words
function World:told(client, ...)
  local wanted, lines, left = {}, {}, {}
  for i = 1, select("#", ...) do
    wanted[select(i, ...)] = true
  end
  for _, mail in ipairs(self.mails) do
    if mail.id == client:id() then
      local text = kinds[mail.kind](mail)
      if not ... or wanted[text:match "^%S+"] then
        lines[#lines + 1] = number(mail.now) .. " " .. text
      end
    else
      left[#left + 1] = mail
    end
  end
  self.mails = left
  return lines
end

--- What the links were asked for since the last call, a line each.
-- @tparam[opt] string ... only lines with these first words
function World.asked(_, ...)
  local wanted, lines = {}, {}
  for i = 1, select("#", ...) do
    wanted[select(i, ...)] = true
  end
  for line in probe.asked():gmatch "[^\n]+" do
    if not ... or wanted[line:match "^%S+"] then
      lines[#lines + 1] = line
    end
  end
  return lines
end

--- Closes every client. Each must be told so, and nothing after it; no link and no credit may be left.
function World:finish()
  probe.script { hold_close = false, hold_publishes = false, hold_subscriptions = false }
  self.blind, self.answers = false, {}
  for _, client in ipairs(self.clients) do
    client:close(0)
  end
  self:turn()
  for i = 1, probe.links() do
    probe.release(i)
  end
  self:turn()
  for i, client in ipairs(self.clients) do
    local queued = client:status().queued
    assert(self.closed[client:id()], "client " .. i .. " was never told that it is closed")
    assert(queued.messages == 0 and queued.bytes == 0, "client " .. i .. " has credits left")
  end
  assert(#self.late == 0, "told after closed: " .. tostring(self.late[1] and self.late[1].kind))
  assert(probe.links() == 0, probe.links() .. " links are left")
end

return virtual
