-- A server of WebSockets that passes what comes on to a broker at plain TCP, and back: `lua bridge_child.lua PORT
-- BROKER`. mosquitto 2.0.11 reads 4 KiB of a WebSocket each 100 ms; this is for what is larger.
local process = require "process_probe"
local sockets = require "socket_probe"
local websocket = require "spec.support.websocket"
local probe = require "stream_probe"

local listener = assert(sockets.listen(tonumber(arg[1])))
local pairs_of = {}

-- Takes whole frames off the front of what has come: the payload of all of them, and the rest.
local function payloads(bytes)
  local parts, at = {}, 1
  while #bytes - at + 1 >= 6 do
    local size, from = bytes:byte(at + 1) % 128, at + 2
    if size >= 126 then
      local wide = size == 126 and 2 or 8
      if #bytes < from + wide then
        break
      end
      size = 0
      for index = from, from + wide - 1 do
        size = size * 256 + bytes:byte(index)
      end
      from = from + wide
    end
    if #bytes < from + 3 + size then
      break
    end
    if bytes:byte(at) % 16 == 2 then
      parts[#parts + 1] = probe.unmask(bytes:sub(from + 4, from + 3 + size), bytes:sub(from, from + 3))
    end
    at = from + 4 + size
  end
  return table.concat(parts), bytes:sub(at)
end

local function accept()
  local peer = listener:accept(0)
  local fine, _, fields = pcall(websocket.request, peer) -- one that looks whether anybody listens asks for nothing
  if peer and fine then
    peer:send(websocket.welcome(fields))
    pairs_of[#pairs_of + 1] = { client = peer, broker = assert(sockets.connect(tonumber(arg[2]))), rest = "" }
  elseif peer then
    peer:close()
  end
end

-- Whether anything went through; nil: one of the two has gone.
local function pass(one)
  local up, why = one.client:some(262144, 0)
  if why == "closed" then
    return nil
  elseif up then
    local payload
    payload, one.rest = payloads(one.rest .. up)
    one.broker:send(payload)
  end
  local down
  down, why = one.broker:some(262144, 0)
  if why == "closed" then
    return nil
  elseif down then
    one.client:send(websocket.frame { payload = down })
  end
  return up or down or false
end

while true do
  local busy = accept()
  for index = #pairs_of, 1, -1 do
    local one = pairs_of[index]
    local passed = pass(one)
    if passed == nil then
      one.client:close()
      one.broker:close()
      table.remove(pairs_of, index)
    end
    busy = busy or passed
  end
  if not busy then
    process.sleep(1)
  end
end
