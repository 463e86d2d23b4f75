-- Filters that are refused, by the broker or because CONNACK has ruled them out already.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("a refused filter", function()
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

  local function requests()
    return world:asked("subscribe", "unsubscribe")
  end

  it("is reported, and the connection stays", function()
    local client = world:client()
    subscribe(client, 1, "a")
    subscribe(client, 2, "secret/#")
    probe.script { refuse_subscriptions = 0x87, refuse_only = "secret/#" }
    client:start()
    world:pass(3600)
    assert.same({
      "0 connecting 1",
      "0 connected 1 downtime=0 session=false",
      "0 granted 1 qos=1",
      "0 refused 2 not_authorized",
      "0 ready 1 refused=1 downtime=0",
    }, world:told(client))
    assert.equal("connected", client:status().state)
    assert.equal(1, #world:asked "open")
  end)

  it("is told with the code behind it", function()
    local client = world:client()
    subscribe(client, 1, "a")
    probe.script { refuse_subscriptions = 0x97 }
    client:start()
    world:turn()
    local reason = world:newest_of(client, "granted")[3]
    assert.same({ "quota_exceeded", 0x97, "suback" }, { reason.name, reason.code, reason.source })
  end)

  it("is asked for again by the next connection, session or not", function()
    local client = world:client()
    subscribe(client, 1, "a")
    probe.script { refuse_subscriptions = 0x87 }
    client:start()
    world:pass(20)
    world:told(client)
    requests()
    probe.script { refuse_subscriptions = 0 }
    probe.drop(1, "network", 9)
    world:pass(5)
    assert.same({ "subscribe a qos=1 identifier=1" }, requests())
    assert.same({ "21 granted 1 qos=1", "21 ready 1 downtime=1" }, world:told(client, "granted", "refused", "ready"))
  end)

  it("is not asked for once its wish is gone", function()
    local client = world:client()
    subscribe(client, 1, "a")
    probe.script { refuse_subscriptions = 0x87 }
    client:start()
    world:pass(20)
    requests()
    client:unsubscribe(1)
    world:turn()
    client:reconnect()
    world:pass(5)
    assert.same({}, requests())
  end)

  it("with a wildcard is ruled out without asking where the broker has none", function()
    local client = world:client()
    subscribe(client, 1, "a/+")
    subscribe(client, 2, "b/#")
    subscribe(client, 3, "c")
    probe.script { wildcard_available = false }
    client:start()
    world:turn()
    assert.same({ "subscribe c qos=1 identifier=3" }, requests())
    assert.same({
      "0 refused 1 wildcard_subscriptions_not_supported",
      "0 refused 2 wildcard_subscriptions_not_supported",
      "0 granted 3 qos=1",
      "0 ready 1 refused=2 downtime=0",
    }, world:told(client, "refused", "granted", "ready"))
  end)

  it("that is shared is ruled out without asking where the broker has none", function()
    local client = world:client()
    subscribe(client, 1, "$share/group/a")
    subscribe(client, 2, "a/+")
    probe.script { shared_available = false }
    client:start()
    world:turn()
    assert.same({ "subscribe a/+ qos=1 identifier=2" }, requests())
    assert.same({ "0 refused 1 shared_subscriptions_not_supported", "0 granted 2 qos=1" },
      world:told(client, "refused", "granted"))
  end)

  it("whose SUBSCRIBE is larger than the broker takes is ruled out without asking", function()
    local client = world:client()
    local largest = ("x"):rep(10) -- beside it 7 bytes, and 3 for the identifier of its own
    subscribe(client, 1, largest)
    subscribe(client, 2, largest .. "x")
    client:subscribe(3, "y" .. largest, 1, false, false, 0, 300)
    client:subscribe(4, "y", 1, false, false, 0, nil, { user = { { "k", "v" } } }) -- 7 bytes more
    client:subscribe(5, "yyyy", 1, false, false, 0, nil, { user = { { "k", "v" } } })
    probe.script { maximum_packet_size = 20 }
    client:start()
    world:turn()
    assert.same({ "subscribe xxxxxxxxxx qos=1 identifier=1", "subscribe y qos=1 identifier=3" }, requests())
    assert.same({ "0 refused 2 packet_too_large", "0 refused 3 packet_too_large", "0 refused 5 packet_too_large",
      "0 ready 2 refused=3 downtime=0" }, world:told(client, "refused", "ready"))
    probe.script { maximum_packet_size = 0 }
    client:reconnect()
    world:pass(5)
    assert.equal(3, #requests())
  end)

  it("that was ruled out is asked for where it is possible", function()
    local client = world:client()
    subscribe(client, 1, "a/+")
    probe.script { wildcard_available = false }
    client:start()
    world:pass(20)
    assert.same({}, requests())
    probe.script { wildcard_available = true }
    client:reconnect()
    world:pass(5)
    assert.same({ "subscribe a/+ qos=1 identifier=1" }, requests())
  end)

  it("costs nothing when all are ruled out", function()
    local client = world:client()
    for wish = 1, 100 do
      subscribe(client, wish, "a/+/" .. wish)
    end
    probe.script { wildcard_available = false }
    client:start()
    world:pass(3600)
    assert.equal(100, #world:told(client, "refused"))
    assert.same({}, requests())
    assert.equal("connected", client:status().state)
  end)
end)

describe("subscription identifiers", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  local function starts(settings)
    local client = world:client(settings)
    client:subscribe(1, "a/+", 1, false, false, 0)
    client:subscribe(2, "b", 1, false, false, 0, 9)
    client:start()
    world:turn()
    return client
  end

  it("are left out where the broker has none, and topics decide", function()
    probe.script { identifiers_available = false }
    local client = starts()
    assert.same({ "subscribe a/+ qos=1 identifier=0", "subscribe b qos=1 identifier=0" }, world:asked "subscribe")
    probe.send("a/b", "x", 0)
    probe.send("b", "y", 0)
    world:turn()
    assert.same({ "0 message a/b x qos=0 for 1", "0 message b y qos=0 for 2" }, world:told(client, "message"))
  end)

  it("are left out of 3.1.1", function()
    starts { protocol = 4 }
    assert.same({ "subscribe a/+ qos=1 identifier=0", "subscribe b qos=1 identifier=0" }, world:asked "subscribe")
  end)
end)
