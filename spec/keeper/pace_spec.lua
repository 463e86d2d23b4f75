-- How a connection that has just become ready takes up its work: slow start, and the backlog at QoS 0 in bursts.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("after ready", function()
  local world, client

  before_each(function()
    world = virtual.new()
    client = world:client()
  end)

  after_each(function()
    world:finish()
  end)

  local function post(count, qos)
    for _ = 1, count do
      assert(client:post("t", "x", qos or 1, false, nil, false))
    end
  end

  local function sent()
    return #world:asked "publish"
  end

  it("10 messages may be in flight, and one more for each that is acknowledged, up to 100", function()
    probe.script { hold_publishes = true }
    client:start()
    post(900)
    world:turn()
    assert.equal(10, sent())
    world:pass(60)
    assert.equal(0, sent()) -- no time opens it
    local flying = 10
    for round = 1, 90 do
      probe.acknowledge(1, 1)
      world:turn()
      local more = sent()
      flying = flying - 1 + more
      assert.equal(10 + round, flying)
    end
    probe.acknowledge(1, 50)
    world:turn()
    assert.equal(50, sent())
  end)

  it("a refusal of the broker opens it too, since it is an answer", function()
    probe.script { hold_publishes = true, publish_result = 0x97 }
    client:start()
    post(50)
    world:turn()
    assert.equal(10, sent())
    probe.acknowledge(1, 10)
    world:turn()
    assert.equal(20, sent())
  end)

  it("it begins anew with each connection", function()
    client:start()
    post(200)
    world:turn()
    assert.equal(200, sent())
    probe.script { hold_publishes = true }
    post(200)
    world:turn()
    assert.equal(100, sent())
    probe.drop(1, "network", 9)
    world:pass(2)
    assert.equal(10, sent())
  end)

  it("what the session carries counts", function()
    client:start()
    post(200)
    world:turn()
    probe.script { hold_publishes = true }
    post(12, 2)
    world:turn()
    sent()
    probe.drop(1, "network", 9)
    post(50)
    world:pass(2)
    assert.equal(0, sent()) -- 12 of QoS 2 are in flight again, by the link itself
    probe.acknowledge(1, 5)
    world:turn()
    assert.equal(8, sent()) -- 7 of 15
  end)

  it("the backlog at QoS 0 goes out in bursts of what is open, 10 ms apart", function()
    post(400, 0)
    client:start()
    local bursts = {}
    for i = 1, 8 do
      world:turn()
      bursts[i] = sent()
      assert.is_true(i >= 7 or world:turn() == 0.01)
      probe.advance(0.01)
    end
    assert.same({ 10, 20, 40, 80, 100, 100, 50, 0 }, bursts)
    assert.is_nil(world:turn() and world:turn() < 1 or nil)
  end)

  it("what is posted afterwards does not wait", function()
    post(15, 0)
    client:start()
    world:turn()
    assert.equal(10, sent())
    post(300, 0)
    world:turn()
    assert.equal(0, sent()) -- but for its place in the order
    world:pass(0.01)
    assert.equal(305, sent())
  end)

  it("the backlog keeps its order over all QoS", function()
    for _ = 1, 15 do
      post(1, 0)
      post(1, 1)
    end
    client:start()
    world:turn()
    assert.equal(30, sent()) -- an acknowledgement of the 10 at QoS 1 opens it for the rest at QoS 0
    local ids = {}
    post(25, 0)
    post(1, 1)
    world:asked()
    world:turn()
    for i, line in ipairs(world:asked "publish") do
      ids[i] = tonumber(line:match "id=(%d+)$")
    end
    assert.equal(26, #ids)
    for i = 2, #ids do
      assert.equal(ids[i - 1] + 1, ids[i])
    end
  end)

  it("a connection that goes in a burst leaves nothing behind", function()
    post(100, 0)
    client:start()
    world:turn()
    assert.equal(10, sent())
    client:reconnect()
    world:turn()
    assert.equal(10, sent())
    world:pass(1)
    assert.equal(80, sent())
    assert.equal(0, client:status().queued.messages)
  end)
end)
