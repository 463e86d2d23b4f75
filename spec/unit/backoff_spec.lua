-- Delays against the closed forms that the documentation states, by themselves and in 100,000 draws each.
local core = require "holdfast.core"
local probe = require "core_probe"
local backoff = core.backoff

local MIN, MAX, STEP = 1000, 60000, 1500
local LARGEST = 4294967295

local function options(strategy, jitter, changes)
  local made = { strategy = strategy, jitter = jitter, min = MIN, max = MAX, step = STEP, factor = 2, fraction = 0.25 }
  for key, value in pairs(changes or {}) do
    made[key] = value
  end
  return made
end

local function cut(value, low, high)
  return math.max(low, math.min(high, value))
end

-- The value before any jitter, n counted from 0.
local plain = {
  constant = function(o) return o.min end,
  linear = function(o, n) return o.min + n * o.step end,
  exponential = function(o, n) return math.floor(o.min * o.factor ^ n + 0.5) end,
  fibonacci = function(o, n)
    local a, b = 1, 1
    for _ = 1, math.min(n, 60) do
      a, b = b, a + b
    end
    return o.min * b
  end,
}

local function closed_form(o, n, previous)
  if o.strategy == "random" then
    return o.min, o.max
  elseif o.strategy == "decorrelated" then
    return o.min, cut(3 * (previous or o.min), o.min, o.max)
  end
  local value = cut(plain[o.strategy](o, n), o.min, o.max)
  if o.jitter == "none" then
    return value, value
  elseif o.jitter == "full" then
    return o.min, cut(plain[o.strategy](o, n + 1), o.min, o.max)
  elseif o.jitter == "equal" then
    return cut(math.floor(value / 2), o.min, o.max), value
  end
  return cut(math.floor(value * (1 - o.fraction) + 0.5), o.min, o.max),
    cut(math.floor(value * (1 + o.fraction) + 0.5), o.min, o.max)
end

local function each_pair(visit)
  for _, strategy in ipairs { "constant", "linear", "exponential", "fibonacci", "random", "decorrelated" } do
    for _, jitter in ipairs(backoff.jitters) do
      visit(strategy, jitter)
    end
  end
end

describe("the strategies and jitters", function()
  it("are these", function()
    assert.same({ "none", "constant", "linear", "exponential", "fibonacci", "random", "decorrelated", "spread",
      "quadratic", "sawtooth", "whole" }, backoff.strategies)
    assert.same({ "none", "full", "equal", "fraction" }, backoff.jitters)
  end)

  it("follow their series up to the cap", function()
    local series = {
      constant = { 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000 },
      linear = { 1000, 2500, 4000, 5500, 7000, 8500, 10000, 11500 },
      exponential = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 },
      fibonacci = { 1000, 2000, 3000, 5000, 8000, 13000, 21000, 34000 },
    }
    for strategy, expected in pairs(series) do
      assert.same(expected, backoff.new(options(strategy, "none"), 1):preview(8))
    end
    assert.same({ 100, 160, 256, 410, 655, 1000, 1000 },
      backoff.new(options("exponential", "none", { min = 100, max = 1000, factor = 1.6 }), 1):preview(7))
  end)

  it("never retry when the strategy is none", function()
    local never = backoff.new({ strategy = "none", jitter = "full" }, 1)
    assert.is_nil(never:next())
    assert.same({}, never:preview(5))
    assert.same({ 0, 0 }, { never:interval() })
  end)
end)

describe("the interval of a draw", function()
  each_pair(function(strategy, jitter)
    it("is the closed form: " .. strategy .. ", " .. jitter, function()
      for _, changes in ipairs { {}, { factor = 1.5, fraction = 1 }, { max = 1000 }, { max = LARGEST, min = LARGEST },
        { min = 1, max = LARGEST, step = LARGEST } } do
        local o = options(strategy, jitter, changes)
        local state = backoff.new(o, 7)
        local previous
        for n = 0, 49 do
          local low, high = state:interval()
          local expected_low, expected_high = closed_form(o, n, previous)
          assert.equal(expected_low, low)
          assert.equal(expected_high, high)
          previous = state:next()
        end
      end
    end)
  end)

  it("has a width at the first draw of full jitter, and never reaches zero", function()
    for _, strategy in ipairs { "linear", "exponential", "fibonacci", "random", "decorrelated" } do
      local low, high = backoff.new(options(strategy, "full"), 1):interval()
      assert.is_true(low >= 1 and high > low, strategy)
    end
  end)
end)

local QUANTILES = { 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99 }

-- Ten draws an outage, 10,000 outages. Every draw becomes its place within its own interval, so that draws of all
-- intervals together must be uniform; sums and piles are compared with what the intervals themselves foretell.
local function survey(o, seed)
  local state = backoff.new(o, seed)
  local result = { draws = 0, sum = 0, mean = 0, variance = 0, at_max = 0, expected_at_max = 0, at_min = 0,
    expected_at_min = 0, outside = 0, places = 0, below = { 0, 0, 0, 0, 0, 0, 0 } }
  local below, lows, highs = result.below, {}, {}
  for n = 0, 9 do
    lows[n], highs[n] = closed_form(o, n)
  end
  for _ = 1, 10000 do
    local previous
    for n = 0, 9 do
      local low, high = lows[n], highs[n]
      if o.strategy == "decorrelated" then -- the only one that looks at the draw before
        low, high = closed_form(o, n, previous)
      end
      local width = high - low + 1
      local delay = state:next()
      previous = delay
      if delay < low or delay > high or delay < o.min or delay > o.max then
        result.outside = result.outside + 1
      end
      result.draws = result.draws + 1
      result.sum = result.sum + delay
      result.mean = result.mean + (low + high) / 2
      result.variance = result.variance + (width * width - 1) / 12
      if delay == o.max then result.at_max = result.at_max + 1 end
      if delay == o.min then result.at_min = result.at_min + 1 end
      if high == o.max then result.expected_at_max = result.expected_at_max + 1 / width end
      if low == o.min then result.expected_at_min = result.expected_at_min + 1 / width end
      if width > 1 then
        local place = (delay - low + 0.5) / width
        result.places = result.places + 1
        for index = 1, #QUANTILES do
          if place <= QUANTILES[index] then below[index] = below[index] + 1 end
        end
      end
    end
    state:reset()
  end
  return result
end

describe("100,000 draws", function()
  each_pair(function(strategy, jitter)
    it("are distributed as documented: " .. strategy .. ", " .. jitter, function()
      local found = survey(options(strategy, jitter), 20240229)
      assert.equal(100000, found.draws)
      assert.equal(0, found.outside)
      assert.is_true(math.abs(found.sum - found.mean) <= 5 * math.sqrt(found.variance),
        string.format("mean %.1f instead of %.1f", found.sum / found.draws, found.mean / found.draws))
      for _, edge in ipairs { "at_max", "at_min" } do
        local expected = found["expected_" .. edge]
        assert.is_true(math.abs(found[edge] - expected) <= 6 * math.sqrt(expected) + 1,
          string.format("%d draws %s, %.1f expected", found[edge], edge, expected))
      end
      for index, q in ipairs(found.places > 0 and QUANTILES or {}) do
        local share = found.below[index] / found.places
        assert.is_true(math.abs(share - q) <= 6 * math.sqrt(q * (1 - q) / found.places) + 0.001,
          string.format("%.4f of the draws below quantile %.2f", share, q))
      end
    end)
  end)

  it("spread a fleet at the cap instead of piling it up there", function()
    local o = options("exponential", "full")
    local latest, at_cap = 0, 0
    for seed = 1, 2000 do
      local tenth = backoff.new(o, seed):preview(10)[10]
      latest = math.max(latest, tenth)
      at_cap = at_cap + (tenth >= MAX - 1000 and 1 or 0)
    end
    assert.is_true(latest <= MAX)
    assert.is_true(at_cap < 80, at_cap .. " of 2000 clients in the last second, 34 expected")
  end)
end)

describe("a state", function()
  it("repeats by its seed, and goes on instead of repeating after a reset", function()
    local o = options("exponential", "full")
    local one, other = backoff.new(o, 42), backoff.new(o, 42)
    local first = one:preview(6)
    assert.same(first, other:preview(6))
    for i = 1, 6 do
      assert.equal(first[i], one:next())
    end
    one:reset()
    local low, high = one:interval()
    assert.same({ 1000, 2000 }, { low, high })
    assert.not_same(first, one:preview(6))
  end)

  it("is seeded by the system when no seed is given", function()
    local o = options("random", "none", { max = LARGEST })
    assert.not_same(backoff.new(o):preview(4), backoff.new(o):preview(4))
  end)

  it("is not moved by a preview", function()
    local state = backoff.new(options("decorrelated", "none"), 3)
    local ahead = state:preview(20)
    assert.same(ahead, state:preview(20))
    for i = 1, 20 do
      assert.equal(ahead[i], state:next())
    end
  end)

  it("saturates instead of wrapping", function()
    for _, strategy in ipairs { "linear", "exponential", "fibonacci" } do
      local o = { strategy = strategy, jitter = "none", min = 1, max = LARGEST, step = LARGEST, factor = 1000000 }
      local delays = backoff.new(o, 1):preview(3000)
      for i = 2, #delays do
        assert.is_true(delays[i] >= delays[i - 1])
      end
      assert.equal(LARGEST, delays[3000])
    end
  end)

  it("stays at its cap when it has counted as many delays as it can", function()
    assert.same({ 1000, 1000, 1000 }, probe.delays_at_the_end(3))
    local delays, attempts = probe.engine_at_the_end(3)
    assert.same({ 1000, 1000, 1000 }, delays)
    assert.equal(LARGEST, attempts)
  end)

  it("tells what it is", function()
    local state = backoff.new(options("exponential", "full"), 1)
    state:next()
    assert.matches("^holdfast%.backoff %(exponential, jitter full, 1000%.?0? to 60000%.?0? ms, 1%.?0? drawn%)$",
      tostring(state))
  end)
end)

describe("options", function()
  local cases = {
    { "max must be at least min", { max = 999 } },
    { "min must be greater than 0", { min = 0 } },
    { "step must be greater than 0", { step = 0, strategy = "linear" } },
    { "factor must be between 1 and 1,000,000", { factor = 0.99 } },
    { "factor must be between 1 and 1,000,000", { factor = 0 / 0 } },
    { "factor must be between 1 and 1,000,000", { factor = 1e7 } },
    { "jitter must be greater than 0 and at most 1", { jitter = "fraction", fraction = 0 } },
    { "jitter must be greater than 0 and at most 1", { jitter = "fraction", fraction = 1.01 } },
    { "jitter must be greater than 0 and at most 1", { jitter = "fraction", fraction = 0 / 0 } },
    { "strategy is none of the known ones", { strategy = "cubic" } },
    { "jitter is none of the known ones", { jitter = "some" } },
  }
  for _, case in ipairs(cases) do
    it("are refused: " .. case[1], function()
      local o = options("exponential", "full", case[2])
      assert.equal(case[1], backoff.problem(o))
      assert.error_matches(function() backoff.new(o, 1) end, case[1], nil, true)
    end)
  end

  it("are accepted at their bounds, and unused ones are not looked at", function()
    assert.is_nil(backoff.problem(options("exponential", "full", { factor = 1, max = MIN })))
    assert.is_nil(backoff.problem(options("constant", "none", { factor = 0, step = 0, fraction = 0 })))
    assert.is_nil(backoff.problem { strategy = "none", jitter = "none" })
  end)

  it("of a wrong type are named", function()
    for name, value in pairs { min = "1", max = -1, step = 1.5, factor = "2", strategy = 3 } do
      assert.error_matches(function() backoff.new(options("linear", "full", { [name] = value }), 1) end,
        "'" .. name .. "' must be")
    end
    assert.error_matches(function() backoff.new(options("linear", "full"), 1.5) end, "a seed must be a whole number")
    assert.error_matches(function() backoff.new(options("linear", "full"), 1):preview(-1) end, "whole number from 0")
  end)
end)
