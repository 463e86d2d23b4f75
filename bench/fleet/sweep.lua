--- The evidence for the default backoff: candidates over how long the broker needs (N/C) and how long it is away.
-- usage: lua bench/fleet/sweep.lua [SVG], with the build in LUA_PATH and LUA_CPATH (make -s env)
--
-- Every fleet has 2,000 clients and a queue of 1 % of them; the rate follows from N/C. A device by itself is one of
-- 2,000 whose broker has no limit, and whose losses are staggered, so that it is away for longer or shorter by chance.
package.path = "bench/fleet/?.lua;" .. package.path

local chart = require "chart"
local fleet = require "holdfast.fleet"

local CLIENTS = 2000
local NEEDS = { 0.1, 1, 10, 30, 50, 100, 300, 1000 } -- seconds, N/C
local OUTAGES = { 1, 2, 10, 30, 60, 300, 3600 } -- seconds
local LONE = { 2, 10, 30, 60, 300, 3600 } -- seconds

local candidates = {}
local function candidate(name, backoff, drawn)
  candidates[#candidates + 1] = { name = name, backoff = backoff, drawn = drawn }
end
candidate("full, max 45 (the default)", { max = 45 }, true)
candidate("full, max 15", { max = 15 }, true)
candidate("full, max 30", { max = 30 })
candidate("full, max 60", { max = 60 })
candidate("full, max 120", { max = 120 }, true)
candidate("full, factor 1.5, max 45", { max = 45, factor = 1.5 })
candidate("full, factor 4, max 45", { max = 45, factor = 4 })
candidate("equal, max 45", { max = 45, jitter = "equal" }, true)
candidate("jitter 0.5, max 45", { max = 45, jitter = 0.5 })
candidate("decorrelated, max 45", { strategy = "decorrelated", max = 45 }, true)
candidate("paho", { preset = "paho" }, true)
candidate("aws", { preset = "aws" }, true)
candidate("hivemq", { preset = "hivemq" })
candidate("nanosdk", { preset = "nanosdk" }, true)

-- What comes with a preset apart from the delays is the preset's, here as in a client.
local function simulate(backoff, need, outage)
  return fleet.run { clients = CLIENTS, accept_rate = CLIENTS / need, accept_queue = CLIENTS / 100, outage = outage,
    backoff = backoff, horizon = outage + 20 * need + 3600 }
end

-- How long a device by itself is away after the broker's return, in the mean, and its attempts an hour until then.
local function lone(backoff, outage)
  local result = fleet.run { clients = CLIENTS, accept_rate = 1e6, accept_queue = 1e6, outage = outage,
    stagger = math.min(outage * 0.9, 60), backoff = backoff }
  local after, series = 0, result.series.connected
  for second = outage + 1, #series do
    after = after + 1 - series[second] / CLIENTS
  end
  return after, result.attempts_before / outage * 3600
end

local function measure(each)
  each.mean, each.worst, each.attempts, each.lone = {}, {}, {}, {}
  for place, need in ipairs(NEEDS) do
    local sum, worst, attempts = 0, 0, 0
    for _, outage in ipairs(OUTAGES) do
      local result = simulate(each.backoff, need, outage)
      local ratio = (result.t99 or result.duration) / (0.99 * need)
      sum, worst, attempts = sum + ratio, math.max(worst, ratio), attempts + result.attempts_per_client
    end
    each.mean[place], each.worst[place], each.attempts[place] = sum / #OUTAGES, worst, attempts / #OUTAGES
  end
  for place, outage in ipairs(LONE) do
    each.lone[place], each.hourly = lone(each.backoff, outage)
  end
end

local function figure(value)
  return ("%7s"):format(("%.3g"):format(value))
end

local function row(name, parts)
  local cells = { ("%-27s"):format(name) }
  for _, part in ipairs(parts) do
    cells[#cells + 1] = " "
    for _, value in ipairs(part) do
      cells[#cells + 1] = type(value) == "string" and ("%7s"):format(value) or figure(value)
    end
  end
  return (table.concat(cells):gsub(" +$", ""))
end

local function words(numbers, unit)
  local list = {}
  for index, number in ipairs(numbers) do
    list[index] = number .. unit
  end
  return list
end

print(("%d clients; over outages of %s s"):format(CLIENTS, table.concat(OUTAGES, ", ")))
print(row("t99 / ideal, mean, at N/C", { words(NEEDS, " s") }))
for _, each in ipairs(candidates) do
  measure(each)
  print(row(each.name, { each.mean }))
  io.flush()
end
print("\n" .. row("t99 / ideal, worst, at N/C", { words(NEEDS, " s") }))
for _, each in ipairs(candidates) do
  print(row(each.name, { each.worst }))
end
print("\n" .. row("attempts after it, at N/C", { words(NEEDS, " s") }))
for _, each in ipairs(candidates) do
  print(row(each.name, { each.attempts }))
end
print("\n" .. row("a device alone, s, after", { words(LONE, " s"), { "an hour" } }))
for _, each in ipairs(candidates) do
  print(row(each.name, { each.lone, { each.hourly } }))
end
print "an hour: attempts of a client in an hour without a broker"

if arg[1] then
  local names, left, right = {}, {}, {}
  for _, each in ipairs(candidates) do
    if each.drawn then
      names[#names + 1] = each.name
      left[#left + 1] = each.mean
      right[#right + 1] = each.lone
    end
  end
  local file = assert(io.open(arg[1], "w"))
  file:write(chart.draw("How soon a fleet is back, and how soon a device by itself", names, {
    name = "99 % of the fleet: time over what the broker needs (mean)", curves = left,
    x = { name = "what the broker needs for all, s (N/C)", at = NEEDS, from = 0.1, to = 1000,
      marks = { 0.1, 1, 10, 100, 1000 } },
    y = { from = 0.9, to = 1000, marks = { 1, 2, 5, 10, 100, 1000 } },
  }, {
    name = "a device alone: seconds after the broker's return (mean)", curves = right,
    x = { name = "length of the outage, s", at = LONE, from = 2, to = 3600, marks = { 2, 10, 60, 300, 3600 } },
    y = { from = 0.5, to = 100, marks = { 0.5, 1, 2, 5, 10, 20, 50, 100 } },
  }))
  file:close()
end
