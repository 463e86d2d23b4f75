-- Messages on their way out: nothing lost, nothing twice, in their order, and one outcome each.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

local BROKE = 9 -- connection_lost

describe("the outbox", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  local function post(client, topic, qos, quietly, retain)
    return assert(client:post(topic, "x", qos or 1, retain or false, nil, not quietly))
  end

  local function post_many(client, count, qos)
    for _ = 1, count do
      post(client, "t", qos)
    end
  end

  local function up(settings)
    local client = world:client(settings)
    client:start()
    world:pass(20)
    world:told(client)
    world:asked()
    return client
  end

  -- The ids of the publishes that were sent since the last look, in order.
  local function sent()
    local ids = {}
    for i, line in ipairs(world:asked "publish") do
      ids[i] = tonumber(line:match "id=(%d+)$")
    end
    return ids
  end

  local function outcomes(client)
    return world:told(client, "delivered", "dropped", "not_withdrawn")
  end

  it("keeps what is posted before start, at every QoS", function()
    local client = world:client()
    post(client, "zero", 0)
    post(client, "one", 1)
    post(client, "two", 2)
    world:pass(60)
    assert.same({}, world:told(client))
    client:start()
    world:turn()
    assert.same({ "publish zero qos=0 id=1", "publish one qos=1 id=2", "publish two qos=2 id=3" },
      world:asked "publish")
    assert.same({ "60 delivered 1", "60 delivered 2", "60 delivered 3" }, outcomes(client))
  end)

  it("sends nothing before the client is ready", function()
    local client = world:client()
    client:subscribe(1, "t", 1, false, false, 0)
    post(client, "t")
    probe.script { hold_subscriptions = true }
    client:start()
    world:pass(3)
    assert.same({}, sent())
    probe.release(1)
    world:turn()
    assert.same({ 1 }, sent())
    assert.same({ "3 message t x qos=1 for 1" }, world:told(client, "message"))
  end)

  it("sends at once while ready", function()
    local client = up()
    post(client, "t", 0)
    world:turn()
    assert.same({ "20 delivered 1" }, outcomes(client))
  end)

  it("keeps what is posted in an outage", function()
    local client = up()
    probe.drop(1, "network", BROKE)
    world:pass(0.5)
    post(client, "t", 0)
    post(client, "t", 1)
    world:pass(5)
    assert.same({ "21 delivered 1", "21 delivered 2" }, outcomes(client))
  end)

  it("sends again in the old order what was in flight when the connection went", function()
    local client = world:client()
    probe.script { hold_publishes = true, receive_maximum = 3 }
    client:start()
    post_many(client, 5)
    world:pass(1)
    assert.same({ 1, 2, 3 }, sent())
    probe.drop(1, "network", BROKE)
    world:pass(0.5)
    post(client, "t")
    world:pass(1)
    assert.same({ 1, 2, 3 }, sent())
    probe.acknowledge(1, 1) -- the rest goes with the connection once more
    world:turn()
    assert.same({ 4 }, sent())
    probe.drop(1, "network", BROKE)
    probe.script { hold_publishes = false }
    world:pass(5)
    assert.same({ 2, 3, 4, 5, 6 }, sent())
    assert.same({ "2.5 delivered 1", "3.5 delivered 2", "3.5 delivered 3", "3.5 delivered 4", "3.5 delivered 5",
      "3.5 delivered 6" }, outcomes(client))
  end)

  it("puts what is posted in an outage behind all that came back", function()
    local client = world:client()
    probe.script { hold_publishes = true }
    client:start()
    post_many(client, 2) -- all of it is in flight
    world:pass(1)
    assert.same({ 1, 2 }, sent())
    probe.drop(1, "network", BROKE)
    world:pass(0.5)
    post(client, "t")
    world:pass(2)
    assert.same({ 1, 2, 3 }, sent())
  end)

  it("leaves QoS 2 in flight to a session that is there, and sends it again where none is", function()
    local client = world:client()
    probe.script { hold_publishes = true }
    client:start()
    post(client, "t", 2)
    post(client, "t", 1)
    post(client, "t", 2)
    world:pass(1)
    assert.same({ 1, 2, 3 }, sent())
    probe.drop(1, "network", BROKE)
    world:pass(2)
    assert.same({ 2 }, sent())
    assert.same({}, outcomes(client))
    probe.drop(1, "network", BROKE)
    probe.script { session_present = 0 }
    world:pass(2)
    assert.same({ 1, 2, 3 }, sent())
    probe.release(1)
    world:turn()
    assert.same({ "5 delivered 1", "5 delivered 2", "5 delivered 3" }, outcomes(client))
  end)

  it("is told of QoS 2 by the connection after", function()
    local client = world:client()
    probe.script { hold_publishes = true }
    client:start()
    post(client, "t", 2)
    world:pass(1)
    probe.drop(1, "network", BROKE)
    probe.script { hold_publishes = false }
    world:pass(0.5)
    assert.same({}, outcomes(client))
    world:pass(5)
    assert.same({ "2 delivered 1" }, outcomes(client))
    assert.same({ 1 }, sent())
  end)

  -- Slow start is over: as much may be in flight as the broker and the link take.
  local function wide_open(client, window)
    probe.script { hold_publishes = true }
    post_many(client, window)
    world:turn()
    for _ = 1, window do
      probe.acknowledge(1, 1)
      world:turn()
    end
    world:asked()
    world:told(client)
  end

  it("has at most 100 in flight", function()
    local client = up()
    wide_open(client, 100)
    post_many(client, 150)
    world:pass(1)
    assert.equal(100, #sent())
    probe.acknowledge(1, 10)
    world:turn()
    assert.equal(10, #sent())
    probe.release(1)
    world:turn()
    assert.equal(40, #sent())
    assert.equal(150, #outcomes(client))
  end)

  it("has at most the broker's Receive Maximum in flight", function()
    local client = world:client()
    probe.script { receive_maximum = 20 }
    client:start()
    wide_open(client, 20)
    post_many(client, 50)
    world:pass(1)
    assert.equal(20, #sent())
    for _ = 1, 30 do
      probe.acknowledge(1, 1)
      world:turn()
    end
    assert.equal(30, #sent())
    probe.drop(1, "network", BROKE)
    probe.script { receive_maximum = 5 } -- lowered ...
    world:pass(2)
    assert.same({ 51, 52, 53, 54, 55 }, sent())
    probe.drop(1, "network", BROKE)
    probe.script { receive_maximum = 65535 } -- ... and raised
    world:pass(2)
    assert.same({ 51, 52, 53, 54, 55, 56, 57, 58, 59, 60 }, sent()) -- as much as slow start opens at first
    probe.acknowledge(1, 5)
    world:turn()
    assert.equal(10, #sent())
  end)

  it("has one in flight where the broker's Receive Maximum is 1", function()
    probe.script { receive_maximum = 1, hold_publishes = true }
    local client = world:client()
    client:start()
    post_many(client, 5, 2)
    world:turn()
    for id = 1, 5 do
      assert.same({ id }, sent())
      probe.acknowledge(1, 1)
      world:turn()
    end
    assert.equal(5, #outcomes(client))
  end)

  it("reports a message that the broker refuses, and the rest goes on", function()
    local client = up()
    probe.script { publish_result = 0x87, refuse_only = "secret" }
    post(client, "t", 1)
    post(client, "secret", 1)
    post(client, "secret", 2)
    post(client, "secret", 0) -- nobody says so
    post(client, "t", 2)
    world:turn()
    assert.same({
      "20 delivered 1", "20 dropped 2 refused not_authorized", "20 dropped 3 refused not_authorized", "20 delivered 4",
      "20 delivered 5",
    }, outcomes(client))
    assert.equal("connected", client:status().state)
  end)

  it("takes no matching subscribers for a success, and says so", function()
    local client = up()
    probe.script { publish_result = 0x10 }
    post(client, "t", 1)
    world:turn()
    assert.same({ "20 delivered 1 no_matching_subscribers" }, outcomes(client))
  end)

  it("drops what is above the broker's QoS, or retained where nothing is kept", function()
    local client = world:client()
    probe.script { maximum_qos = 1, retain_available = false }
    client:start()
    post(client, "t", 2)
    post(client, "t", 1)
    post(client, "t", 0, false, true)
    post(client, "t", 0)
    world:turn()
    assert.same({ 2, 4 }, sent())
    assert.same({ "0 dropped 1 qos_not_supported", "0 dropped 3 retain_not_supported", "0 delivered 2",
      "0 delivered 4" }, outcomes(client)) -- what is not even sent is known first
  end)

  it("tells outcomes only to those who asked", function()
    local client = up()
    probe.script { publish_result = 0x87, refuse_only = "secret" }
    post(client, "t", 0, true)
    post(client, "t", 1, true)
    post(client, "secret", 2, true)
    client:withdraw(post(client, "t", 1, true))
    world:turn()
    assert.same({}, outcomes(client))
    assert.same({ messages = 0, bytes = 0 }, client:status().queued)
    local counters = client:status().counters
    assert.same({ 3, 2, 2 }, { counters.sent, counters.delivered, counters.dropped })
  end)

  it("gives what is withdrawn back unless it has been sent", function()
    local client = world:client()
    probe.script { hold_publishes = true, receive_maximum = 1 }
    client:start()
    post_many(client, 5)
    world:turn()
    client:withdraw(1) -- in flight
    client:withdraw(3) -- in the middle
    client:withdraw(5) -- the last
    client:withdraw(3) -- gone
    client:withdraw(99) -- never there
    world:turn()
    assert.same({ "0 not_withdrawn 1", "0 dropped 3 withdrawn", "0 dropped 5 withdrawn", "0 not_withdrawn 3",
      "0 not_withdrawn 99" }, outcomes(client))
    post(client, "t")
    probe.release(1)
    world:turn()
    assert.same({ 1, 2, 4, 6 }, sent())
  end)

  it("can be asked for thousands of them in one turn, and the end of the connection is told all the same", function()
    local client = up()
    for id = 1, 2000 do
      client:withdraw(id)
    end
    client:reconnect()
    world:turn()
    assert.equal("20 ready 0 downtime=0", world:told(client)[2000 + 4])
    assert.equal(0, client:status().counters.events_dropped)
  end)

  it("does not call withdrawn what may have arrived before the connection went", function()
    local client = world:client()
    probe.script { hold_publishes = true }
    client:start()
    post(client, "t", 0)
    post(client, "t", 1)
    post(client, "t", 2)
    world:pass(1)
    probe.script { session_present = 0, connect = "silent" }
    probe.drop(1, "network", BROKE)
    world:pass(1)
    for id = 1, 3 do
      client:withdraw(id)
    end
    world:turn()
    -- QoS 0 comes back only if it never left; QoS 2 is still with the session.
    assert.same({ "2 dropped 1 withdrawn", "2 not_withdrawn 2", "2 not_withdrawn 3" }, outcomes(client))
    probe.script { hold_publishes = false }
    probe.accept(1)
    world:turn()
    assert.same({ "2 delivered 2", "2 delivered 3" }, outcomes(client))
  end)

  it("gives the first back, and the only one", function()
    local client = world:client()
    post_many(client, 2)
    client:withdraw(1)
    client:withdraw(2)
    world:turn()
    assert.same({ "0 dropped 1 withdrawn", "0 dropped 2 withdrawn" }, outcomes(client))
    post(client, "t")
    client:start()
    world:turn()
    assert.same({ 3 }, sent())
  end)

  it("waits when the link takes no more, and goes on after the next outcome", function()
    local client = up()
    probe.script { hold_publishes = true }
    post(client, "t")
    world:turn()
    probe.script { refuse_to_take = true }
    post_many(client, 2)
    world:turn()
    assert.same({ 1 }, sent())
    probe.script { refuse_to_take = false }
    probe.acknowledge(1, 1)
    world:turn()
    assert.same({ 2, 3 }, sent())
    probe.release(1)
    world:turn()
    assert.equal(3, #outcomes(client))
  end)

  it("asks again by itself when the link took nothing and nothing is in flight", function()
    local client = up()
    probe.script { refuse_to_take = true }
    post_many(client, 2)
    world:pass(1)
    assert.same({}, sent())
    probe.script { refuse_to_take = false }
    world:pass(0.1)
    assert.same({ 1, 2 }, sent())
    world:pass(60)
    assert.equal(2, #outcomes(client))
  end)

  it("offers a message again when the link had none and took it not", function()
    local client = up()
    probe.script { refuse_to_take = true }
    post_many(client, 2)
    world:pass(1)
    assert.same({}, sent())
    probe.script { refuse_to_take = false }
    world:pass(0.02)
    assert.same({ 1, 2 }, sent())
    assert.is_nil(world:turn()) -- and once all is sent there is nothing to wait for
  end)

  it("offers nothing to a connection that is gone", function()
    local client = up()
    probe.script { refuse_to_take = true }
    post_many(client, 1)
    world:pass(1)
    probe.script { connect = "silent" }
    probe.drop(1, "network", BROKE)
    assert.equal(1, world:turn()) -- the wait, and nothing sooner
  end)
end)

describe("the broker's Maximum Packet Size", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  -- The largest payload that still goes, of a message with this QoS and these properties.
  local function largest(limit, qos, properties)
    probe.script { maximum_packet_size = limit }
    local client = world:client()
    client:start()
    world:turn()
    local most
    for size = 0, limit do
      client:post("t", ("x"):rep(size), qos, false, properties, true)
      world:turn()
      local outcome = world:newest_of(client, "outcome")
      if outcome[2] then
        most = size
      else
        assert.equal("too_large", outcome[3])
      end
    end
    return most
  end

  -- Fixed header 2, topic 2 + 1, packet id 2 above QoS 0, property length 1: MQTT 5 section 3.3.
  it("is compared with exactly the bytes of the packet", function()
    assert.equal(100 - 6, largest(100, 0))
    assert.equal(100 - 8, largest(100, 1))
    assert.equal(100 - 8, largest(100, 2))
  end)

  it("counts a longer length field", function()
    assert.equal(127 + 2 - 6, largest(129, 0)) -- a remaining length of 127 takes one byte ...
    assert.equal(127 + 2 - 6, largest(130, 0)) -- ... and of 128 two
    assert.equal(131 - 7, largest(131, 0))
  end)

  it("counts properties as they are sent", function()
    assert.equal(100 - 6 - 7, largest(100, 0, { user = { { "k", "v" } } }))
    assert.equal(100 - 6 - 14, largest(100, 0, { user = { { "k", "v" }, { "k", "v" } } }))
    assert.equal(100 - 6 - 3, largest(100, 0, { content_type = "" }))
    assert.equal(100 - 6 - 2 - 5, largest(100, 0, { payload_format = "utf8", message_expiry = 3 }))
    assert.equal(100 - 6 - 5 - 6, largest(100, 0, { response_topic = "ab", correlation_data = "abc" }))
  end)

  it("holds up nothing else", function()
    probe.script { maximum_packet_size = 50 }
    local client = world:client()
    client:start()
    for _, size in ipairs { 10, 60, 10 } do
      client:post("t", ("x"):rep(size), 1, false, nil, true)
    end
    world:turn()
    assert.same({ "0 dropped 2 too_large", "0 delivered 1", "0 delivered 3" },
      world:told(client, "delivered", "dropped"))
  end)

  it("is that of the connection, not of the one before", function()
    probe.script { maximum_packet_size = 50 }
    local client = world:client()
    client:start()
    world:pass(1)
    probe.script { maximum_packet_size = 0 }
    client:reconnect()
    client:post("t", ("x"):rep(60), 1, false, nil, true)
    world:turn()
    assert.same({ "1 delivered 1" }, world:told(client, "delivered", "dropped"))
  end)
end)
