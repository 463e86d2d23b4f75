-- The pure parts as Lua users see them: seconds, defaults, and what is refused. What they compute is told elsewhere.
local holdfast = require "holdfast"
local tree = require "spec.support.tree"

local function refusal(fn, ...)
  local fine, err = pcall(fn, ...)
  assert.is_false(fine)
  return err
end

describe("holdfast.backoff", function()
  it("speaks seconds", function()
    local backoff = holdfast.backoff.new { strategy = "exponential", min = 0.5, max = 3, jitter = "none" }
    assert.same({ 0.5, 1, 2, 3, 3 }, backoff:preview(5))
    assert.same({ 0.5, 1 }, { backoff:next(), backoff:next() })
    assert.same({ 2, 2 }, { backoff:interval() })
    backoff:reset()
    assert.equal(0.5, backoff:next())
    assert.is_nil(holdfast.backoff.new({ strategy = "none" }):next())
    local first = holdfast.backoff.new({ strategy = "random", min = 0, max = 2 }, 7):next()
    assert.is_true(first > 0 and first <= 2)
  end)

  it("repeats by its seed, and has the defaults of a client", function()
    local one, other = holdfast.backoff.new(nil, 42), holdfast.backoff.new({}, 42)
    local delays = one:preview(20)
    assert.same(delays, other:preview(20))
    assert.same({ 1, 2 }, { one:interval() })
    for _ = 1, 20 do
      one:next()
    end
    assert.same({ 1, 45 }, { one:interval() })
  end)

  it("knows its names", function()
    assert.same({ "none", "constant", "linear", "exponential", "fibonacci", "random", "decorrelated",
      "spread" }, holdfast.backoff.strategies)
    assert.same({ "none", "full", "equal", "fraction" }, holdfast.backoff.jitters)
    for _, strategy in ipairs(holdfast.backoff.strategies) do
      local numbers = strategy == "spread" and 5 or nil
      assert.truthy(holdfast.backoff.new { strategy = strategy, clients = numbers, rate = numbers })
    end
  end)

  it("refuses what is wrong", function()
    assert.equal("backoff.new: backoff.max must be at least backoff.min, which is 5 s, got 1 s",
      refusal(holdfast.backoff.new, { min = 5, max = 1 }))
    assert.equal('backoff.new: backoff.step needs strategy = "linear", got "fibonacci"',
      refusal(holdfast.backoff.new, { strategy = "fibonacci", step = 1 }))
    assert.equal("backoff.new: backoff must be a table, got 5", refusal(holdfast.backoff.new, 5))
    assert.equal('backoff.new: seed must be a whole number, got "x"', refusal(holdfast.backoff.new, {}, "x"))
    assert.equal("preview: count must be a whole number from 0 to 1,000,000, got -1",
      refusal(holdfast.backoff.new().preview, holdfast.backoff.new(), -1))
  end)
end)

describe("holdfast.reason", function()
  it("tells what a code means and what follows", function()
    local reason = holdfast.reason("connack", 0x87)
    assert.same({ "not_authorized", "slow", 0x87, "connack" },
      { reason.name, reason.class, reason.code, reason.source })
    assert.equal("slow", holdfast.reason("connack_v3", 5).class)
    assert.matches("^unknown_", holdfast.reason("disconnect", 0xFE).name)
  end)

  it("lists every row, each found again by its source and code", function()
    local rows = holdfast.reason.all()
    assert.is_true(#rows > 100)
    for _, row in ipairs(rows) do
      assert.equal(row.name, holdfast.reason(row.source, row.code).name)
    end
  end)

  it("refuses what is wrong", function()
    assert.equal('reason: unknown source "conack"; did you mean "connack"?', refusal(holdfast.reason, "conack", 1))
    assert.equal("reason: code must be a whole number from -32,768 to 32,767, got 1.5",
      refusal(holdfast.reason, "connack", 1.5))
    assert.equal("reason: code must be a whole number from -32,768 to 32,767, got nothing",
      refusal(holdfast.reason, "connack"))
  end)
end)

describe("holdfast.engine", function()
  it("goes through an outage in seconds", function()
    local engine = holdfast.engine.new({ backoff = { strategy = "constant", min = 2, jitter = "none" },
      stable_after = 5, max_attempts = 2, sleep_for = 60 }, 1, 100)
    assert.same({ "idle", 100 }, { engine:state().state, engine:state().since })
    assert.same({ "connect", "tell_connecting" }, engine:step(100.5, "start"))
    assert.same({ "tell_failed" }, engine:step(101, "failed", "network", 2))
    assert.same({ "waiting", 103, 2, 1 }, { engine:state().state, engine:state().deadline, engine:state().delay,
      engine:state().attempt })
    assert.equal("connection_refused", engine:state().reason.name)
    assert.same({ "connect", "tell_connecting" }, engine:step(103, "timer"))
    assert.same({ "tell_failed", "tell_sleeping" }, engine:step(104, "failed", "network", 2))
    assert.equal(164, engine:state().deadline)
    assert.same({ "connect", "tell_connecting" }, engine:step(110, "wake"))
    assert.same({ "tell_connected" }, engine:step(111, "connected"))
    assert.same({}, engine:step(112, "wake"))
    assert.same({ "tell_stable" }, engine:step(116, "timer"))
    assert.same({ "tell_lost" }, engine:step(200, "lost", "disconnect", 0x8B))
    assert.same({}, engine:step(200, "delay", 0.25))
    assert.equal(200.25, engine:state().deadline)
    assert.same({ "tell_closed" }, engine:step(201, "close"))
    assert.equal("closed", engine:state().state)
  end)

  it("takes the options of a client, and those of the policy to heart", function()
    local engine = holdfast.engine.new { servers = { "a", "b" }, client_id = "x",
      policy = { connection_refused = "stop" } }
    engine:step(0, "start")
    assert.same({ "tell_failed", "tell_sleeping" }, engine:step(1, "failed", "network", 2))
    assert.is_nil(engine:state().deadline)
    engine = holdfast.engine.new { servers = { "a", "b" } }
    engine:step(0, "start")
    assert.equal(1, engine:state().server)
    engine:step(1, "failed", "network", 2)
    assert.equal(2, engine:state().server)
  end)

  it("shows its whole table", function()
    local rows = holdfast.engine.table()
    assert.is_true(#rows > 20)
    assert.same({ "idle", "start", "connecting" }, { rows[1].state, rows[1].input, rows[1].next })
  end)

  it("refuses what is wrong", function()
    assert.equal('engine.new: unknown option "backof"; did you mean "backoff"?',
      refusal(holdfast.engine.new, { backof = 1 }))
    assert.equal("engine.new: options must be a table, got 5", refusal(holdfast.engine.new, 5))
    assert.equal("engine.new: now must be seconds on a clock that only goes forward, got -1",
      refusal(holdfast.engine.new, {}, 1, -1))
    local engine = holdfast.engine.new()
    local function step(...)
      return refusal(engine.step, engine, ...)
    end
    assert.equal("step: now must be seconds on a clock that only goes forward, got NaN", step(0 / 0, "start"))
    assert.equal('step: unknown input "strat"; did you mean "start"?', step(0, "strat"))
    assert.matches('^step: unknown source "net"; known are', step(0, "failed", "net", 1))
    assert.equal("step: code must be a whole number from -32,768 to 32,767, got nothing", step(0, "lost", "network"))
    assert.equal("step: the delay must be a number of seconds from 0 to 4,294,967, got NaN", step(0, "delay", 0 / 0))
  end)
end)

describe("holdfast", function()
  it("bounds attempts for the process", function()
    local core = require "holdfast.core"
    local limit, calls = core.limit, {}
    core.limit = function(...)
      calls[#calls + 1] = { ... }
      limit(...)
    end
    finally(function()
      core.limit = limit
    end)
    holdfast.limit { attempts_per_second = 0.5, burst = 3 }
    holdfast.limit { attempts_per_second = 10 }
    holdfast.limit()
    assert.same({ { 0.5, 3 }, { 10, 1 }, {} }, calls)
    assert.equal('limit: unknown option "brust"; did you mean "burst"?', refusal(holdfast.limit, { brust = 1 }))
    assert.equal("limit: attempts_per_second is missing", refusal(holdfast.limit, { burst = 1 }))
    assert.equal("limit: attempts_per_second must be a number from 0.001 to 1,000,000, got 0",
      refusal(holdfast.limit, { attempts_per_second = 0 }))
    assert.equal("limit: options must be a table, got 5", refusal(holdfast.limit, 5))
  end)

  it("counts for the process", function()
    for _, name in ipairs { "clients", "attempts", "connects", "losses", "sent", "received" } do
      assert.equal("number", type(holdfast.metrics()[name]), name)
    end
  end)
end)

describe("what a client needs none of", function()
  it("is read when it is asked for", function()
    local said = tree.command(os.getenv "LUA" .. [=[ -e '
      local holdfast = require "holdfast"
      local client = holdfast.new { server = "mqtt://127.0.0.1:1" }
      client:post("a", "b")
      client:close(0)
      local parts = { "backoff", "engine", "fleet", "reason", "topic", "policy", "properties" }
      for _, name in ipairs(parts) do
        if package.loaded["holdfast." .. name] then print(name) end
      end
      for index = 1, 5 do
        print(type(holdfast[parts[index]]), rawget(holdfast, parts[index]) == holdfast[parts[index]])
      end
      print(holdfast.nothing)
    ']=])
    local part = "%a+\ttrue"
    assert.equal(6, #said, table.concat(said, "\n"))
    for index = 1, 5 do
      assert.matches(part, said[index])
    end
    assert.equal("nil", said[6])
  end)
end)
