--- Bytes of MQTT packets, as specs write them down.
local bytes = {}

--- Of digits, blanks between them as one likes: hex "30 03 00 01 61".
function bytes.hex(digits)
  return (digits:gsub("%s", ""):gsub("%x%x", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

function bytes.two(number)
  return string.char(math.floor(number / 256), number % 256)
end

function bytes.four(number)
  return bytes.two(math.floor(number / 65536)) .. bytes.two(number % 65536)
end

--- A string with its length in front (MQTT 5 section 1.5.4).
function bytes.text(value)
  return bytes.two(#value) .. value
end

function bytes.pair(name, value)
  return bytes.text(name) .. bytes.text(value)
end

--- A variable byte integer (section 1.5.5).
function bytes.variable(number)
  local text = ""
  repeat
    local low = number % 128
    number = math.floor(number / 128)
    text = text .. string.char(number > 0 and low + 128 or low)
  until number == 0
  return text
end

--- Something with its length in front, as properties have it.
function bytes.measured(value)
  return bytes.variable(#value) .. value
end

--- A whole packet: its first byte, and what follows the Remaining Length.
function bytes.packet(first, ...)
  return string.char(first) .. bytes.measured(table.concat { ... })
end

return bytes
