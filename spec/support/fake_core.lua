--- holdfast.core with a scripted keeper and a virtual clock, for the specs of lua/holdfast.
--
--     local core, holdfast = fake_core.install()
--     core:at(2, function() ... end)               -- something happens at second 2
--     core:mail("event", 1, "ready", {...})        -- what the keeper tells client 1, now
--     core.alarm                                   -- when the mailbox's alarm rings
--     core.clients[1].calls                        -- what it was told: { { "start" }, { "post", topic ... } }
--     fake_core.remove()
--
-- The pure parts are the real ones. Time passes only in mailbox:wait, which goes straight to the next thing that
-- happens; when nothing ever will, it throws, so that a spec fails where the real loop would wait for ever.
local fake_core = {}

local Handle = {}
Handle.__index = Handle

function Handle:id()
  return self.number
end

for _, name in ipairs { "start", "withdraw", "subscribe", "unsubscribe", "wake", "reconnect", "network_changed",
  "credentials", "delay", "close" } do
  Handle[name] = function(self, ...)
    self.calls[#self.calls + 1] = { name, ... }
    return true
  end
end

-- `room`: how many more messages the queue takes.
function Handle:post(...)
  if self.room == 0 then
    self.refused = (self.refused or 0) + 1
    return nil, "the queue is full", "queue_full"
  end
  self.room = self.room - 1
  self.calls[#self.calls + 1] = { "post", ... }
  self.last_id = self.last_id + 1
  return self.last_id
end

function Handle:consumed(messages, bytes)
  self.messages_consumed = self.messages_consumed + messages
  self.bytes_consumed = self.bytes_consumed + bytes
end

-- The receipts are numbered by the core; each is open until it is done with, and the keeper hears of 64 at once.
function Handle:done(receipt, now)
  self.done_now = now or false
  local bytes = self.core.receipts[receipt]
  if bytes then
    local first = self.owed_messages == 0 and not self.core.debtors[self]
    self.core.receipts[receipt], self.core.debtors[self] = nil, true
    self.owed_messages, self.owed_bytes = self.owed_messages + 1, self.owed_bytes + bytes
    if self.owed_messages >= 64 then
      self:pay()
    end
    return first
  end
end

function Handle:done_all(receipts, room, from, to)
  local first
  for index = from, to do
    local receipt = receipts[index % room + 1]
    first = receipt > 0 and self:done(receipt) or first
  end
  return first
end

-- Of a transport that waits to be told who has a message.
function Handle:begun(receipt)
  table.insert(self.begun_with, receipt)
end

-- The short way past the reading of options is never taken: it wants a handle of the real core.
function Handle.posting() end
function Handle.beware() end

function Handle:answers(wish)
  self.answer_wish = wish
end

function Handle:parked()
  self.messages_parked = (self.messages_parked or 0) + 1
end

function Handle:unclaimed()
  self.messages_unclaimed = (self.messages_unclaimed or 0) + 1
end

function Handle:pay()
  self:consumed(self.owed_messages, self.owed_bytes)
  self.owed_messages, self.owed_bytes = 0, 0
end

function Handle:status()
  return self.snapshot
end

function Handle.history()
  return {}
end

--- The calls of one name, each { name, arguments ... }.
function Handle:called(name)
  local found = {}
  for _, call in ipairs(self.calls) do
    if call[1] == name then
      found[#found + 1] = call
    end
  end
  return found
end

local function new_handle(core, settings)
  core.made = core.made + 1
  local handle = setmetatable({
    number = core.made,
    core = core,
    settings = settings,
    calls = {},
    room = 1000000,
    last_id = 0,
    messages_consumed = 0,
    bytes_consumed = 0,
    owed_messages = 0,
    begun_with = {},
    owed_bytes = 0,
    snapshot = { state = "idle", ready = false, client_id = settings.client_id },
  }, Handle)
  core.clients[handle.number] = handle
  return handle
end

local function belongs_to(run, mail)
  local wish = run[4]
  return mail and run[1] == "message" and mail[1] == "message" and mail[2] == run[2]
    and type(wish) == "number" and mail[4] == wish
end

-- How many mails are shown at once: one, or a run of messages for the same one wish.
local function show(core, most)
  local count, mails = 1, core.mails
  while count < most and belongs_to(mails[1], mails[count + 1]) do
    count = count + 1
  end
  for index = 1, mails[1][1] == "message" and count or 0 do
    local mail = mails[index]
    core.last_receipt = core.last_receipt + 1
    mail.n, mail[5] = 5, core.last_receipt
    core.receipts[core.last_receipt] = #mail[3].topic + #mail[3].payload
  end
  core.serial = core.serial + 1
  return count
end

local function new_core(real)
  local core = { clock = 0, script = {}, mails = {}, clients = {}, made = 0, waits = 0, alarms = 0,
    serial = 0, last_receipt = 0, receipts = {}, debtors = {} }
  setmetatable(core, { __index = real })

  function core.now()
    return core.clock
  end

  function core.client(settings)
    return new_handle(core, settings)
  end

  function core.mailbox()
    return core.box
  end

  core.box = {
    pollfd = function() return 0 end,
    events = function() return "r" end,
    timeout = function() return core.mails[1] and 0 or nil end,
    alarm = function(_, seconds)
      core.alarm = seconds and core.clock + seconds
      core.alarms = core.alarms + 1
    end,
    take = function(box, finished, most)
      if core.shown and (finished or core.serial) == core.serial then
        box:finish(core.serial)
      end
      local mail = core.mails[1]
      if not mail then
        return nil
      end
      core.shown = core.shown or show(core, most or 1)
      if core.shown > 1 then
        return core.serial, "run", mail[2], mail[4], core.shown, core.mails[core.shown][5]
      end
      return core.serial, (table.unpack or unpack)(mail, 1, mail.n)
    end,
    fill = function(_, serial, messages, items, ends, room, last)
      for index = 1, serial == core.serial and core.shown or 0 do
        local before, place = (last + index - 1) % room + 1, (last + index) % room + 1
        local message, receipt = core.mails[index][3], core.mails[index][5]
        messages[place], items[place] = message, receipt
        ends[place] = ends[before] + #message.topic + #message.payload
      end
    end,
    finish = function(_, serial, unclaimed)
      if core.shown and serial == core.serial then
        for _ = 1, core.shown do
          local receipt = table.remove(core.mails, 1)[5]
          if unclaimed and receipt then
            core.receipts[receipt] = nil
          end
        end
        core.shown = nil
      end
    end,
    settle = function(box, finished)
      box:finish(finished)
      for handle in pairs(core.debtors) do
        handle:pay()
      end
      core.debtors = {}
    end,
    wait = function(_, seconds)
      core.waits = core.waits + 1
      if core.mails[1] then
        return true
      end
      local next_at = core.script[1] and core.script[1].at
      local limit = seconds and core.clock + seconds
      if not next_at and not limit then
        error("the loop waits for ever", 0)
      elseif next_at and (not limit or next_at <= limit) then
        core.clock = math.max(core.clock, next_at)
        table.remove(core.script, 1).fn()
      else
        core.clock = limit
      end
      return core.mails[1] ~= nil
    end,
  }

  --- Has `fn` called when the virtual clock comes to `seconds`.
  function core:at(seconds, fn)
    local place = 1
    while self.script[place] and self.script[place].at <= seconds do
      place = place + 1
    end
    table.insert(self.script, place, { at = seconds, fn = fn })
  end

  --- Puts a mail into the mailbox.
  function core:mail(...)
    self.mails[#self.mails + 1] = { n = select("#", ...), ... }
  end

  --- A message for a client's wishes.
  function core:message(number, topic, payload, ...)
    local message = { topic = topic, payload = payload, qos = 0, retain = false, duplicate = false }
    self:mail("message", number, message, select("#", ...) > 1 and { ... } or (...))
    return message
  end

  return core
end

local function forget_modules()
  for name in pairs(package.loaded) do
    if name == "holdfast" or name:match "^holdfast%." then
      package.loaded[name] = nil
    end
  end
end

local real

--- Loads holdfast anew, on a fake core.
-- @treturn table the core
-- @treturn table holdfast
function fake_core.install()
  real = real or require "holdfast.core"
  forget_modules()
  local core = new_core(real)
  package.loaded["holdfast.core"] = core
  return core, require "holdfast"
end

--- Forgets it, so that the next `require` finds the real one.
function fake_core.remove()
  forget_modules()
  package.loaded["holdfast.core"] = real
end

return fake_core
