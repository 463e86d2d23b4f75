--- A broker in a process of its own that answers with mutated packets:
-- `lua spec/support/hostile_broker.lua FOLDER SEED [FIRST [TRANSPORT]]`, FIRST being the number of its first connection
-- (1), TRANSPORT what its client has: "native" gets what Paho does not survive as well.
--
-- Writes its port into FOLDER/port, and what it has sent so far into FOLDER/count: connections, packets, mutated ones,
-- and those that Paho does not survive.
-- Once FOLDER/behave exists it is a sound broker to each new connection. What the connection with a given number
-- gets follows from SEED, that number and what the client sends; the last packets of each are in FOLDER/last.
local mutator = require "spec.support.mutator"
local sockets = require "socket_probe"

local folder, seed, first = arg[1], tonumber(arg[2]), tonumber(arg[3] or 1)

local function write(name, words)
  local file = assert(io.open(folder .. "/" .. name .. ".new", "w"))
  file:write(words)
  file:close()
  assert(os.rename(folder .. "/" .. name .. ".new", folder .. "/" .. name))
end

local function exists(name)
  local file = io.open(folder .. "/" .. name)
  return file and file:close()
end

local any = arg[4] == "native"
local connections, packets, mutated, overruns = 0, 0, 0, 0

local function mutate(random, packet)
  packet = mutator.mutate(random, packet, any)
  mutated, overruns = mutated + 1, overruns + (mutator.overruns(packet) and 1 or 0)
  return packet
end

local Connection = {}
Connection.__index = Connection

-- Whole, in pieces, a byte at a time, or together with what comes next. False once the client has gone.
function Connection:send(bytes, may_wait)
  local random, at = self.random, 1
  self.sent[#self.sent + 1] = bytes
  bytes, self.held = self.held .. bytes, ""
  if may_wait and random(4) == 1 then
    self.held = bytes
    return true
  end
  local most = ({ #bytes, #bytes, #bytes, 7, 1 })[random(5)]
  if #bytes > 200 then
    most = #bytes
  end
  while at <= #bytes do
    local size = random(math.max(most, 1))
    if most == #bytes then
      size = #bytes
    end
    if not self.socket:send(bytes:sub(at, at + size - 1)) then
      return false
    end
    at = at + size
  end
  return true
end

-- Reads what has come, remembers the ids that wait for an answer. False once the client has gone.
function Connection:read(timeout)
  local bytes, why = self.socket:some(65536, timeout)
  self.input = self.input .. (bytes or "")
  while true do
    local size, factor, at = 0, 1, 2
    local byte
    repeat
      byte = self.input:byte(at)
      if not byte then
        return why ~= "closed"
      end
      size, factor, at = size + byte % 128 * factor, factor * 128, at + 1
    until byte < 128
    if #self.input < at - 1 + size then
      return why ~= "closed"
    end
    self:understand(math.floor(self.input:byte(1) / 16), self.input:byte(1) % 16, self.input:sub(at, at - 1 + size))
    self.input = self.input:sub(at + size)
  end
end

local ID_AT = { [3] = true, [5] = 1, [6] = 1, [8] = 1, [10] = 1 }

-- Notes the sound answer to a packet of the client's.
function Connection:understand(kind, flags, body)
  local five = self.version == 5
  if kind == 1 then
    self.version = body:byte(7)
  elseif kind == 12 then
    self.answers[#self.answers + 1] = "\208\0"
  end
  local at = ID_AT[kind]
  if kind == 3 then
    at = flags % 8 >= 2 and 3 + body:byte(1) * 256 + body:byte(2)
  end
  if not at then
    return
  end
  local id = body:sub(at, at + 1)
  self.ids[#self.ids + 1] = id:byte(1) * 256 + id:byte(2)
  local sound = {
    [3] = (flags % 8 >= 4 and "\80" or "\64") .. "\2" .. id, -- PUBREC or PUBACK
    [5] = "\98\2" .. id,
    [6] = "\112\2" .. id,
    [8] = "\144" .. (five and "\4" or "\3") .. id .. (five and "\0" or "") .. "\1",
    [10] = "\176" .. (five and "\4" or "\2") .. id .. (five and "\0\0" or ""),
  }
  self.answers[#self.answers + 1] = sound[kind]
end

function Connection:behave()
  if not self:send(mutator.connack(function() return 1 end, self.version)) then
    return
  end
  repeat
    local more = self:read(20)
    local answers = table.concat(self.answers)
    self.answers = {}
  until not (self.socket:send(answers) and more)
end

function Connection:attack()
  local random = self.random
  local connack = mutator.connack(random, self.version)
  local sound = random(6) > 1
  packets = packets + 1
  if not self:send(sound and connack or mutate(random, connack), true) then
    return
  end
  for _ = 1, random(80) do
    local choice = random(10)
    if choice == 1 and not self:read(0) then
      return
    end
    local packet = #self.answers > 0 and random(2) == 1 and table.remove(self.answers, random(#self.answers))
      or mutator.packet(random, self.ids, self.version)
    packets = packets + 1
    if choice > 2 then
      packet = mutate(random, packet)
    end
    if not self:send(packet, true) then
      return
    end
  end
  if not self:send "" then
    return
  end
  local until_when = os.time() + (random(2000) == 1 and 20 or 0) -- now and then it is the client that must give up
  repeat until not self:read(20) or os.time() >= until_when
end

local function serve(socket)
  connections = connections + 1
  local number = connections + first - 1
  local random = mutator.random(seed * 7919 + number * 104729)
  local self = setmetatable({ socket = socket, random = random, input = "", held = "", ids = {}, answers = {},
    sent = {} }, Connection)
  while not self.version do
    if not self:read(1000) then
      return socket:close()
    end
  end
  if exists "behave" then
    self:behave()
  else
    self:attack()
    local list = {}
    for i = math.max(1, #self.sent - 20), #self.sent do
      list[#list + 1] = self.sent[i]:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
    end
    write("last", ("seed %d connection %d\n%s\n"):format(seed, number, table.concat(list, "\n")))
  end
  write("count", ("%d %d %d %d\n"):format(connections, packets, mutated, overruns))
  return random(3) == 1 and socket:reset() or socket:close()
end

local listener, port = sockets.listen()
write("count", "0 0 0 0\n")
write("port", tostring(port))
while true do
  local socket = listener:accept(60000)
  if socket then
    serve(socket)
  end
end
