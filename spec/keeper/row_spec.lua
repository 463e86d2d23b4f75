-- Outcomes of calls that wait: as long as they say no more than "delivered", those of a row of ids are one mail.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("outcomes in a row", function()
  local world, client

  before_each(function()
    world = virtual.new()
    client = world:client { queue = { messages = 10, bytes = 1000000 } }
    client:start()
    world:pass(20)
    world:told(client)
  end)

  after_each(function()
    world:finish()
  end)

  local function publish(topic)
    return client:post(topic or "t", "x", 1, false, nil, "await")
  end

  local function outcomes()
    return world:told(client, "delivered", "dropped", "room", "lost", "message")
  end

  it("are one mail", function()
    for _ = 1, 5 do
      publish()
    end
    world:turn()
    publish()
    world:turn()
    assert.same({ "20 delivered 1 to 5", "20 delivered 6" }, outcomes())
  end)

  it("are not where another post stands between, or its event", function()
    publish()
    publish()
    client:post("t", "x", 1, false, nil, false)
    publish()
    client:post("t", "x", 1, false, nil, true)
    publish()
    publish()
    world:turn()
    assert.same({ "20 delivered 1 to 2", "20 delivered 4", "20 delivered 5", "20 delivered 6 to 7" }, outcomes())
  end)

  it("are not where the broker says more", function()
    for _, result in ipairs { 0x10, 0x87 } do
      probe.script { publish_result = result, refuse_only = "odd" }
      publish()
      publish()
      publish "odd"
      publish()
      world:turn()
    end
    assert.same({ "20 delivered 1 to 2", "20 delivered 3 no_matching_subscribers", "20 delivered 4",
      "20 delivered 5 to 6", "20 dropped 7 refused not_authorized", "20 delivered 8" }, outcomes())
  end)

  it("stand where they happened among other mails", function()
    client:subscribe(1, "t", 1, false, false, 0)
    world:turn()
    outcomes()
    publish()
    publish()
    world:turn()
    assert.same({ "20 message t x qos=1 for 1", "20 delivered 1", "20 message t x qos=1 for 1", "20 delivered 2" },
      outcomes())
    assert.equal(2, client:status().counters.delivered)
  end)

  it("give all their room in the queue back when they are taken", function()
    world.blind = true
    for _ = 1, 10 do
      publish()
    end
    world:turn()
    assert.equal(10, client:status().queued.messages)
    assert.equal("queue_full", select(3, publish()))
    world.blind = false
    world:turn()
    assert.same({ 0, 0 }, { client:status().queued.messages, client:status().queued.bytes })
    assert.same({ "20 delivered 1 to 10", "20 room" }, outcomes())
  end)

  it("are counted where the queue lets the oldest go", function()
    local other = world:client { queue = { messages = 10, bytes = 1000000, overflow = "drop_oldest" } }
    other:start()
    world:turn()
    world:told(other)
    for _ = 1, 5 do
      other:post("t", "x", 1, false, nil, "await")
    end
    world:turn()
    assert.same({ "20 delivered 1 to 5" }, world:told(other, "delivered", "dropped"))
    assert.same({ 0, 0 }, { other:status().queued.messages, other:status().queued.bytes })
    for _ = 1, 300 do -- as many as may stand untaken, if these still counted as such
      for _ = 1, 5 do
        other:post("t", "x", 1, false, nil, "await")
      end
      world:turn()
    end
    world:told(other)
    other:post("t", "x", 1, false, nil, true)
    world:turn()
    assert.same({ "20 delivered 1506" }, world:told(other, "delivered", "dropped"))
  end)
end)
