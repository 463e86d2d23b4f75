--- How long a million clients take, and how much memory: see bench/fleet.md.
-- usage: lua bench/fleet/speed.lua [CLIENTS], with the build in LUA_PATH and LUA_CPATH (make -s env)
local fleet = require "holdfast.fleet"

local CLIENTS = tonumber(arg[1]) or 1000000

print(("%d clients, 300 s outage, CPU time of one core"):format(CLIENTS))
for _, rate in ipairs { 20000, 2000 } do
  local began = os.clock()
  local result = fleet.run { clients = CLIENTS, accept_rate = rate, outage = 300 }
  local took = os.clock() - began
  local attempts = (result.attempts_per_client + result.attempts_before) * CLIENTS
  print(("%6d handshakes a second: %5.1f s for %.0f s of simulated time, %.1f million attempts, %.0f bytes a client")
    :format(rate, took, result.duration, attempts / 1e6, result.bytes_per_client))
end
