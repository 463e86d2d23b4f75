--- Backoff strategies by themselves, for any transport: how long to wait before the next attempt.
-- A pure function of (options, state): no clock, no timer, a private generator. Every delay is within [min, max], since
-- the cap cuts the interval before the draw and not the value after it.
-- @module holdfast.backoff
local core = require "holdfast.core"
local options = require "holdfast.options"
local schema = require "holdfast.schema"
local text = require "holdfast.text"

local Backoff = {}
Backoff.__index = Backoff

local backoff = {
  strategies = {}, -- names, an array: those of the core that options may name, without what only presets use
  jitters = core.backoff.jitters,
}
for _, row in ipairs(schema) do
  if row.name == "backoff.strategy" then
    for place, name in ipairs(row.choices) do
      backoff.strategies[place] = name
    end
  end
end

--- A backoff.
-- @tparam[opt] holdfast.options.backoff spec
-- @tparam[opt] number seed a whole number; the same one gives the same delays. Default: from the system
-- @treturn holdfast.backoff
-- @raise when the spec is wrong, naming the key
-- @usage
-- local backoff = holdfast.backoff.new({ strategy = "decorrelated", min = 0.5, max = 30 }, 42)
function backoff.new(spec, seed)
  local values, problem = options.backoff(spec == nil and {} or spec, "backoff")
  if not values then
    error("backoff.new: " .. problem, 2)
  elseif seed ~= nil and (type(seed) ~= "number" or seed % 1 ~= 0) then
    error("backoff.new: seed must be a whole number, got " .. text.describe(seed), 2)
  end
  return setmetatable({ state = core.backoff.new(options.milliseconds(values), seed) }, Backoff)
end

--- Draws the next delay.
-- @treturn ?number seconds; nil: never again (strategy "none")
-- @usage
-- local seconds = holdfast.backoff.new({ min = 1, max = 45 }):next()
function Backoff:next()
  local delay = self.state:next()
  return delay and delay / 1000
end

--- Forgets the failures, after a success. The generator goes on, so that no sequence repeats.
-- @usage
-- local backoff = holdfast.backoff.new()
-- backoff:reset()
function Backoff:reset()
  self.state:reset()
end

--- Where the next delay will be.
-- @treturn number seconds, at least
-- @treturn number seconds, at most
-- @usage
-- local low, high = holdfast.backoff.new({ jitter = "equal" }):interval()
function Backoff:interval()
  local low, high = self.state:interval()
  return low / 1000, high / 1000
end

--- The next delays, without drawing them.
-- @tparam number count how many
-- @treturn {number,...} seconds
-- @raise when `count` is no whole number from 0 to 1,000,000
-- @usage
-- for _, seconds in ipairs(holdfast.backoff.new():preview(5)) do
--   print(seconds)
-- end
function Backoff:preview(count)
  if type(count) ~= "number" or count % 1 ~= 0 or count < 0 or count > 1000000 then
    error("preview: count must be a whole number from 0 to 1,000,000, got " .. text.describe(count), 2)
  end
  local delays = self.state:preview(count)
  for index, delay in ipairs(delays) do
    delays[index] = delay / 1000
  end
  return delays
end

return backoff
