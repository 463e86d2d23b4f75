-- What follows from a reason that comes again: classes that change after so many in a row, waits that grow, fights that
-- end. On virtual time, through the whole library with default options unless said.
local whole = require "spec.support.whole"
local holdfast, probe = whole.holdfast, whole.probe

local REFUSED, CLOSED_EARLY, BROKE = 2, 8, 9 -- hf_network_code
local HANDSHAKE = 8 -- hf_tls_code
local TAKEN_OVER = 0x8E
local DAY = 86400
local unpack = table.unpack or unpack

local function refuse(source, code)
  probe.script { connect = "refuse", source = source, code = code }
end

-- The class of each end that the book tells of, and "sleeping"; the first `count` of them.
local function classes(book, count)
  local found = {}
  for _, entry in ipairs(book) do
    if entry.name == "failed" or entry.name == "lost" then
      found[#found + 1] = entry.event.reason.class
    elseif entry.name == "sleeping" then
      found[#found + 1] = "sleeping"
    end
    if #found == count then
      break
    end
  end
  return found
end

local function waits(book, count)
  local found = {}
  for _, entry in ipairs(book) do
    if entry.event.retry_in and #found < count then
      found[#found + 1] = entry.event.retry_in
    end
  end
  return found
end

describe("reasons in a row:", function()
  local world

  before_each(function()
    world = whole.new()
  end)

  after_each(function()
    world:finish()
  end)

  local function start(options)
    local client, book = world:client(options)
    client:start()
    world:pass(0)
    return client, book
  end

  -- A client whose every connection ends so many seconds after it stands, as `ends` has it at that time.
  local function flapping(options, seconds, ends)
    local client, book = world:client(options)
    client:on("connected", function()
      holdfast.sleep(seconds)
      probe.drop(1, ends.source, ends.code)
    end)
    client:start()
    return client, book
  end

  local function await(book, name, count)
    for _ = 1, 10000 do
      if #book:all(name) >= count then
        return
      end
      world:pass(0.5)
    end
    error(("no %s #%d; so far: %s"):format(name, count, book:words()))
  end

  for _, case in ipairs {
    { "connack", 0x83, 5, { "slow", "slow", "stop", "sleeping" } },
    { "connack", 0x01, 5, { "slow", "stop", "sleeping" } },
    { "connack", 0xFF, 5, { "slow", "stop", "sleeping" } },
    { "connack_v3", 6, 4, { "slow", "stop", "sleeping" } },
    { "network", CLOSED_EARLY, 5, { "retry", "retry", "slow", "slow", "slow" } },
    { "tls", HANDSHAKE, 5, { "retry", "retry", "slow", "slow", "slow" } },
    { "network", REFUSED, 5, { "retry", "retry", "retry", "retry", "retry" } },
    { "connack", 0x87, 5, { "slow", "slow", "slow", "slow", "slow" } },
  } do
    local source, code, protocol, expected = case[1], case[2], case[3], case[4]
    it(("%s 0x%02X is %s"):format(source, code, table.concat(expected, ", ")), function()
      refuse(source, code)
      local client, book = start { protocol = protocol }
      world:pass(DAY)
      assert.same(expected, classes(book, 5))
      if expected[#expected] == "sleeping" then
        assert.same({ reason = book:last("failed").event.reason }, book:last("sleeping").event)
        client:wake()
        world:pass(0)
        assert.equal("slow", book:last("failed").event.reason.class) -- the row begins anew
      end
    end)
  end

  for _, code in ipairs { 0x04, 0x81, 0x82, 0x01, 0xFF } do
    local ends = { source = "disconnect", code = code }

    it(("disconnect 0x%02X is slow, then stop"):format(code), function()
      local _, book = flapping({}, 5, ends)
      world:pass(DAY)
      assert.same({ "slow", "stop", "sleeping" }, classes(book, 9))
    end)

    it(("disconnect 0x%02X stays slow when each connection was stable"):format(code), function()
      local _, book = flapping({}, 10.001, ends)
      world:pass(3600)
      assert.same({ "slow", "slow", "slow", "slow" }, classes(book, 4))
    end)
  end

  it("another reason between begins the row anew", function()
    refuse("connack", 0x83)
    local _, book = start()
    await(book, "failed", 2)
    refuse("network", REFUSED)
    await(book, "failed", 3)
    refuse("connack", 0x83)
    world:pass(DAY)
    assert.same({ "slow", "slow", "retry", "slow", "slow", "stop", "sleeping" }, classes(book, 9))
  end)

  it("another code of the same unknown kind does so, too", function()
    local _, book = world:client()
    refuse("connack", 0x01)
    world.clients[1]:start()
    for code = 2, 6 do
      await(book, "failed", code - 1)
      refuse("connack", code)
    end
    world:pass(DAY)
    assert.same({ "slow", "slow", "slow", "slow", "slow", "slow", "stop", "sleeping" }, classes(book, 9))
  end)

  it("stable is what stable_after says", function()
    local ends = { source = "disconnect", code = 0x82 }
    local _, book = flapping({ stable_after = 4 }, 5, ends)
    world:pass(3600)
    assert.same({ "slow", "slow", "slow" }, classes(book, 3))
  end)

  it("waits grow from failure to failure, and the failures of another class count", function()
    local exact = { backoff = { jitter = "none" }, policy = { slow = { jitter = "none" } } }
    for _, case in ipairs {
      { "network", REFUSED, { 1, 2, 4, 8, 16, 32, 45, 45 } },
      { "connack", 0x87, { 30, 60, 120, 240, 300, 300, 300, 300 } },
      { "connack", 0x97, { 60, 120, 240, 300, 300, 300, 300, 300 } },
      { "connack", 0x9F, { 240, 300, 300, 300, 300, 300, 300, 300 } },
      { "network", CLOSED_EARLY, { 1, 2, 120, 240, 300, 300, 300, 300 } },
    } do
      refuse(case[1], case[2])
      local _, book = start(exact)
      world:pass(3600)
      assert.same(case[3], waits(book, 8))
    end
    refuse("network", REFUSED)
    local _, book = start(exact)
    await(book, "failed", 2)
    refuse("connack", 0x87)
    await(book, "failed", 4)
    assert.same({ 1, 2, 120, 240 }, waits(book, 4))
  end)

  it("accept-then-drop makes the waits grow as refusals do, and a stable connection makes them small again", function()
    local ends = { source = "network", code = BROKE }
    local client, book = world:client { backoff = { jitter = "none" } }
    local seconds = 0
    client:on("connected", function()
      holdfast.sleep(seconds)
      probe.drop(1, ends.source, ends.code)
    end)
    client:start()
    world:pass(100)
    seconds = 10.001
    world:pass(15)
    seconds = 0
    world:pass(20)
    assert.same({ 1, 2, 4, 8, 16, 32, 45, 1, 2, 4 }, waits(book, 10))
    local attempts = {}
    for index, entry in ipairs(book:all "connecting") do
      attempts[index] = entry.event.attempt
    end
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3 }, { unpack(attempts, 1, 11) })
  end)

  describe("a fight for a client id", function()
    -- Up to the longest slow wait and the longest attempt, since the other one may be a client like this.
    for _, seconds in ipairs { 0, 1, 9.9, 12, 45, 309 } do
      it(("ends when the other side waits %g s each time"):format(seconds), function()
        local client, book = flapping({}, seconds, { source = "disconnect", code = TAKEN_OVER })
        world:pass(DAY)
        assert.same({ "slow", "stop", "sleeping" }, classes(book, 9))
        assert.equal(2, #book:all "connected")
        assert.equal("session_taken_over", book:last("sleeping").event.reason.name)
        assert.is_nil(book:last("sleeping").event.wake_in)
        client:wake()
        world:pass(seconds + 1)
        assert.equal("slow", book:last("lost").event.reason.class)
      end)
    end

    it("is none when it happens now and then", function()
      local _, book = flapping({}, 311, { source = "disconnect", code = TAKEN_OVER })
      world:pass(3600)
      assert.same({ "slow", "slow", "slow", "slow" }, classes(book, 4))
    end)

    it("leaves one of two clients of this library in peace", function()
      local books, up = {}, {}
      for index = 1, 2 do
        local client, book = world:client { client_id = "twin" }
        books[index] = book
        client:on("connected", function()
          if up[3 - index] then
            probe.drop(3 - index, "disconnect", TAKEN_OVER)
          end
          up[index] = true
        end)
        client:on("lost", function()
          up[index] = false
        end)
        client:start()
        world:pass(50)
      end
      world:pass(DAY)
      local asleep = #books[1]:all "sleeping" == 1 and 1 or 2
      assert.equal("sleeping", world.clients[asleep]:status().state)
      assert.equal("connected", world.clients[3 - asleep]:status().state)
      assert.is_true(#books[asleep]:all "connected" <= 3)
      assert.is_true(world.clients[3 - asleep]:status().since > DAY / 2)
    end)
  end)
end)
