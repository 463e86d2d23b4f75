--- A million messages of QoS 1 to a reader that sleeps for 10 s first, and as many to one that publishes each on by the
-- same client: nothing lost, doubled or out of order, no connection lost, memory bounded by the inbox.
-- MESSAGES changes the number, TRANSPORT is what the clients have; a run that finds no time for all of them says so.
local accounts = require "spec.support.account"
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local program = require "spec.support.program"

local READER = [[
local holdfast = require "holdfast"

local client = holdfast.new { server = arg[1], client_id = "reader" }
client:on("ready", print)
client:on("lost", print)
local flood = client:subscribe("flood", { qos = 1 })
local count, missing, again = 0, 0, 0

local function take(message)
  local number = tonumber(message.payload:match "%d+")
  if number > count then
    missing, count = missing + number - count - 1, number
  else
    again = again + 1
  end
  if count % 10000 == 0 then
    print("count", count, missing, again)
  end
  if arg[2] == "publishes" then
    assert(client:publish("on", message.payload, { qos = 1 }))
  end
end

holdfast.run(function()
  assert(client:connect(10))
  take(assert(flood:receive()))
  holdfast.sleep(10)
  for message in flood:messages() do
    take(message)
  end
end)
]]

local INBOX = 16 * 1024 -- KiB, `inbox.bytes` unless told
local MOST = 2 * INBOX -- what a reader may grow by: the messages, and what carries them
local ASLEEP = 10 -- s
local ON = 1500 -- messages a second that are published on at least; 2,100 to 4,000 were

local transport = os.getenv "TRANSPORT" or "native"
local count = math.floor(tonumber(os.getenv "MESSAGES" or 1000000) / 10000) * 10000
local minutes = tonumber(os.getenv "MINUTES" or 10)
if minutes < 1 then
  print(("not begun: a reader sleeps for 10 s, and %.1f minutes are less than one"):format(minutes))
  os.exit(77) -- neither passed nor failed
end
local finish = core.now() + minutes * 60

local function say(...)
  print(string.format(...))
  io.stdout:flush()
end

-- Sees that what is published on comes once and in order.
local function look_on(address)
  local seen = { count = 0, wrong = 0 }
  local client = holdfast.new { server = address, client_id = "far end", transport = transport }
  client:subscribe("on", { qos = 1, ordered = true }, function(message)
    local number = tonumber(message.payload:match "%d+")
    seen.wrong = seen.wrong + (number == seen.count + 1 and 0 or 1)
    seen.count = number
  end)
  assert(client:connect(10))
  return client, seen
end

local function write(address, most, seconds)
  local client = holdfast.new { server = address, client_id = "writer", transport = transport,
    queue = { messages = 20000 } }
  assert(client:connect(10))
  local deadline, number = core.now() + seconds, 0
  while number < most and (core.now() < deadline or number % 10000 > 0) do
    if client:post("flood", ("%-64d"):format(number + 1), { qos = 1 }) then
      number = number + 1
    else
      holdfast.sleep(0.01)
    end
  end
  while client:status().queued.messages > 0 do
    holdfast.sleep(0.01)
  end
  client:close(1)
  return number
end

local function flood(what, seconds)
  local broker = mosquitto.start { quiet = true, lines = { "max_inflight_messages 0", "max_queued_messages 0" } }
  local address = "mqtt://127.0.0.1:" .. broker.port
  local account = accounts.new()
  local far, seen = look_on(address)
  local reader = program.start { code = READER, transport = transport, arguments = { address, what } }
  reader:await("^ready", 10)
  local first = account:weigh(reader.pid).memory
  local most, began, weighing = first, core.now(), true
  holdfast.spawn(function()
    while weighing do
      most = math.max(most, account:weigh(reader.pid).memory)
      holdfast.sleep(0.5)
    end
  end)
  local timely = what == "publishes" and math.floor((seconds - ASLEEP) * ON / 10000) * 10000 or count
  local sent = write(address, math.min(count, timely), seconds / 3)
  local all = "^count\t" .. sent .. "\t"
  local deadline = began + seconds
  while core.now() < deadline and (reader:count(all) == 0 or what == "publishes" and seen.count < sent) do
    holdfast.sleep(0.2)
  end
  weighing = false
  local last
  for _, line in ipairs(reader:news()) do
    last = line:match "^count\t(.*)" or last
  end
  local had, missing, again = (last or "0\t0\t0"):match "(%d+)\t(%d+)\t(%d+)"
  local losses = reader:count "^lost"
  far:close(1)
  program.finish()
  mosquitto.finish()
  local good = tonumber(had) == sent and tonumber(missing) + tonumber(again) + losses + seen.wrong == 0
    and (what ~= "publishes" or seen.count == sent) and most - first <= MOST
  say("%s a reader that %s: %d sent, %s had, %s lost, %s doubled; %d published on, %d of them out of order; "
    .. "%d connections lost, %.1f MiB more at most, %.0f s%s", good and "ok    " or "FAILED", what, sent, had, missing,
    again, seen.count, seen.wrong, losses, (most - first) / 1024, core.now() - began,
    sent < count and "; no time for more" or "")
  return good
end

local fine = true
for index, what in ipairs { "sleeps", "publishes" } do
  fine = holdfast.run(flood, what, (finish - core.now()) / (3 - index)) and fine
  collectgarbage()
end
os.exit(fine and 0 or 1)
