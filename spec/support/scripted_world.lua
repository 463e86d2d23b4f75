--- Our own link on virtual time, with the spec as keeper and as broker, and all that happens in words.
--
--     local world = worlds.new { protocol = 5, session_expiry = 60 }
--     world:connect { present = true }
--     world:get(world.publish(1, 7, "a", "x"))       -- bytes from the broker
--     world:told()                                   -- { "message x q1 r1" }: mails, oldest first
--     world:sent()                                   -- { "puback 7" }: packets that have gone out
--
-- Everything else is native_probe's, as world.link.

local bytes = require "spec.support.bytes"
local probe = require "native_probe"

local two, text, variable, packet = bytes.two, bytes.text, bytes.variable, bytes.packet

local World = {}
World.__index = World

local worlds = {}

--- `options`: what native_probe's open takes.
function worlds.new(options)
  local world = setmetatable({ options = options or {}, protocol = options and options.protocol or 5 }, World)
  world.link = assert(probe.create(), "no memory for a link")
  return world
end

-- ---- the broker's packets ----

function World:connack(given)
  given = given or {}
  local properties = self.protocol == 5 and bytes.measured(given.properties or "") or ""
  return packet(0x20, string.char(given.present and 1 or 0, given.code or 0), properties)
end

--- `given`: dup, properties
function World:publish(qos, id, topic, payload, given)
  given = given or {}
  local properties = self.protocol == 5 and bytes.measured(given.properties or "") or ""
  return packet(0x30 + qos * 2 + (given.dup and 8 or 0), text(topic), qos > 0 and two(id) or "", properties, payload)
end

local ACKS = { puback = 0x40, pubrec = 0x50, pubrel = 0x62, pubcomp = 0x70 }

function World.ack(_, kind, id, code)
  return packet(ACKS[kind], two(id), code and string.char(code) or "")
end

function World:suback(id, code)
  return packet(0x90, two(id), self.protocol == 5 and "\0" or "", string.char(code or 0))
end

function World:unsuback(id)
  return packet(0xB0, two(id), self.protocol == 5 and "\0\0" or "")
end

World.PINGRESP = packet(0xD0)

-- ---- what goes on ----

--- Opens and answers CONNECT; `given` as for connack. Returns the words of CONNECTED and what was told before it.
function World:connect(given)
  self.link:open(self.options)
  self.unread = ""
  self.link:opened()
  self.link:run()
  assert(self:sent()[1] == "connect")
  self:get(self:connack(given))
  return self:told()
end

--- Bytes from the broker.
function World:get(...)
  self.link:feed(table.concat { ... })
  self.link:run()
end

local function read_variable(from, at)
  local value, factor = 0, 1
  while true do
    local byte = from:byte(at)
    if not byte then return end
    value, factor, at = value + byte % 128 * factor, factor * 128, at + 1
    if byte < 128 then return value, at end
  end
end

local function number(from, at)
  local high, low = from:byte(at, at + 1)
  return high * 256 + low
end

local function publish_words(self, flags, body)
  local qos, length = math.floor(flags / 2) % 4, number(body, 1)
  local topic, at, id, alias = body:sub(3, 2 + length), 3 + length, "", ""
  if qos > 0 then id, at = " " .. number(body, at), at + 2 end
  if self.protocol == 5 then
    local size, from = read_variable(body, at)
    local properties = body:sub(from, from + size - 1)
    if properties:byte(1) == 0x23 then alias = "#" .. number(properties, 2) end
    at = from + size
  end
  local payload = body:sub(at)
  if #payload > 100 then payload = #payload .. " bytes" end
  return ("publish%s q%d %s%s%s=%s"):format(id, qos, flags >= 8 and "dup " or "", topic, alias, payload)
end

local NAMES = { [4] = "puback", [5] = "pubrec", [6] = "pubrel", [7] = "pubcomp", [8] = "subscribe",
  [10] = "unsubscribe" }

local function words_of(self, first, body)
  local kind = math.floor(first / 16)
  if kind == 1 then return "connect" end
  if kind == 3 then return publish_words(self, first % 16, body) end
  if kind == 12 then return "pingreq" end
  if kind == 14 then return #body > 0 and ("disconnect 0x%02X"):format(body:byte(1)) or "disconnect" end
  local code = kind < 8 and body:byte(3)
  return NAMES[kind] .. " " .. number(body, 1) .. (code and (" 0x%02X"):format(code) or "")
end

--- The packets that have gone out since the last call, in words; what is not whole yet waits for its rest. Of the
-- newest stream unless told which.
function World:sent(which)
  local from, all = (self.unread or "") .. self.link:written(which), {}
  local at = 1
  while at < #from do
    local size, body = read_variable(from, at + 1)
    if not size or body + size - 1 > #from then break end
    all[#all + 1] = words_of(self, from:byte(at), from:sub(body, body + size - 1))
    at = body + size
  end
  self.unread = from:sub(at)
  return all
end

local words = {}

function words.connected(mail) return mail.session_present and "connected again" or "connected" end

function words.message(mail)
  local payload = #mail.payload > 100 and #mail.payload .. " bytes" or mail.payload
  return ("message %s q%d%s"):format(payload, mail.qos, mail.receipt and " r" .. math.floor(mail.receipt) or "")
end

local RESULTS = { [0] = "ok", [-1] = "lost" }

function words.delivered(mail)
  return ("delivered %d %s%s"):format(mail.id, RESULTS[mail.result] or ("0x%02X"):format(mail.result),
    mail.carried and " carried" or "")
end

function words.subscribed(mail) return ("subscribed %d %d"):format(mail.ticket, mail.code) end
function words.unsubscribed(mail) return ("unsubscribed %d"):format(mail.ticket) end
function words.renew() return "renew" end

local function ending(mail)
  return ("%s %s%s"):format(mail.kind, mail.reason, mail.text and ": " .. mail.text or "")
end
words.failed, words.down, words.closed = ending, ending, ending

--- What has been told since the last call, in words; the mails themselves beside them.
function World:told()
  local all, mails = {}, {}
  for mail in function() return self.link:take() end do
    all[#all + 1], mails[#mails + 1] = words[mail.kind](mail), mail
  end
  return all, mails
end

--- The id of the packet of this kind that went out last.
function World.id_of(list)
  return tonumber(list[#list]:match "^%l+ (%d+)")
end

function World:finish()
  self.link:collect()
end

worlds.variable = variable
return worlds
