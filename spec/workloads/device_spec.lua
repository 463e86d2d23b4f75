-- 3, a device: telemetry all the while, `cmd/+` answered on `resp/...`; the command `ask` asks another service
-- over the same client and waits for its answer within the handler. 200 commands at once, a service that is slow, an
-- outage in the middle. #broker
local accounts = require "spec.support.account"
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local program = require "spec.support.program"

local DEVICE = [[
local holdfast = require "holdfast"

local client = holdfast.new { server = arg[1], client_id = "device" }
client:on("lost", print)
client:on("ready", print)

local asked = 0
local waiting = {}

client:subscribe("answers/device", { qos = 1 }, function(message)
  local id, text = message.payload:match "^(%d+) (.*)$"
  if waiting[tonumber(id)] then
    waiting[tonumber(id)](text)
  end
end)

local function ask(question)
  asked = asked + 1
  local id, answer = asked, nil
  waiting[id] = function(text) answer = text end
  assert(client:publish("questions", id .. " " .. question, { qos = 1 }))
  for _ = 1, 500 do -- 10 s
    if answer then
      break
    end
    holdfast.sleep(0.02)
  end
  waiting[id] = nil
  return answer or "timeout"
end

client:subscribe("cmd/+", { qos = 1 }, function(message)
  local name = message.topic:match "[^/]+$"
  local answer = name == "ask" and ask(message.payload) or "done"
  assert(client:publish("resp/" .. name, message.payload .. " " .. answer, { qos = 1 }))
end)

holdfast.run(function()
  assert(client:connect(10))
  local number = 0
  while true do
    number = number + 1
    client:post("telemetry", tostring(number), { qos = 1 })
    holdfast.sleep(tonumber(arg[2]))
  end
end)
]]

local EACH = program.size(0.2, 1) -- seconds between two readings
local COMMANDS = 200
local SERVICE = program.size(0.01, 0.2) -- seconds a question takes the other service, one after the other
local OUTAGE = program.size(1, 5)
local PATIENCE = program.size(15, 40)

describe("a device #broker", function()
  after_each(function()
    program.finish()
    mosquitto.finish()
  end)

  local function device(transport, protocol, host)
    local broker = mosquitto.start { persistent = "each second", quiet = true,
      lines = { "max_inflight_messages 10000", "max_queued_messages 0" } }
    local address = "mqtt://127.0.0.1:" .. broker.port
    local account = accounts.new()
    local quick = { strategy = "constant", min = 0.05, max = 0.05, jitter = "none" }
    local world = holdfast.new { server = address, client_id = "world", backoff = quick, stable_after = 0,
      inbox = { messages = 10000 } }
    local kinds = {}
    world:subscribe("resp/+", { qos = 1 }, function(message)
      local number, word = message.payload:match "^(%d+) (%w+)$"
      kinds[word] = (kinds[word] or 0) + 1
      account:arrived(message.topic, tonumber(number))
    end)
    local telemetry = accounts.new()
    world:subscribe("telemetry", { qos = 1 }, function(message)
      telemetry:arrived("telemetry", tonumber(message.payload))
    end)
    world:subscribe("questions", { qos = 1, ordered = true }, function(message)
      holdfast.sleep(SERVICE)
      world:post("answers/device", (message.payload:match "^%d+") .. " answered", { qos = 1 })
    end)
    assert(world:connect(10))

    local one = account:watch(program.start { code = DEVICE, transport = transport, protocol = protocol,
      host = host, arguments = { address, EACH } }):await "^ready"
    telemetry:await("arrived", 2, 5)
    account:weigh(one.pid)
    for number = 1, COMMANDS do
      local name = number % 2 == 0 and "ask" or "reset"
      assert(world:post("cmd/" .. name, tostring(number), { qos = 1 }))
      account:posted("resp/" .. name, number)
    end
    account:await("arrived", COMMANDS * 0.6, PATIENCE)
    local before = core.now()
    broker:stop()
    holdfast.sleep(OUTAGE)
    broker:restart()
    one:await("^ready", 15, 2)
    local outage = core.now() - before
    account:await("arrived", COMMANDS, PATIENCE + 5)
    telemetry:await("arrived", telemetry:count "arrived" + 3, 5)
    account:weigh(one.pid)
    account:note("telemetry: %s", telemetry:words())
    account:note("the outage, until the device was back: %.2f s; %d answered, %d timed out", outage,
      (kinds.answered or 0) + (kinds.done or 0), kinds.timeout or 0)

    account:close { doubled = { 0 }, disorder = { 0 }, descriptors = 0, memory = { -math.huge, 10000 },
      gap = { 0, OUTAGE + PATIENCE } }
    assert((kinds.answered or 0) + (kinds.timeout or 0) >= COMMANDS / 2, account:words())
    telemetry:must { disorder = 0 }
    local seen = telemetry:report()
    assert(seen.gap < outage + 0.2 + EACH, account:words())
    assert(telemetry:highest "telemetry" == seen.arrived, account:words()) -- none is missing between
    world:close(1)
  end

  program.everywhere(3, function(transport, protocol, host)
    if program.is_soak or host or (transport == "native") == (protocol == 5) then
      it("answers every command, and goes on measuring: " .. program.way(transport, protocol, host), function()
        holdfast.run(device, transport, protocol, host)
      end)
    end
  end)
end)
