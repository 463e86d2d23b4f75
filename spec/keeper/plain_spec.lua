-- The short way of post and publish, which reads the options itself: what it takes comes out as by the long way, and
-- everything else is left to that, untouched.
local virtual = require "spec.support.virtual"

local core = virtual.core

describe("the short way", function()
  local world, handle, client, left, post

  before_each(function()
    world = virtual.new()
    handle = world:client { queue = { messages = 50, bytes = 1000000, ttl = 7000 } }
    client = { handle = handle, defaults = {} }
    left = 0
    post = core.poster(function(...)
      left = left + 1
      return "long", ...
    end)
  end)

  after_each(function()
    world:finish()
  end)

  local function up()
    handle:start()
    world:pass(20)
    world:told(handle)
    world:asked()
  end

  local function outcomes()
    return world:told(handle, "delivered", "dropped")
  end

  it("posts what it is given", function()
    up()
    assert.equal(1, post(client, "a", "x"))
    assert.equal(2, post(client, "a/\195\164", "", nil))
    assert.equal(3, post(client, "b", "x", {}))
    assert.equal(4, post(client, "c", "x", { qos = 1 }))
    assert.equal(5, post(client, "d", "x", { qos = 2.0, retain = true, ttl = 0.0001 }))
    assert.equal(6, post(client, "e", "x", { qos = 0, retain = false }))
    world:turn()
    assert.same({ "publish a qos=0 id=1", "publish a/\195\164 qos=0 id=2", "publish b qos=0 id=3",
      "publish c qos=1 id=4", "publish d qos=2 id=5", "publish e qos=0 id=6" }, world:asked "publish")
    assert.equal(0, left)
  end)

  it("looks at each topic, whatever was posted before", function()
    local long = ("x"):rep(100)
    for _, topic in ipairs { "good/topic", "good/topic", "good/topik", long, long, "good/topic" } do
      assert.is_number((post(client, topic, "x")))
      for _, bad in ipairs { "", "good/topi#", "good/top\0c", "good/topic#", "good/\255opic", long .. "#" } do
        assert.equal("long", (post(client, bad, "x")))
        assert.is_nil(core.plain_publish(client, bad, "x"))
      end
    end
    local another = { handle = world:client(), defaults = {} }
    assert.equal("long", (post(another, "", "x")))
    assert.equal(1, (post(another, "good/topic", "x")))
  end)

  it("has the time of the queue, or its own", function()
    handle:posting(true)
    post(client, "t", "x")
    post(client, "t", "x", { ttl = 3.5 })
    post(client, "t", "x", { ttl = 0.0001 })
    world:pass(10)
    assert.same({ "0.001 dropped 3 expired", "3.5 dropped 2 expired", "7 dropped 1 expired" }, outcomes())
  end)

  it("asks for outcomes when somebody listens", function()
    up()
    post(client, "t", "x")
    handle:posting(true)
    post(client, "t", "x")
    handle:posting(false)
    post(client, "t", "x")
    world:turn()
    assert.same({ "20 delivered 2" }, outcomes())
  end)

  local function untouched(...)
    local given, answer = { ... }, { post(...) }
    assert.equal("long", answer[1])
    for place = 1, 4 do
      assert.equal(given[place], answer[place + 1])
    end
    assert.equal(0, select("#", core.plain_publish(...)))
  end

  it("leaves to the long way what it does not know, or what is wrong", function()
    local own = { defaults = {} }
    for _, object in ipairs { own, "a", 5, false, handle } do
      untouched(object, "t", "x")
    end
    untouched(nil, "t", "x")
    own.handle = io.stdout
    untouched(own, "t", "x")
    for _, arguments in ipairs { { "" }, { "a/#", "" }, { "a/+", "" }, { "a\0", "" }, { "a\127", "" }, { "a\n", "" },
      { "\255", "" }, { ("x"):rep(65536), "" }, { 5, "" }, { "t", 5 }, { "t", {} }, { "t" } } do
      untouched(client, arguments[1], arguments[2])
    end
    for _, options in ipairs { 5, "qos", false, { qos = 3 }, { qos = -1 }, { qos = 0.5 }, { qos = "1" },
      { qos = 0 / 0 }, { retain = 1 },
      { ttl = 0 }, { ttl = -1 }, { ttl = 0 / 0 }, { ttl = 1e10 }, { ttl = "1" }, { retian = true }, { ["qos\0"] = 1 },
      { 1 }, { [true] = 1 }, { properties = {} }, setmetatable({}, {}),
      setmetatable({ qos = 1 }, { __index = {} }) } do
      untouched(client, "t", "x", options)
    end
    assert.equal(0, handle:status().queued.messages)
  end)

  it("leaves what client.defaults has something to say to", function()
    client.defaults = { post = { qos = 1 } }
    assert.equal("long", (post(client, "t", "x")))
    client.defaults = { publish = { qos = 1 } }
    assert.equal(1, (post(client, "t", "x")))
    assert.is_nil(core.plain_publish(client, "t", "x"))
    client.defaults = setmetatable({}, { __index = { post = {} } })
    assert.equal("long", (post(client, "t", "x")))
    client.defaults = 5
    assert.equal("long", (post(client, "t", "x")))
    client.defaults = nil
    assert.equal(2, (post(client, "t", "x")))
  end)

  it("leaves what is not accepted, a full queue and a closed client", function()
    for _ = 1, 50 do
      assert.is_number(post(client, "t", "x"))
    end
    assert.equal("long", (post(client, "t", "x")))
    assert.is_nil(core.plain_publish(client, "t", "x"))
    handle:close(0)
    world:turn()
    assert.equal("long", (post(client, "t", "x")))
  end)

  it("passes on what the long way throws, with its level", function()
    local throwing = core.poster(function()
      error("wrong", 3)
    end)
    local fine, err = pcall(function()
      throwing(client, "", "")
    end)
    assert.is_false(fine)
    assert.matches("plain_spec%.lua:%d+: wrong$", err)
  end)

  describe("of publish", function()
    it("says what the caller has to wait for, and how long", function()
      up()
      assert.same({ 1 }, { core.plain_publish(client, "t", "x", { qos = 1 }) })
      assert.same({ 2, 2.5 }, { core.plain_publish(client, "t", "x", { timeout = 2.5 }) })
      assert.same({ 3, 0 }, { core.plain_publish(client, "t", "x", { timeout = 0 }) })
      for _, timeout in ipairs { -1, 1e10, "1", 0 / 0 } do
        assert.is_nil(core.plain_publish(client, "t", "x", { timeout = timeout }))
      end
      world:turn()
      assert.same({ "20 delivered 1 to 3" }, outcomes())
    end)

    it("is none while the client is wary, which posts go by", function()
      handle:beware(true)
      assert.is_nil(core.plain_publish(client, "t", "x"))
      assert.equal(1, (post(client, "t", "x")))
      handle:beware(false)
      assert.equal(2, core.plain_publish(client, "t", "x"))
    end)
  end)
end)
