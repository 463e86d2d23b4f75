-- 5, an update: a large message at QoS 1 over a thin and lossy link, down to a device or up from it, while telemetry
-- goes out. Once the device moves to another address. #broker
local accounts = require "spec.support.account"
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local program = require "spec.support.program"
local radio = require "spec.support.radio"

local DEVICE = [[
local holdfast = require "holdfast"

local client = holdfast.new { server = arg[1], client_id = "device", keep_alive = tonumber(arg[2]) }
client:on("ready", print)
client:on("lost", print)
client:subscribe("update", { qos = 1 }, function(message)
  print("update", #message.payload)
end)
holdfast.run(function()
  assert(client:connect(20))
  if arg[4] == "up" then
    holdfast.spawn(function()
      assert(client:publish("record", ("x"):rep(arg[5]), { qos = 1, timeout = 3600 }))
      print "told"
    end)
  end
  local number = 0
  while true do
    number = number + 1
    if client:post("telemetry", tostring(number), { qos = 1 }) then
      print("took", number)
    end
    holdfast.sleep(tonumber(arg[3]))
  end
end)
]]

local RATE = 100000 -- bytes a second
local LOSS = 0.02
local SIZE = program.size(150000, 30000000)
local KEEP_ALIVE = program.size(1, 10)
local EACH = program.size(0.1, 1) -- seconds between two readings
local NOTICED = { native = 1.5, paho = 3 } -- keep alives; Paho looks only now and then whether its ping is answered
local MOVES = 0.3 -- of the time that the link needs for it

describe("an update #broker", function()
  local air

  after_each(function()
    program.finish()
    mosquitto.finish()
    if air then
      air:finish()
      air = nil
    end
  end)

  local function update(transport, protocol, host, way)
    local port = process.free_port()
    local broker = mosquitto.start { quiet = true,
      lines = { "max_inflight_messages 0", ("listener %d %s"):format(port, radio.HERE) } }
    local account = accounts.new()
    local world = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, client_id = "world" }
    local arrived
    world:subscribe("telemetry", { qos = 1 }, function(message)
      account:arrived("telemetry", tonumber(message.payload))
    end)
    world:subscribe("record", { qos = 1 }, function(message)
      arrived = arrived or #message.payload == SIZE and core.now()
    end)
    assert(world:connect(10))

    -- Small, it is thinner until the device has moved, so that it does so in the middle on a machine that is late, too.
    air:set { rate = RATE / program.size(5, 1), loss = LOSS, evenly = not program.is_soak }
    local one = account:watch(program.start { code = DEVICE, transport = transport, protocol = protocol,
      host = host, before = air.before,
      arguments = { ("mqtt://%s:%d"):format(radio.HERE, port), KEEP_ALIVE, EACH, way, SIZE } })
    one:await("^ready", 20)
    account:weigh(one.pid)
    local began = core.now()
    if way == "down" then
      assert(world:post("update", ("x"):rep(SIZE), { qos = 1 }))
    end
    local link = SIZE / RATE
    holdfast.sleep(link * MOVES)
    assert(not arrived and one:count "^update" == 0, account:words())
    air:set({ rate = RATE, loss = LOSS, evenly = not program.is_soak }):move()
    -- A dead connection is known by its keep alive, and a backoff has a step.
    local allowed = 1.3 * link * (1 + MOVES) + NOTICED[transport] * KEEP_ALIVE + program.size(8, 3)
    while not arrived do
      arrived = one:count(("^update\t%d$"):format(SIZE)) > 0 and core.now()
      assert(core.now() < began + allowed + 5, account:words())
      holdfast.sleep(0.02)
    end
    account:note("%d bytes %s took %.1f s, of %.1f that it may", SIZE, way, arrived - began, allowed)
    air:mend()
    account:await("arrived", tonumber(one:words():match ".*took\t(%d+)"), 10)
    account:weigh(one.pid)
    one:signal("KILL"):ended(5)
    world:close(1)
    local last = 0
    for _, line in ipairs(one:news()) do
      local number = tonumber(line:match "^took\t(%d+)")
      if number and number <= account:highest "telemetry" then -- what it held as it was killed is nobody's
        account:posted("telemetry", number)
        last = number
      end
    end
    if account:highest "telemetry" == last + 1 then -- taken, and killed before it was said
      account:posted("telemetry", last + 1)
    end
    account.programs = {}
    return account, arrived - began <= allowed, allowed
  end

  -- Over Paho a large message that comes down shuts out the answer to a ping, and one on its way up hides that nobody
  -- is there any more: docs/transports/paho.md.
  local function can(transport, way)
    return transport == "native" or way == "down" and not program.is_soak
  end

  local is_small = { ["native down 5"] = true, ["native up 4"] = true, ["paho down 4"] = true }

  program.everywhere(5, function(transport, protocol, host)
    for _, way in ipairs { "down", "up" } do
      if can(transport, way) and (program.is_soak or is_small[("%s %s %d"):format(transport, way, protocol)]) then
        it(("of %d bytes %s arrives, and telemetry with it: "):format(SIZE, way) ..
          program.way(transport, protocol, host), function()
          local why
          air, why = radio.start()
          if not air then
            pending("no network of its own to be had: " .. why)
            return
          end
          holdfast.run(function()
            local account, in_time, allowed = update(transport, protocol, host, way)
            -- What it sends or has been sent is there up to four times: stream, inbox, Lua, the collector's.
            account:close { doubled = { 0 }, memory = { -math.huge, 20000 + 4 * SIZE / 1024 },
              gap = { 0, allowed } }
            assert(in_time, account:words())
          end)
        end)
      end
    end
  end)
end)
