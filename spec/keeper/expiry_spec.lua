-- How long a message may wait: a time to live of ours, and MQTT 5 message expiry (section 3.3.2.3.3).
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("a message that may wait for so long", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  -- `ttl`, `expiry` and `age` in seconds
  local function post(client, given)
    given = given or {}
    local properties = given.expiry and { message_expiry = given.expiry }
    return assert(client:post(given.topic or "t", "x", given.qos or 1, false, properties, true,
      given.ttl and math.floor(given.ttl * 1000 + 0.5), given.age and math.floor(given.age * 1000 + 0.5)))
  end

  local function outcomes(client)
    local told = world:told(client, "delivered", "dropped", "not_withdrawn")
    table.sort(told, function(one, other) -- those of one moment have no order
      local at, other_at = tonumber(one:match "^%S+"), tonumber(other:match "^%S+")
      return at < other_at or at == other_at and one < other
    end)
    return told
  end

  local function sent()
    local ids = {}
    for i, line in ipairs(world:asked "publish") do
      ids[i] = tonumber(line:match "id=(%d+)$")
    end
    return ids
  end

  local function up(settings)
    local client = world:client(settings)
    client:start()
    world:pass(20)
    world:told(client)
    world:asked()
    return client
  end

  it("is dropped when that is over, to the millisecond and whatever stands around it", function()
    local client = world:client()
    post(client)
    post(client, { ttl = 3 })
    post(client, { ttl = 1.5 })
    post(client, { expiry = 2 })
    post(client, { ttl = 3, expiry = 5, qos = 0 })
    post(client, { ttl = 9, expiry = 4, qos = 2 })
    post(client)
    assert.equal(1.5, world:turn()) -- and nothing before
    world:pass(10)
    assert.same({ "1.5 dropped 3 expired", "2 dropped 4 expired", "3 dropped 2 expired", "3 dropped 5 expired",
      "4 dropped 6 expired" }, outcomes(client))
    assert.is_nil(world:turn())
    client:start()
    world:turn()
    assert.same({ 1, 7 }, sent())
  end)

  it("is dropped in an outage", function()
    local client = up()
    probe.drop(1, "network", 9)
    probe.script { connect = "silent" }
    post(client, { ttl = 30 })
    post(client)
    world:pass(100)
    assert.same({ "50 dropped 1 expired" }, outcomes(client))
    assert.equal(1, client:status().queued.messages)
  end)

  it("is dropped while the client sleeps", function()
    local client = world:client { max_attempts = 1 }
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    post(client, { ttl = 7 })
    world:pass(100)
    assert.same({ "7 dropped 1 expired" }, outcomes(client))
  end)

  it("is sent if there is time enough", function()
    local client = up()
    probe.drop(1, "network", 9)
    post(client, { ttl = 1.001 })
    post(client, { ttl = 1 }) -- the next attempt is in 1 s
    world:pass(5)
    assert.same({ 1 }, sent())
    assert.same({ "21 delivered 1", "21 dropped 2 expired" }, outcomes(client))
  end)

  it("counts what it has waited already", function()
    local client = world:client()
    post(client, { ttl = 3, age = 1 })
    post(client, { expiry = 3, age = 2.5 })
    post(client, { ttl = 3, age = 5 })
    world:pass(9)
    assert.same({ "0 dropped 3 expired", "0.5 dropped 2 expired", "2 dropped 1 expired" }, outcomes(client))
  end)

  it("is not dropped once it may have been sent", function()
    local client = world:client()
    probe.script { hold_publishes = true }
    client:start()
    for qos = 0, 2 do
      post(client, { ttl = 2, expiry = 3, qos = qos })
    end
    world:pass(5)
    assert.same({}, outcomes(client))
    probe.drop(1, "network", 9)
    probe.script { connect = "silent" }
    world:pass(5)
    assert.same({ "5 dropped 1 expired" }, outcomes(client)) -- QoS 0 that comes back has never left
    probe.script { hold_publishes = false }
    probe.accept(1)
    world:turn()
    assert.same({ 1, 2, 3, 2 }, sent())
    assert.same({ "10 delivered 2", "10 delivered 3" }, outcomes(client))
  end)

  it("can still be withdrawn, and is then no more", function()
    local client = world:client()
    post(client, { ttl = 3 })
    client:withdraw(1)
    world:pass(9)
    assert.same({ "0 dropped 1 withdrawn" }, outcomes(client))
  end)

  it("is withdrawn in vain when it is gone", function()
    local client = world:client()
    post(client, { ttl = 3 })
    world:pass(3)
    client:withdraw(1)
    world:turn()
    assert.same({ "3 dropped 1 expired", "3 not_withdrawn 1" }, outcomes(client))
  end)

  it("waits no longer behind a window that is full", function()
    local client = up()
    probe.script { receive_maximum = 1, hold_publishes = true }
    client:reconnect()
    post(client)
    post(client, { ttl = 2 })
    post(client)
    world:pass(10)
    assert.same({ "22 dropped 2 expired" }, outcomes(client))
    probe.release(1)
    world:turn()
    assert.same({ 1, 3 }, sent())
  end)

  it("is dropped for the queue's bound before its time", function()
    local client = world:client { queue = { overflow = "drop_oldest", messages = 1, bytes = 10000 } }
    post(client, { ttl = 3 })
    post(client, { ttl = 5 })
    world:pass(9)
    assert.same({ "0 dropped 1 overflow", "5 dropped 2 expired" }, outcomes(client))
  end)

  it("has its time to itself among thousands", function()
    local client = world:client { queue = { messages = 100000, bytes = 100000000 } }
    local expected = {}
    for i = 1, 5000 do
      local ttl = (i * 7919) % 5000 + 1
      post(client, { ttl = ttl / 1000 })
      expected[ttl] = ("%.10g dropped %d expired"):format(ttl / 1000, i)
    end
    world:pass(5)
    local told = outcomes(client)
    assert.equal(5000, #told)
    assert.same(expected[1], told[1])
    assert.same(expected[2499], told[2499])
    assert.same(expected[5000], told[5000])
  end)

  describe("in MQTT 5", function()
    -- The expiry of what came back to us, in the order in which it came.
    local function arrived(client)
      local list = {}
      for _, mail in ipairs(world.mails) do
        if mail.kind == "message" and mail.id == client:id() then
          list[#list + 1] = mail[1].properties and mail[1].properties.message_expiry or false
        end
      end
      world.mails = {}
      return list
    end

    it("goes out with the whole seconds that are left of it", function()
      local client = world:client()
      client:subscribe(1, "t", 2, false, false, 0)
      for _, expiry in ipairs { 0, 1, 2, 3, 10, 4294967295 } do
        post(client, { expiry = expiry })
      end
      post(client)
      post(client, { expiry = 10, ttl = 3 }) -- a time to live is ours alone
      post(client, { expiry = 10, age = 3.2 })
      world:pass(0.3)
      client:start()
      world:turn()
      assert.same({ 0, 1, 2, 3, 10, 4294967295, false, 10, 7 }, arrived(client))
    end)

    it("goes out with less after an outage", function()
      local client = up()
      client:subscribe(1, "t", 2, false, false, 0)
      probe.drop(1, "network", 9)
      probe.script { connect = "silent" }
      for _, expiry in ipairs { 0, 1, 2, 3, 4, 100 } do
        post(client, { expiry = expiry })
      end
      world:pass(2.5)
      probe.accept(1)
      world:turn()
      assert.same({ 1, 2, 98 }, arrived(client))
    end)

    it("goes out with the least there is when it may have arrived before", function()
      local client = world:client()
      client:subscribe(1, "t", 2, false, false, 0)
      probe.script { hold_publishes = true }
      client:start()
      post(client, { expiry = 3 })
      world:pass(2)
      probe.drop(1, "network", 9)
      world:pass(1)
      probe.drop(1, "network", 9)
      world:pass(10)
      assert.same({ 3, 1, 1 }, arrived(client))
    end)
  end)
end)
