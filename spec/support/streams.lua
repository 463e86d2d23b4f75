--- Streams for specs: one loop, what is open on it, and the wait for what shall become of it.

local loops = require "loop_probe"
local process = require "process_probe"
local probe = require "stream_probe"
local sockets = require "socket_probe"

local streams = {}
streams.__index = streams

function streams.new()
  return setmetatable({ loop = loops.loop(), all = {}, listeners = {} }, streams)
end

--- Turns the loop until `fn` answers something true, which is returned; nil after `ms` (5,000 unless told).
function streams:wait(fn, ms)
  local deadline = process.now() + (ms or 5000)
  repeat
    local answer = fn()
    if answer then return answer end
    self.loop:turn(10)
  until process.now() > deadline
  return fn() or nil
end

--- Turns the loop for so long.
function streams:rest(ms)
  self:wait(function() return false end, ms)
end

--- A stream that is read at each `changed`, unless `target.idle`: what came is in `got`; `changes` counts.
function streams:open(target)
  local one = { got = {}, changes = 0 }
  target.addresses = target.addresses or { "127.0.0.1" }
  one.stream = probe.open(self.loop, target, function(stream)
    one.changes = one.changes + 1
    one.state = stream:state()
    if target.changed then return target.changed(one) end
    if target.idle then return end
    one.ended = streams.read(one)
  end)
  self.all[#self.all + 1] = one
  return one
end

--- Reads what there is; true once it has ended.
function streams.read(one)
  while true do
    local bytes = one.stream:read()
    if not bytes then
      if bytes == false then one.state = "ended" end
      return bytes == false
    end
    one.got[#one.got + 1] = bytes
  end
end

function streams.text(one)
  return table.concat(one.got)
end

--- Waits until it is open, or has ended.
function streams:opened(target)
  local one = self:open(target)
  assert(self:wait(function() return one.stream:state() ~= "opening" end), "neither opened nor ended")
  return one
end

--- Waits for its end -> reason | nil for in good order, text
function streams:ending(one)
  assert(self:wait(function() return one.stream:state() == "ended" end), "it does not end")
  return one.stream:ending()
end

--- Writes all of it, as there is room.
function streams:write(one, bytes)
  local from = 1
  assert(self:wait(function()
    from = from + one.stream:write(bytes, from)
    return from > #bytes
  end, 20000), "it does not take all")
end

--- Writes `bytes` from `taken` on, as there is room, to a peer that reads slowly; answers all that it has read.
function streams:carry(one, peer, bytes, taken)
  local received, back = 0, {}
  while received < #bytes do
    if taken < #bytes then
      local before = one.changes
      taken = taken + one.stream:write(bytes, taken + 1)
      if taken < #bytes and one.changes == before then self.loop:turn(1) end
    end
    local some = peer:some(65536, 5)
    if some then
      back[#back + 1] = some
      received = received + #some
    end
  end
  return table.concat(back)
end

--- A listener on loopback that is closed with the world -> it, its port
-- @tparam[opt] number room bytes that its system takes and nobody has read
function streams:listen(room)
  local listener, port = assert(sockets.listen(0, 16, nil, room))
  self.listeners[#self.listeners + 1] = listener
  return listener, port
end

--- Opens one over TLS to a server of `tls_server`, has it turn a word around and lets it go.
-- @tparam number port
-- @param context of `stream_probe`
-- @treturn string "open", or the reason of its end
-- @treturn ?string and the text
function streams:meets(port, context)
  local one = self:opened { host = "localhost", port = port, tls = assert(context) }
  if one.stream:state() == "open" then one.stream:write "hello\n" end
  self:wait(function() return streams.text(one) == "olleh\n" or one.stream:state() == "ended" end)
  if one.stream:state() == "ended" then
    local reason, text = one.stream:ending()
    assert(one.stream:phase() == "tls", one.stream:phase())
    one.stream:abort()
    return reason, text
  end
  local gone
  one.stream:finish(2000, function() gone = true end)
  assert(self:wait(function() return gone end), "it is not gone")
  return "open"
end

function streams:finish()
  for _, one in ipairs(self.all) do
    if pcall(one.stream.state, one.stream) then one.stream:abort() end
    assert(one.stream:calls_inside() == 0, "`changed` from within a call of the owner's")
  end
  for _, listener in ipairs(self.listeners) do
    listener:close()
  end
  self.all, self.listeners = {}, {}
end

return streams
