--- Packets of a broker, sound ones and what a hostile one would make of them; all of it follows from a seed.
--
--     local random = mutator.random(seed)           -- random(n): 1 .. n
--     local bytes = mutator.packet(random, ids)     -- a sound packet of any kind that a broker may send
--     local broken = mutator.mutate(random, bytes)  -- and something that is not
local mutator = {}

--- Numbers from a seed, the same on every Lua (Park and Miller's generator; products stay below 2^47).
-- @tparam number seed any whole number
-- @treturn function random(n), uniform enough in 1 .. n
function mutator.random(seed)
  local state = seed % 2147483646 + 1
  local function random(n)
    state = state * 48271 % 2147483647
    return state % n + 1
  end
  for _ = 1, 5 do
    random(1)
  end
  return random
end

local function bytes_of(random, count)
  local list = {}
  for i = 1, count do
    list[i] = string.char(random(256) - 1)
  end
  return table.concat(list)
end

local function two(number)
  return string.char(math.floor(number / 256) % 256, number % 256)
end

local function text(value)
  return two(#value) .. value
end

--- A variable byte integer (MQTT 5 section 1.5.5).
function mutator.length(number)
  local bytes = ""
  repeat
    local byte = number % 128
    number = math.floor(number / 128)
    bytes = bytes .. string.char(number > 0 and byte + 128 or byte)
  until number == 0
  return bytes
end

local function framed(first, body)
  return string.char(first) .. mutator.length(#body) .. body
end

local function one_of(random, list)
  return list[random(#list)]
end

-- ---- sound packets ----

local WORDS = { "", "a", "b/c", "meters/1/power", ("long"):rep(50), "\195\164", "$SYS/x" }
local VALUES = { -- of every property a broker may send, by identifier
  [1] = "one", [2] = "four", [3] = "text", [8] = "text", [9] = "text", [11] = "number", [17] = "four", [18] = "text",
  [19] = "two", [21] = "text", [22] = "text", [26] = "text", [28] = "text", [31] = "text", [33] = "two", [34] = "two",
  [35] = "two", [36] = "one", [37] = "one", [38] = "pair", [39] = "four", [40] = "one", [41] = "one", [42] = "one",
}
local makers = {
  one = function(random) return string.char(random(2) - 1) end,
  two = function(random) return two(random(65536) - 1) end,
  four = function(random) return two(random(65536) - 1) .. two(random(65536) - 1) end,
  text = function(random) return text(one_of(random, WORDS)) end,
  pair = function(random) return text(one_of(random, WORDS)) .. text(one_of(random, WORDS)) end,
  number = function(random) return mutator.length(random(1000)) end,
}

local function properties(random, allowed)
  local list = {}
  for _ = 1, random(4) - 1 do
    local identifier = one_of(random, allowed)
    list[#list + 1] = string.char(identifier) .. makers[VALUES[identifier]](random)
  end
  local all = table.concat(list)
  return mutator.length(#all) .. all
end

local REASON = { 31, 38 }
local CODES = { 0, 0, 0, 0x10, 0x80, 0x83, 0x87, 0x97, 0x9D, 0xFF }

local function answer(first)
  return function(random, id, version)
    if version == 4 or random(2) == 1 then
      return framed(first, two(id))
    end
    return framed(first, two(id) .. string.char(one_of(random, CODES)) .. properties(random, REASON))
  end
end

local function verdict(first)
  return function(random, id, version)
    return framed(first, two(id) .. (version == 5 and properties(random, REASON) or "")
      .. string.char(one_of(random, { 0, 1, 2, 0x80, 0x87 })))
  end
end

local function publish(random, id, version)
  local qos = random(3) - 1
  return framed(0x30 + qos * 2 + random(2) - 1, text(one_of(random, WORDS)) .. (qos > 0 and two(id) or "")
    .. (version == 5 and properties(random, { 1, 2, 3, 8, 9, 11, 35, 38 }) or "") .. bytes_of(random, random(30) - 1))
end

local makers_of_packets = {
  publish, publish, publish, answer(0x40), answer(0x50), answer(0x62), answer(0x70), verdict(0x90), verdict(0xB0),
  function() return framed(0xD0, "") end,
}

--- A sound CONNACK.
-- @tparam function random
-- @tparam number version 4 or 5
-- @treturn string
function mutator.connack(random, version)
  return framed(0x20, "\0\0" .. (version == 5 and properties(random,
    { 17, 18, 19, 21, 22, 26, 28, 31, 33, 34, 36, 37, 38, 39, 40, 41, 42 }) or ""))
end

--- A packet that a broker may send to a connected client, sound by itself.
-- @tparam function random
-- @tparam table ids of packets that wait for an answer; others are used too
-- @tparam number version 4 or 5
-- @treturn string
function mutator.packet(random, ids, version)
  local id = #ids > 0 and random(3) > 1 and one_of(random, ids) or random(65536) - 1
  return one_of(random, makers_of_packets)(random, id, version)
end

-- ---- mutations ----

local function body_at(packet)
  local at = 2
  while packet:byte(at) and packet:byte(at) >= 128 do
    at = at + 1
  end
  return at + 1
end

local function replaced(packet, at, byte)
  return packet:sub(1, at - 1) .. string.char(byte) .. packet:sub(at + 1)
end

local INTERESTING = { 0, 1, 2, 0x1F, 0x7F, 0x80, 0xC0, 0xED, 0xF5, 0xFE, 0xFF }

local function change_bytes(random, packet, from)
  if from > #packet then
    return packet .. bytes_of(random, random(8))
  end
  for _ = 1, random(3) do
    local at = from + random(#packet - from + 1) - 1
    packet = replaced(packet, at, random(2) == 1 and one_of(random, INTERESTING) or random(256) - 1)
  end
  return packet
end

local HUGE = { "\255\255\255\127", "\255\255\127", "\128\128\128\1", "\255\255\255\255", "\255\255\255\255\255\255",
  "\128\128\128\128\0", "\128" }

local ways = {
  -- The frame holds: the packet that follows is understood if this one is.
  function(random, packet) return change_bytes(random, packet, body_at(packet)) end,
  function(random, packet) return change_bytes(random, packet, body_at(packet)) end,
  function(random, packet)
    local body = packet:sub(body_at(packet))
    return framed(packet:byte(1), body:sub(1, random(#body + 1) - 1))
  end,
  function(random, packet)
    return framed(packet:byte(1), packet:sub(body_at(packet)) .. bytes_of(random, random(40)))
  end,
  function(random, packet) return replaced(packet, 1, random(256) - 1) end,
  function(random, packet) return replaced(packet, 1, packet:byte(1) - packet:byte(1) % 16 + random(16) - 1) end,
  function(random, packet) return framed(packet:byte(1), bytes_of(random, random(20) - 1)) end,
  function(random, packet) -- a length of two bytes inside that promises too much
    local at = body_at(packet)
    return #packet > at and replaced(replaced(packet, at, random(256) - 1), at + 1, 0xFF) or packet .. "\0"
  end,
  -- The frame does not hold.
  function(random, packet) return change_bytes(random, packet, 1) end,
  function(random, packet) return packet:sub(1, random(#packet) - 1) end,
  function(random, packet) return packet:sub(1, 1) .. one_of(random, HUGE) .. packet:sub(body_at(packet)) end,
  function(random) return bytes_of(random, random(60)) end,
  function(random, packet) return packet:sub(random(#packet)) .. packet end,
}

-- ---- what Paho 1.3.12 does not survive ----

local SIZES = { one = 1, two = 2, four = 4 }

-- Where the variable byte integer at `at` ends and its value, as Paho reads it; nil when that is past the packet.
local function number_at(packet, at)
  local value, factor = 0, 1
  for index = at, at + 3 do
    local byte = packet:byte(index)
    if not byte then
      return nil
    end
    value, factor = value + byte % 128 * factor, factor * 128
    if byte < 128 then
      return index + 1, value
    end
  end
  return at + 5, value -- Paho counts a fifth byte that it has not read
end

local function string_at(packet, at)
  local high, low = packet:byte(at, at + 1)
  local past = high and low and at + 2 + high * 256 + low
  return past and past <= #packet + 1 and past or nil
end

local function properties_overrun(packet, at)
  local left
  at, left = number_at(packet, at)
  if not at then
    return true
  end
  while left ~= 0 do
    local kind = VALUES[packet:byte(at) or -1] or packet:byte(at) == 23 and "one" or packet:byte(at) == 24 and "four"
      or packet:byte(at) == 25 and "one"
    local from = at
    if at > #packet then
      return true
    elseif not kind then
      return false
    elseif SIZES[kind] then
      at = at + 1 + SIZES[kind]
      if at > #packet + 1 then
        return true
      end
    elseif kind == "number" then
      at = number_at(packet, at + 1)
      if not at or at > #packet + 1 then
        return true
      end
    else
      at = string_at(packet, at + 1)
      if at and kind == "pair" then
        at = string_at(packet, at)
      end
      if not at then
        return false
      end
    end
    left = left - (at - from)
    if left < 0 then
      left = left + 4294967296
    end
  end
  return false
end

--- Whether a property of MQTT 5 reaches past the end of its packet, which Paho does not notice
-- (docs/transports/paho.md): it reads on, and takes a PUBLISH for one with a payload of less than nothing.
-- @tparam string packet
-- @treturn boolean
function mutator.overruns(packet)
  local at, size = number_at(packet, 2)
  if not at or at - 1 + size > #packet then
    return false
  end
  packet = packet:sub(1, at - 1 + size)
  local kind, flags = math.floor(packet:byte(1) / 16), packet:byte(1) % 16
  if kind == 2 then
    return size > 2 and properties_overrun(packet, at + 2)
  elseif kind == 3 then
    at = string_at(packet, at)
    if at and flags % 8 >= 2 then
      at = at + 2
    end
    return at ~= nil and at <= #packet and properties_overrun(packet, at)
  elseif kind == 14 or kind == 15 then
    return size > 1 and properties_overrun(packet, at + (kind == 14 and 1 or 3))
  elseif kind == 9 or kind == 11 then
    return size > 2 and properties_overrun(packet, at + 2)
  elseif kind >= 4 and kind <= 7 then
    return size > 3 and properties_overrun(packet, at + 3)
  end
  return false
end

-- Packets of that kind, as small as they get: each ends a process that has Paho in it.
local OVERRUNS = { "\48\6\0\1a\5\2\0", "\48\5\0\1a\127\0", "\50\8\0\1a\0\1\9\2\0", "\32\4\0\0\9\17",
  "\64\5\0\1\0\9\31", "\144\4\0\1\9\38", "\224\3\0\9\17" }

--- Makes something of a packet that a sound broker would not send.
-- @tparam function random
-- @tparam string packet
-- @tparam ?boolean any also such as Paho does not survive, more often than chance would have them
-- @treturn string
function mutator.mutate(random, packet, any)
  if any and random(16) == 1 then
    return one_of(random, OVERRUNS)
  end
  local mutated
  repeat
    local way = random(4) > 1 and random(8) or random(#ways) -- mostly those that let the next packet be looked at
    mutated = ways[way](random, packet)
  until any or not mutator.overruns(mutated)
  return mutated
end

return mutator
