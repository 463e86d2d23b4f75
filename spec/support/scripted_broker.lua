--- A broker that does what the spec says, packet by packet, where a real one could not be made to.
--
--     local broker = scripted.listen()          -- broker.port
--     local client = broker:accept()            -- TCP, and a WebSocket on such a road, only
--     local connect = client:expect "connect"   -- a packet: type, flags, body, and what `fields` finds in it
--     client:connack { session_present = true, properties = { scripted.two(33, 10) } }
--
-- Everything waits for at most a few seconds and throws when what was expected does not come.

local proxies = require "spec.support.proxies"
local roads = require "spec.support.roads"
local sockets = require "socket_probe"
local websocket = require "spec.support.websocket"

local SOON = 5000

local TYPES = { "connect", "connack", "publish", "puback", "pubrec", "pubrel", "pubcomp", "subscribe", "suback",
  "unsubscribe", "unsuback", "pingreq", "pingresp", "disconnect", "auth" }
local NUMBERS = {}
for number, name in ipairs(TYPES) do NUMBERS[name] = number end

local scripted = {}

-- ---- writing ----

local function two_bytes(number)
  return string.char(math.floor(number / 256), number % 256)
end

local function text(value)
  return two_bytes(#value) .. value
end

local function length(number)
  local bytes = ""
  repeat
    local byte = number % 128
    number = math.floor(number / 128)
    bytes = bytes .. string.char(number > 0 and byte + 128 or byte)
  until number == 0
  return bytes
end

--- Properties of MQTT 5: identifier and value.
function scripted.one(identifier, number) return string.char(identifier, number) end
function scripted.two(identifier, number) return string.char(identifier) .. two_bytes(number) end
function scripted.four(identifier, number)
  return string.char(identifier) .. two_bytes(math.floor(number / 65536)) .. two_bytes(number % 65536)
end
function scripted.text(identifier, value) return string.char(identifier) .. text(value) end
function scripted.pair(identifier, name, value) return string.char(identifier) .. text(name) .. text(value) end

local function properties(list)
  local bytes = table.concat(list or {})
  return length(#bytes) .. bytes
end

-- ---- reading ----

local function number_at(body, at)
  local high, low = body:byte(at, at + 1)
  return high * 256 + low, at + 2
end

local function text_at(body, at)
  local size
  size, at = number_at(body, at)
  return body:sub(at, at + size - 1), at + size
end

local function length_at(body, at)
  local value, factor = 0, 1
  repeat
    local byte = body:byte(at)
    value, factor, at = value + byte % 128 * factor, factor * 128, at + 1
  until byte < 128
  return value, at
end

local function properties_at(body, at)
  local size
  size, at = length_at(body, at)
  return body:sub(at, at + size - 1), at + size
end

local fields = {}

function fields.connect(packet, body)
  local name, at = text_at(body, 1)
  local flags = body:byte(at + 1)
  packet.name, packet.level = name, body:byte(at)
  packet.clean = math.floor(flags / 2) % 2 == 1
  packet.keep_alive, at = number_at(body, at + 2)
  if packet.level == 5 then packet.properties, at = properties_at(body, at) end
  packet.client_id, at = text_at(body, at)
  if math.floor(flags / 4) % 2 == 1 then
    packet.will = { qos = math.floor(flags / 8) % 4, retain = math.floor(flags / 32) % 2 == 1 }
    if packet.level == 5 then packet.will.properties, at = properties_at(body, at) end
    packet.will.topic, at = text_at(body, at)
    packet.will.payload, at = text_at(body, at)
  end
  if flags >= 128 then packet.username, at = text_at(body, at) end
  if math.floor(flags / 64) % 2 == 1 then packet.password = text_at(body, at) end
end

function fields.publish(packet, body, level)
  local at
  packet.qos = math.floor(packet.flags / 2) % 4
  packet.duplicate = packet.flags >= 8
  packet.retain = packet.flags % 2 == 1
  packet.topic, at = text_at(body, 1)
  if packet.qos > 0 then packet.id, at = number_at(body, at) end
  if level == 5 then packet.properties, at = properties_at(body, at) end
  packet.payload = body:sub(at)
end

function fields.disconnect(packet, body)
  packet.code = body:byte(1) or 0
  packet.properties = #body > 1 and properties_at(body, 2) or ""
end

function fields.auth(packet, body)
  packet.code = body:byte(1) or 0
  packet.properties = #body > 1 and properties_at(body, 2) or ""
end

local function with_id(packet, body)
  packet.id = number_at(body, 1)
end
for _, name in ipairs { "puback", "pubrec", "pubrel", "pubcomp", "subscribe", "unsubscribe" } do
  fields[name] = with_id
end

-- ---- a connection ----

local Client = {}
Client.__index = Client

--- The next packet, or nil and "timeout" or "closed".
function Client:packet(timeout)
  timeout = timeout or SOON
  local first, why = self.socket:receive(1, timeout)
  if not first then return nil, why end
  local size, factor, byte = 0, 1
  repeat
    byte = assert(self.socket:receive(1, SOON)):byte()
    size, factor = size + byte % 128 * factor, factor * 128
  until byte < 128
  local body = size > 0 and assert(self.socket:receive(size, SOON)) or ""
  local packet = { type = TYPES[math.floor(first:byte() / 16)], flags = first:byte() % 16, body = body }
  if fields[packet.type] then fields[packet.type](packet, body, self.level) end
  if packet.type == "connect" then self.level = packet.level end
  return packet
end

--- The next packet, which must be of this type; PINGREQ is answered and skipped unless it is what is wanted.
function Client:expect(kind, timeout)
  while true do
    local packet, why = self:packet(timeout)
    if packet and packet.type == kind then return packet end
    if not packet or packet.type ~= "pingreq" then
      error("expected " .. kind .. ", got " .. (packet and packet.type or why), 2)
    end
    self:send("pingresp", "")
  end
end

function Client:send(kind, body, flags)
  assert(self.socket:send(string.char(NUMBERS[kind] * 16 + (flags or 0)) .. length(#body) .. body))
  return self
end

--- options: code, session_present, properties (a list of what scripted.one ... make)
function Client:connack(options)
  options = options or {}
  return self:send("connack", string.char(options.session_present and 1 or 0, options.code or 0)
    .. (self.level == 5 and properties(options.properties) or ""))
end

--- PUBACK, PUBREC, PUBREL, PUBCOMP
function Client:answer(kind, id, code)
  return self:send(kind, two_bytes(id) .. (code and string.char(code, 0) or ""), kind == "pubrel" and 2 or 0)
end

function Client:publish(message)
  local qos = message.qos or 0
  return self:send("publish", text(message.topic) .. (qos > 0 and two_bytes(message.id) or "")
    .. (self.level == 5 and properties(message.properties) or "") .. message.payload,
    qos * 2 + (message.duplicate and 8 or 0) + (message.retain and 1 or 0))
end

function Client:suback(id, code, list)
  return self:send("suback", two_bytes(id) .. (self.level == 5 and properties(list) or "") .. string.char(code))
end

--- Properties as bytes, not as a list.
function Client:auth(code, bytes)
  return self:send("auth", string.char(code) .. properties { bytes })
end

function Client:disconnect(code, list)
  return self:send("disconnect", string.char(code) .. properties(list))
end

--- Closes as a broker does that wants its last words read: a socket closed with unread bytes, or written to after that,
--- resets, and whoever meets the reset while it writes may never read them (Paho does not).
function Client:part()
  self.socket:half_close()
  repeat until not self.socket:some(65536, SOON)
  self.socket:close()
end

function Client:close() self.socket:close() end
function Client:reset() self.socket:reset() end

-- ---- the listener ----

local Broker = {}
Broker.__index = Broker

function scripted.listen()
  local socket, port = sockets.listen()
  local self = setmetatable({ socket = socket, port = port }, Broker)
  if roads.name() == "unix" then
    self.placeholder, self.socket = socket, assert(sockets.listen_path(roads.socket(port)))
  elseif roads.name() == "wss" then
    self.front = proxies.secure(self, roads.certificates())
    self.port = self.front.port
  end
  if roads.name() then roads.pave(self.port) end
  return self
end

local function client_of(socket)
  return setmetatable({ socket = roads.framed() and websocket.within(socket) or socket }, Client)
end

--- A connection of MQTT 5 that is written to by socket:send(bytes); what comes on it is the caller's affair.
function scripted.over(socket)
  return setmetatable({ socket = socket, level = 5 }, Client)
end

function Broker:accept(timeout)
  return client_of(assert(self.socket:accept(timeout or SOON)))
end

--- A connection that is there already, or nil.
function Broker:accept_now()
  local socket = self.socket:accept(0)
  return socket and client_of(socket)
end

--- Accepts, takes CONNECT and answers it: the client's connection and its CONNECT.
function Broker:welcome(options)
  local client = self:accept()
  local connect = client:expect "connect"
  client:connack(options)
  return client, connect
end

function Broker:close()
  self.socket:close()
  if self.placeholder then self.placeholder:close() end
  if self.front then self.front:finish() end
end

return scripted
