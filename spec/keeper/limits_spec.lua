-- How fast publishes go out, and which of those that wait goes first.
local files = require "spec.support.files"
local process = require "process_probe"
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("what waits in the queue", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  local function post(client, payload, priority, qos)
    return assert(client:post("t", payload, qos or 1, false, nil, true, nil, nil, priority))
  end

  -- The ids of what was sent since the last call.
  local function sent()
    local ids = {}
    for i, line in ipairs(world:asked "publish") do
      ids[i] = tonumber(line:match "id=(%d+)")
    end
    return ids
  end

  describe("with limits", function()
    -- Connected, with nothing sent yet and slow start over.
    local function up(limits)
      local client = world:client { limits = limits }
      client:start()
      world:pass(1)
      world:asked()
      return client
    end

    it("goes out so many a second, after a burst", function()
      local client = up { publish_per_second = 10, burst = 5, bytes_per_second = 0 }
      for _ = 1, 20 do
        post(client, "x")
      end
      world:turn()
      assert.equal(5, #sent())
      world:pass(0.09)
      assert.equal(0, #sent())
      world:pass(0.02)
      assert.equal(1, #sent())
      world:pass(1)
      assert.equal(10, #sent())
      world:pass(100)
      assert.equal(4, #sent())
      for _ = 1, 20 do
        post(client, "x")
      end
      world:turn()
      assert.equal(5, #sent()) -- no more than a burst is saved up
    end)

    it("at QoS 0 as well, and over a new connection", function()
      local client = up { publish_per_second = 2, burst = 1, bytes_per_second = 0 }
      for _ = 1, 5 do
        post(client, "x", 0, 0)
      end
      world:turn()
      probe.drop(1, "network", 9)
      world:pass(0.01)
      local first = #sent()
      world:pass(0.4)
      assert.same({ 1, 0 }, { first, #sent() })
      world:pass(60)
      assert.equal(4, #sent())
    end)

    it("goes out so many bytes a second, one that is larger than those of a second too", function()
      local client = up { publish_per_second = 0, burst = 1, bytes_per_second = 1000 }
      post(client, ("x"):rep(3000))
      post(client, "x")
      world:turn()
      assert.equal(1, #sent())
      world:pass(1.9)
      assert.equal(0, #sent())
      world:pass(0.2) -- 3,000 and its header, less the 1,000 that were saved up
      assert.equal(1, #sent())
    end)
  end)

  describe("by priority", function()
    it("overtakes what is lower, and keeps its order", function()
      local client = world:client()
      for id = 1, 6 do
        post(client, "x", ({ 0, 5, 0, 9, 5, 9 })[id])
      end
      client:start()
      world:turn()
      assert.same({ 4, 6, 2, 5, 1, 3 }, sent())
    end)

    it("stays behind what a connection has had before", function()
      local client = world:client()
      probe.script { hold_publishes = true }
      client:start()
      world:turn()
      post(client, "x")
      world:turn()
      assert.same({ 1 }, sent())
      post(client, "x")
      probe.drop(1, "network", 9)
      post(client, "x", 9)
      world:pass(60)
      assert.same({ 1, 3, 2 }, sent())
    end)

    it("is kept as it went out, over a new connection, ids and all", function()
      local client = world:client()
      probe.script { hold_publishes = true }
      for id = 1, 5 do
        post(client, "x", ({ 0, 5, 0, 9, 5 })[id])
      end
      client:start()
      world:turn()
      assert.same({ 4, 2, 5, 1, 3 }, sent())
      post(client, "x", 9)
      probe.drop(1, "network", 9)
      world:pass(60)
      assert.same({ 4, 2, 5, 1, 3, 6 }, sent())
    end)

    it("is dropped last where the queue is full, and may be withdrawn", function()
      local client = world:client { queue = { messages = 3, bytes = 100000, overflow = "drop_oldest" } }
      for id = 1, 5 do
        post(client, "x", ({ 9, 0, 5, 0, 5 })[id])
      end
      world:turn()
      assert.same({ "0 dropped 2 overflow", "0 dropped 4 overflow" }, world:told(client, "delivered", "dropped"))
      client:withdraw(5)
      world:turn()
      client:start()
      world:turn()
      assert.same({ 1, 3 }, sent())
    end)

    it("is in the store", function()
      local folder = assert(process.temporary_folder())
      finally(function() process.remove_folder(folder) end)
      local function settings(name)
        return { queue = { messages = 1000, bytes = 1000000, store = folder .. name, sync = 1000 } }
      end
      local client = world:client(settings "/1")
      for id = 1, 4 do
        post(client, "x", ({ 0, 3, 9, 3 })[id])
      end
      world:turn()
      files.copy_store(folder .. "/1", folder .. "/2")
      local heir = world:client(settings "/2")
      heir:start()
      world:pass(2)
      assert.same({ 3, 2, 4, 1 }, sent())
      client:close(0)
      heir:close(0)
      world:turn()
    end)
  end)
end)
