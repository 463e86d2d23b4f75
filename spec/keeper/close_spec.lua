-- close(0) in every state: nothing is opened afterwards, one `closed`, no link left.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

local HOUR = 3600

-- state -> settings, and what brings a client there
local ways = {
  idle = { {}, function() end },
  ["idle with wishes and messages"] = { {}, function(_, client)
    client:subscribe(1, "a", 1, false, false, 0)
    client:post("a", "x", 1, false, nil, false)
    client:post("a", "x", 0, false, nil, false)
  end },
  connecting = { {}, function(world, client)
    probe.script { connect = "silent" }
    client:start()
    world:pass(3)
  end },
  credentials = { { ask_credentials = true }, function(world, client)
    client:start()
    world:pass(3)
  end },
  waiting = { {}, function(world, client)
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(0.5)
  end },
  ["waiting with a delay asked for"] = { { ask_delay = true }, function(world, client)
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(0.5)
  end },
  connected = { {}, function(world, client)
    client:start()
    world:pass(30)
  end },
  ["connected, not ready"] = { {}, function(world, client)
    client:subscribe(1, "a", 1, false, false, 0)
    probe.script { hold_subscriptions = true }
    client:start()
    world:pass(3)
  end },
  ["connected with a probe out"] = { {}, function(world, client)
    client:start()
    world:pass(30)
    probe.script { hold_subscriptions = true }
    client:network_changed()
    world:pass(1)
  end },
  ["connected with messages in flight"] = { {}, function(world, client)
    probe.script { hold_publishes = true }
    client:start()
    world:pass(3)
    for qos = 0, 2 do
      client:post("a", "x", qos, false, nil, false)
    end
    world:pass(3)
  end },
  sleeping = { { max_attempts = 1 }, function(world, client)
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(3)
  end },
  ["sleeping for a while"] = { { max_attempts = 1, sleep_for = 60000 }, function(world, client)
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(3)
  end },
  held = { { inbox = { messages = 1, bytes = 1000 } }, function(world, client)
    client:start()
    client:subscribe(1, "a", 1, false, false, 0)
    world:turn()
    probe.send("a", "x", 1)
    probe.send("a", "x", 1)
    world:pass(3)
    assert.are.equal("slow_consumer", client:status().held_by)
  end },
}

local names = {}
for name in pairs(ways) do
  names[#names + 1] = name
end
table.sort(names)

describe("close", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  -- Nothing may be opened from here on, and the link must be gone.
  local function quiet_from_now(client)
    local links = probe.links()
    world:told(client)
    world:asked()
    local now = world:now()
    client:close(0)
    probe.script { connect = "accept" }
    world:pass(HOUR)
    assert.same({}, world:asked "open")
    assert.equal(0, probe.links())
    local told = world:told(client, "closed", "connecting", "connected", "ready", "lost", "failed", "sleeping")
    assert.same({ ("%.10g closed"):format(now) }, told)
    assert.equal("closed", client:status().state)
    return links
  end

  for _, name in ipairs(names) do
    it("ends a client that is " .. name, function()
      local client = world:client(ways[name][1])
      ways[name][2](world, client)
      quiet_from_now(client)
    end)

    it("wins over all that is asked in the same breath of a client that is " .. name, function()
      local client = world:client(ways[name][1])
      ways[name][2](world, client)
      world:asked()
      client:close(0)
      client:start()
      client:wake()
      client:reconnect()
      client:network_changed()
      client:subscribe(9, "z", 1, false, false, 0)
      client:consumed(0, 0)
      world:turn()
      assert.same({}, world:asked("open", "subscribe", "probe"))
      assert.equal(0, probe.links())
    end)

    it("may be repeated by a client that is " .. name, function()
      local client = world:client(ways[name][1])
      ways[name][2](world, client)
      for _ = 1, 3 do
        client:close(0)
        client:close(5000)
      end
      world:pass(1)
      client:close(0)
      world:pass(10)
      assert.equal(1, #world:told(client, "closed"))
      assert.equal(0, probe.links())
    end)
  end

  it("sends DISCONNECT and keeps the session", function()
    local client = world:client()
    client:start()
    world:pass(30)
    world:asked()
    client:close(0)
    world:turn()
    assert.same({ "close 0 expiry=-1", "destroy" }, world:asked())
  end)

  it("ends a session that nobody could ever claim again", function()
    local client = world:client { end_session = true }
    client:start()
    world:pass(30)
    client:reconnect()
    world:pass(1)
    client:close(0)
    world:turn()
    assert.same({ "close 0 expiry=-1", "close 0 expiry=0" }, world:asked "close")
  end)

  it("says nothing to a broker that has not answered yet", function()
    local client = world:client()
    probe.script { connect = "silent" }
    client:start()
    world:pass(3)
    client:close(0)
    world:turn()
    assert.same({ "open a:1883 id=c clean=0 protocol=5", "abandon", "destroy" }, world:asked())
  end)

  it("waits until DISCONNECT is out, however often it is called", function()
    local client = world:client()
    client:start()
    world:pass(30)
    probe.script { hold_close = true }
    world:told(client)
    client:close(0)
    world:pass(0.3)
    client:close(0)
    client:close(200)
    world:pass(0.3)
    assert.same({}, world:told(client))
    assert.equal(1, probe.links())
    probe.release(1)
    world:turn()
    assert.same({ "30.6 closed" }, world:told(client))
    assert.equal(0, probe.links())
  end)

  it("during the leave of a reconnect opens nothing any more", function()
    local client = world:client()
    client:start()
    world:pass(30)
    probe.script { hold_close = true }
    client:reconnect()
    world:pass(0.3)
    world:asked()
    client:close(0)
    world:pass(0.3)
    assert.same({}, world:told(client, "closed"))
    probe.release(1)
    world:pass(HOUR)
    assert.same({ "30.6 closed" }, world:told(client, "closed"))
    assert.same({ "destroy" }, world:asked())
  end)

  it("frees a client that never had a link", function()
    local client = world:client()
    client:close(0)
    world:turn()
    assert.same({ "0 closed" }, world:told(client))
    assert.same({}, world:asked())
  end)

  it("lets nothing in any more", function()
    local client = world:client()
    client:start()
    world:pass(1)
    client:close(0)
    assert.same({ "closed" }, { select(3, client:post("a", "x", 1, false, nil, true)) })
    world:turn()
    assert.same({ "closed" }, { select(3, client:post("a", "x", 1, false, nil, true)) })
    assert.equal(0, client:status().queued.messages)
  end)

  it("is the last that is told when messages are still on their way", function()
    local client = world:client()
    client:subscribe(1, "a", 1, false, false, 0)
    client:start()
    world:turn()
    client:close(0)
    for _ = 1, 3 do
      probe.send("a", "x", 1)
    end
    world:turn()
    local told = world:told(client)
    assert.equal("0 closed", told[#told])
    assert.equal("0 message a x qos=1 for 1", told[#told - 1])
  end)

  it("of one client leaves the others alone", function()
    local one, other = world:client { client_id = "one" }, world:client { client_id = "other" }
    one:start()
    other:start()
    world:pass(30)
    world:told(other)
    one:close(0)
    world:pass(HOUR)
    assert.same({}, world:told(other))
    assert.equal("connected", other:status().state)
    assert.equal(1, probe.links())
  end)
end)
