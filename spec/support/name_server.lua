-- A name server at 127.0.0.1, port 53: `name_server.lua zone`, until it is killed. Each line of the file is a record,
-- "SRV name ttl priority weight port target" or "A name address"; it is read for each question anew. What is in none of
-- them does not exist. Run in a network namespace of its own; says so once it answers.
local uv = require "luv"

local KINDS = { [1] = "A", [28] = "AAAA", [33] = "SRV" }

local function two(number)
  return string.char(math.floor(number / 256) % 256, number % 256)
end

local function wire(name)
  return (name:gsub("([^.]+)%.?", function(part) return string.char(#part) .. part end)) .. "\0"
end

local function data_of(kind, words)
  if kind == "A" then
    return 60, (words:gsub("(%d+)%.?", function(part) return string.char(tonumber(part)) end))
  end
  local ttl, priority, weight, port, target = words:match "(%d+) (%d+) (%d+) (%d+) (%S+)"
  return tonumber(ttl), two(tonumber(priority)) .. two(tonumber(weight)) .. two(tonumber(port)) .. wire(target)
end

local function answer(question)
  local labels, at = {}, 13
  while question:byte(at) > 0 do
    labels[#labels + 1] = question:sub(at + 1, at + question:byte(at))
    at = at + 1 + question:byte(at)
  end
  local name, kind = table.concat(labels, "."):lower(), KINDS[question:byte(at + 1) * 256 + question:byte(at + 2)]
  local records, known = {}, false
  for line in io.lines(arg[1]) do
    local of, whose, rest = line:match "^(%S+) (%S+) (.*)$"
    known = known or whose == name
    if of == kind and whose == name then
      local ttl, data = data_of(kind, rest)
      records[#records + 1] = "\192\12" .. question:sub(at + 1, at + 4) .. two(0) .. two(ttl) .. two(#data) .. data
    end
  end
  return question:sub(1, 2) .. two(known and 0x8580 or 0x8583) .. two(1) .. two(#records) .. two(0) .. two(0)
    .. question:sub(13, at + 4) .. table.concat(records)
end

local socket = uv.new_udp()
assert(socket:bind("127.0.0.1", 53))
assert(socket:recv_start(function(_, question, from)
  if question and from then
    socket:send(answer(question), from.ip, from.port, function() end)
  end
end))
io.stdout:write "answers\n"
io.stdout:flush()
uv.run()
