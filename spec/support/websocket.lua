--- The server's end of a WebSocket, byte by byte, for specs: over a socket of `socket_probe`.
local probe = require "stream_probe"

local websocket = {}

--- What a client asks -> its first line, { [name in lower case] = value }
function websocket.request(peer)
  local text = ""
  repeat
    text = text .. assert(peer:some(1, 2000))
  until text:find "\r\n\r\n$"
  local fields = {}
  for name, value in text:gmatch "\r\n([^:\r\n]+): ([^\r\n]*)" do
    fields[name:lower()] = value
  end
  return text:match "^[^\r\n]*", fields, text
end

--- The answer that opens it.
-- @tparam table fields of the request
-- @tparam[opt] table other { [name] = value or false } in place of what belongs there
function websocket.welcome(fields, other)
  local all = { Upgrade = "websocket", Connection = "Upgrade", ["Sec-WebSocket-Protocol"] = "mqtt",
    ["Sec-WebSocket-Accept"] = probe.websocket_accept(fields["sec-websocket-key"]) }
  for name, value in pairs(other or {}) do
    all[name] = value
  end
  local lines = { "HTTP/1.1 101 Switching Protocols" }
  for name, value in pairs(all) do
    lines[#lines + 1] = value and name .. ": " .. value or nil
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

local function big(number, bytes)
  local text = ""
  for _ = 1, bytes do
    text, number = string.char(number % 256) .. text, math.floor(number / 256)
  end
  return text
end

--- A frame of a server's.
-- @tparam table frame `opcode` (2), `payload` (""), `fin` (true), `reserved` (0 to 7), `mask` (four bytes: against the
-- rules), `length` (of the length field: 7, 16 or 64 bits; default: the shortest), `says` (a length that is not the
-- payload's)
function websocket.frame(frame)
  local payload = frame.payload or ""
  local size = frame.says or #payload
  local wide = frame.length or (size < 126 and 7 or size < 65536 and 16 or 64)
  local first = (frame.fin == false and 0 or 128) + 16 * (frame.reserved or 0) + (frame.opcode or 2)
  local second = (frame.mask and 128 or 0) + (wide == 7 and size or wide == 16 and 126 or 127)
  return string.char(first, second) .. (wide == 7 and "" or big(size, wide / 8)) .. (frame.mask or "")
    .. (frame.mask and probe.unmask(payload, frame.mask) or payload)
end

--- The next frame of a client's -> { opcode, fin, reserved, mask, payload }
function websocket.read(peer, timeout)
  local head = assert(peer:receive(2, timeout or 2000))
  local first, second = head:byte(1, 2)
  local size = second % 128
  if size >= 126 then
    local text = assert(peer:receive(size == 126 and 2 or 8, 2000))
    size = 0
    for index = 1, #text do
      size = size * 256 + text:byte(index)
    end
  end
  local mask = second >= 128 and assert(peer:receive(4, 2000)) or nil
  local payload = size > 0 and assert(peer:receive(size, 5000)) or ""
  return { opcode = first % 16, fin = first >= 128, reserved = math.floor(first / 16) % 8, mask = mask,
    payload = mask and probe.unmask(payload, mask) or payload }
end

-- ---- a peer that speaks MQTT within WebSocket ----

local Peer = {}
Peer.__index = Peer

--- An accepted socket whose bytes are those within its frames; answers whoever has connected.
function websocket.within(socket)
  local _, fields = websocket.request(socket)
  socket:send(websocket.welcome(fields))
  return setmetatable({ socket = socket, rest = "" }, Peer)
end

-- Takes the next message, answers pings -> true, or nil and "timeout" or "closed".
function Peer:more(timeout)
  local first, why = self.socket:receive(1, timeout)
  if not first then return nil, why end
  local frame = websocket.read { receive = function(_, count, patience)
    local start = first
    first = ""
    return start .. (#start < count and assert(self.socket:receive(count - #start, patience)) or "")
  end }
  if frame.opcode == 8 then return nil, "closed" end
  if frame.opcode == 9 then self.socket:send(websocket.frame { opcode = 10, payload = frame.payload }) end
  self.rest = self.rest .. (frame.opcode < 8 and frame.payload or "")
  return true
end

function Peer:some(count, timeout)
  local fine, why = #self.rest > 0, nil
  if not fine then fine, why = self:more(timeout) end
  if not fine then return nil, why end
  local bytes = self.rest:sub(1, count)
  self.rest = self.rest:sub(count + 1)
  return bytes
end

function Peer:receive(count, timeout)
  while #self.rest < count do
    local fine, why = self:more(timeout)
    if not fine then return nil, why end
  end
  local bytes = self.rest:sub(1, count)
  self.rest = self.rest:sub(count + 1)
  return bytes
end

function Peer:send(bytes)
  return self.socket:send(websocket.frame { payload = bytes })
end

for _, name in ipairs { "half_close", "close", "reset" } do
  Peer[name] = function(self) return self.socket[name](self.socket) end
end

return websocket
