-- 11, presence: a retained `online`, a will `offline`. However the program ends, who looks sees the truth: a bug,
-- Ctrl-C, SIGTERM, SIGKILL, a cut network, a clean end. #broker
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local program = require "spec.support.program"
local weathers = require "weather_probe"

local KEEP_ALIVE = program.size(2, 20)

local PRESENCE = [[
local holdfast = require "holdfast"

local client = holdfast.new { server = arg[1], client_id = "kitchen", keep_alive = tonumber(arg[2]),
  will = { topic = "presence/kitchen", payload = "offline", qos = 1, retain = true } }
client:on("ready", function()
  client:publish("presence/kitchen", "online", { qos = 1, retain = true })
  print "online"
end)
client:start()
]]

local ENDS = {
  ["a bug"] = { code = "holdfast.run(function() holdfast.sleep(1) error 'a bug' end)" },
  ["the end of the script"] = { code = "holdfast.run(function() holdfast.sleep(1) end)" },
  ["os.exit"] = { code = "holdfast.run(function() holdfast.sleep(1) os.exit(3) end)" },
  ["Ctrl-C"] = { code = "holdfast.run(function() client:wait 'closed' end)", signal = "INT" },
  ["SIGTERM"] = { code = "holdfast.run(function() client:wait 'closed' end)", signal = "TERM" },
  ["SIGKILL"] = { code = "holdfast.run(function() client:wait 'closed' end)", signal = "KILL" },
  ["a cut network"] = { code = "holdfast.run(function() client:wait 'closed' end)", is_cut = true },
}

local CLEAN = [[
holdfast.run(function()
  holdfast.sleep(1)
  client:publish("presence/kitchen", "gone home", { qos = 1, retain = true })
  client:close(5)
end)
]]

describe("presence #broker", function()
  local weather

  after_each(function()
    program.finish()
    if weather then
      weather:close()
      weather = nil
    end
    mosquitto.finish()
  end)

  -- What is seen, each with its time.
  local function begin(transport, protocol, code)
    local broker = mosquitto.start()
    local port
    weather, port = weathers.start(broker.port)
    local seen = {}
    local world = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port }
    world:subscribe("presence/kitchen", { qos = 1 }, function(message)
      seen[#seen + 1] = message.payload
    end)
    assert(world:connect(10))
    local one = program.start { code = PRESENCE .. code, transport = transport, protocol = protocol,
      arguments = { "mqtt://127.0.0.1:" .. port, KEEP_ALIVE } }
    one:await "^online"
    return one, seen, world
  end

  local function await(seen, payload, seconds)
    local deadline = core.now() + seconds
    while seen[#seen] ~= payload do
      assert(core.now() < deadline, ("%s is not seen within %g s, but %s"):format(payload, seconds,
        table.concat(seen, ", ")))
      holdfast.sleep(0.01)
    end
  end

  program.each(function(transport, protocol)
    for how, ending in pairs(ENDS) do
      if program.is_soak or (transport == "native") == (protocol == 5) then
        it(("is over after %s: protocol %d, %s"):format(how, protocol, transport), function()
          holdfast.run(function()
            local one, seen, world = begin(transport, protocol, ending.code)
            await(seen, "online", 5)
            if ending.signal then
              one:signal(ending.signal)
            elseif ending.is_cut then
              weather:set { hold_up = true, hold_down = true, refuse = true }
            end
            if not ending.is_cut then
              assert(one:ended(5), "it does not end")
            end
            -- mosquitto looks for those that are silent each 5 s
            await(seen, "offline", 1.5 * KEEP_ALIVE + 6)
            assert.are.same({ "online", "offline" }, seen)
            world:close(1)
          end)
        end)
      end
    end

    if program.is_soak or (transport == "native") == (protocol == 5) then
      it(("says goodbye itself where it closes: protocol %d, %s"):format(protocol, transport), function()
        holdfast.run(function()
          local one, seen, world = begin(transport, protocol, CLEAN)
          assert.are.equal("exited 0", (one:ended(8)))
          holdfast.sleep(0.5) -- a will would come
          assert.are.same({ "online", "gone home" }, seen)
          world:close(1)
        end)
      end)
    end
  end)
end)
