-- The one state machine on a virtual clock: exact lists of what is done and told, and when.
local clockwork = require "spec.support.clockwork"
local core = require "holdfast.core"

local REFUSED, RESET, NAME_NOT_FOUND, BROKEN = 2, 4, 6, 9 -- of source network
local SLOW_CONSUMER = 4 -- of source client

local FULL = { strategy = "exponential", jitter = "full", min = 1000, max = 60000, factor = 2 }
local NEVER = { strategy = "none", jitter = "none" }

describe("holding a connection", function()
  it("retries the first connect like any other", function()
    local c = clockwork.new()
    c:step "start"
    c.now = 40
    c:step("failed", "network", REFUSED)
    c:until_time(1040)
    c.now = 1050
    c:step("failed", "network", REFUSED)
    c:until_time(2050)
    c.now = 2060
    c:step "connected"
    assert.same({
      "0 connect tell_connecting",
      "40 tell_failed",
      "1040 connect tell_connecting",
      "1050 tell_failed",
      "2050 connect tell_connecting",
      "2060 tell_connected",
    }, c:take())
    assert.equal(3, c:state().attempt)
    assert.equal("connection_refused", c:state().reason.name)
  end)

  it("gives an attempt up at connect_timeout and abandons it before the next", function()
    local c = clockwork.new { connect_timeout = 2500 }
    c:step "start"
    c:until_time(7000)
    assert.same({
      "0 connect tell_connecting",
      "2500 abandon tell_failed",
      "3500 connect tell_connecting",
      "6000 abandon tell_failed",
      "7000 connect tell_connecting",
    }, c:take())
    local reason = c:state().reason
    assert.same({ "connect_timeout", "client", "retry", 1 }, { reason.name, reason.source, reason.class, reason.code })
  end)

  it("resets the counters only after stable_after", function()
    local c = clockwork.new { backoff = { strategy = "linear", jitter = "none", min = 1000, max = 9000, step = 1000 } }
    c:step "start"
    for _ = 1, 3 do -- accepted and dropped within the stable time
      c:step "connected"
      c.now = c.now + 9999
      c:step("lost", "network", BROKEN)
      c:next_attempt()
    end
    assert.equal(4, c:state().attempt)
    c:step "connected"
    c:until_time(c.now + 10000)
    assert.is_true(c:state().stable)
    assert.equal(0, c:state().attempt)
    c:step("lost", "network", BROKEN)
    c:next_attempt()
    assert.same({
      "0 connect tell_connecting", "0 tell_connected", "9999 tell_lost",
      "10999 connect tell_connecting", "10999 tell_connected", "20998 tell_lost",
      "22998 connect tell_connecting", "22998 tell_connected", "32997 tell_lost",
      "35997 connect tell_connecting", "35997 tell_connected", "45997 tell_stable", "45997 tell_lost",
      "46997 connect tell_connecting",
    }, c:take())
    assert.equal(1, c:state().attempt)
  end)

  it("draws every wait from its own window", function()
    local c = clockwork.new({ backoff = FULL }, 99)
    local alone = core.backoff.new(FULL, 99):preview(8)
    c:step "start"
    local expected = { "0 connect tell_connecting" }
    for i = 1, 8 do
      c:step("failed", "network", REFUSED)
      assert.equal(alone[i], c:state().delay)
      expected[#expected + 1] = c.now .. " tell_failed"
      expected[#expected + 1] = c.now + alone[i] .. " connect tell_connecting"
      c:next_attempt()
    end
    assert.same(expected, c:take())
  end)

  it("remembers the delay before for a strategy that builds on it", function()
    local decorrelated = { strategy = "decorrelated", jitter = "none", min = 1000, max = 60000 }
    local c = clockwork.new({ backoff = decorrelated }, 3)
    c:step "start"
    for _, expected in ipairs(core.backoff.new(decorrelated, 3):preview(8)) do
      c:step("failed", "network", REFUSED)
      assert.equal(expected, c:state().delay)
      c:next_attempt()
    end
  end)

  it("knows since when it is down", function()
    local c = clockwork.new()
    c.now = 500
    c:step "start"
    c:step("failed", "network", REFUSED)
    c:next_attempt()
    assert.equal(500, c:state().down_since)
    c:step "connected"
    c.now = 90000
    c:step("lost", "network", BROKEN)
    c:next_attempt()
    assert.equal(90000, c:state().down_since)
  end)
end)

describe("inputs that mean nothing", function()
  it("change nothing and are answered by nothing", function()
    local c = clockwork.new()
    local function silent(...)
      local before = c:state()
      for _, input in ipairs { ... } do
        assert.same({}, c.engine:step(c.now, input, "network", BROKEN))
        assert.same(before, c:state())
      end
    end
    silent("connected", "failed", "lost", "timer", "wake", "reconnect", "hint", "refuse", "hold", "release")
    c:step "start"
    silent("start", "lost", "timer", "wake", "reconnect", "hint", "refuse", "hold", "release")
    c:step "connected"
    silent("start", "connected", "failed", "timer", "wake", "refuse", "release")
    c:step("lost", "network", BROKEN)
    silent("start", "connected", "failed", "lost", "timer", "wake", "hold", "release")
  end)

  it("include a timer before its time", function()
    local c = clockwork.new()
    c:step "start"
    c:step("failed", "network", REFUSED)
    c.now = 999
    assert.same({}, c:step "timer")
    c.now = 1000
    assert.same({ "connect", "tell_connecting" }, c:step "timer")
  end)

  it("are everything after close, from any state", function()
    local closings = {
      idle = { function() end, "0 tell_closed" },
      connecting = { function(c) c:step "start" end, "0 abandon tell_closed" },
      connected = { function(c) c:step "start" c:step "connected" end, "0 disconnect tell_closed" },
      waiting = { function(c) c:step "start" c:step("failed", "network", REFUSED) end, "0 tell_closed" },
      sleeping = { function(c) c:step "start" c:step("failed", "connack", 0x8A) end, "0 tell_closed" },
      held = { function(c) c:step "start" c:step "connected" c:step("hold", "client", SLOW_CONSUMER) end,
        "0 tell_closed" },
    }
    for name, closing in pairs(closings) do
      local c = clockwork.new()
      closing[1](c)
      c:take()
      c:step "close"
      c:until_time(1000000)
      for _, input in ipairs { "start", "connected", "timer", "wake", "reconnect", "hint", "release", "close" } do
        c:step(input)
      end
      c:step("failed", "network", REFUSED)
      c:step("lost", "network", BROKEN)
      assert.same({ closing[2] }, c:take(), name)
      assert.equal("closed", c:state().state)
      assert.is_nil(c:state().deadline)
    end
  end)
end)

describe("giving up", function()
  it("sleeps after max_attempts, and wakes after sleep_for with its counters reset", function()
    local c = clockwork.new { max_attempts = 3, sleep_for = 3600000 }
    c:step "start"
    for _ = 1, 6 do
      c:step("failed", "network", REFUSED)
      c:next_attempt()
    end
    assert.same({
      "0 connect tell_connecting", "0 tell_failed",
      "1000 connect tell_connecting", "1000 tell_failed",
      "2000 connect tell_connecting", "2000 tell_failed tell_sleeping",
      "3602000 connect tell_connecting", "3602000 tell_failed",
      "3603000 connect tell_connecting", "3603000 tell_failed",
      "3604000 connect tell_connecting", "3604000 tell_failed tell_sleeping",
      "7204000 connect tell_connecting",
    }, c:take())
    assert.equal(1, c:state().attempt)
  end)

  it("counts connections that did not become stable", function()
    local c = clockwork.new { max_attempts = 2 }
    c:step "start"
    c:step "connected"
    c:step("lost", "network", BROKEN)
    c:next_attempt()
    c:step "connected"
    c:take()
    assert.same({ "tell_lost", "tell_sleeping" }, c:step("lost", "network", BROKEN))
    assert.is_nil(c:state().deadline)
    assert.equal("max_attempts", c:state().sleep_reason.name)
    assert.equal("connection_lost", c:state().reason.name)
  end)

  it("does so by a connect timeout too", function()
    local c = clockwork.new { max_attempts = 1 }
    c:step "start"
    c:until_time(10000)
    assert.same({ "0 connect tell_connecting", "10000 abandon tell_failed tell_sleeping" }, c:take())
  end)

  it("wakes by wake and by reconnect, at once and from the first attempt", function()
    for _, input in ipairs { "wake", "reconnect" } do
      local c = clockwork.new { max_attempts = 1, sleep_for = 1000 }
      c:step "start"
      c:step("failed", "network", REFUSED)
      c.now = 10
      assert.same({ "connect", "tell_connecting" }, c:step(input))
      assert.equal(1, c:state().attempt)
    end
  end)

  it("wakes by a hint after a drawn delay", function()
    local c = clockwork.new({ max_attempts = 1, sleep_for = 3600000, backoff = FULL }, 5)
    c:step "start"
    c:step("failed", "network", REFUSED)
    assert.equal("sleeping", c:state().state)
    c:take()
    c.now = 7000
    assert.same({}, c:step "hint")
    local woken = c:state()
    assert.equal("waiting", woken.state)
    assert.is_true(woken.delay >= 1000 and woken.delay <= 2000)
    assert.equal(7000 + woken.delay, woken.deadline)
    c:next_attempt()
    assert.same({ 7000 + woken.delay .. " connect tell_connecting" }, c:take())
    assert.equal(1, c:state().attempt)
    c:step("failed", "network", REFUSED)
    c.now = 20000
    c:step "hint"
    assert.not_equal(woken.delay, c:state().delay, "the generator goes on")
  end)

  it("is for good after a reason of class stop, but for wake and reconnect", function()
    local c = clockwork.new { max_attempts = 5, sleep_for = 1000 }
    c:step "start"
    c:step("failed", "network", REFUSED)
    c:next_attempt()
    assert.same({ "tell_failed", "tell_sleeping" }, c:step("failed", "connack", 0x8A))
    assert.equal("banned", c:state().sleep_reason.name)
    assert.equal(0x8A, c:state().sleep_reason.code)
    assert.equal(0, c:state().delay)
    c:step "hint"
    c:until_time(100000)
    assert.equal("sleeping", c:state().state)
    assert.same({ "connect", "tell_connecting" }, c:step "wake")
  end)

  it("is for good when the backoff never retries", function()
    local c = clockwork.new { backoff = NEVER, sleep_for = 1000 }
    c:step "start"
    assert.same({ "tell_failed", "tell_sleeping" }, c:step("failed", "network", REFUSED))
    assert.equal("backoff_stopped", c:state().sleep_reason.name)
    c:step "hint"
    c:until_time(100000)
    assert.equal("sleeping", c:state().state)
    local lost = clockwork.connected { backoff = NEVER }
    assert.same({ "tell_lost", "tell_sleeping" }, lost:step("lost", "network", BROKEN))
  end)
end)

describe("a strategy of the user's", function()
  it("counts its delay from the failure, and never back in time", function()
    local c = clockwork.new()
    c:step "start"
    c:step("failed", "network", REFUSED)
    c.now = 300
    assert.same({}, c:step("delay", 5000))
    assert.same({ 5000, 5000 }, { c:state().deadline, c:state().delay })
    c:step("delay", 200)
    assert.equal(300, c:state().deadline)
    c:until_time(300)
    assert.same({ "0 connect tell_connecting", "0 tell_failed", "300 connect tell_connecting" }, c:take())
  end)

  it("may refuse, and a network hint does not overrule it", function()
    local c = clockwork.new { sleep_for = 1000 }
    c:step "start"
    c:step("failed", "network", REFUSED)
    assert.same({ "tell_sleeping" }, c:step "refuse")
    assert.equal("backoff_stopped", c:state().sleep_reason.name)
    c:step "hint"
    c:until_time(100000)
    assert.equal("sleeping", c:state().state)
    assert.same({ "connect", "tell_connecting" }, c:step "wake")
  end)
end)

describe("the user and the network", function()
  it("reconnect cuts a wait short", function()
    local c = clockwork.new()
    c:step "start"
    c:step("failed", "network", REFUSED)
    c.now = 1
    assert.same({ "connect", "tell_connecting" }, c:step "reconnect")
    assert.equal(2, c:state().attempt)
  end)

  it("reconnect leaves a connection and comes back at once, which is no failure", function()
    local c = clockwork.connected { max_attempts = 1 }
    c.now = 100
    assert.same({ "disconnect", "connect", "tell_lost", "tell_connecting" }, c:step "reconnect")
    assert.same({ "reconnect", "client", "retry" },
      { c:state().reason.name, c:state().reason.source, c:state().class })
    assert.same({ 1, 10100, 100 }, { c:state().attempt, c:state().deadline, c:state().down_since })
  end)

  it("a hint probes a connection", function()
    local c = clockwork.connected()
    local before = c:state()
    assert.same({ "probe" }, c:step "hint")
    assert.same(before, c:state())
  end)

  it("a hint cuts a long wait to a draw from the first window, and never lengthens one", function()
    local c = clockwork.new({ backoff = FULL }, 8)
    c:step "start"
    for _ = 1, 9 do
      c:step("failed", "network", REFUSED)
      c:next_attempt()
    end
    c:step("failed", "network", REFUSED)
    local deadline = c:state().deadline
    assert.is_true(deadline - c.now > 2000)
    assert.same({}, c:step "hint")
    assert.is_true(c:state().deadline >= c.now + 1000 and c:state().deadline <= c.now + 2000)
    assert.equal(c:state().deadline - c.now, c:state().delay)
    c.now = c:state().deadline - 5
    local soon = c:state()
    c:step "hint"
    assert.same(soon, c:state())
  end)

  it("a hint that came to nothing makes the next draw from the next step, until a connection is stable", function()
    local backoff = { strategy = "exponential", jitter = "none", min = 1000, max = 60000, factor = 2 }
    local c = clockwork.new { backoff = backoff, stable_after = 10000 }
    c:step "start"
    for _ = 1, 9 do
      c:step("failed", "network", REFUSED)
      c:next_attempt()
    end
    local function after_hint()
      c:step("failed", "network", REFUSED)
      assert.equal(60000, c:state().delay)
      c:step "hint"
      local delay = c:state().delay
      c:next_attempt()
      return delay
    end
    assert.same({ 1000, 2000, 4000, 8000 }, { after_hint(), after_hint(), after_hint(), after_hint() })
    c:step "connected"
    c.now = c:state().deadline
    c:step "timer"
    c:step("lost", "network", REFUSED)
    c:next_attempt()
    for _ = 1, 9 do
      c:step("failed", "network", REFUSED)
      c:next_attempt()
    end
    assert.equal(1000, after_hint())
  end)

  it("a hint forgives what the network did, but keeps to the floor that a broker's word asks for", function()
    local slow = { strategy = "exponential", jitter = "none", min = 30000, max = 600000, factor = 2 }
    local function after_hint(source, code)
      local c = clockwork.new { slow = slow }
      c:step "start"
      for _ = 1, 3 do
        c:step("failed", source, code)
        c:next_attempt()
      end
      c:step("failed", source, code)
      assert.equal(240000, c:state().delay)
      c:step "hint"
      return c:state().delay
    end
    assert.equal(1000, after_hint("network", NAME_NOT_FOUND))
    assert.equal(30000, after_hint("connack", 0x87))
  end)
end)

describe("a hold", function()
  it("leaves the broker and stays away until its release", function()
    local c = clockwork.new { max_attempts = 2 }
    c:step "start"
    c:step("failed", "network", REFUSED)
    c:next_attempt()
    c:step "connected"
    assert.same({ "disconnect", "tell_lost" }, c:step("hold", "client", SLOW_CONSUMER))
    assert.equal(0, c:state().delay)
    assert.same({ "slow_consumer", "waiting", true }, { c:state().reason.name, c:state().state, c:state().held })
    c:take()
    c:until_time(1000000)
    for _, input in ipairs { "reconnect", "hint", "refuse", "wake", "timer", "hold" } do
      c:step(input, "client", SLOW_CONSUMER)
    end
    c:step("delay", 1)
    assert.same({}, c:take())
    assert.is_nil(c:state().deadline)
    assert.same({ "connect", "tell_connecting" }, c:step "release")
    assert.equal(2, c:state().attempt)
    assert.is_false(c:state().held)
  end)

  it("comes back to the server it left, which has the session", function()
    local c = clockwork.new { server_count = 3 }
    c:step "start"
    c:step("failed", "network", REFUSED)
    c:next_attempt()
    c:step "connected"
    c:step("hold", "client", SLOW_CONSUMER)
    c:step "release"
    assert.equal(2, c:state().server)
  end)
end)

describe("the table", function()
  local function rows()
    local lines = {}
    for _, row in ipairs(core.engine.table()) do
      lines[#lines + 1] = row.state .. " | " .. row.input .. " | " .. row.next .. " | " ..
        table.concat(row.actions, " ")
    end
    return lines
  end

  it("is this", function()
    assert.same({
      "idle | start | connecting | connect tell_connecting",
      "idle | close | closed | tell_closed",
      "connecting | connected | connected | tell_connected",
      "connecting | failed | waiting | tell_failed",
      "connecting | timer | waiting | abandon tell_failed",
      "connecting | delay | connecting | ",
      "connecting | close | closed | abandon tell_closed",
      "connecting | failed finally | sleeping | tell_failed tell_sleeping",
      "connecting | timer finally | sleeping | abandon tell_failed tell_sleeping",
      "connected | lost | waiting | tell_lost",
      "connected | timer | connected | tell_stable",
      "connected | reconnect | connecting | disconnect connect tell_lost tell_connecting",
      "connected | hint | connected | probe",
      "connected | hold | waiting | disconnect tell_lost",
      "connected | close | closed | disconnect tell_closed",
      "connected | lost finally | sleeping | tell_lost tell_sleeping",
      "waiting | timer | connecting | connect tell_connecting",
      "waiting | reconnect | connecting | connect tell_connecting",
      "waiting | hint | waiting | ",
      "waiting | delay | waiting | ",
      "waiting | refuse | sleeping | tell_sleeping",
      "waiting | release | connecting | connect tell_connecting",
      "waiting | close | closed | tell_closed",
      "sleeping | timer | connecting | connect tell_connecting",
      "sleeping | wake | connecting | connect tell_connecting",
      "sleeping | reconnect | connecting | connect tell_connecting",
      "sleeping | hint | waiting | ",
      "sleeping | close | closed | tell_closed",
    }, rows())
  end)
end)

describe("misuse", function()
  it("is named", function()
    local function with(changes)
      return function() clockwork.new(changes) end
    end
    assert.error_matches(with { backoff = 1 }, "'backoff' must be a table, not a number")
    assert.error_matches(with { slow = { strategy = "constant", jitter = "none", min = 2, max = 1 } },
      "'slow': max must be at least min")
    assert.error_matches(with { connect_timeout = -1 }, "'connect_timeout' must be a whole number")
    assert.error_matches(with { server_count = 0 }, "'server_count' must be at least 1")
    assert.error_matches(with { rules = { [0] = { class = "never" } } }, "'class' must be the name of a class")
    local c = clockwork.new()
    assert.error_matches(function() c.engine:step(0, "failed finally", "network", RESET) end, "no such input")
    assert.error_matches(function() c.engine:step(0, "failed", "net", RESET) end, "no such source")
    assert.error_matches(function() c.engine:step(0, "failed", "network") end, "whole number")
    assert.error_matches(function() c.engine:step(0.5, "timer") end, "whole number of ms")
    assert.error_matches(function() c.engine:step(0, "delay", -1) end, "whole number of ms")
    assert.matches("^holdfast%.engine %(idle, attempt 0", tostring(c.engine))
  end)
end)
