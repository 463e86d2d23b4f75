-- What follows from the class of a failure: which wait, which server, how often.
local clockwork = require "spec.support.clockwork"
local reason = require("holdfast.core").reason

local REFUSED, CLOSED_EARLY, BROKEN = 2, 8, 9 -- of source network

local function rules(changes)
  local made = {}
  for name, rule in pairs(changes) do
    for _, row in ipairs(reason.all()) do
      if row.name == name then
        made[row.row] = rule
      end
    end
  end
  return made
end

-- Fails every attempt with the same word; the waits, the servers tried, and "sleeping" when it ends there.
local function fail(c, times, source, code)
  local waits, servers = {}, {}
  for _ = 1, times do
    servers[#servers + 1] = c:state().server
    c:step("failed", source, code)
    if c:state().state == "sleeping" then
      waits[#waits + 1] = "sleeping"
      break
    end
    waits[#waits + 1] = c:state().delay
    c:next_attempt()
  end
  return waits, servers
end

local function failing(changes, times, source, code)
  local c = clockwork.new(changes)
  c:step "start"
  return fail(c, times, source, code)
end

describe("a class", function()
  it("retry waits by backoff, slow by slow, stop not at all", function()
    assert.same({ 1000, 1000, 1000 }, (failing({}, 3, "network", REFUSED)))
    assert.same({ 30000, 30000, 30000 }, (failing({}, 3, "connack", 0x87)))
    assert.same({ "sleeping" }, (failing({}, 3, "connack", 0x85)))
  end)

  it("switch goes to another server by backoff, and counts as slow without one", function()
    local waits, servers = failing({ server_count = 2 }, 4, "connack", 0x9C)
    assert.same({ { 1000, 1000, 1000, 1000 }, { 1, 2, 1, 2 } }, { waits, servers })
    local c = clockwork.new()
    c:step "start"
    assert.same({ 30000, 30000 }, (fail(c, 2, "connack", 0x9C)))
    assert.equal("slow", c:state().class)
  end)

  it("slow waits for what passes where the server has never worked, or has not for five minutes", function()
    local NO_NAME = 6
    assert.same({ 30000, 30000 }, (failing({}, 2, "network", NO_NAME)))
    local c = clockwork.new { server_count = 2 }
    c:step "start"
    c:step "connected"
    c:step("lost", "network", BROKEN)
    local function expect(waits, times, code)
      local before, failed = c:state(), {}
      for i = 1, times do
        c:next_attempt()
        c:step("failed", "network", code)
        failed[i] = c:state().class
      end
      assert.same(waits, failed, before)
    end
    -- The first server has worked, the second has not: it is slow from the third in a row on.
    expect({ "retry", "retry", "retry", "slow", "retry", "slow" }, 6, CLOSED_EARLY)
    expect({ "retry", "slow", "retry", "slow" }, 4, NO_NAME)
    c.now = c.now + 300000
    c:step "reconnect"
    expect({ "slow", "slow" }, 2, NO_NAME)
    expect({ "retry", "retry", "slow", "slow" }, 4, CLOSED_EARLY)
    c:next_attempt()
    c:step "connected" -- and a new outage is a new one
    c:step("lost", "network", BROKEN)
    expect({ "retry", "slow", "retry", "slow" }, 4, NO_NAME)
  end)

  it("slow waits for a handshake that breaks off, too, as somebody before a captive portal has it", function()
    local HANDSHAKE = 8
    local c = clockwork.new()
    c:step "start"
    c:step "connected"
    c:step("lost", "network", BROKEN)
    assert.same({ 1000, 1000, 1000, 1000, 1000 }, (fail(c, 5, "tls", HANDSHAKE)))
    assert.same({ 1000, 1000, 30000, 30000 }, (failing({}, 4, "tls", HANDSHAKE)))
  end)

  it("that the policy gives what passes is the policy's word", function()
    local c = clockwork.new { rules = rules { name_not_found = { class = "slow" } } }
    c:step "start"
    c:step "connected"
    c:step("lost", "network", BROKEN)
    c:next_attempt()
    c:step("failed", "network", 6)
    assert.equal("slow", c:state().class)
  end)

  it("changes after so many in a row, and a different failure between begins the row anew", function()
    assert.same({ 30000, 30000, "sleeping" }, (failing({}, 9, "connack", 0x83)))
    assert.same({ 30000, "sleeping" }, (failing({}, 9, "disconnect", 0x82)))
    assert.same({ 1000, 1000, 30000, 30000 }, (failing({}, 4, "network", CLOSED_EARLY)))
    local c = clockwork.new()
    c:step "start"
    fail(c, 2, "connack", 0x83)
    fail(c, 1, "network", REFUSED)
    assert.same({ 30000, 30000, "sleeping" }, (fail(c, 9, "connack", 0x83)))
  end)

  it("tells two sources apart that share a code", function()
    local c = clockwork.new()
    c:step "start"
    fail(c, 2, "connack", 0x83)
    fail(c, 1, "disconnect", 0x83)
    assert.same({ 30000, 30000, "sleeping" }, (fail(c, 9, "connack", 0x83)))
  end)

  it("tells two codes apart that share a row", function()
    local c = clockwork.new()
    c:step "start"
    for code = 0x10, 0x18 do
      assert.same({ 30000 }, (fail(c, 1, "connack", code)))
    end
    assert.same({ "sleeping" }, (fail(c, 1, "connack", 0x18)))
  end)

  it("stops at the second takeover, unless the connection has outlived the longest slow wait and an attempt", function()
    local c = clockwork.connected()
    c:step("lost", "disconnect", 0x8E)
    assert.same({ "waiting", "slow", 30000 }, { c:state().state, c:state().class, c:state().delay })
    c:next_attempt()
    c:step "connected"
    c:until_time(c.now + 40001)
    c:step("lost", "disconnect", 0x8E)
    assert.equal("waiting", c:state().state)
    c:next_attempt()
    c:step "connected"
    c:until_time(c.now + 40000) -- stable for long, but so is the other client's wait
    assert.same({ "tell_lost", "tell_sleeping" }, c:step("lost", "disconnect", 0x8E))
    assert.equal("session_taken_over", c:state().sleep_reason.name)
    assert.equal("stop", c:state().class)
  end)

  it("can be overridden row by row", function()
    local changed = { rules = rules { not_authorized = { class = "stop" }, banned = { class = "retry" },
      connection_refused = { class = "retry", later = "stop", after = 3 } } }
    assert.same({ "sleeping" }, (failing(changed, 3, "connack", 0x87)))
    assert.same({ "sleeping" }, (failing(changed, 3, "connack_v3", 5)))
    assert.same({ 1000, 1000, 1000 }, (failing(changed, 3, "connack", 0x8A)))
    assert.same({ 1000, 1000, "sleeping" }, (failing(changed, 9, "network", REFUSED)))
    assert.same({ 30000 }, (failing(changed, 1, "connack", 0x86)), "other rows stay as they are")
  end)

  it("none is a failure all the same once the connection is down", function()
    assert.same({ 1000 }, (failing({}, 1, "connack", 0x00)))
    local c = clockwork.new { rules = rules { banned = { class = "none" } } }
    c:step "start"
    assert.same({ 1000 }, (fail(c, 1, "connack", 0x8A)))
    assert.equal("retry", c:state().class)
  end)
end)

describe("a wait of class slow", function()
  local SLOW = { strategy = "exponential", jitter = "none", min = 30000, max = 600000, factor = 2 }

  it("grows on its own options, counted with the failures before it", function()
    assert.same({ 30000, 60000, 120000, 240000, 480000, 600000 }, (failing({ slow = SLOW }, 6, "connack", 0x87)))
  end)

  it("lasts 60 s at least after an exceeded quota", function()
    assert.same({ 60000, 120000, 240000 }, (failing({ slow = SLOW }, 3, "connack", 0x97)))
    assert.same({ 60000, 120000 }, (failing({ slow = SLOW }, 2, "disconnect", 0x98)))
  end)

  it("obeys a maximum of the user's below that floor", function()
    local quick = { strategy = "constant", jitter = "none", min = 50, max = 100 }
    assert.same({ 50, 50 }, (failing({ slow = quick }, 2, "connack", 0x97)))
  end)
end)

describe("a wide window", function()
  local FULL = { strategy = "exponential", jitter = "full", min = 1000, max = 60000, factor = 2 }

  local function first_delays(source, code)
    local lowest, highest, sum = math.huge, 0, 0
    for seed = 1, 4000 do
      local c = clockwork.new({ backoff = FULL, slow = FULL }, seed)
      c:step "start"
      c:step("failed", source, code)
      local delay = c:state().delay
      lowest, highest, sum = math.min(lowest, delay), math.max(highest, delay), sum + delay
    end
    return lowest, highest, sum / 4000
  end

  it("is that of the fourth failure when many clients share the reason", function()
    for _, case in ipairs { { "disconnect", 0x8B }, { "connack", 0x9F }, { "disconnect", 0x9F } } do
      local lowest, highest, mean = first_delays(case[1], case[2])
      assert.is_true(lowest >= 1000 and lowest < 1050, lowest)
      assert.is_true(highest <= 16000 and highest > 15950, highest)
      assert.is_true(math.abs(mean - 8500) < 350, mean) -- five times 15001 / sqrt(12 * 4000)
    end
  end)

  it("is not that of others", function()
    local lowest, highest = first_delays("network", REFUSED)
    assert.is_true(lowest >= 1000 and highest <= 2000)
  end)

  it("opens once: the next ordinary failure goes on where the row was", function()
    local growing = { strategy = "exponential", jitter = "none", min = 1000, max = 60000, factor = 2 }
    local c = clockwork.new { backoff = growing }
    c:step "start"
    assert.same({ 8000 }, (fail(c, 1, "disconnect", 0x8B)))
    assert.same({ 2000 }, (fail(c, 1, "network", REFUSED)))
  end)
end)

describe("with several servers", function()
  it("goes round the list while they cannot be reached", function()
    local waits, servers = failing({ server_count = 3 }, 7, "network", REFUSED)
    assert.same({ 1, 2, 3, 1, 2, 3, 1 }, servers)
    assert.same({ 1000, 1000, 1000, 1000, 1000, 1000, 1000 }, waits)
  end)

  it("moves on after a connect timeout", function()
    local c = clockwork.new { server_count = 2 }
    c:step "start"
    c:until_time(10000)
    assert.equal(2, c:state().server)
  end)

  it("stays where the word of a broker is meant for the client", function()
    local c = clockwork.new { server_count = 3 }
    c:step "start"
    fail(c, 1, "network", REFUSED)
    local _, servers = fail(c, 3, "connack", 0x87)
    assert.same({ 2, 2, 2 }, servers)
  end)

  it("leaves a busy server without its slow wait", function()
    local waits, servers = failing({ server_count = 2 }, 3, "connack", 0x89)
    assert.same({ { 1000, 1000, 1000 }, { 1, 2, 1 } }, { waits, servers })
    assert.same({ 30000 }, (failing({}, 1, "connack", 0x89)))
  end)

  it("starts over at the first after a connection broke", function()
    local c = clockwork.new { server_count = 3 }
    c:step "start"
    fail(c, 2, "network", REFUSED)
    c:step "connected"
    assert.equal(3, c:state().server)
    c:step("lost", "network", BROKEN)
    assert.equal(1, c:state().server)
  end)

  it("starts over at the first after a sleep, and when asked to reconnect", function()
    local c = clockwork.new { server_count = 3, max_attempts = 2 }
    c:step "start"
    fail(c, 2, "network", REFUSED)
    assert.equal("sleeping", c:state().state)
    c:step "wake"
    assert.equal(1, c:state().server)
    c:step("failed", "network", REFUSED)
    c:next_attempt()
    c:step "connected"
    assert.equal(2, c:state().server)
    c:step "reconnect"
    assert.equal(1, c:state().server)
  end)

  it("goes to the next when a connection ends with the wish that it does", function()
    for _, code in ipairs { 0x8B, 0x89, 0x9C, 0x9D } do
      local c = clockwork.connected { server_count = 3 }
      c:step("lost", "disconnect", code)
      assert.equal(2, c:state().server)
      c:next_attempt()
      c:step "connected"
      c:step("lost", "disconnect", code)
      assert.equal(3, c:state().server)
    end
  end)
end)
