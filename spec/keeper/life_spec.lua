-- What a client is told of its connection, and when: every list is the whole of it.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

local REFUSED, BROKE = 2, 9 -- hf_network_code

describe("a connection", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  local function subscribe(client, wish, filter)
    assert.is_true(client:subscribe(wish, filter, 1, false, false, 0))
  end

  it("is tried until the broker is there, and again when it is lost", function()
    local client = world:client()
    subscribe(client, 1, "a/+")
    probe.script { connect = "refuse", source = "network", code = REFUSED }
    client:start()
    world:pass(2.5)
    probe.script { connect = "accept" }
    world:pass(17.5)
    probe.drop(1, "network", BROKE)
    world:pass(10)
    assert.same({
      "0 connecting 1",
      "0 failed connection_refused 1 retry_in=1",
      "1 connecting 2",
      "1 failed connection_refused 2 retry_in=1",
      "2 connecting 3",
      "2 failed connection_refused 3 retry_in=1",
      "3 connecting 4",
      "3 connected 4 downtime=3 session=false",
      "3 granted 1 qos=1",
      "3 ready 1 downtime=3",
      "20 lost connection_lost uptime=17 retry_in=1",
      "21 connecting 1",
      "21 connected 1 downtime=1 session=true",
      "21 ready 1 downtime=1",
    }, world:told(client))
  end)

  it("that is silent ends at connect_timeout", function()
    local client = world:client { connect_timeout = 4000 }
    probe.script { connect = "silent" }
    client:start()
    world:pass(7)
    probe.accept(1)
    world:pass(0)
    assert.same({
      "0 connecting 1",
      "4 failed connect_timeout 1 retry_in=1",
      "5 connecting 2",
      "7 connected 2 downtime=7 session=false",
      "7 ready 0 downtime=7",
    }, world:told(client))
    assert.same({
      "open a:1883 id=c clean=0 protocol=5",
      "abandon",
      "open a:1883 id=c clean=0 protocol=5",
    }, world:asked())
  end)

  it("that answers just in time is not given up", function()
    local client = world:client { connect_timeout = 4000 }
    probe.script { connect = "silent" }
    client:start()
    world:pass(3.999)
    probe.accept(1)
    world:pass(10)
    assert.same({
      "0 connecting 1",
      "3.999 connected 1 downtime=3.999 session=false",
      "3.999 ready 0 downtime=3.999",
    }, world:told(client))
  end)

  it("is not held against what came of an older attempt", function()
    local client = world:client()
    client:start()
    world:pass(20)
    world:told(client)
    client:reconnect()
    probe.drop(1, "network", BROKE) -- crosses with our own decision to leave
    world:pass(5)
    assert.same({
      "20 lost reconnect uptime=20",
      "20 connecting 1",
      "20 connected 1 downtime=0 session=true",
      "20 ready 0 downtime=0",
    }, world:told(client))
  end)

  it("carries the broker's own words", function()
    local client = world:client()
    probe.script { connect = "refuse", source = "connack", code = 0x88, text = "back at nine" }
    client:start()
    world:turn()
    local failed = world:newest_of(client, "event")[2]
    assert.same({
      name = "server_unavailable", class = "retry", code = 0x88, source = "connack", text = "back at nine",
    }, failed.reason)
  end)

  it("counts attempts on until it has been stable", function()
    local client = world:client { stable_after = 5000 }
    client:start()
    world:pass(4)
    probe.drop(1, "network", BROKE)
    world:pass(6)
    probe.drop(1, "network", BROKE)
    world:pass(3)
    assert.same({
      "0 connecting 1",
      "4 lost connection_lost uptime=4 retry_in=1",
      "5 connecting 2",
      "10 lost connection_lost uptime=5 retry_in=1",
      "11 connecting 1",
    }, world:told(client, "connecting", "lost"))
  end)

  it("is opened once by two starts", function()
    local client = world:client()
    client:start()
    client:start()
    world:pass(5)
    client:start()
    world:pass(5)
    assert.equal(1, #world:asked "open")
    assert.equal(1, #world:told(client, "connecting"))
  end)

  it("that cannot be had for want of memory is an attempt like any other", function()
    local client = world:client()
    probe.script { refuse_to_create = true }
    client:start()
    world:pass(0.5)
    probe.script { refuse_to_create = false }
    world:pass(1)
    assert.same({
      "0 connecting 1",
      "0 failed out_of_memory 1 retry_in=1",
      "1 connecting 2",
      "1 connected 2 downtime=1 session=false",
      "1 ready 0 downtime=1",
    }, world:told(client))
  end)

  it("makes the mailbox's descriptor readable until its events are taken", function()
    local mailbox = virtual.core.mailbox()
    local client = world:client()
    assert.is_false(mailbox:wait(0))
    client:start()
    assert.is_true(mailbox:wait(0))
    assert.is_true(mailbox:wait(5))
    world:turn()
    assert.is_false(mailbox:wait(0))
  end)

  it("lasts when nothing happens", function()
    local client = world:client()
    client:start()
    world:pass(86400)
    assert.same({ "0 connecting 1", "0 connected 1 downtime=0 session=false", "0 ready 0 downtime=0" },
      world:told(client))
    assert.is_nil(world:turn()) -- and costs nothing
  end)
end)

describe("ready", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  it("comes after the last SUBACK", function()
    local client = world:client()
    for wish = 1, 3 do
      client:subscribe(wish, "a/" .. wish, 1, false, false, 0)
    end
    probe.script { hold_subscriptions = true }
    client:start()
    world:pass(2)
    assert.same({ "0 connecting 1", "0 connected 1 downtime=0 session=false" }, world:told(client))
    assert.is_false(client:status().ready)
    probe.release(1)
    world:turn()
    assert.same({ "2 granted 1 qos=1", "2 granted 2 qos=1", "2 granted 3 qos=1", "2 ready 3 downtime=2" },
      world:told(client))
    assert.is_true(client:status().ready)
  end)

  it("comes at once without wishes", function()
    local client = world:client()
    probe.script { hold_subscriptions = true }
    client:start()
    world:turn()
    assert.same({ "0 ready 0 downtime=0" }, world:told(client, "ready"))
  end)

  it("waits for a wish that is added before the last SUBACK", function()
    local client = world:client()
    client:subscribe(1, "a", 1, false, false, 0)
    probe.script { hold_subscriptions = true }
    client:start()
    world:pass(1)
    client:subscribe(2, "b", 0, false, false, 0)
    world:pass(1)
    assert.same({}, world:told(client, "ready"))
    probe.release(1)
    world:turn()
    assert.same({ "2 ready 2 downtime=2" }, world:told(client, "ready"))
  end)

  it("is told once a connection", function()
    local client = world:client()
    client:start()
    world:pass(1)
    client:subscribe(1, "a", 1, false, false, 0)
    world:pass(1)
    client:unsubscribe(1)
    world:pass(1)
    assert.same({ "0 ready 0 downtime=0" }, world:told(client, "ready"))
    client:reconnect()
    world:pass(1)
    assert.same({ "3 ready 0 downtime=0" }, world:told(client, "ready"))
  end)

  it("is not told of a connection that went before its SUBACK", function()
    local client = world:client()
    client:subscribe(1, "a", 1, false, false, 0)
    probe.script { hold_subscriptions = true }
    client:start()
    world:pass(3)
    probe.drop(1, "network", BROKE)
    probe.script { hold_subscriptions = false }
    world:pass(3)
    assert.same({ "4 ready 1 downtime=1" }, world:told(client, "ready"))
  end)
end)
