-- Clients that nobody holds any more, and scripts that never look.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

local function collect()
  collectgarbage()
  collectgarbage()
end

describe("a client that nobody holds", function()
  local world, before

  before_each(function()
    world = virtual.new()
    collect()
    world:turn()
    before = probe.living()
  end)

  after_each(function()
    world:finish()
  end)

  -- Makes that many clients, does something to each, and keeps none.
  local function make(count, act, changes)
    for i = 1, count do
      local settings = { client_id = "c" .. i }
      for key, value in pairs(changes or {}) do
        settings[key] = value
      end
      local client = world:client(settings)
      act(client)
      world:forget(client)
    end
  end

  local ways = {
    ["was never started"] = function() end,
    ["is connected"] = function(client)
      client:subscribe(1, "a/#", 1, false, false, 0)
      client:start()
    end,
    ["has messages to send"] = function(client)
      client:start()
      for qos = 0, 2 do
        client:post("t", "x", qos, false, { user = { a = "b" } }, qos > 0)
      end
    end,
    ["was closed before"] = function(client)
      client:start()
      client:close(0)
    end,
    ["is closing"] = function(client)
      client:post("t", "x", 1, false, nil, true)
      probe.script { connect = "silent" }
      client:start()
      client:close(60000)
    end,
  }

  for name, way in pairs(ways) do
    it("and " .. name .. " leaves nothing", function()
      make(50, way)
      world:turn()
      collect()
      world:turn()
      assert.equal(0, probe.links())
      assert.equal(before, probe.living())
    end)

    it("and " .. name .. " leaves nothing though the keeper has not even heard of it", function()
      make(50, way)
      collect()
      world:turn()
      assert.equal(0, probe.links())
      assert.equal(before, probe.living())
    end)
  end

  it("is one of a thousand", function()
    make(1000, function(client)
      client:subscribe(1, "a", 1, false, false, 0)
      client:post("t", "x", 1, false, nil, true)
      client:start()
    end)
    world:turn()
    -- Some have been collected already, and the rest are up.
    assert.is_true(probe.living() > before)
    collect()
    world:turn()
    assert.equal(0, probe.links())
    assert.equal(before, probe.living())
  end)

  it("takes its leave of the broker", function()
    make(1, function(client) client:start() end)
    world:turn()
    world:asked()
    collect()
    world:turn()
    assert.same({ "close 0 expiry=-1", "destroy" }, world:asked())
  end)

  it("is told nothing any more", function()
    make(1, function(client)
      client:start()
      client:post("t", "x", 1, false, nil, true)
      probe.script { hold_publishes = true }
      world:turn()
    end)
    world.mails = {}
    collect()
    world:turn()
    assert.same({}, world.mails)
  end)

  it("lives on in the mails about it until they are taken", function()
    world.blind = true
    make(10, function(client) client:start() end)
    world:turn()
    collect()
    world:turn()
    assert.equal(0, probe.links())
    assert.equal(before + 10, probe.living())
    world.blind = false
    world:turn()
    assert.equal(before, probe.living())
  end)

  it("does not wait for its queue, or for anything", function()
    make(1, function(client)
      probe.script { connect = "silent" }
      client:start()
      client:post("t", "x", 1, false, nil, true)
    end)
    world:pass(1)
    collect()
    assert.is_nil(world:turn())
    assert.equal(before, probe.living())
  end)
end)

describe("a script that never looks", function()
  local AT_MOST = 1024 -- events in a mailbox

  local world

  before_each(function()
    world = virtual.new()
    world.blind = true
  end)

  after_each(function()
    world:finish()
  end)

  it("is kept a bounded number of events; the rest is counted, and closed still arrives", function()
    local client = world:client()
    client:start()
    world:turn()
    for _ = 1, 1000 do
      client:reconnect() -- lost, connecting, connected, ready
      world:turn()
    end
    client:close(0)
    world:turn()
    assert.equal(3 + 4 * 1000 - AT_MOST, client:status().counters.events_dropped)
    world.blind = false
    world:turn()
    local told = world:told(client)
    assert.equal(AT_MOST + 1, #told)
    assert.equal("0 closed", told[#told])
    assert.equal("0 connecting 1", told[1])
  end)

  it("has the answer to each reauthenticate all the same", function()
    local client = world:client()
    client:start()
    world:turn()
    for _ = 1, 1000 do
      client:reconnect()
      world:turn()
    end
    probe.script { connect = "silent" }
    client:reconnect()
    world:turn()
    assert.is_true(client:reauthenticate(7, "word"))
    assert.is_true(client:reauthenticate(8, "word"))
    world:turn()
    world.blind = false
    world:turn()
    local told = world:told(client)
    assert.same({ AT_MOST + 2, "0 authenticated 7 0", "0 authenticated 8 0" },
      { #told, told[#told - 1], told[#told] })
  end)

  it("is kept a bounded number of verdicts, too", function()
    local client = world:client()
    for wish = 1, 100 do
      client:subscribe(wish, "a", 1, false, false, 0)
    end
    client:start()
    world:turn()
    for _ = 1, 20 do
      probe.script { session_present = 0 }
      client:reconnect()
      world:turn()
    end
    world.blind = false
    world:turn()
    assert.equal(100 + AT_MOST + 100, #world:told(client, "granted")) -- the first of each, and a bounded number more
    assert.equal(20 * 100 - AT_MOST - 100, client:status().counters.events_dropped)
  end)

  it("hears again as soon as it has looked", function()
    local client = world:client()
    client:start()
    for _ = 1, 1000 do
      client:reconnect()
      world:turn()
    end
    world.blind = false
    world:turn()
    world:told(client)
    client:reconnect()
    world:turn()
    assert.same({ "0 lost reconnect uptime=0", "0 connecting 1", "0 connected 1 downtime=0 session=true",
      "0 ready 0 downtime=0" }, world:told(client))
  end)

  it("is bounded client by client", function()
    local client, other = world:client { client_id = "one" }, world:client { client_id = "two" }
    client:start()
    for _ = 1, 1000 do
      client:reconnect()
      world:turn()
    end
    other:start()
    world:turn()
    world.blind = false
    world:turn()
    assert.equal(3, #world:told(other))
  end)

  it("keeps its outcomes and its messages, which have bounds of their own", function()
    local client = world:client { queue = { messages = 5, bytes = 100000 }, inbox = { messages = 5, bytes = 100000 } }
    client:subscribe(1, "t", 1, false, false, 0)
    client:start()
    for _ = 1, 1000 do
      client:reconnect()
      world:turn()
    end
    for _ = 1, 10 do
      client:post("t", "x", 0, false, nil, true)
      world:turn()
    end
    assert.equal(5, client:status().queued.messages)
    world.blind = false
    world:turn()
    assert.equal(5, #world:told(client, "delivered", "dropped"))
  end)

  it("has no credentials asked of it that it would never see", function()
    local client = world:client { ask_credentials = true }
    client:start()
    world:pass(10)
    assert.equal("credentials_timeout", client:status().reason.name)
    world:pass(60 * 400) -- three events an attempt
    assert.same({ "waiting", "out_of_memory" }, { client:status().state, client:status().reason.name })
    world.blind = false
    world:turn()
    world:answer("credentials", function(asking, ticket) asking:credentials(ticket, "u", "p") end)
    world:pass(2)
    assert.equal("connected", client:status().state)
  end)
end)
