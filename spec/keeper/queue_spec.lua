-- How much may wait to be sent, and how a poster learns that there is room again.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("the queue", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  local function post(client, notify, payload)
    return client:post("t", payload or "x", 1, false, nil, notify)
  end

  local function fill(client, count)
    for _ = 1, count do
      assert(post(client))
    end
  end

  local function code(...)
    return select("#", ...) == 3 and ... == nil and select(3, ...) or ...
  end

  local function queued(client)
    return client:status().queued.messages
  end

  it("takes as many messages as it says, and no more", function()
    local client = world:client { queue = { messages = 3, bytes = 100000 } }
    fill(client, 3)
    assert.equal("queue_full", code(post(client)))
    assert.equal("queue_full", code(post(client)))
    assert.equal(3, queued(client))
    client:start()
    world:turn()
    assert.equal(0, queued(client))
    assert.equal(4, post(client)) -- an id that was refused is not used up
  end)

  it("takes as many bytes as it says, what carries them included", function()
    local client = world:client()
    post(client)
    local weight = client:status().queued.bytes
    assert.is_true(weight > 2)
    local other = world:client { queue = { messages = 1000, bytes = 3 * weight + 5 } }
    assert(post(other, false, "123456")) -- 5 more than one byte
    fill(other, 2)
    assert.equal("queue_full", code(post(other, false, "")))
    assert.same({ messages = 3, bytes = 3 * weight + 5 }, other:status().queued)
    local exact = world:client { queue = { messages = 1000, bytes = 2 * weight } }
    fill(exact, 2)
    assert.equal("queue_full", code(post(exact, false, "")))
  end)

  it("counts properties", function()
    local client = world:client()
    post(client)
    local weight = client:status().queued.bytes
    client:post("t", "x", 1, false, { content_type = ("x"):rep(100) }, false)
    assert.is_true(client:status().queued.bytes >= 2 * weight + 100)
  end)

  it("refuses for good what it could never take", function()
    local client = world:client { queue = { messages = 10, bytes = 1000 } }
    assert.equal("too_large", code(post(client, false, ("x"):rep(1000))))
    assert.same({ messages = 0, bytes = 0 }, client:status().queued)
    client:start()
    world:pass(5)
    assert.same({}, world:told(client, "room"))
  end)

  -- What frees the queue between the look at it and the flag of who found it full has seen no flag.
  it("says so to who is refused while another thread empties it", function()
    local refused, found, lost = 0, 0, 0
    for _ = 1, 12 do -- until posts have come both before and after the other thread, so that they have met
      local full, unheard = probe.room_race(world:client { queue = { messages = 1, bytes = 100000 } }, 5000)
      refused, found, lost = refused + full, found + 5000 - full, lost + unheard
      world:turn() -- the last one posted is the keeper's, not the next race's
      if refused > 200 and found > 200 then
        break
      end
    end
    assert.is_true(refused > 0)
    assert.equal(0, lost)
  end)

  it("says once that there is room, when an eighth of it is", function()
    local client = world:client { queue = { messages = 16, bytes = 100000 } }
    probe.script { hold_publishes = true }
    client:start()
    fill(client, 16)
    for _ = 1, 5 do
      assert.equal("queue_full", code(post(client)))
    end
    world:pass(1)
    probe.acknowledge(1, 1)
    world:turn()
    assert.same({}, world:told(client, "room"))
    probe.acknowledge(1, 1)
    world:turn()
    assert.same({ "1 room" }, world:told(client, "room"))
    probe.release(1)
    world:turn()
    assert.same({}, world:told(client, "room"))
  end)

  it("says so again after it was full again", function()
    local client = world:client { queue = { messages = 2, bytes = 100000 } }
    probe.script { connect = "silent" }
    client:start()
    fill(client, 2)
    assert.equal("queue_full", code(post(client)))
    world:turn()
    probe.accept(1)
    world:turn()
    assert.same({ "0 room" }, world:told(client, "room"))
    probe.script { hold_publishes = true }
    fill(client, 2)
    assert.equal("queue_full", code(post(client)))
    world:pass(1)
    probe.release(1)
    world:turn()
    assert.same({ "1 room" }, world:told(client, "room"))
  end)

  it("says so of bytes too", function()
    local client = world:client { queue = { messages = 100, bytes = 4000 } }
    probe.script { hold_publishes = true }
    client:start()
    while post(client, false, ("x"):rep(500)) do end
    local count = queued(client)
    assert.is_true(count >= 4 and count < 8)
    world:turn()
    assert.same({}, world:told(client, "room"))
    probe.acknowledge(1, 2)
    world:turn()
    assert.same({ "0 room" }, world:told(client, "room"))
    assert(post(client, false, ("x"):rep(500)))
  end)

  it("does not take room for a few messages for room in bytes", function()
    local client = world:client { queue = { messages = 100, bytes = 4000 } }
    probe.script { hold_publishes = true }
    client:start()
    fill(client, 1)
    assert(post(client, false, ("x"):rep(3500)))
    assert.equal("queue_full", code(post(client, false, ("x"):rep(500))))
    world:turn()
    probe.acknowledge(1, 1)
    world:turn()
    assert.same({}, world:told(client, "room"))
    probe.acknowledge(1, 1)
    world:turn()
    assert.same({ "0 room" }, world:told(client, "room"))
  end)

  it("does not say so to those who were not refused", function()
    local client = world:client { queue = { messages = 2, bytes = 100000 } }
    client:start()
    fill(client, 2)
    world:pass(1)
    assert.same({}, world:told(client, "room"))
  end)

  it("of one message wakes up whoever was refused, wherever its last message is by then", function()
    local client = world:client { queue = { messages = 1, bytes = 100000 } }
    client:start()
    world:turn()
    assert(post(client, true))
    assert.equal("queue_full", code(post(client, true))) -- on its way to the keeper
    world:turn()
    assert.same({ "0 delivered 1", "0 room" }, world:told(client, "delivered", "room"))

    assert(post(client, true))
    world.blind = true
    world:turn()
    assert.equal(1, queued(client)) -- delivered, but nobody has looked
    assert.equal("queue_full", code(post(client, true)))
    world.blind = false
    world:turn()
    assert.same({ "0 delivered 2", "0 room" }, world:told(client, "delivered", "room"))
    assert.equal(0, queued(client))
    assert(post(client, true))
  end)

  it("keeps the room of an outcome until it is taken", function()
    local client = world:client()
    client:start()
    world.blind = true
    assert(post(client, true))
    assert(post(client, false))
    world:pass(3)
    assert.equal(1, queued(client))
    world.blind = false
    world:turn()
    assert.same({ messages = 0, bytes = 0 }, client:status().queued)
  end)

  it("gives all room back, whatever becomes of the messages", function()
    local client = world:client()
    probe.script {
      maximum_packet_size = 200, maximum_qos = 1, retain_available = false, publish_result = 0x87, refuse_only = "no",
    }
    for _, notify in ipairs { true, false } do
      client:post("yes", "x", 0, false, nil, notify)
      client:post("yes", "x", 1, false, { user = { a = "b" } }, notify)
      client:post("no", "x", 1, false, nil, notify)
      client:post("yes", "x", 2, false, nil, notify)
      client:post("yes", "x", 1, true, nil, notify)
      client:post("yes", ("x"):rep(300), 1, false, nil, notify)
      client:withdraw(client:post("yes", "x", 1, false, nil, notify))
    end
    assert.equal(14, queued(client))
    client:start()
    world:pass(1)
    assert.same({ messages = 0, bytes = 0 }, client:status().queued)
    assert.equal(7, #world:told(client, "delivered", "dropped"))
    probe.script { hold_publishes = true }
    client:post("yes", "x", 1, false, nil, true)
    world:pass(1)
    assert.equal(1, queued(client))
    client:close(0)
    client:post("yes", "x", 1, false, nil, true)
    world:turn()
    assert.same({ messages = 0, bytes = 0 }, client:status().queued)
  end)

  it("says nothing of room once the client is closed", function()
    local client = world:client { queue = { messages = 1, bytes = 100000 } }
    assert(post(client, true))
    assert.equal("queue_full", code(post(client, true)))
    client:close(0)
    world:turn()
    assert.same({ "0 dropped 1 closed", "0 closed" }, world:told(client))
  end)

  it("gives nothing back that the link has, whatever its QoS", function()
    local client = world:client()
    probe.script { hold_publishes = true }
    client:start()
    for qos = 0, 2 do
      client:post("t", "x", qos, false, nil, true)
    end
    world:turn()
    for id = 1, 3 do
      client:withdraw(id)
    end
    world:turn()
    assert.same({ "0 not_withdrawn 1", "0 not_withdrawn 2", "0 not_withdrawn 3" },
      world:told(client, "delivered", "not_withdrawn"))
    probe.release(1)
    world:turn()
    assert.same({ "0 delivered 1", "0 delivered 2", "0 delivered 3" }, world:told(client, "delivered"))
  end)
end)
