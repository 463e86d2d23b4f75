-- Giving up is a state: no timers, no traffic, everything kept.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("a client that gives up", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  it("sleeps after max_attempts, and for ever", function()
    local client = world:client { max_attempts = 3 }
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(86400)
    assert.same({
      "0 connecting 1", "0 failed connection_refused 1 retry_in=1",
      "1 connecting 2", "1 failed connection_refused 2 retry_in=1",
      "2 connecting 3", "2 failed connection_refused 3",
      "2 sleeping max_attempts",
    }, world:told(client))
    assert.is_nil(world:turn())
    local status = client:status()
    assert.same({ "sleeping", "connection_refused", nil }, { status.state, status.reason.name, status.retry_in })
  end)

  it("wakes up after sleep_for, and tries as often again", function()
    local client = world:client { max_attempts = 2, sleep_for = 60000 }
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(20)
    assert.equal(41, client:status().retry_in)
    world:pass(120)
    assert.same({
      "0 connecting 1", "1 connecting 2", "1 sleeping max_attempts wake_in=60",
      "61 connecting 1", "62 connecting 2", "62 sleeping max_attempts wake_in=60",
      "122 connecting 1", "123 connecting 2", "123 sleeping max_attempts wake_in=60",
    }, world:told(client, "connecting", "sleeping"))
  end)

  it("does so after a loss as well", function()
    local client = world:client { max_attempts = 1, stable_after = 60000 }
    client:start()
    world:pass(5)
    probe.drop(1, "network", 9)
    world:turn()
    assert.same({ "5 lost connection_lost uptime=5", "5 sleeping max_attempts" },
      world:told(client, "lost", "failed", "sleeping"))
  end)

  it("sleeps without end when it is told to stop, whatever sleep_for says", function()
    local client = world:client { sleep_for = 1000 }
    probe.script { connect = "refuse", source = "connack", code = 0x85 }
    client:start()
    world:pass(3600)
    assert.same({ "0 connecting 1", "0 failed client_id_not_valid 1", "0 sleeping client_id_not_valid" },
      world:told(client))
  end)

  it("stops when the broker says so while connected", function()
    local client = world:client()
    client:start()
    world:pass(20)
    probe.drop(1, "disconnect", 0x8C)
    world:pass(3600)
    assert.same({ "20 lost bad_authentication_method uptime=20", "20 sleeping bad_authentication_method" },
      world:told(client, "lost", "sleeping"))
  end)

  it("keeps its queue and its wishes", function()
    local client = world:client { max_attempts = 1 }
    client:subscribe(1, "a", 1, false, false, 0)
    client:post("a", "x", 1, false, nil, true)
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(60)
    client:subscribe(2, "b", 1, false, false, 0)
    client:post("b", "y", 0, false, nil, true)
    world:pass(60)
    assert.equal(2, client:status().queued.messages)
    probe.script { connect = "accept" }
    client:wake()
    world:turn()
    assert.same({ "120 granted 1 qos=1", "120 granted 2 qos=1" }, world:told(client, "granted"))
    assert.equal(0, client:status().queued.messages)
    assert.same({ "publish a qos=1 id=1", "publish b qos=0 id=2" }, world:asked "publish")
  end)

  it("begins with the first server when it wakes", function()
    local client = world:client { max_attempts = 1, servers = { virtual.server "a", virtual.server "b" } }
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(5)
    client:wake()
    world:turn()
    assert.same({ "0 connecting 1", "5 connecting 1" }, world:told(client, "connecting")) -- both at a
  end)

  it("of strategy none never tries twice", function()
    local client = world:client { backoff = { strategy = "none", jitter = "none", min = 0, max = 0 } }
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(3600)
    assert.same({ "0 connecting 1", "0 failed connection_refused 1", "0 sleeping backoff_stopped" },
      world:told(client))
  end)
end)
