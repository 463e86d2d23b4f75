-- The state machine where two servers of a list are one place: one attempt takes both.
local clockwork = require "spec.support.clockwork"

local REFUSED, RESET, NAME_NOT_FOUND, BROKEN = 2, 4, 6, 9 -- of source network

describe("a pair of servers, which one attempt takes both of,", function()
  local PAIR = { backoff = { strategy = "constant", jitter = "none", min = 1000, max = 1000 } }

  local function new(count, pairs)
    PAIR.server_count, PAIR.pairs = count, pairs
    local c = clockwork.new(PAIR)
    c:step "start"
    return c
  end

  local function fail(c, code)
    c:step("failed", "network", code)
    c:next_attempt()
    return c:state().server
  end

  it("is left as a whole, and come to at its first", function()
    local c = new(4, 2) -- the second and the third
    assert.are.same({ 2, 4, 1, 2 }, { fail(c, REFUSED), fail(c, REFUSED), fail(c, REFUSED), fail(c, REFUSED) })
    c:step("connected", true)
    assert.equal(3, c:state().server)
    c:step("lost", "network", RESET)
    assert.equal(4, c:state().server)
  end)

  it("is stayed with where there is no other, and then slow is slow", function()
    local c = new(2, 1)
    assert.are.same({ 1, 1 }, { fail(c, REFUSED), fail(c, RESET) })
    c:step("failed", "tls", 1)
    assert.are.same({ 1, 30000, "slow" }, { c:state().server, c:state().delay, c:state().class })
    c:next_attempt()
    c:step("connected", true)
    assert.equal(2, c:state().server)
    c:step("lost", "network", RESET)
    assert.equal(1, c:state().server)
    local alone = new(2, 0)
    alone:step("failed", "tls", 1)
    assert.are.same({ 2, 1000 }, { alone:state().server, alone:state().delay })
  end)

  it("has no other to switch to", function()
    local c = new(2, 1)
    c:step("connected", false)
    assert.equal(1, c:state().server)
    c:step("lost", "disconnect", 0x9D)
    assert.are.same({ "slow", 1 }, { c:state().class, c:state().server })
  end)

  it("is come back to at its first where the second alone has failed", function()
    local c = new(3, 1)
    c:step("connected", true)
    c:step("lost", "network", BROKEN)
    assert.equal(1, c:state().server)
    c:next_attempt()
    c:step("connected", true)
    c:step("failed", "network", REFUSED) -- means nothing
    assert.equal(2, c:state().server)
  end)

  it("has worked where one of the two has", function()
    local c = new(2, 1)
    c:step("connected", true)
    c:step("lost", "network", BROKEN)
    c:next_attempt()
    c:step("failed", "network", NAME_NOT_FOUND)
    assert.equal("retry", c:state().class)
  end)
end)
