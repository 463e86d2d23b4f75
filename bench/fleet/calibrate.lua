--- Measured events beside a simulation: prints both, and draws them on one picture.
-- usage: lua bench/fleet/calibrate.lua LOST BACK CLIENTS SVG < events; times on the clients' clock
package.path = "bench/fleet/?.lua;" .. package.path

local fleet = require "holdfast.fleet"
local picture = require "holdfast.fleet.picture"
local text = require "holdfast.text"

local LOST, BACK, CLIENTS, SVG = tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3]), arg[4]

-- What one mosquitto takes on loopback: more than a fleet of this size can show, so that it counts for nothing here.
local RATE = 3000

local times = { attempt = {}, connected = {}, lost = {} }
for line in io.lines() do
  local what, at = line:match "^(%a+) ([%d.]+)$"
  local seconds = tonumber(at) - LOST
  if seconds > -5 then
    table.insert(times[what], seconds)
  end
end
for _, list in pairs(times) do
  table.sort(list)
end

local outage = BACK - LOST
local last = times.connected[#times.connected]

-- Events up to the end of each second.
local function per_second(list)
  local counts, place = {}, 1
  for second = 1, math.ceil(last) + 1 do
    counts[second] = 0
    while list[place] and list[place] < second do
      counts[second] = counts[second] + 1
      place = place + 1
    end
  end
  return counts
end

local attempts, connects, losses = per_second(times.attempt), per_second(times.connected), per_second(times.lost)
local connected, there = {}, CLIENTS
for second in ipairs(attempts) do
  there = there + connects[second] - losses[second]
  connected[second] = there
end

local simulated = fleet.run { clients = CLIENTS, accept_rate = RATE, accept_queue = 1000, outage = outage,
  latency = 0.0005, stagger = times.lost[#times.lost] }

local function quantile(list, share)
  return list[math.max(1, math.ceil(share * #list))] - outage
end

local before, after = 0, 0
for _, at in ipairs(times.attempt) do
  if at < outage then
    before = before + 1
  else
    after = after + 1
  end
end

print(("%d clients, broker away for %.1f s"):format(CLIENTS, outage))
print(("%-12s%8s%8s%8s%10s%10s"):format("", "t50", "t99", "t100", "before", "after"))
local function row(name, ...)
  print(("%-12s%8.2f%8.2f%8.2f%10.2f%10.2f"):format(name, ...))
end
row("measured", quantile(times.connected, 0.5), quantile(times.connected, 0.99), last - outage, before / CLIENTS,
  after / CLIENTS)
row("simulated", simulated.t50, simulated.t99, simulated.t100, simulated.attempts_before, simulated.attempts_per_client)

-- The largest distance between the two curves, as a share of the fleet.
local worst = 0
for second = math.floor(outage) + 1, #connected do
  local model = simulated.series.connected[second] or CLIENTS
  worst = math.max(worst, math.abs(connected[second] - model) / CLIENTS)
end
print(("largest distance between the curves from the return on: %.1f %% of the fleet"):format(100 * worst))
print(("all had noticed the loss after %.2f s"):format(times.lost[#times.lost]))

local function panel(name, note, series, measured)
  return { name = name, note = note, series = series, clients = CLIENTS, rate = RATE, away = 0, back = outage,
    measured = measured }
end

local file = assert(io.open(SVG, "w"))
local title = ("%s real clients of one mosquitto, and the same simulated"):format(text.number(CLIENTS))
file:write(picture.draw(title, {
  panel("simulated", ("99 %% after %.1f s"):format(simulated.t99), simulated.series, connected),
  panel("measured", ("99 %% after %.1f s"):format(quantile(times.connected, 0.99)),
    { attempts = attempts, connected = connected }),
}, math.ceil(last) + 2))
file:close()
