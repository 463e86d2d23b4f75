--- Which backoff suits a fleet that is known: a search over min, max, factor and jitter.
-- Every candidate lives through an outage of two seconds and through the given one, with a fleet of at most a few
-- thousand whose broker is slower in proportion: what counts is how long the broker needs for all.
-- @module holdfast.fleet.advise
local fleet = require "holdfast.fleet"
local text = require "holdfast.text"

local advise = {}

local SAMPLE = 5000 -- clients that are simulated
local SHORT = 2 -- seconds of the outage that brings everybody at once
local MINS, MAXIMA, FACTORS = { 0.5, 1, 2, 5 }, { 15, 30, 45, 60, 90, 120, 180, 300, 600 }, { 1.5, 2, 3, 4 }
local NEVER = 1e9 -- in place of a time that is not reached
local JITTERS = { "full", "equal", 0.5 }

local function copy(from, changes)
  local made = {}
  for _, part in ipairs { from, changes } do
    for key, value in pairs(part) do
      made[key] = value
    end
  end
  return made
end

-- The fleet, scaled down.
local function sample(options)
  local part = math.min(1, SAMPLE / options.clients)
  local small = copy(options, {
    clients = math.floor(options.clients * part + 0.5),
    accept_rate = options.accept_rate * part,
    accept_queue = math.max(1, math.floor(options.accept_queue * part + 0.5)),
  })
  small.progress = nil
  return small
end

-- A device by itself is back after half of a wait, on average: that is what a long one costs who needs no patience.
-- Attempts are what a patient one saves. Both count as a part of what the fleet takes.
local function judge(options, backoff)
  local sum, worst, attempts = 0, 0, 0
  for _, outage in ipairs { SHORT, options.outage } do
    local result = fleet.run(copy(options, { outage = outage, backoff = backoff }))
    local t99 = result.t99 or NEVER
    worst = math.max(worst, t99)
    attempts = math.max(attempts, result.attempts_per_client)
    sum = sum + math.max(result.ratio or NEVER, t99 / 30)
  end
  local wait = backoff.strategy == "spread" and options.clients / options.accept_rate or backoff.max
  return { backoff = backoff, t99 = worst, attempts = attempts,
    cost = sum / 2 + 0.05 * attempts + wait / 600 }
end

local function improve(options, best, key, values, told)
  for _, value in ipairs(values) do
    local backoff = copy(best.backoff, { [key] = value })
    if value ~= best.backoff[key] and backoff.min < backoff.max then
      local found = judge(options, backoff)
      told()
      if found.cost < best.cost then
        best = found
      end
    end
  end
  return best
end

--- Searches.
-- @tparam table options of @{holdfast.fleet}.run with `clients`, `accept_rate`, `accept_queue` and `outage`
-- @tparam[opt] function told called after each simulation
-- @treturn table `best`, `default` and `spread`, each { backoff, t99 (the worse of both outages), attempts }; `ideal`
function advise.search(options, told)
  told = told or function() end
  local small = sample(options)
  local start = { strategy = "exponential", min = 1, max = 45, factor = 2, jitter = "full" }
  local best = judge(small, start)
  local default = best
  for _ = 1, 2 do
    best = improve(small, best, "max", MAXIMA, told)
    best = improve(small, best, "factor", FACTORS, told)
    best = improve(small, best, "min", MINS, told)
    best = improve(small, best, "jitter", JITTERS, told)
  end
  local spread = judge(small, { strategy = "spread", clients = small.clients, rate = small.accept_rate })
  spread.backoff = { strategy = "spread", clients = options.clients, rate = options.accept_rate }
  return { best = best, default = default, spread = spread, ideal = options.clients / options.accept_rate }
end

local ORDER = { "strategy", "min", "max", "factor", "jitter", "clients", "rate" }

--- A backoff as one writes it.
-- @treturn string
function advise.source(backoff)
  local words = {}
  for _, key in ipairs(ORDER) do
    local value = backoff[key]
    if value ~= nil then
      local shown = type(value) == "string" and ('"%s"'):format(value) or text.format("%g", value)
      words[#words + 1] = key .. " = " .. shown
    end
  end
  return "backoff = { " .. table.concat(words, ", ") .. " }"
end

local function verdict(found, ideal)
  return text.format("t99 %.1f s (%.2f x what the broker needs), %.2f attempts a client", found.t99,
    found.t99 / (0.99 * ideal), found.attempts)
end

--- What was found and why, in sentences.
-- @tparam table found of @{search}
-- @tparam table options as given to it
-- @treturn string
function advise.explain(found, options)
  local ideal = found.ideal
  local lines = {
    text.format("%g clients at %g a second: the broker needs %.1f s for all of them, whatever they do.",
      options.clients, options.accept_rate, ideal),
    text.format("Searched: outages of %g s and %g s, the worse of both counts.", SHORT, options.outage),
    "",
    "  default  " .. verdict(found.default, ideal),
    "  found    " .. verdict(found.best, ideal),
    "           " .. advise.source(found.best.backoff),
    "  known    " .. verdict(found.spread, ideal),
    "           " .. advise.source(found.spread.backoff),
    "",
  }
  local max = found.best.backoff.max
  if ideal > 2 * max then
    lines[#lines + 1] = text.format("The broker needs %.1f x the longest wait, so somebody always stands in its "
      .. "queue: a longer max\nsaves attempts rather than time.", ideal / max)
  elseif ideal > max / 3 then
    lines[#lines + 1] = "What the broker needs is about the longest wait: the queue overflows at first, and who is\n"
      .. "turned away then comes back when the broker has little to do. Here the choice of max matters most."
  else
    lines[#lines + 1] = "The broker has time for all: how soon the last one is back is its own wait, so a short max\n"
      .. "is the whole answer."
  end
  lines[#lines + 1] = "If both numbers are known and stay so, take spread: each client keeps a place of its own in\n"
    .. "the window, so that the broker's queue stays short and nobody is turned away."
  return table.concat(lines, "\n")
end

return advise
