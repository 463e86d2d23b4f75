--- Handshakes, and frames, in which bytes of the server's are not as it sent them; for a spec (some thousand) and the
-- soak.
--
--     local told = handshakes.attack { seed = 1, bytes = 5000, folder = folder }
--     told.mutated, told.handshakes, told.reasons   -- a road each: "tls", "websocket", "frames"
--
-- A man in the middle between a stream and openssl(1), TLS 1.2 and 1.3 in turn, with an OCSP response to be read; a
-- server of WebSockets that says what is nearly right, and a frame behind it; and one that opens as it should and then
-- sends frames that are nearly right, until it is left. Each stream opens, or ends with a reason
-- and words that can be shown, as soon as the server has hung up. A crash takes this process with it; the seed repeats
-- it.
local mutator = require "spec.support.mutator"
local probe = require "stream_probe"
local process = require "process_probe"
local sockets = require "socket_probe"
local streams = require "spec.support.streams"
local tls_server = require "spec.support.tls_server"
local websocket = require "spec.support.websocket"

local handshakes = {}

-- ms without a byte from anybody, after which the server hangs up: openssl(1) may have more to say, we have not
local QUIET = { tls = 30, websocket = 3, frames = 3 }
local CHUNK, LONGEST = 256, 32768 -- bytes of frames at a time, and of all

-- One in so many bytes, each in its own way, and how many; nil: none.
local function mutate(random, bytes, rarity)
  if not rarity then return bytes, 0 end
  local out, count = {}, 0
  for i = 1, #bytes do
    local byte, how = bytes:sub(i, i), random(rarity) == 1 and random(8) or 0
    count = count + (how > 0 and 1 or 0)
    if how == 1 then
      byte = ""
    elseif how == 2 then
      byte = byte .. string.char(random(256) - 1)
    elseif how == 3 then
      byte = string.char((byte:byte() + 1) % 256)
    elseif how > 3 then
      byte = string.char(random(256) - 1)
    end
    out[i] = byte
  end
  return table.concat(out), count
end

-- What must be said of each.
local function judge(told, stream)
  local reason, text = "open", ""
  if stream:state() == "ended" then
    reason, text = stream:ending()
  end
  assert(stream:state() ~= "opening", "a handshake has neither come about nor failed")
  assert(not text:find "%c", text)
  told.handshakes = told.handshakes + 1
  reason = reason or "in good order"
  told.reasons[reason] = (told.reasons[reason] or 0) + 1
  return reason
end

-- What goes on until the stream has come to something. `pass(near)` is the server's part, and answers whether a byte
-- went either way; one that is `sound` is waited for.
local function meet(world, told, listener, target, pass, sound)
  local one, near, quiet = world:open(target), nil, process.now()
  local patience = sound and 10000 or told.quiet
  repeat
    near = near or listener:accept(0)
    if near and pass(near) or not near then quiet = process.now() end
    world.loop:turn(1)
    local state = one.stream:state()
  until state == "ended" or (sound and state == "open") or process.now() - quiet > patience
  if near then near:close() end
  assert(world:wait(function() return one.stream:state() ~= "opening" end), "neither opened nor ended")
  local reason = judge(told, one.stream)
  world:finish()
  return reason
end

local function through(random, told, server, rarity)
  local far = sockets.connect(server.port)
  return function(near)
    local asked, said = near:some(65536, 0), far:some(65536, 0)
    if asked then far:send(asked) end
    if said then
      local bytes, count = mutate(random, said, rarity)
      told.mutated = told.mutated + count
      near:send(bytes)
    end
    return asked or said
  end, far
end

local function welcome(random, told, rarity)
  local text = ""
  return function(near)
    local asked = near:some(4096, 0)
    text = text .. (asked or "")
    if not text:find "\r\n\r\n$" then return asked end
    local fields = { ["sec-websocket-key"] = text:match "Sec%-WebSocket%-Key: (%S+)" }
    local bytes, count = mutate(random, websocket.welcome(fields) .. websocket.frame { payload = ("x"):rep(200) },
      rarity)
    told.mutated, text = told.mutated + count, ""
    near:send(bytes)
    return true
  end
end

-- Frames of all kinds, none against the rules.
local function frames(random)
  local list, length = {}, 0
  while length < LONGEST do
    local size, opcode = random(random(4) == 1 and 2000 or 120), ({ 2, 2, 2, 9, 10 })[random(5)]
    local payload = ("x"):rep(opcode > 2 and math.min(size, 125) or size)
    list[#list + 1] = websocket.frame { opcode = opcode, payload = payload, fin = opcode > 2 or random(4) > 1 }
    if opcode == 2 and list[#list]:byte() < 128 then
      list[#list] = list[#list] .. websocket.frame { opcode = 9 } .. websocket.frame { opcode = 0, payload = payload }
    end
    length = length + #list[#list]
  end
  return table.concat(list)
end

local function chatter(random, told, rarity)
  local text, at, all = "", 1, nil
  return function(near)
    text = text .. (near:some(4096, 0) or "")
    if not all and text:find "\r\n\r\n$" then
      near:send(websocket.welcome { ["sec-websocket-key"] = text:match "Sec%-WebSocket%-Key: (%S+)" })
      all = frames(random)
    elseif all and at <= #all then
      local bytes, count = mutate(random, all:sub(at, at + CHUNK - 1), rarity)
      if not near:send(bytes) then return false end
      told.mutated, at = told.mutated + count, at + CHUNK
    else
      return false
    end
    return true
  end
end

--- Until so many bytes have been mutated on each road, or the time is up; in the last of each nothing is.
-- @tparam table options `seed`, `bytes`, `folder` (of spec.support.certificates, with spec.support.revocation),
-- `seconds` (no end), `wanted`: by road, a reason that must have been met, too, if it takes fifty times the bytes
-- @treturn table by road: mutated, handshakes, reasons (name -> how often)
function handshakes.attack(options)
  local random, world = mutator.random(options.seed), streams.new()
  local listener, port = sockets.listen(0)
  local told = {}
  for road, quiet in pairs(QUIET) do told[road] = { mutated = 0, handshakes = 0, reasons = {}, quiet = quiet } end
  local folder, servers = options.folder, {}
  for index, version in ipairs { "-tls1_2", "-tls1_3" } do
    servers[index] = tls_server.start { folder = folder, certificate = "server", version,
      "-status_file", folder .. "/good.ocsp" }
  end
  local context = assert(probe.context { ca = folder .. "/ca.pem", crl = folder .. "/none.crl", ocsp = "require" })
  local deadline = process.now() + 1000 * (options.seconds or 86400)
  local function goes_on(road)
    local mutated, wanted = told[road].mutated, options.wanted and options.wanted[road]
    local lacks = wanted and not told[road].reasons[wanted] and mutated < 50 * options.bytes
    return (mutated < options.bytes or lacks) and process.now() < deadline
  end
  local function tls(rarity)
    local pass, far = through(random, told.tls, servers[random(2)], rarity)
    local target = { host = "localhost", port = port, tls = context }
    local reason = meet(world, told.tls, listener, target, pass, not rarity)
    far:close()
    return reason
  end
  local function framed(road, server, rarity)
    local target = { host = "localhost", port = port, road = "websocket", path = "/mqtt" }
    return meet(world, told[road], listener, target, server(random, told[road], rarity), not rarity)
  end
  while goes_on "tls" or goes_on "websocket" or goes_on "frames" do
    local rarity = ({ 10, 100, 1000 })[random(3)]
    if goes_on "tls" then tls(rarity) end
    if goes_on "websocket" then framed("websocket", welcome, rarity) end
    if goes_on "frames" then framed("frames", chatter, rarity) end
  end
  local reasons = tls() .. " " .. framed("websocket", welcome) .. " " .. framed("frames", chatter)
  assert(reasons == "open open open", reasons)
  listener:close()
  tls_server.finish()
  return told
end

return handshakes
