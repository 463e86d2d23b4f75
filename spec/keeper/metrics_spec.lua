-- What `metrics` has of the process, and status of a client, on virtual time: by reason and cause, and for how long.
local virtual = require "spec.support.virtual"
local core, probe = virtual.core, virtual.probe

describe("metrics", function()
  local world

  before_each(function()
    collectgarbage()
    collectgarbage()
    world = virtual.new()
    world:turn() -- the clients of other specs are gone
  end)

  after_each(function()
    world:finish()
  end)

  -- What has come about by reason since `before`: "source name" -> { failures, losses }.
  local function by_reason(before)
    local found = {}
    for _, row in ipairs(core.metrics().reasons) do
      found[row.source .. " " .. row.name] = { row.failures, row.losses }
    end
    for _, row in ipairs(before.reasons) do
      local now = found[row.source .. " " .. row.name]
      now[1], now[2] = now[1] - row.failures, now[2] - row.losses
      if now[1] == 0 and now[2] == 0 then
        found[row.source .. " " .. row.name] = nil
      end
    end
    return found
  end

  local function drops_since(before)
    local found = {}
    for cause, count in pairs(core.metrics().drops) do
      found[cause] = count > before.drops[cause] and count - before.drops[cause] or nil
    end
    return found
  end

  it("counts failures of attempts and losses of connections by their reason", function()
    local before = core.metrics()
    local client = world:client()
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(1.5) -- two of them
    probe.script { source = "connack", code = 0x88 }
    world:pass(1)
    probe.script { connect = "accept" }
    world:pass(1)
    probe.drop(1, "disconnect", 0x8B)
    world:pass(20)
    probe.drop(1, "network", 9)
    world:turn()
    assert.same({
      ["network connection_refused"] = { 2, 0 }, ["connack server_unavailable"] = { 1, 0 },
      ["disconnect server_shutting_down"] = { 0, 1 }, ["network connection_lost"] = { 0, 1 },
    }, by_reason(before))
    local counters = client:status().counters
    assert.same({ 5, 2, 1, 3, 2 }, { counters.attempts, counters.connects, counters.reconnects, counters.failures,
      counters.losses })
  end)

  it("adds up for how long a client was to be connected and was not", function()
    local before = core.metrics().downtime
    local function total()
      return core.metrics().downtime - before
    end
    local one, other = world:client { client_id = "one" }, world:client { client_id = "two", max_attempts = 1 }
    world:pass(5)
    assert.same({ 0, 0, 0 }, { one:status().downtime, other:status().downtime, total() }) -- neither is to be
    probe.script { connect = "silent" }
    one:start()
    world:pass(2)
    assert.same({ 2, 2 }, { one:status().downtime, total() })
    other:start()
    world:pass(3)
    assert.same({ 5, 3, 8 }, { one:status().downtime, other:status().downtime, total() })
    probe.accept(1)
    world:pass(10) -- which the other one falls asleep in
    assert.same({ "connected", 5 }, { one:status().state, one:status().downtime })
    assert.same({ "sleeping", 13 }, { other:status().state, other:status().downtime })
    assert.equal(18, total())
    other:close(0)
    world:pass(7)
    assert.same({ 13, 18 }, { other:status().downtime, total() })
    probe.script { connect = "accept" }
    probe.drop(1, "network", 9)
    world:pass(4) -- of which it waits for one second
    assert.same({ 6, 19 }, { one:status().downtime, total() })
  end)

  it("says for how long the oldest message of the queue has waited", function()
    local client = world:client()
    assert.is_nil(client:status().queued.oldest)
    client:post("t", "x", 1, false, nil, false)
    world:pass(3)
    client:post("t", "x", 1, false, nil, false)
    world:pass(4)
    assert.equal(7, client:status().queued.oldest)
    probe.script { hold_publishes = true }
    client:start()
    world:pass(2) -- both are with the link
    assert.equal(9, client:status().queued.oldest)
    probe.acknowledge(1, 1)
    world:turn()
    assert.equal(6, client:status().queued.oldest)
    probe.acknowledge(1, 1)
    world:turn()
    assert.is_nil(client:status().queued.oldest)
  end)

  it("knows why messages were dropped", function()
    local before = core.metrics()
    local client = world:client { queue = { messages = 3, bytes = 1000000, overflow = "drop_newest" } }
    client:post("t", "x", 1, false, nil, false, 1000)
    client:post("t", "x", 1, false, nil, false)
    local withdrawn = client:post("t", "x", 1, false, nil, true)
    client:post("t", "x", 1, false, nil, false) -- finds no room
    world:pass(2)
    client:withdraw(withdrawn)
    world:turn()
    probe.script { connect = "accept", publish_result = 0x87 }
    client:start()
    world:pass(1)
    probe.script { hold_publishes = true }
    client:post("t", "x", 1, false, nil, false)
    world:turn()
    client:close(0)
    world:pass(1)
    assert.same({ expired = 1, overflow = 1, withdrawn = 1, refused = 1, closed = 1 }, drops_since(before))
    assert.equal(5, client:status().counters.dropped)
    assert.is_nil(before.drops.kept)
  end)

  it("has a histogram of how long messages wait until Lua is given them", function()
    local client = world:client()
    client:subscribe(1, "#", 2, false, false, 0)
    client:start()
    world:pass(20)
    local before = core.metrics().dispatch
    world.blind = true
    probe.send("t", "x", 0)
    probe.send("t", "x", 1)
    world:pass(0.3)
    probe.send("t", "x", 0)
    world:pass(0.004)
    world.blind = false
    world:turn()
    local after = core.metrics().dispatch
    assert.same({ 3, 0.612 }, { after.count - before.count, math.floor((after.sum - before.sum) * 1e6 + 0.5) / 1e6 })
    local last = { le = 0, count = 0 }
    for index, bucket in ipairs(after.buckets) do
      local expected = bucket.le < 0.004 and 0 or bucket.le < 0.304 and 1 or 3
      assert.equal(expected, bucket.count - before.buckets[index].count, bucket.le)
      assert.is_true(bucket.le > last.le and bucket.count >= last.count)
      last = bucket
    end
    assert.same({ math.huge, after.count }, { last.le, last.count })
  end)
end)
