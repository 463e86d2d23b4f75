-- reconnect, wake and network_changed, in every state.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

local world

local function up(changes)
  local client = world:client(changes)
  client:start()
  world:pass(20)
  world:told(client)
  world:asked()
  return client
end

local function refused(changes)
  local client = world:client(changes)
  probe.script { connect = "refuse", source = "network", code = 2 }
  client:start()
  world:pass(0.5)
  world:told(client)
  world:asked()
  return client
end

before_each(function()
  world = virtual.new()
end)

after_each(function()
  world:finish()
end)

describe("network_changed", function()
  it("asks a connected broker for a sign of life, and says nothing when it comes", function()
    local client = up()
    client:network_changed()
    world:pass(3600)
    assert.same({ "probe" }, world:asked())
    assert.same({}, world:told(client))
  end)

  it("ends a connection that gives none within half a keep alive", function()
    local client = up { keep_alive = 8 }
    probe.script { hold_subscriptions = true }
    client:network_changed()
    world:pass(10)
    assert.same({ "24 lost probe_timeout uptime=24 retry_in=1", "25 connecting 1",
      "25 connected 1 downtime=1 session=true", "25 ready 0 downtime=1" }, world:told(client))
    assert.same({ "probe", "abandon", "open a:1883 id=c clean=0 protocol=5" }, world:asked())
  end)

  it("waits at least 2 s and at most connect_timeout for it", function()
    for keep_alive, expected in pairs { [0] = 2, [3] = 2, [6] = 3, [60] = 5 } do
      local client = world:client { keep_alive = keep_alive, connect_timeout = 5000 }
      client:start()
      world:pass(1)
      local began = world:now()
      probe.script { hold_subscriptions = true }
      client:network_changed()
      world:pass(6)
      assert.same({ ("%.10g lost probe_timeout uptime=%d retry_in=1"):format(began + expected, 1 + expected) },
        world:told(client, "lost"))
      probe.script { hold_subscriptions = false }
      client:close(0)
      world:turn()
    end
  end)

  it("waits by the broker's keep alive, if it gave one", function()
    probe.script { server_keep_alive = 6 }
    local client = up()
    probe.script { hold_subscriptions = true }
    client:network_changed()
    world:pass(5)
    assert.same({ "23 lost probe_timeout uptime=23 retry_in=1" }, world:told(client, "lost"))
  end)

  it("asks once, however often it is called", function()
    local client = up()
    probe.script { hold_subscriptions = true }
    for _ = 1, 5 do
      client:network_changed()
      world:pass(1)
    end
    assert.same({ "probe" }, world:asked())
    probe.release(1)
    world:turn()
    client:network_changed()
    world:pass(60)
    assert.same({ "probe" }, world:asked())
    assert.same({}, world:told(client))
  end)

  it("takes the answer to a probe for that and for nothing else", function()
    local client = up()
    probe.script { hold_subscriptions = true }
    client:network_changed()
    world:turn()
    probe.release(1)
    client:subscribe(1, "a", 1, false, false, 0)
    world:pass(60)
    assert.same({ "20 granted 1 qos=1" }, world:told(client))
  end)

  it("forgets a probe with its connection", function()
    local client = up()
    probe.script { hold_subscriptions = true }
    client:network_changed()
    world:pass(1)
    client:reconnect()
    probe.script { hold_subscriptions = false }
    world:pass(60)
    assert.same({ "21 lost reconnect uptime=21" }, world:told(client, "lost"))
  end)

  it("cuts a wait down to a first one", function()
    local client = world:client {
      backoff = { strategy = "exponential", jitter = "none", min = 1000, max = 60000, factor = 10 },
    }
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(15) -- at 0, 1 and 11; the next one would be at 71
    client:network_changed()
    world:pass(1)
    assert.same({ "0 connecting 1", "1 connecting 2", "11 connecting 3", "16 connecting 4" },
      world:told(client, "connecting"))
  end)

  it("never prolongs a wait", function()
    local client = refused()
    client:network_changed()
    world:pass(1)
    assert.same({ "1 connecting 2" }, world:told(client, "connecting"))
  end)

  it("wakes a client that has tried often enough, after a wait", function()
    local client = refused { max_attempts = 1 }
    probe.script { connect = "accept" }
    client:network_changed()
    world:turn()
    assert.equal("waiting", client:status().state)
    assert.equal(1, client:status().retry_in)
    world:pass(1)
    assert.same({ "1.5 connecting 1", "1.5 connected 1 downtime=1.5 session=false", "1.5 ready 0 downtime=1.5" },
      world:told(client))
  end)

  it("does not wake a client that was told to stop", function()
    local client = world:client()
    probe.script { connect = "refuse", source = "connack", code = 0x8A }
    client:start()
    world:turn()
    client:network_changed()
    world:pass(3600)
    assert.equal("sleeping", client:status().state)
    assert.equal(1, #world:asked "open")
  end)

  it("leaves an attempt alone, and a client that was not started", function()
    local idle = world:client()
    idle:network_changed()
    local client = world:client()
    probe.script { connect = "silent" }
    client:start()
    client:network_changed()
    world:pass(1)
    assert.same({ "open a:1883 id=c clean=0 protocol=5" }, world:asked())
    assert.equal("idle", idle:status().state)
    assert.same({}, world:told(idle))
  end)
end)

describe("news of the network", function()
  it("come in swarms and are one hint", function()
    up { watch_network = true }
    for _ = 1, 5 do
      probe.news(true)
      world:pass(0.04)
    end
    assert.same({}, world:asked())
    world:pass(0.05)
    assert.same({ "probe" }, world:asked())
    world:pass(10)
    assert.same({}, world:asked())
  end)

  it("cut a wait short for those who watch, and are shown so", function()
    local slow = { strategy = "exponential", jitter = "none", min = 1000, max = 60000, factor = 60 }
    local client = world:client { watch_network = true, backoff = slow }
    local other = world:client { client_id = "other", backoff = slow }
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    other:start()
    world:pass(5) -- both wait from 1 to 61
    probe.news(true)
    world:pass(2)
    assert.same({ "0 connecting 1", "1 connecting 2", "6.25 connecting 3" }, world:told(client, "connecting"))
    assert.same({ "0 connecting 1", "1 connecting 2" }, world:told(other, "connecting"))
    assert.equal(5.25, client:history()[2].delay)
  end)

  it("of a loss concern those who are connected only", function()
    local client = up { watch_network = true }
    local waiting = world:client {
      client_id = "other", watch_network = true,
      backoff = { strategy = "exponential", jitter = "none", min = 1000, max = 60000, factor = 60 },
    }
    probe.script { connect = "refuse", source = "network", code = 2 }
    waiting:start()
    world:pass(5) -- from 1 to 61
    world:asked()
    probe.news(false)
    world:pass(5)
    assert.same({ "probe" }, world:asked())
    assert.equal("connected", client:status().state)
    assert.equal(51, waiting:status().retry_in)
  end)
end)

describe("reconnect", function()
  it("leaves a connection and begins the next at once", function()
    local client = up()
    client:reconnect()
    world:turn()
    assert.same({ "20 lost reconnect uptime=20", "20 connecting 1", "20 connected 1 downtime=0 session=true",
      "20 ready 0 downtime=0" }, world:told(client))
    assert.same({ "close 0 expiry=-1", "open a:1883 id=c clean=0 protocol=5" }, world:asked())
  end)

  it("opens nothing before the old connection has ended", function()
    local client = up()
    probe.script { hold_close = true }
    client:reconnect()
    client:reconnect()
    world:pass(0.7)
    assert.same({ "close 0 expiry=-1" }, world:asked())
    assert.equal("connecting", client:status().state)
    probe.release(1)
    world:turn()
    assert.same({ "open a:1883 id=c clean=0 protocol=5" }, world:asked())
    assert.same({ "20.7 connected 1 downtime=0.7 session=true" }, world:told(client, "connected"))
  end)

  it("does not wait for ever for a connection that does not end", function()
    local client = up()
    probe.script { hold_close = true }
    client:reconnect()
    world:pass(12)
    assert.same({ "20 lost reconnect uptime=20", "20 connecting 1", "30 failed connect_timeout 1 retry_in=1",
      "31 connecting 2" }, world:told(client))
    assert.same({ "close 0 expiry=-1" }, world:asked())
    probe.release(1)
    world:turn()
    assert.equal("connected", client:status().state)
  end)

  it("cuts a wait short", function()
    local client = refused { backoff = virtual.constant(60000) }
    probe.script { connect = "accept" }
    client:reconnect()
    world:turn()
    assert.same({ "0.5 connecting 2", "0.5 connected 2 downtime=0.5 session=false", "0.5 ready 0 downtime=0.5" },
      world:told(client))
  end)

  it("ends a sleep", function()
    local client = refused { max_attempts = 1 }
    probe.script { connect = "accept" }
    client:reconnect()
    world:turn()
    assert.same({ "0.5 connecting 1" }, world:told(client, "connecting"))
  end)

  it("does not disturb an attempt, or start a client", function()
    local idle = world:client()
    idle:reconnect()
    local client = world:client()
    probe.script { connect = "silent" }
    client:start()
    client:reconnect()
    world:pass(5)
    client:reconnect()
    world:pass(4)
    assert.same({ "open a:1883 id=c clean=0 protocol=5" }, world:asked())
    assert.equal("idle", idle:status().state)
  end)
end)

describe("wake", function()
  it("ends a sleep of any kind, and the count begins anew", function()
    local client = refused { max_attempts = 2 }
    world:pass(60)
    assert.same({ "1 connecting 2", "1 failed connection_refused 2", "1 sleeping max_attempts" }, world:told(client))
    client:wake()
    world:pass(60)
    assert.same({ "60.5 connecting 1", "60.5 failed connection_refused 1 retry_in=1", "61.5 connecting 2",
      "61.5 failed connection_refused 2", "61.5 sleeping max_attempts" }, world:told(client))
    probe.script { source = "connack", code = 0x8A }
    client:wake()
    world:turn()
    assert.same({ "120.5 sleeping banned" }, world:told(client, "sleeping"))
    probe.script { connect = "accept" }
    client:wake()
    world:turn()
    assert.equal("connected", client:status().state)
  end)

  it("means nothing to a client that is awake", function()
    local idle, client = world:client(), up()
    idle:wake()
    client:wake()
    world:pass(5)
    assert.same({}, world:told(client))
    assert.equal("idle", idle:status().state)
    probe.script { connect = "refuse", source = "network", code = 2 }
    probe.drop(1, "network", 9)
    world:pass(0.3)
    client:wake()
    world:pass(0.3)
    assert.same({ "25 lost connection_lost uptime=25 retry_in=1" }, world:told(client))
    assert.same({}, world:asked())
  end)
end)
