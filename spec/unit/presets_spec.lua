-- The delays of other clients, against what their own code does. Draws of many seeds are compared with the series that
-- the client's source gives; where a preset draws, each draw must lie in its interval and reach both of its ends.
local core = require "holdfast.core"
local holdfast = require "holdfast"
local presets = require "holdfast.presets"

local SEEDS = 3000

-- Lowest and highest of each of the first delays, in ms.
local function range(name, count)
  local low, high, values = {}, {}, {}
  for place = 1, count do
    low[place], high[place], values[place] = math.huge, 0, {}
  end
  for seed = 1, SEEDS do
    for place, delay in ipairs(core.backoff.new(presets.core(name), seed):preview(count)) do
      low[place], high[place] = math.min(low[place], delay), math.max(high[place], delay)
      values[place][delay] = (values[place][delay] or 0) + 1
    end
  end
  return low, high, values
end

local function near(expected, found, slack, what)
  assert.is_true(math.abs(expected - found) <= slack, ("%s: %.0f instead of %.0f"):format(what, found, expected))
end

local function within(name, lows, highs)
  local low, high = range(name, #lows)
  for place = 1, #lows do
    local slack = (highs[place] - lows[place]) / 100
    assert.is_true(low[place] >= lows[place] and high[place] <= highs[place],
      ("%s, delay %d: %d to %d"):format(name, place, low[place], high[place]))
    near(lows[place], low[place], slack, name .. " at least, delay " .. place)
    near(highs[place], high[place], slack, name .. " at most, delay " .. place)
  end
end

describe("the preset", function()
  it("paho draws whole seconds from base / 1.2 to base * 1.2, in integers", function()
    local _, _, values = range("paho", 8)
    local bounds = { { 0, 1 }, { 1, 2 }, { 3, 4 }, { 6, 9 }, { 13, 19 }, { 26, 38 }, { 50, 72 }, { 50, 72 } }
    for place, bound in ipairs(bounds) do
      local expected, found = {}, {}
      for second = bound[1], bound[2] do
        expected[second * 1000] = true
      end
      for delay in pairs(values[place]) do
        found[delay] = true
      end
      assert.same(expected, found)
    end
  end)

  it("mosquitto and mqttjs wait one second, whatever happens", function()
    for _, name in ipairs { "mosquitto", "mqttjs" } do
      assert.same({ 1000, 1000, 1000, 1000 }, core.backoff.new(presets.core(name), 1):preview(4))
    end
    assert.same({ 1000, 4000, 9000, 16000, 25000, 36000, 49000, 60000, 60000 },
      core.backoff.new(presets.core "mosquitto_exponential", 1):preview(9))
  end)

  it("nanosdk begins at once, doubles a draw, and starts again below a second", function()
    for seed = 1, 200 do
      local delays = core.backoff.new(presets.core "nanosdk", seed):preview(40)
      assert.equal(0, delays[1])
      assert.is_true(delays[2] < 3000)
      local teeth = 0
      for place = 3, #delays do
        -- The delay before is base + [0, 1) s, this one twice the base + [0, 1) s, or below 2 s.
        local doubled = math.abs(delays[place] - 2 * delays[place - 1]) < 2000
        local again = delays[place] < 2000 and delays[place - 1] > 30000
        assert.is_true(doubled or again, table.concat(delays, " "))
        teeth = teeth + (again and 1 or 0)
        assert.is_true(delays[place] < 61000)
      end
      assert.is_true(teeth >= 1)
    end
  end)

  it("hivemq goes a quarter beyond its cap", function()
    within("hivemq", { 750, 1500, 3000, 6000, 12000, 24000, 48000, 90000, 90000 },
      { 1250, 2500, 5000, 10000, 20000, 40000, 80000, 150000, 150000 })
  end)

  it("autopaho waits ten seconds, but not the first time", function()
    assert.same({ 0, 10000, 10000, 10000 }, core.backoff.new(presets.core "autopaho", 1):preview(4))
  end)

  it("aws caps what it has drawn, so that most of a fleet is at the cap in the end", function()
    within("aws", { 0, 0, 0, 0, 0, 0, 0 }, { 1000, 2000, 4000, 8000, 16000, 32000, 64000 })
    local _, _, values = range("aws", 11)
    near(SEEDS * (1 - 120 / 1024), values[11][120000], 5 * math.sqrt(SEEDS * 0.88 * 0.12), "at the cap")
  end)

  it("grpc grows by 1.6 and goes a fifth to either side, beyond its cap as well", function()
    local lows, highs = {}, {}
    for n = 0, 12 do
      local base = math.min(120000, 1000 * 1.6 ^ n)
      lows[n + 1], highs[n + 1] = math.floor(base * 0.8 + 0.5) - 1, math.floor(base * 1.2 + 0.5) + 1
    end
    within("grpc", lows, highs)
  end)

  it("luamqtt waits half a minute, rumqttc not at all", function()
    assert.same({ 30000, 30000 }, core.backoff.new(presets.core "luamqtt", 1):preview(2))
    assert.same({ 0, 0, 0 }, core.backoff.new(presets.core "rumqttc", 1):preview(3))
  end)
end)

-- The engine knows how long an attempt took.
describe("an engine with the preset", function()
  local function times(preset, took, count, seed)
    local engine = holdfast.engine.new({ backoff = { preset = preset }, connect_timeout = 100 }, seed or 1)
    local now, starts = 0, { 0 }
    engine:step(0, "start")
    for place = 2, count do
      engine:step(now + took, "failed", "network", 2)
      now = engine:state().deadline
      engine:step(now, "timer")
      starts[place] = now
    end
    return starts
  end

  it("paho acts at ticks of 3 s", function()
    for seed = 1, 50 do
      local starts = times("paho", 0, 8, seed)
      assert.equal(3, starts[2])
      assert.equal(6, starts[3])
      for _, start in ipairs(starts) do
        assert.equal(0, start % 3)
      end
    end
    assert.equal(6, times("paho", 3.5, 2)[2]) -- 3.5 s + {0, 1} s
  end)

  it("paho's grid is anywhere after a loss", function()
    local seen = {}
    for seed = 1, 300 do
      local engine = holdfast.engine.new({ backoff = { preset = "paho" } }, seed)
      engine:step(0, "start")
      engine:step(0, "connected")
      engine:step(0, "lost", "network", 9)
      local deadline = engine:state().deadline
      assert.is_true(deadline > 0 and deadline <= 4)
      seen[math.floor(deadline)] = true
    end
    assert.same({ [0] = true, true, true }, { [0] = seen[0], seen[1], seen[2] })
  end)

  it("grpc and luamqtt count from the start of the attempt", function()
    assert.same({ 0, 30, 60 }, times("luamqtt", 7, 3))
    assert.same({ 0, 40, 80 }, times("luamqtt", 40, 3))
    for seed = 1, 50 do
      local start = times("grpc", 0.5, 2, seed)[2]
      assert.is_true(start >= 0.8 and start <= 1.2)
      assert.equal(20, times("grpc", 20, 2, seed)[2])
    end
  end)

  it("resets on CONNACK where the client does, and never where it does not", function()
    local function second_outage(preset)
      local engine = holdfast.engine.new({ backoff = { preset = preset } }, 1)
      engine:step(0, "start")
      for second = 1, 6 do
        engine:step(second, "failed", "network", 2)
        engine:step(engine:state().deadline, "timer")
      end
      local now = engine:state().since
      engine:step(now, "connected")
      engine:step(now + 1, "timer")
      return engine:state().attempt
    end
    assert.equal(0, second_outage "hivemq")
    assert.equal(0, second_outage "paho")
    assert.equal(7, second_outage "aws")
    assert.equal(7, second_outage "nanosdk")
  end)
end)

describe("backoff = { preset = ... }", function()
  local function refused(backoff, words)
    assert.error_matches(function()
      holdfast.new { server = "mqtt://localhost", backoff = backoff }
    end, words, nil, true)
  end

  it("is taken by a client, and brings what belongs to it unless that is given", function()
    holdfast.new { server = "mqtt://localhost", backoff = { preset = "paho" } }:close()
    local options = require "holdfast.options"
    local function checked(more)
      more.server = "mqtt://localhost"
      return options.check(more)
    end
    assert.equal(0, checked({ backoff = { preset = "hivemq" } }).stable_after)
    assert.equal(20, checked({ backoff = { preset = "grpc" } }).connect_timeout)
    assert.equal(7, checked({ backoff = { preset = "grpc" }, connect_timeout = 7 }).connect_timeout)
    assert.equal(10, checked({}).stable_after)
  end)

  it("excludes everything else, and unknown ones are told by name", function()
    refused({ preset = "paho", min = 2 }, "backoff.preset stands for all of backoff; leave backoff.min out")
    refused({ preset = "pahoo" }, 'did you mean "paho"?')
  end)
end)

describe('strategy = "spread"', function()
  local function spread(clients, rate, min)
    return { strategy = "spread", clients = clients, rate = rate, min = min }
  end

  it("draws over the window at first, then keeps its place in it", function()
    local low, high = holdfast.backoff.new(spread(1000, 50), 1):interval()
    assert.same({ 1, 22 }, { low, high }) -- min, and 1.05 x 20 s more
    for seed = 1, 30 do
      local engine = holdfast.engine.new({ backoff = spread(1000, 50) }, seed)
      engine:step(0, "start")
      engine:step(0, "connected")
      engine:step(20, "timer")
      engine:step(100, "lost", "network", 9)
      local first = engine:state().deadline
      assert.is_true(first >= 101 and first <= 122)
      for turn = 1, 5 do
        engine:step(first + 21 * (turn - 1), "timer")
        engine:step(first + 21 * (turn - 1) + 3, "failed", "network", 2)
        assert.near(first + 21 * turn, engine:state().deadline, 1e-9)
      end
    end
  end)

  it("is drawn anew when a connection is lost, stable or not", function()
    local engine = holdfast.engine.new({ backoff = spread(1000, 50) }, 1)
    local seen = {}
    engine:step(0, "start")
    for turn = 1, 20 do
      local now = engine:state().since
      engine:step(now, "connected")
      engine:step(now + 1, "lost", "network", 9)
      seen[turn] = engine:state().delay
      engine:step(engine:state().deadline, "timer")
    end
    table.sort(seen)
    assert.is_true(seen[20] - seen[1] > 5)
  end)

  it("wants both numbers and nothing that contradicts them", function()
    for _, case in ipairs {
      { { strategy = "spread", clients = 5 }, 'backoff.rate is missing: strategy = "spread" wants it' },
      { { strategy = "spread", rate = 5 }, 'backoff.clients is missing: strategy = "spread" wants it' },
      { { rate = 5 }, 'backoff.rate needs strategy = "spread"' },
      { { strategy = "spread", rate = 5, clients = 0, }, "backoff.clients must be a number from 1" },
      { { strategy = "spread", rate = 5, clients = 5, max = 3 }, 'backoff.max does not go with strategy = "spread"' },
    } do
      assert.error_matches(function() holdfast.backoff.new(case[1]) end, case[2], nil, true)
    end
  end)
end)
