-- What can be seen of a client: status, history, counters.
local virtual = require "spec.support.virtual"
local core, probe = virtual.core, virtual.probe

describe("status", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  local function seen(client)
    local status = client:status()
    return { status.state, status.since, status.attempt, status.retry_in, status.ready, status.reason
      and status.reason.name }
  end

  it("is that of an idle client before it is started", function()
    world:pass(5)
    local client = world:client { client_id = "me", keep_alive = 33, session_expiry = 77 }
    world:pass(2)
    local status = client:status()
    assert.same({ "idle", 2, 0, nil, false, nil }, seen(client))
    assert.same({ "a", "me", 33, 77, 5, false }, { status.server, status.client_id, status.keep_alive,
      status.session_expiry, status.protocol, status.session_present })
    assert.same({ messages = 0, bytes = 0 }, status.queued)
    assert.same({ messages = 0, bytes = 0 }, status.inbox)
  end)

  it("follows the client through its states", function()
    local client = world:client { max_attempts = 2, sleep_for = 60000 }
    probe.script { connect = "silent" }
    client:start()
    world:pass(3)
    assert.same({ "connecting", 3, 1, nil, false, nil }, seen(client))
    world:pass(7.25)
    assert.same({ "waiting", 0.25, 1, 0.75, false, "connect_timeout" }, seen(client))
    world:pass(1)
    probe.accept(1)
    world:pass(2)
    assert.same({ "connected", 2, 2, nil, true, "connect_timeout" }, seen(client))
    probe.drop(1, "network", 9)
    world:pass(10)
    assert.same({ "sleeping", 10, 2, 50, false, "connection_lost" }, seen(client))
    client:close(0)
    world:pass(1)
    assert.same({ "closed", 1, 2, nil, false, "connection_lost" }, seen(client))
  end)

  it("counts what happened to this client, and metrics what happened to all", function()
    collectgarbage()
    collectgarbage()
    world:turn() -- the clients of other specs are gone
    local before = core.metrics()
    local client, other = world:client { client_id = "one" }, world:client { client_id = "two" }
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(0.5)
    probe.script { connect = "accept", publish_result = 0x87, refuse_only = "no" }
    client:subscribe(1, "yes", 1, false, false, 0)
    client:post("yes", "x", 1, false, nil, false)
    client:post("no", "x", 1, false, nil, false)
    world:pass(10)
    probe.drop(1, "network", 9)
    world:pass(10)
    other:start()
    world:turn()
    assert.same({
      attempts = 3, connects = 2, reconnects = 1, failures = 1, losses = 1, sent = 2, delivered = 1, dropped = 1,
      received = 1, inbox_dropped = 0, unclaimed = 0, parked = 0, events_dropped = 0,
    }, client:status().counters)
    local after = core.metrics()
    for name, expected in pairs {
      clients = 2, attempts = 4, connects = 3, losses = 1, sent = 2, delivered = 1, dropped = 1, received = 1,
    } do
      assert.equal(expected, after[name] - before[name], name)
    end
  end)
end)

describe("history", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  it("is empty before the first attempt", function()
    assert.same({}, world:client():history())
  end)

  it("tells of each attempt how far it came, how it ended and how long was waited", function()
    local client = world:client()
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(0.5)
    probe.script { source = "connack", code = 0x87 }
    world:pass(1)
    probe.script { connect = "silent" }
    world:pass(42)
    probe.accept(1)
    probe.script { connect = "accept" }
    world:pass(4.5) -- 48
    probe.drop(1, "network", 9)
    world:pass(1)
    assert.same({
      { server = "a", started = 49, phase = "tcp", class = "retry", name = "connection_refused", source = "network",
        code = 2, delay = 1 },
      { server = "a", started = 48, phase = "connack", class = "slow", name = "not_authorized", source = "connack",
        code = 0x87, delay = 30 },
      { server = "a", started = 18, phase = "none", class = "retry", name = "connect_timeout", source = "client",
        code = 1, delay = 1 },
      { server = "a", started = 7, phase = "up", class = "retry", name = "connection_lost", source = "network",
        code = 9, delay = 1 },
      { server = "a", started = 0, phase = "up" }, -- it stands
    }, client:history())
  end)

  it("has the last sixteen", function()
    local client = world:client()
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(39.5)
    local history = client:history()
    assert.equal(16, #history)
    for i, record in ipairs(history) do
      assert.equal(39.5 - (23 + i), record.started)
    end
  end)

  it("knows no delay where no attempt follows", function()
    local client = world:client { max_attempts = 1 }
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(3)
    assert.is_nil(client:history()[1].delay)
  end)
end)
