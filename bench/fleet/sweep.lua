--- The evidence for the default backoff: candidates over how long the broker needs (N/C) and how long it is away.
-- usage: lua bench/fleet/sweep.lua, with the build in LUA_PATH and LUA_CPATH (make -s env)
--
-- Every fleet has 2,000 clients and a queue of 1 % of them; the rate follows from N/C. A device by itself is one of
-- 2,000 whose broker has no limit, and whose losses are staggered, so that it is away for longer or shorter by chance.
local fleet = require "holdfast.fleet"

local CLIENTS = 2000
local NEEDS = { 0.1, 1, 10, 50, 100, 300, 1000 } -- seconds, N/C
local OUTAGES = { 1, 2, 10, 30, 60, 300, 1200, 3600 } -- seconds
local LONE = { 10, 60, 300, 3600 }

local candidates = {}
local function candidate(name, backoff)
  candidates[#candidates + 1] = { name = name, backoff = backoff }
end
for _, max in ipairs { 15, 30, 45, 50, 60, 90, 120 } do
  candidate(("full, factor 2, max %d"):format(max), { max = max, factor = 2, jitter = "full" })
end
for _, max in ipairs { 30, 45, 60 } do
  candidate(("full, factor 1.5, max %d"):format(max), { max = max, factor = 1.5, jitter = "full" })
  candidate(("full, factor 3, max %d"):format(max), { max = max, factor = 3, jitter = "full" })
  candidate(("full, factor 4, max %d"):format(max), { max = max, factor = 4, jitter = "full" })
  candidate(("equal, factor 2, max %d"):format(max), { max = max, factor = 2, jitter = "equal" })
  candidate(("0.5, factor 2, max %d"):format(max), { max = max, factor = 2, jitter = 0.5 })
  candidate(("decorrelated, max %d"):format(max), { strategy = "decorrelated", max = max })
  candidate(("full, min 2, factor 2, max %d"):format(max), { min = 2, max = max, factor = 2, jitter = "full" })
end

local function simulate(backoff, need, outage)
  local rate = CLIENTS / need
  return fleet.run { clients = CLIENTS, accept_rate = rate, accept_queue = CLIENTS / 100, outage = outage,
    backoff = backoff, horizon = outage + 20 * need + 3600 }
end

-- How long a device by itself is away after the broker's return, in the mean.
local function lone(backoff, outage)
  local result = fleet.run { clients = CLIENTS, accept_rate = 1e6, accept_queue = 1e6, outage = outage,
    stagger = math.min(outage * 0.9, 60), backoff = backoff, restart_share = 0 }
  local after = 0
  local series = result.series.connected
  for second = outage + 1, #series do
    after = after + 1 - series[second] / CLIENTS
  end
  return after
end

local function measure(each)
  each.ratio, each.worst, each.attempts, each.lone = {}, {}, {}, {}
  for place, need in ipairs(NEEDS) do
    local sum, worst, attempts = 0, 0, 0
    for _, outage in ipairs(OUTAGES) do
      local result = simulate(each.backoff, need, outage)
      local t99 = result.t99 or result.duration
      sum, worst = sum + t99 / (0.99 * need), math.max(worst, t99 / (0.99 * need))
      attempts = attempts + result.attempts_per_client
    end
    each.ratio[place], each.worst[place], each.attempts[place] = sum / #OUTAGES, worst, attempts / #OUTAGES
  end
  for place, outage in ipairs(LONE) do
    each.lone[place] = lone(each.backoff, outage)
  end
end

local function head()
  local cells = { ("%-28s"):format "t99 / ideal: mean, worst" }
  for _, need in ipairs(NEEDS) do
    cells[#cells + 1] = ("%13s"):format("N/C " .. need .. " s")
  end
  cells[#cells + 1] = "   attempts at 50, 1000 s   a device alone, s after outages of"
  return table.concat(cells) .. " " .. table.concat(LONE, ", ") .. " s"
end

print(head())
for _, each in ipairs(candidates) do
  measure(each)
  local cells = { ("%-28s"):format(each.name) }
  for place in ipairs(NEEDS) do
    cells[#cells + 1] = ("%7.2f %5.*f"):gsub("%%5%.%*f", each.worst[place] < 100 and "%%5.2f" or "%%5.0f"):format(
      each.ratio[place], each.worst[place])
  end
  cells[#cells + 1] = ("  %9.2f %9.2f        "):format(each.attempts[4], each.attempts[7])
  for place in ipairs(LONE) do
    cells[#cells + 1] = ("%7.1f"):format(each.lone[place])
  end
  print(table.concat(cells))
  io.flush()
end
