-- A queue that is full and does not refuse: which message goes, and how that is told.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("a full queue", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  local function queue(overflow, messages, bytes)
    return { queue = { overflow = overflow, messages = messages or 3, bytes = bytes or 100000 } }
  end

  local function post(client, count, qos, payload)
    for _ = 1, count do
      assert(client:post("t", payload or "x", qos or 1, false, nil, true))
    end
  end

  local function outcomes(client)
    return world:told(client, "delivered", "dropped")
  end

  local function sent()
    local ids = {}
    for i, line in ipairs(world:asked "publish") do
      ids[i] = tonumber(line:match "id=(%d+)$")
    end
    return ids
  end

  -- Connected, slow start over, and deaf from now on.
  local function up(settings)
    local client = world:client(settings)
    client:start()
    for _ = 1, 40 do
      post(client, 3)
      world:turn()
    end
    probe.script { hold_publishes = true }
    world:told(client)
    world:asked()
    return client
  end

  describe("that drops the oldest", function()
    it("keeps the newest, and tells of each that went", function()
      local client = world:client(queue "drop_oldest")
      post(client, 5)
      world:turn()
      assert.same({ "0 dropped 1 overflow", "0 dropped 2 overflow" }, outcomes(client))
      assert.equal(3, client:status().queued.messages)
      client:start()
      world:turn()
      assert.same({ 3, 4, 5 }, sent())
      assert.same({ messages = 0, bytes = 0 }, client:status().queued)
    end)

    it("does so in an outage, one by one", function()
      local client = up(queue("drop_oldest", 3))
      probe.drop(1, "network", 9)
      probe.script { connect = "silent" }
      world:pass(5)
      for id = 121, 126 do
        post(client, 1)
        world:turn()
        assert.equal(math.min(id - 120, 3), client:status().queued.messages)
      end
      assert.same({ "5 dropped 121 overflow", "5 dropped 122 overflow", "5 dropped 123 overflow" }, outcomes(client))
    end)

    it("does so for bytes, as many as it takes", function()
      local client = world:client()
      client:post("t", ("x"):rep(1000), 1, false, nil, true)
      local weight = client:status().queued.bytes
      client = world:client(queue("drop_oldest", 100, 4 * weight))
      post(client, 4, 1, ("x"):rep(1000))
      post(client, 1, 1, ("x"):rep(2500))
      world:turn()
      assert.same({ "0 dropped 1 overflow", "0 dropped 2 overflow", "0 dropped 3 overflow" }, outcomes(client))
      assert.equal(2, client:status().queued.messages)
    end)

    it("never drops what is in flight, nor what may have been sent", function()
      local client = up(queue("drop_oldest", 3))
      post(client, 2)
      world:turn()
      post(client, 2)
      world:turn()
      assert.same({ 121, 122, 124 }, sent())
      assert.same({ "0 dropped 123 overflow" }, outcomes(client))
      post(client, 1)
      world:turn()
      assert.same({ "0 dropped 125 overflow" }, outcomes(client)) -- itself the oldest that could go
      probe.drop(1, "network", 9)
      probe.script { connect = "silent" }
      world:pass(3)
      post(client, 1)
      world:turn()
      assert.same({ "3 dropped 126 overflow" }, outcomes(client))
      probe.script { hold_publishes = false }
      probe.accept(1)
      world:turn()
      assert.same({ 121, 122, 124 }, sent())
      assert.same({ "3 delivered 121", "3 delivered 122", "3 delivered 124" }, outcomes(client))
    end)

    it("holds no more than twice its bound while the keeper has no time", function()
      local client = world:client(queue("drop_oldest", 3))
      post(client, 9)
      assert.equal(6, client:status().queued.messages)
      world:turn()
      assert.same({ -- 7, 8 and 9 did not even get to it
        "0 dropped 7 overflow", "0 dropped 8 overflow", "0 dropped 9 overflow", "0 dropped 1 overflow",
        "0 dropped 2 overflow", "0 dropped 3 overflow",
      }, outcomes(client))
      assert.equal(3, client:status().queued.messages)
    end)

    it("loses no message to outcomes that nobody has looked at", function()
      local client = up(queue("drop_oldest", 3))
      probe.script { hold_publishes = false }
      world.blind = true
      for _ = 1, 500 do
        post(client, 3)
        world:turn()
      end
      assert.equal(0, client:status().queued.messages)
      assert.equal(1500, #sent())
      world.blind = false
      world:turn()
      assert.equal(1024, #outcomes(client)) -- the surplus is counted
      assert.equal(476, client:status().counters.events_dropped)
      post(client, 1)
      world:turn()
      assert.same({ "0 delivered 1621" }, outcomes(client))
    end)

    it("tells a coroutine that waits for the outcome in any case", function()
      local client = world:client(queue("drop_oldest", 1))
      world.blind = true
      post(client, 1500)
      for _ = 1, 3 do
        assert(client:post("t", "x", 1, false, nil, "await"))
        world:turn()
      end
      world.blind = false
      world:turn()
      local told = outcomes(client)
      assert.equal(1026, #told)
      assert.same({ "0 dropped 1501 overflow", "0 dropped 1502 overflow" }, { told[1025], told[1026] })
    end)

    it("refuses what it could never take", function()
      local client = world:client(queue("drop_oldest", 3, 1000))
      assert.equal("too_large", select(3, client:post("t", ("x"):rep(1000), 1, false, nil, true)))
      assert.same({ messages = 0, bytes = 0 }, client:status().queued)
    end)

    it("counts what it drops without a word to those who did not ask", function()
      local client = world:client(queue "drop_oldest")
      for _ = 1, 5 do
        client:post("t", "x", 1, false, nil, false)
      end
      world:turn()
      assert.same({}, outcomes(client))
      assert.equal(2, client:status().counters.dropped)
      assert.equal(3, client:status().queued.messages)
    end)
  end)

  describe("that drops the newest", function()
    it("keeps the oldest, and tells of each that went", function()
      local client = world:client(queue "drop_newest")
      post(client, 5)
      assert.equal(3, client:status().queued.messages)
      world:turn()
      assert.same({ "0 dropped 4 overflow", "0 dropped 5 overflow" }, outcomes(client))
      client:start()
      world:turn()
      assert.same({ 1, 2, 3 }, sent())
      post(client, 1)
      world:turn()
      assert.same({ 6 }, sent())
      assert.same({ messages = 0, bytes = 0 }, client:status().queued)
    end)

    it("does so for bytes", function()
      local client = world:client(queue("drop_newest", 100, 4000))
      post(client, 1, 1, ("x"):rep(3000))
      post(client, 1, 1, ("x"):rep(1000))
      post(client, 1, 1, "x")
      world:turn()
      assert.same({ "0 dropped 2 overflow" }, outcomes(client))
    end)

    it("is not full of outcomes that nobody has looked at", function()
      local client = up(queue "drop_newest")
      probe.script { hold_publishes = false }
      world.blind = true
      for _ = 1, 3 do
        post(client, 2)
        world:turn()
      end
      world.blind = false
      assert.equal(6, #sent())
    end)

    it("keeps the memory of a script that never looks bounded", function()
      local client = world:client(queue "drop_newest")
      world.blind = true
      post(client, 5000)
      world.blind = false
      world:turn()
      local told = outcomes(client)
      assert.equal(1024, #told)
      assert.same({ "0 dropped 4 overflow", "0 dropped 1027 overflow" }, { told[1], told[1024] })
      assert.same({ 5000 - 3 - 1024, 5000 - 3 },
        { client:status().counters.events_dropped, client:status().counters.dropped })
    end)

    it("never asks anybody to wait for room", function()
      local client = world:client(queue "drop_newest")
      post(client, 9)
      client:start()
      world:pass(5)
      assert.same({}, world:told(client, "room"))
    end)
  end)
end)
