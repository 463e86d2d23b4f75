-- A listener that closes at once, for 60 minutes of virtual time: no client makes more attempts than the closed form of
-- its policy allows, none makes fewer, and many together make as many as it predicts.
local whole = require "spec.support.whole"
local probe = whole.probe

local HOUR = 3600
local CLIENTS = 10
local CLOSED_EARLY, BROKE = 8, 9 -- hf_network_code

-- ---- the closed form, in seconds ----

-- The k-th delay before jitter, k from 0 at the first failure.
local plain = {}

function plain.constant(b)
  return b.min
end

function plain.linear(b, k)
  return math.min(b.max, b.min + k * b.step)
end

function plain.exponential(b, k)
  return math.min(b.max, b.min * b.factor ^ k)
end

function plain.fibonacci(b, k)
  local before, now = 1, 1
  for _ = 1, k do
    before, now = now, math.min(before + now, b.max)
  end
  return math.min(b.max, now * b.min)
end

-- The interval of the k-th delay. Of "decorrelated" only its outermost bounds.
local function interval(b, k)
  local function cut(value)
    return math.max(b.min, math.min(b.max, value))
  end
  if b.strategy == "random" then
    return b.min, b.max
  elseif b.strategy == "decorrelated" then
    return b.min, cut(b.min * 3 ^ (k + 1))
  end
  local value = plain[b.strategy](b, k)
  if b.jitter == "full" then
    return b.min, plain[b.strategy](b, k + 1)
  elseif b.jitter == "equal" then
    return cut(value / 2), value
  elseif b.jitter == "none" then
    return value, value
  end
  return cut(value * (1 - b.jitter)), cut(value * (1 + b.jitter))
end

-- Attempts within an hour when the k-th wait is delay(k): the first is at once.
local function attempts(delay)
  local count, time = 0, 0
  while time <= HOUR + 1e-9 do
    time = time + delay(count)
    count = count + 1
  end
  return count
end

-- `of(k)` is the backoff of the k-th wait.
local function closed_form(of)
  local function low(k)
    return (interval(of(k), k))
  end
  local function high(k)
    return (select(2, interval(of(k), k)))
  end
  local function mean(k)
    return (low(k) + high(k)) / 2
  end
  -- Renewal theory: the waits at the end are alike, uniform, of variance width^2 / 12.
  local last = 1000
  local variance = (high(last) - low(last)) ^ 2 / 12
  local relative = variance / mean(last) ^ 2
  return {
    most = attempts(low), fewest = attempts(high), expected = attempts(mean) - 0.5 + relative / 2,
    deviation = math.sqrt(HOUR * relative / mean(last)),
  }
end

-- The mean of each decorrelated delay, from its distribution in cells of 0.1 s: each is uniform between the minimum and
-- three times the one before.
local function decorrelated_means(b)
  local cells, width = (b.max - b.min) * 10, 0.1
  local function spread(chances, before, chance)
    local covered = (math.min(b.max, 3 * before) - b.min) / width
    for cell = 1, math.floor(covered + 0.5) do
      chances[cell] = (chances[cell] or 0) + chance / covered
    end
  end
  local means, chances = {}, {}
  spread(chances, b.min, 1)
  for k = 1, 12 do -- by then it moves no more
    local after, mean = {}, 0
    for cell = 1, cells do
      local chance, delay = chances[cell] or 0, b.min + (cell - 0.5) * width
      mean = mean + chance * delay
      if chance > 0 then
        spread(after, delay, chance)
      end
    end
    means[k], chances = mean, after
  end
  return means
end

-- ---- the policies ----

local BOUNDS = { min = 2, max = 90, step = 3, factor = 1.5 }

local function backoff(strategy, jitter)
  return { strategy = strategy, jitter = jitter, min = BOUNDS.min, max = BOUNDS.max,
    step = strategy == "linear" and BOUNDS.step or nil, factor = strategy == "exponential" and BOUNDS.factor or nil }
end

describe("an hour against a listener that closes at once:", function()
  local world

  before_each(function()
    world = whole.new()
  end)

  after_each(function()
    world:finish()
  end)

  -- Every attempt of each client in the hour, counted where the link is asked to open.
  local function run(options, accepts)
    if not accepts then
      probe.script { connect = "refuse", source = "network", code = CLOSED_EARLY }
    end
    local books, opened = {}, 0
    for index = 1, CLIENTS do
      local client, book = world:client(options)
      books[index] = book
      if accepts then
        client:on("connected", function() -- and drops at once
          probe.drop(index, "network", BROKE)
        end)
      end
      client:start()
    end
    for _ = 1, HOUR / 10 + 1 do
      world:pass(10)
      local _, count = probe.asked():gsub("open ", "")
      opened = opened + count
    end
    local counts, told = {}, 0
    for index, book in ipairs(books) do
      counts[index] = 0
      for _, entry in ipairs(book:all "connecting") do
        told = told + 1
        counts[index] = counts[index] + (entry.at <= HOUR and 1 or 0)
      end
    end
    assert.equal(opened, told)
    return counts
  end

  local function check(counts, form, exact)
    local sum = 0
    for _, count in ipairs(counts) do
      assert.is_true(count <= form.most, ("%d attempts, and the closed form allows %d"):format(count, form.most))
      assert.is_true(count >= form.fewest, ("%d attempts, and the closed form has %d"):format(count, form.fewest))
      sum = sum + count
    end
    if exact then
      assert.equal(form.most, form.fewest)
    end
    return sum / #counts
  end

  -- Five deviations of the mean of so many, and one for the corners that the closed form cuts.
  local function check_mean(mean, form)
    local slack = 1 + 5 * form.deviation / math.sqrt(CLIENTS)
    assert.is_true(math.abs(mean - form.expected) <= slack,
      ("%g attempts on average, and the closed form expects %g, give or take %g"):format(mean, form.expected, slack))
  end

  for _, strategy in ipairs { "constant", "linear", "exponential", "fibonacci" } do
    for _, jitter in ipairs { "none", "full", "equal", 0.25 } do
      it(("%s, jitter %s"):format(strategy, jitter), function()
        local given = backoff(strategy, jitter)
        local form = closed_form(function() return given end)
        for _, accepts in ipairs { false, true } do
          local counts = run({ backoff = given, policy = { closed_before_connack = "retry" } }, accepts)
          check_mean(check(counts, form, jitter == "none" or (strategy == "constant" and jitter == "full")), form)
          world:finish()
          world = whole.new()
        end
      end)
    end
  end

  it("random", function()
    local given = { strategy = "random", min = 2, max = 90 }
    local form = closed_form(function() return given end)
    check_mean(check(run { backoff = given, policy = { closed_before_connack = "retry" } }, form), form)
  end)

  it("decorrelated", function()
    local given = { strategy = "decorrelated", min = 2, max = 30 }
    local mean = check(run { backoff = given, policy = { closed_before_connack = "retry" } },
      closed_form(function() return given end))
    local means = decorrelated_means(given)
    local expected = attempts(function(k) return means[math.min(k + 1, #means)] end)
    assert.is_true(math.abs(mean / expected - 1) < 0.1, ("%g attempts, and %g are expected"):format(mean, expected))
  end)

  it("none is one attempt", function()
    for _, count in ipairs(run { backoff = { strategy = "none" } }) do
      assert.equal(1, count)
    end
  end)

  it("max_attempts are so many, and so many again after each sleep", function()
    for _, count in ipairs(run { max_attempts = 5 }) do
      assert.equal(5, count)
    end
    world:finish()
    world = whole.new()
    local exact = { strategy = "constant", min = 10, jitter = "none" }
    local policy = { closed_before_connack = "retry" }
    for _, count in ipairs(run { backoff = exact, policy = policy, max_attempts = 5, sleep_for = 960 }) do
      assert.equal(5 * 4, count) -- 40 s of attempts and 960 s of sleep
    end
  end)

  local ordinary = { strategy = "exponential", jitter = "full", min = 1, max = 45, factor = 2 }
  local slow = { strategy = "exponential", jitter = "full", min = 30, max = 300, factor = 2 }

  it("the defaults are slow from the third in a row on", function()
    local form = closed_form(function(k) return k < 2 and ordinary or slow end)
    check_mean(check(run {}, form), form)
    assert.is_true(form.most <= 122 and form.expected < 26)
  end)

  it("the defaults go on as usual when it accepts first and then drops", function()
    local form = closed_form(function() return ordinary end)
    check_mean(check(run({}, true), form), form)
    assert.is_true(form.expected < 163)
  end)

  it("the last word is the policy's", function()
    local given = { strategy = "constant", jitter = "none", min = 100, max = 100 }
    local form = closed_form(function() return given end)
    check(run { policy = { closed_before_connack = "slow", slow = given } }, form, true)
    assert.equal(37, form.most)
    world:finish()
    world = whole.new()
    for _, count in ipairs(run { policy = { closed_before_connack = "stop" } }) do
      assert.equal(1, count)
    end
  end)
end)
