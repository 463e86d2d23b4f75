--- How other clients wait by default, to the millisecond where the engine can say it.
-- For who comes from one of them and wants to keep what the fleet knows, and for comparisons in @{holdfast.fleet}. Each
-- keeps its flaws; the source is the client's own code. `grid` and "from the start of the attempt" need to know how
-- long the attempt took, so @{holdfast.backoff} by itself, which has no clock, draws without them.
-- @module holdfast.presets
local presets = {}

local CAP_LATE, JITTER_LATE, FROM_START = 1, 2, 4
local EVER, NEVER = 4294967295, 4294967 -- delays; seconds

-- `core`: in the core's own terms, milliseconds. `around`: what else of a client's options the preset stands for, in
-- seconds; `stable_after = 0` is a reset on CONNACK.
local all = {
  -- Paho C, automatic reconnect: whole seconds, acted on at the next tick of a 3 s grid that is the process' own. Here
  -- the grid is counted from the last attempt, which was on it; after a loss it is anywhere.
  paho = { core = { strategy = "whole", min = 1000, max = 60000, grid = 3000 }, around = { stable_after = 0 } },
  -- libmosquitto's loop_forever, as it is when nothing is set, and with its exponential option.
  mosquitto = { core = { strategy = "constant", min = 1000, max = 1000 }, around = { stable_after = 0 } },
  mosquitto_exponential = { core = { strategy = "quadratic", min = 1000, max = 60000 }, around = { stable_after = 0 } },
  -- NanoSDK: at once, then doubled from a draw; above the maximum it starts again below one second. Nothing resets it.
  nanosdk = { core = { strategy = "sawtooth", min = 1000, max = 60000, at_once = 1 },
    around = { stable_after = NEVER } },
  -- HiveMQ's Java client: a quarter to either side, after the cap.
  hivemq = { core = { strategy = "exponential", min = 1000, max = 120000, factor = 2, fraction = 0.25,
    habits = JITTER_LATE }, around = { stable_after = 0 } },
  autopaho = { core = { strategy = "constant", min = 10000, max = 10000, at_once = 1 }, around = { stable_after = 0 } },
  mqttjs = { core = { strategy = "constant", min = 1000, max = 1000 }, around = { stable_after = 0 } },
  -- aws-c-mqtt 5: the cap comes after the draw.
  aws = { core = { strategy = "exponential", min = 1000, max = 120000, factor = 2, habits = CAP_LATE },
    around = { stable_after = 30 } },
  -- gRPC's connection backoff: counted from the start of an attempt, which lasts up to 20 s.
  grpc = { core = { strategy = "exponential", min = 1000, max = 120000, factor = 1.6, fraction = 0.2,
    habits = JITTER_LATE + FROM_START }, around = { stable_after = 0, connect_timeout = 20 } },
  -- luamqtt (Tieske): counted from the start of the attempt.
  luamqtt = { core = { strategy = "constant", min = 30000, max = 30000, habits = FROM_START },
    around = { stable_after = 0 } },
  -- rumqttc, and luamqtt with `reconnect = true`: at once, for ever.
  rumqttc = { core = { strategy = "constant", min = 1, max = 1, at_once = EVER }, around = { stable_after = 0 } },
}

--- The names of all presets, sorted.
presets.names = {}
for name in pairs(all) do
  table.insert(presets.names, name)
end
table.sort(presets.names)

--- A preset as `core.backoff` wants it.
-- @tparam string name
-- @treturn table
function presets.core(name)
  local made = { jitter = all[name].core.fraction and "fraction" or "none" }
  for key, value in pairs(all[name].core) do
    made[key] = value
  end
  return made
end

--- The options of a client that go with a preset unless they are given.
-- @tparam ?string name
-- @treturn table seconds, by name of the option
function presets.around(name)
  return name and all[name].around or {}
end

return presets
