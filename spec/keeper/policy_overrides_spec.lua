-- `policy` has the last word: what follows from a reason when it is changed by class, by code and by name, from the
-- options of holdfast.new down to the event and the next attempt. On virtual time.
local whole = require "spec.support.whole"
local holdfast, probe = whole.holdfast, whole.probe

local REFUSED, CLOSED_EARLY = 2, 8 -- hf_network_code
local CA = 5 -- hf_tls_code

describe("a policy", function()
  local world

  before_each(function()
    world = whole.new()
  end)

  after_each(function()
    world:finish()
  end)

  -- The classes of the first `count` ends when every attempt (or, for a DISCONNECT, every connection at once) ends so.
  local function classes(policy, source, code, count, more)
    local options = { policy = policy, protocol = source == "connack_v3" and 4 or 5 }
    for key, value in pairs(more or {}) do
      options[key] = value
    end
    local client, book = world:client(options)
    if source == "disconnect" then
      probe.script { connect = "accept" }
      local link = probe.links() + 1
      client:on("connected", function()
        probe.drop(link, source, code)
      end)
    else
      probe.script { connect = "refuse", source = source, code = code }
    end
    client:start()
    local found = {}
    for _ = 1, 3000 do
      world:pass(1)
      found = {}
      for _, entry in ipairs(book) do
        if #found < count and (entry.name == "failed" or entry.name == "lost") then
          found[#found + 1] = entry.event.reason.class
        end
      end
      if #found == count or book:last "sleeping" then
        break
      end
    end
    client:close()
    world:pass(0)
    return found, book
  end

  local function first(policy, source, code, more)
    local found, book = classes(policy, source, code, 1, more)
    return found[1], book
  end

  for _, class in ipairs { "retry", "slow", "stop" } do
    it("makes " .. class .. " of any row, by name", function()
      for _, case in ipairs {
        { "connack", 0x80, "unspecified_error" }, { "connack", 0x8A, "banned" }, { "connack", 0x87, "not_authorized" },
        { "connack", 0xEE, "unknown_connack" }, { "connack_v3", 2, "client_id_not_valid" },
        { "connack_v3", 5, "not_authorized" }, { "connack_v3", 99, "unknown_connack" },
        { "disconnect", 0x8E, "session_taken_over" }, { "disconnect", 0xEE, "unknown_disconnect" },
        { "network", REFUSED, "connection_refused" }, { "network", CLOSED_EARLY, "closed_before_connack" },
        { "tls", CA, "tls_unknown_ca" },
      } do
        local found, book = classes({ [case[3]] = class }, case[1], case[2], 4)
        assert.same(class == "stop" and { "stop" } or { class, class, class, class }, found, case[3])
        local ended = book:last "lost" or book:last "failed"
        assert.equal(case[3], ended.event.reason.name)
        assert.equal(class == "stop", ended.event.retry_in == nil)
        assert.equal(class == "stop" and 1 or 0, #book:all "sleeping")
      end
    end)
  end

  it("changes the wait with the class", function()
    local function wait(policy, source, code)
      local _, book = first(policy, source, code)
      return (book:last "lost" or book:last "failed").event.retry_in
    end
    for _ = 1, 20 do
      local short = wait({ not_authorized = "retry" }, "connack", 0x87)
      assert.is_true(short >= 1 and short <= 2, short)
      local long = wait({ connection_refused = "slow" }, "network", REFUSED)
      assert.is_true(long >= 30 and long <= 60, long)
      local quota = wait({ banned = "slow", quota_exceeded = "slow" }, "connack", 0x97)
      assert.is_true(quota >= 60 and quota <= 120, quota) -- the floor is the reason's own
    end
  end)

  it("sends to another server with switch, and is slow without one", function()
    local servers = { servers = { "mqtt://a", "mqtt://b" } }
    local class, book = first({ not_authorized = "switch" }, "connack", 0x87, servers)
    assert.equal("switch", class)
    world:pass(0)
    assert.is_true(book:last("failed").event.retry_in <= 2)
    local found, both = classes({ not_authorized = "switch" }, "connack", 0x87, 4, servers)
    assert.same({ "switch", "switch", "switch", "switch" }, found)
    local tried = {}
    for index, entry in ipairs(both:all "connecting") do
      tried[index] = entry.event.server
    end
    assert.same({ "mqtt://a", "mqtt://b", "mqtt://a", "mqtt://b" }, tried)
    assert.equal("slow", (first({ not_authorized = "switch" }, "connack", 0x87)))
  end)

  it("is slow with several servers, too, where it says so itself", function()
    local servers = { servers = { "mqtt://a", "mqtt://b" } }
    local function wait(policy, source, code, count)
      local found, book = classes(policy, source, code, count, servers)
      assert.equal("slow", found[count])
      assert.equal("mqtt://b", book:all("connecting")[2].event.server)
      return (book:last "lost" or book:last "failed").event.retry_in
    end
    local long = wait({ connection_refused = "slow" }, "network", REFUSED, 2)
    assert.is_true(long >= 30, long)
    long = wait({ retry = "slow" }, "network", REFUSED, 2)
    assert.is_true(long >= 30, long)
    long = wait({ connection_refused = { class = "retry", later = "slow", after = 3 } }, "network", REFUSED, 3)
    assert.is_true(long >= 30, long)
    long = wait({ server_busy = "slow" }, "connack", 0x89, 2)
    assert.is_true(long >= 30, long)
    -- By itself a client that moves on waits as usual: the slow floor protects the server that it leaves.
    local short = wait({}, "connack", 0x89, 2)
    assert.is_true(short <= 4, short)
    short = wait({ banned = "slow" }, "network", CLOSED_EARLY, 3)
    assert.is_true(short <= 8, short)
  end)

  it("chooses rows by their code on the wire, in both packets that have it", function()
    local policy = { [0x87] = "stop", [5] = "retry", [0x97] = "retry" }
    assert.equal("stop", (first(policy, "connack", 0x87)))
    assert.equal("stop", (first(policy, "disconnect", 0x87)))
    assert.equal("retry", (first(policy, "connack_v3", 5)))
    assert.equal("retry", (first(policy, "connack", 0x97)))
    assert.equal("retry", (first(policy, "disconnect", 0x97)))
    assert.equal("slow", (first(policy, "connack", 0x86)))
    assert.equal("slow", (first(policy, "tls", 5))) -- the numbers of other sources are our own
  end)

  it("means only the code that it names, not those that nobody has assigned", function()
    local policy = { [1] = "retry" }
    assert.equal("retry", (first(policy, "connack_v3", 1)))
    assert.equal("slow", (first(policy, "connack", 0x33)))
    assert.equal("slow", (first(policy, "disconnect", 0x33)))
    assert.error_matches(function()
      holdfast.new { server = "mqtt://a", policy = { [6] = "retry" } }
    end, "policy has the code 6, which no broker answers with")
  end)

  it("chooses rows by their class", function()
    local policy = { slow = "retry", stop = "slow" }
    assert.same({ "retry", "retry", "retry", "retry" }, (classes(policy, "connack", 0x83, 4)))
    assert.equal("retry", (first(policy, "tls", CA)))
    assert.same({ "retry", "retry", "retry" }, (classes(policy, "disconnect", 0x8E, 3)))
    assert.equal("slow", (first(policy, "connack", 0x8A)))
    assert.equal("slow", (first(policy, "connack_v3", 2)))
    assert.equal("retry", (first(policy, "network", REFUSED)))
    assert.equal("stop", (first({ retry = "stop" }, "network", REFUSED)))
    assert.equal("stop", (first({ switch = "stop" }, "connack", 0x9C)))
  end)

  it("lets a name outweigh a code, and a code a class", function()
    local policy = { slow = "retry", [0x87] = "slow", not_authorized = "stop", [0x86] = "stop" }
    assert.equal("stop", (first(policy, "connack", 0x87)))
    assert.equal("stop", (first(policy, "connack", 0x86)))
    assert.equal("retry", (first(policy, "connack", 0x89)))
    assert.equal("slow", (first({ slow = "retry", [0x87] = "slow" }, "disconnect", 0x87)))
  end)

  it("may change a class after so many in a row", function()
    local policy = {
      connection_refused = { class = "retry", later = "stop", after = 3 },
      not_authorized = { class = "retry", later = "slow", after = 2 },
      session_taken_over = { class = "slow", later = "stop", after = 4 },
      implementation_specific = { class = "slow" },
    }
    assert.same({ "retry", "retry", "stop" }, (classes(policy, "network", REFUSED, 5)))
    assert.same({ "retry", "slow", "slow", "slow" }, (classes(policy, "connack", 0x87, 4)))
    assert.same({ "slow", "slow", "slow", "stop" }, (classes(policy, "disconnect", 0x8E, 6)))
    assert.same({ "slow", "slow", "slow", "slow" }, (classes(policy, "connack", 0x83, 4)))
  end)

  it("has a backoff of its own for slow, beside rules for its rows", function()
    local function waits(slow, source, code)
      local low, high = math.huge, 0
      for _ = 1, 40 do
        local _, book = first({ slow = slow, banned = "slow" }, source, code)
        local wait = (book:last "lost" or book:last "failed").event.retry_in
        low, high = math.min(low, wait), math.max(high, wait)
      end
      return low, high
    end
    for _, case in ipairs {
      { { min = 5, max = 10 }, "connack", 0x87, 5, 10 },
      { { min = 5, max = 10 }, "connack", 0x8A, 5, 10 },
      { { min = 5, max = 10 }, "connack", 0x97, 5, 10 }, -- the user's maximum is below the floor
      { { min = 100, max = 1000 }, "disconnect", 0x98, 100, 200 },
      { { max = 40 }, "connack", 0x87, 30, 40 },
      { { min = 45, jitter = "none" }, "connack", 0x86, 45, 45 },
    } do
      local low, high = waits(case[1], case[2], case[3])
      local margin = (case[5] - case[4]) / 4
      assert.is_true(low >= case[4] and high <= case[5], ("%g to %g"):format(low, high))
      assert.is_true(low <= case[4] + margin and high >= case[5] - margin, ("%g to %g"):format(low, high))
    end
    assert.equal("stop", (first({ slow = { class = "stop" } }, "connack", 0x87)))
  end)
end)
