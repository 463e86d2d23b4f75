-- holdfast.first, client:event and client:ready: waits that miss nothing and take nothing. On a virtual clock.
local fake_core = require "spec.support.fake_core"

describe("holdfast.first", function()
  local core, holdfast, client

  before_each(function()
    core, holdfast = fake_core.install()
    client = holdfast.new { server = "mqtt://localhost" }
  end)

  after_each(fake_core.remove)

  local function lose(name)
    core:mail("event", 1, "lost", { reason = { name = name } })
  end

  it("answers which one it is, and its place, and takes nothing", function()
    local one, other, lost = client:subscribe "a", client:subscribe "b", client:event "lost"
    core:at(1, function() core:message(1, "b", "x", 2) end)
    local object, place = holdfast.first { one, other, lost }
    assert.are.same({ 2, 1, true }, { place, core.clock, object == other })
    assert.are.equal(2, select(2, holdfast.first({ one, other, lost }, 0)))
    assert.are.equal(0, core.clients[1].messages_consumed)
    assert.are.equal("x", other:receive(0).payload)
    lose "first"
    object, place = holdfast.first({ one, other, lost }, 5)
    assert.are.same({ 3, true }, { place, object == lost })
    assert.are.equal("first", lost:wait(0).reason.name)
    assert.are.same({ "nothing within 2 s", "timeout" }, { select(2, holdfast.first({ one, other, lost }, 2)) })
    assert.are.equal(3, core.clock)
  end)

  it("takes the first in the list of several that are ready", function()
    local one, other = client:subscribe "a", client:subscribe "b"
    core:message(1, "b", "x", 2)
    core:message(1, "a", "x", 1)
    holdfast.sleep(0)
    assert.are.equal(1, select(2, holdfast.first { one, other }))
    assert.are.equal(1, select(2, holdfast.first { other, one }))
  end)

  it("says that what the caller has in its hand has been handled, as receive does", function()
    client = holdfast.new { server = "mqtt://localhost", transport = "native", acknowledge = "handled" }
    local one, other = client:subscribe "a", client:subscribe "b"
    core:message(2, "a", "x", 1).qos = 1
    assert.are.equal(1, select(2, holdfast.first { one, other }))
    one:receive(0)
    holdfast.sleep(0)
    assert.is_not_nil(next(core.receipts))
    assert.is_nil((holdfast.first({ one, other }, 1)))
    assert.is_nil(next(core.receipts))
  end)

  it("goes on waiting when another one was faster", function()
    local subscription = client:subscribe "a"
    local place
    holdfast.run(function()
      holdfast.spawn(function()
        place = select(2, holdfast.first({ subscription }, 5))
      end)
      holdfast.spawn(subscription.receive, subscription)
      holdfast.sleep(1)
      core:message(1, "a", "x", 1)
      holdfast.sleep(1)
      assert.is_nil(place)
      core:message(1, "a", "y", 1)
      holdfast.sleep(1)
      assert.are.equal(1, place)
    end)
  end)

  it("reads: nothing of a subscription is dropped for whoever waits so", function()
    local subscription = client:subscribe("a", { buffer = 5 })
    local heard = 0
    holdfast.run(function()
      holdfast.spawn(function()
        while holdfast.first({ subscription }, 1) do
          while subscription:receive(0) do
            heard = heard + 1
          end
        end
      end)
      holdfast.sleep(0.1)
      for n = 1, 50 do
        core:message(1, "a", tostring(n), 1)
      end
      holdfast.sleep(3)
    end)
    assert.are.same({ 50, 0 }, { heard, subscription.dropped })
  end)

  it("answers what is over: a subscription that was removed, whatever is of a closed client", function()
    local one, other, lost = client:subscribe "a", client:subscribe "b", client:event "lost"
    core:at(1, function() other:remove() end)
    assert.are.equal(2, select(2, holdfast.first { one, other, lost }))
    core:at(2, function() core:mail("event", 1, "closed", {}) end)
    assert.are.equal(1, select(2, holdfast.first { lost, one }))
    assert.are.same({ "the client is closed", "closed" }, { select(2, lost:wait()) })
    assert.are.equal(2, core.clock)
  end)

  it("takes whatever has the three methods", function()
    local bell = { watchers = {}, rung = false }
    function bell.is_ready() return bell.rung end
    function bell.watch(_, waiter) bell.watchers[waiter] = true end
    function bell.unwatch(_, waiter) bell.watchers[waiter] = nil end
    core:at(3, function()
      bell.rung = true
      require("holdfast.first").tell(bell)
    end)
    assert.are.equal(2, select(2, holdfast.first { client:subscribe "a", bell }))
    assert.are.equal(3, core.clock)
    assert.is_nil(next(bell.watchers))
  end)

  it("leaves nothing behind", function()
    local subscription, lost = client:subscribe "a", client:event "lost"
    for _ = 1, 3 do
      holdfast.first({ subscription, lost }, 0.5)
    end
    assert.are.same({ nil, nil, nil }, { next(subscription.watchers), next(lost.watchers), next(client.waiters) })
  end)

  it("refuses what cannot be waited for", function()
    local bad = "first: a list of what to wait for is wanted, got "
    assert.has_error(function() holdfast.first() end, bad .. "nothing")
    assert.has_error(function() holdfast.first {} end, bad .. "an empty table")
    assert.has_error(function() holdfast.first(client:subscribe "a") end, bad .. "a table")
    assert.has_error(function() holdfast.first { client:subscribe "a", client } end,
      "first: [2] must be a subscription, a task or what client:event returns, got a table")
    assert.has_error(function() holdfast.first({ client:subscribe "a", nil, client:event "lost" }, 0) end,
      "first: [2] must be a subscription, a task or what client:event returns, got nothing")
    assert.has_error(function() holdfast.first({ client:subscribe "a" }, "1") end, "first: timeout must be a number of "
      .. 'seconds from 0 to 4,294,967, or nothing to wait without end, got "1"')
  end)

  describe("beside client:event", function()
    it("keeps the newest from its making on, until it is taken", function()
      local lost = client:event "lost"
      lose "one"
      lose "two"
      holdfast.sleep(0)
      assert.are.equal("two", lost:wait().reason.name)
      core:at(1, function() lose "three" end)
      assert.are.equal("three", lost:wait(5).reason.name)
      assert.are.same({ "no lost within 1 s", "timeout" }, { select(2, lost:wait(1)) })
    end)

    it("has the outcome of a post told", function()
      local delivered = client:event "delivered"
      local id = client:post("a", "x", { qos = 1 })
      local call = core.clients[1]:called "post"[1]
      assert.is_truthy(call[7])
      core:mail("outcome", 1, id, true)
      assert.are.equal(id, delivered:wait(1).id)
    end)

    it("hears of messages that belong to no subscription, and of no others", function()
      local message, subscription = client:event "message", client:subscribe "a"
      core:message(1, "a", "x", 1)
      core:message(1, "b", "y")
      assert.are.equal("x", subscription:receive(0).payload)
      assert.are.equal("y", message:wait(1).payload)
    end)

    it("refuses what is no event", function()
      assert.has_error(function() client:event "gone" end)
      assert.has_error(function() client.event "lost" end)
    end)
  end)

  describe("beside client:ready", function()
    local handle

    before_each(function()
      handle = core.clients[1]
    end)

    it("is true at once when it is", function()
      handle.snapshot.ready = true
      assert.is_true(client:ready(0))
      assert.are.equal(0, core.clock)
    end)

    it("waits, and starts nothing", function()
      core:at(2, function() core:mail("event", 1, "ready", {}) end)
      assert.is_true(client:ready(5))
      assert.are.equal(2, core.clock)
      assert.are.same({}, handle:called "start")
      local fine, words, code = client:ready(1)
      assert.are.same({ nil, "not ready within 1 s", "timeout" }, { fine, words, code })
    end)

    it("says that the client sleeps, or is closed", function()
      core:at(1, function() core:mail("event", 1, "sleeping", { reason = { name = "banned", text = "go away" } }) end)
      local _, words, code = client:ready()
      assert.are.same({ "asleep after banned: go away", "sleeping", 1 }, { words, code, core.clock })
      client:close()
      assert.are.equal("closed", select(3, client:ready()))
    end)

    it("refuses what is no time", function()
      assert.has_error(function() client:ready(-1) end)
      assert.has_error(function() client.ready() end)
    end)
  end)
end)
