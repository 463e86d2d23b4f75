-- The simulation of a fleet: closed forms, what must add up, and what a policy must do.
local fleet = require "holdfast.fleet"

local function run(options)
  return assert(fleet.run(options))
end

local function sum(series, from)
  local total = 0
  for second = from or 1, #series do
    total = total + series[second]
  end
  return total
end

local function same_all(one, other)
  assert.same(one, other)
end

describe("a fleet", function()
  local small = { clients = 3000, accept_rate = 100, outage = 20, latency = 0.03, stagger = 1, restart_share = 0.1,
    drop_for = 10, drop_after = 2, busy_above = 300, attempts_per_second = 5, clients_per_process = 50 }

  it("repeats by its seed, to the last number, and does not with another one", function()
    same_all(run(small), run(small))
    local other = {}
    for key, value in pairs(small) do
      other[key] = value
    end
    other.seed = 2
    assert.not_same(run(small).series, run(other).series)
  end)

  it("counts every attempt once and loses nobody", function()
    local result = run(small)
    assert.equal(3000, result.connected)
    assert.near((result.attempts_per_client + result.attempts_before) * 3000, sum(result.series.attempts), 1e-6)
    assert.equal(3000, result.series.connected[#result.series.connected])
    for second = 1, #result.series.connected do
      assert.is_true(result.series.connected[second] <= 3000)
      assert.is_true(result.series.queue[second] <= 1000)
    end
    assert.is_true(result.t50 <= result.t99 and result.t99 <= result.t100)
    assert.is_true(result.downtime_mean <= result.downtime_p99)
    assert.is_true(result.bytes_per_client > 100)
  end)

  it("connects no faster than the broker works", function()
    local result = run { clients = 5000, accept_rate = 100, outage = 10 }
    local before = 0
    for second, connected in ipairs(result.series.connected) do
      if second > 11 then
        assert.is_true(connected - before <= 101, second .. ": " .. connected - before)
      end
      before = connected
    end
    assert.is_true(result.t100 >= result.ideal - 0.001)
  end)

  it("spends at most 200 bytes a client", function()
    local model = require "holdfast.fleet.model"
    for _, options in ipairs { {}, { attempts_per_second = 10 } } do
      options.clients = 1000000
      local settings = model.settings(assert(model.check(options)))
      assert.is_true(require("holdfast.core").fleet.new(settings, 1):size() <= 200 * 1000000)
    end
  end)
end)

describe("a closed form", function()
  it("constant: everybody at once, every second", function()
    -- 1000 attempts at seconds 1, 2 ... The queue takes 50 of them, then as many as it has worked on in a second.
    local result = run { clients = 1000, accept_rate = 50, accept_queue = 50, outage = 9.5, connect_timeout = 1,
      backoff = { strategy = "constant", min = 1, jitter = "none" } }
    for second = 1, 9 do
      assert.equal(1000, result.series.attempts[second + 1])
      assert.equal(1000, result.series.refused[second + 1])
    end
    assert.equal(9, result.attempts_before)
    -- The turned away come back 1 s (timeout) + 1 s (delay) later: 50 in 2 s, the last 50 of 1000 in the 20th turn.
    assert.near(0.5 + 19 * 2 + 1, result.t100, 0.01 * result.t100)
    assert.near((1000 + 50) / 2 / 50, result.attempts_per_client, 0.01 * 10.5)
  end)

  it("constant, below capacity: back at the next second", function()
    local result = run { clients = 1000, accept_rate = 1e6, outage = 9.5, backoff = { strategy = "constant", min = 1,
      jitter = "none" } }
    assert.near(0.5, result.t50, 0.01)
    assert.near(0.5, result.t100, 0.01)
    assert.near(10, result.downtime_mean, 0.01)
    assert.equal(1, result.attempts_per_client)
  end)

  it("uniform over a window, below capacity", function()
    -- One draw from [1, 101] s, the broker back before anybody comes: quantiles of the uniform distribution.
    local result = run { clients = 100000, accept_rate = 5000, outage = 0.5, backoff = { strategy = "random", min = 1,
      max = 101 } }
    assert.near(50.5, result.t50, 0.5)
    assert.near(99.5, result.t99, 0.5)
    assert.near(100.5, result.t100, 0.5)
    assert.near(51, result.downtime_mean, 0.5)
    assert.equal(1, result.attempts_per_client)
    assert.equal(0, result.attempts_before)
    assert.near(0.2, result.peak_over_rate, 0.05)
  end)

  it("uniform renewals: half of a mean wait more at the return", function()
    -- Waits from [1, 59] s, mean 30; in the long run the rest of a wait has mean E[x^2] / 2 E[x] and density
    -- P(x > t) / E[x], so a share of 1 - (59 - t)^2 / (2 * 58 * 30) is back after t.
    local result = run { clients = 50000, accept_rate = 1e6, outage = 600, backoff = { strategy = "random", min = 1,
      max = 59 } }
    assert.near(59 - math.sqrt(0.5 * 2 * 58 * 30), result.t50, 0.01 * 59)
    assert.near(59 - math.sqrt(0.01 * 2 * 58 * 30), result.t99, 0.01 * 59)
    assert.near(600 / 30 + (58 ^ 2 / 12 - 30 ^ 2) / (2 * 30 ^ 2), result.attempts_before, 0.01 * 20)
  end)

  it("a full queue: as long as the broker works", function()
    local result = run { clients = 20000, accept_rate = 200, accept_queue = 20000, connect_timeout = 1000, outage = 1.5,
      backoff = { strategy = "constant", min = 1 } }
    assert.near(0.5 + 100, result.t100, 1)
    assert.near(0.5 + 99, result.t99, 1)
    assert.near(0.5 + 50, result.t50, 0.5)
    assert.equal(1, result.attempts_per_client)
    assert.near(20000, result.series.queue[3], 300)
  end)
end)

describe("the broker", function()
  it("costs a silent outage a connect timeout each", function()
    local result = run { clients = 100, accept_rate = 1e6, outage = 55, while_down = "silent", connect_timeout = 9,
      backoff = { strategy = "constant", min = 1 } }
    assert.equal(6, result.attempts_before) -- at 1, 11 ... 51
    assert.near(6, result.t100, 0.01)
    assert.equal(0, sum(result.series.refused))
  end)

  it("works on what has been given up", function()
    -- A queue of 10 s and clients that wait for 5 s: half of the work is for nobody.
    local result = run { clients = 1000, accept_rate = 10, accept_queue = 100, connect_timeout = 5, outage = 0.5,
      horizon = 100, backoff = { strategy = "constant", min = 1 } }
    assert.is_true(result.wasted_per_client > 0.04)
    assert.is_nil(result.t99)
    assert.is_true(result.connected < 1000)
  end)

  it("answers a code above a rate, which is class slow", function()
    local result = run { clients = 1000, accept_rate = 1e6, outage = 0.5, busy_above = 100, busy_code = 0x9F,
      backoff = { strategy = "constant", min = 1 }, policy = { slow = { min = 30, max = 90 } } }
    assert.equal(900, sum(result.series.refused))
    assert.near(100, result.series.connected[3], 1)
    assert.equal(100, result.series.connected[30])
    assert.equal(1.9, result.attempts_per_client)
  end)

  it("accepts, then drops, and what is reset on CONNACK never waits longer", function()
    local options = { clients = 100, accept_rate = 1e6, outage = 1.5, drop_for = 60, drop_after = 1 }
    options.backoff = { preset = "mqttjs" }
    local hot = run(options)
    options.backoff = nil
    local calm = run(options)
    assert.near(30, hot.attempts_per_client, 1)
    assert.is_true(calm.attempts_per_client < 8, calm.attempts_per_client)
    assert.equal(100, hot.connected)
    assert.near(hot.attempts_per_client - 1, hot.wasted_per_client, 1e-9)
    assert.is_true(hot.t50 >= 59 and calm.t99 >= 50)
  end)

  it("need not be alone", function()
    local result = run { clients = 1000, accept_rate = 100, outage = 100, servers = { {}, { outage = 0 } } }
    assert.is_true(result.t100 < 0) -- all are on the second one before the first is back
    assert.equal(5, result.ideal)
    assert.equal(1000, result.connected)
  end)

  it("may stay, and then half of the clients are there all along although the other half restarts", function()
    local options = { clients = 1000, accept_rate = 10, outage_at = 3, outage = 0 }
    local result = run(options)
    assert.same({ -3, -3, -3 }, { result.t50, result.t99, result.t100 })
    options.restart_share, options.restart_within = 0.3, 5
    result = run(options)
    assert.equal(-3, result.t50)
    assert.is_true(result.t99 > 0 and result.t100 >= result.t99)
  end)

  it("may be lost staggered, by clients that restart, under a budget", function()
    local base = { clients = 1000, accept_rate = 1e6, outage = 30, backoff = { strategy = "constant", min = 5 } }
    local function with(more)
      for key, value in pairs(base) do
        more[key] = value
      end
      return run(more)
    end
    local first = run(base).series.attempts
    assert.same({ 0, 1000 }, { first[5], first[6] })
    assert.is_true(with({ stagger = 4 }).series.attempts[6] < 400)
    assert.is_true(with({ restart_share = 0.5, restart_within = 4 }).series.attempts[2] > 50)
    local budgeted = with { attempts_per_second = 2, clients_per_process = 100 }
    for second = 1, 30 do
      assert.is_true(budgeted.series.attempts[second] <= 30, budgeted.series.attempts[second])
    end
  end)

  it("sees a lost SYN again where kernels send it again", function()
    local options = { clients = 1000, accept_rate = 100, accept_queue = 100, outage = 0.5,
      backoff = { strategy = "constant", min = 1 } }
    local once = run(options)
    options.resend = true
    local again = run(options)
    assert.is_true(again.t99 < once.t99)
    assert.is_true(again.attempts_per_client < once.attempts_per_client)
  end)
end)

describe("options of a fleet", function()
  local cases = {
    { { client = 3 }, 'unknown option "client"; did you mean "clients"?' },
    { { clients = 0 }, "clients must be a whole number from 1 to 10,000,000, got 0" },
    { { accept_rate = 0 }, "accept_rate must be a number from 0.001 to 1,000,000, got 0" },
    { { accept_queue = 0.5 }, "accept_queue must be a whole number" },
    { { outage = "long" }, 'outage must be a number of seconds from 0 to 65,536, got "long"' },
    { { while_down = "dead" }, 'while_down must be "refused" or "silent", got "dead"' },
    { { busy_code = 0x80 }, "busy_code must be 136, 137 or 159, got 128" },
    { { servers = 3 }, "servers must be a list of 1 to 1,000 tables, got 3" },
    { { servers = { {}, { outag = 1 } } }, 'servers: in place 2 unknown option "outag"; did you mean "outage"?' },
    { { backoff = { min = 70 } }, "backoff.max must be at least backoff.min" },
    { { backoff = function() end }, "backoff must be a table: a function cannot be simulated" },
    { { connect_timeout = 0 }, "connect_timeout must be a number of seconds above 0" },
    { { progress = 1 }, "progress must be a function, got 1" },
    { { seed = 1.5 }, "seed must be a whole number" },
    { { horizon = 1e6 }, "horizon must be a number of seconds above 0 and up to 65,536" },
    { 7, "options must be a table, got 7" },
  }
  for _, case in ipairs(cases) do
    it("are refused: " .. case[2], function()
      local ok, message = pcall(fleet.run, case[1])
      assert.is_false(ok)
      assert.truthy(message:find("fleet.run: ", 1, true))
      assert.truthy(message:find(case[2], 1, true), message)
    end)
  end

  it("have a progress that goes on to all", function()
    local last, share = -1, nil
    run { clients = 100, accept_rate = 1e6, outage = 5, progress = function(now, connected)
      assert.is_true(now > last)
      last, share = now, connected
    end }
    assert.equal(1, share)
    assert.is_true(last >= 5)
  end)
end)

describe("a policy", function()
  -- 100,000 clients; a fifth of everything takes a fifth of the time where the queue is full for minutes.
  local function outcome(rate, outage, backoff)
    local part = rate < 1000 and 0.2 or 1
    return run { clients = 100000 * part, accept_rate = rate * part, accept_queue = 1000 * part, outage = outage,
      backoff = backoff }
  end

  it("of holdfast's own brings a fleet back in little more than the broker needs", function()
    for _, outage in ipairs { 2, 30, 300 } do
      local result = outcome(200, outage)
      assert.is_true(result.ratio <= 1.3, ("N/C 500 s, outage %d s: %.2f"):format(outage, result.ratio))
      result = outcome(2000, outage)
      assert.is_true(result.ratio <= 1.6, ("N/C 50 s, outage %d s: %.2f"):format(outage, result.ratio))
    end
  end)

  it("spread, with the right numbers, in 1.2 x that and 1.5 attempts", function()
    for _, rate in ipairs { 200, 2000 } do
      for _, outage in ipairs { 2, 30, 300 } do
        local result = outcome(rate, outage, { strategy = "spread", clients = 100000, rate = rate })
        assert.is_true(result.ratio <= 1.2, ("rate %d, outage %d s: %.2f"):format(rate, outage, result.ratio))
        assert.is_true(result.attempts_per_client <= 1.5)
      end
    end
  end)
end)
