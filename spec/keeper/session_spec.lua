-- What a CONNACK says of the session and of itself, and what follows for this connection and the next.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("a session", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  it("that is there although none was wanted ends the connection [MQTT-3.2.2-4]", function()
    local client = world:client { clean_start = true }
    probe.script { session_present = 1 }
    client:start()
    world:pass(0.5)
    probe.script { session_present = -1 }
    world:pass(2)
    assert.same({
      "0 connecting 1",
      "0 failed session_mismatch 1 retry_in=1",
      "1 connecting 2",
      "1 connected 2 downtime=1 session=false",
      "1 ready 0 downtime=1",
    }, world:told(client))
    assert.same({ "open a:1883 id=c clean=1 protocol=5", "abandon", "open a:1883 id=c clean=1 protocol=5" },
      world:asked())
  end)

  it("under an id that was drawn for this client cannot be its own", function()
    for _, protocol in ipairs { 5, 4 } do
      local client = world:client { end_session = true, protocol = protocol }
      client:subscribe(1, "a", 1, false, false, 0)
      probe.script { session_present = 1 }
      client:start()
      world:pass(0.5)
      assert.equal("session_mismatch", client:history()[1].name)
      probe.script { session_present = -1 }
      world:pass(20) -- the broker's own word from here on
      probe.drop(1, "network", 9)
      world:pass(5)
      assert.same({
        ("open a:1883 id=c clean=0 protocol=%d"):format(protocol), "abandon",
        ("open a:1883 id=c clean=1 protocol=%d"):format(protocol),
        ("open a:1883 id=c clean=0 protocol=%d"):format(protocol), -- by then it is
      }, world:asked("open", "abandon"))
      assert.is_true(client:status().session_present)
      client:close(0)
      world:turn()
      world:asked()
    end
  end)

  it("is started anew by the first connection only", function()
    local client = world:client { clean_start = true }
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(0.5)
    probe.script { connect = "accept" }
    world:pass(10)
    probe.drop(1, "network", 9)
    world:pass(5)
    assert.same({
      "open a:1883 id=c clean=1 protocol=5", -- refused: it was not yet the first connection
      "open a:1883 id=c clean=1 protocol=5",
      "open a:1883 id=c clean=0 protocol=5",
    }, world:asked())
    assert.equal(2, #world:told(client, "connected"))
  end)

  it("of an earlier process is ours when it was kept on purpose", function()
    local before = world:client()
    before:start()
    world:pass(1)
    before:close(0)
    world:turn()
    local client = world:client()
    client:subscribe(1, "a", 1, false, false, 0)
    world:asked()
    client:start()
    world:turn()
    assert.same({ "1 connected 1 downtime=0 session=true", "1 granted 1 qos=1", "1 ready 1 downtime=0" },
      world:told(client, "connected", "granted", "ready"))
    assert.same({ "subscribe a qos=1 identifier=1" }, world:asked "subscribe") -- it knows nothing of our wish
    assert.is_true(client:status().session_present)
  end)

  it("that two clients fight over is given up by one of them", function()
    local one, other = world:client(), world:client()
    one:start()
    world:pass(5)
    other:start()
    world:pass(3600)
    assert.same({
      "0 connecting 1",
      "5 lost session_taken_over uptime=5 retry_in=30", -- slow the first time
      "35 connecting 2",
      "65 lost session_taken_over uptime=30",
      "65 sleeping session_taken_over",
    }, world:told(one, "connecting", "lost", "failed", "sleeping"))
    assert.same({
      "5 connecting 1",
      "35 lost session_taken_over uptime=30 retry_in=30",
      "65 connecting 1",
    }, world:told(other, "connecting", "lost", "failed", "sleeping"))
  end)

  it("that goes on in another connection is come back to at once, on the same server", function()
    local client = world:client { servers = { virtual.server "a", virtual.server "b" }, max_attempts = 3 }
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:turn()
    probe.script { connect = "accept" }
    world:pass(1)
    assert.same({ "0 failed connection_refused 1 retry_in=1", "1 connected 2 downtime=1 session=false" },
      world:told(client, "failed", "connected"))
    world:asked()
    for _ = 1, 5 do -- no failure, and no attempt too many
      probe.renew(1)
      world:turn()
      assert.same({ "close 0 expiry=-1", "open b:1883 id=c clean=0 protocol=5" }, world:asked("close", "open"))
    end
    assert.equal(0, #world:told(client, "connecting", "connected", "ready", "lost", "failed")) -- and not a word of it
    probe.renew(1)
    probe.drop(1, "network", 9) -- crossed
    world:pass(5)
    assert.equal("connected", client:status().state)
    probe.script { connect = "silent" }
    probe.drop(1, "network", 9)
    probe.renew(1)
    world:pass(0.5)
    assert.equal("waiting", client:status().state) -- it is told too late
    probe.script { connect = "accept" }
  end)

  it("is shown as present only while connected", function()
    local client = world:client()
    client:start()
    world:pass(1)
    client:reconnect()
    world:turn()
    assert.is_true(client:status().session_present)
    probe.drop(1, "network", 9)
    world:turn()
    assert.is_false(client:status().session_present)
  end)
end)

describe("a broker", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  local REFUSED_V5, REFUSED_V3 = 0x84, 1

  it("that does not speak MQTT 5 is spoken to in 3.1.1, if that is allowed", function()
    local client = world:client { fallback = true }
    probe.script { connect = "refuse", source = "connack", code = REFUSED_V5 }
    client:start()
    world:pass(0.5)
    probe.script { connect = "accept" }
    world:pass(5)
    local told = world:told(client)
    probe.drop(1, "network", 9)
    world:pass(5)
    assert.same({
      "0 connecting 1",
      "0 failed downgraded 1 retry_in=1",
      "1 connecting 2",
      "1 connected 2 downtime=1 session=false",
      "1 ready 0 downtime=1",
    }, told)
    assert.same({
      "open a:1883 id=c clean=0 protocol=5",
      "open a:1883 id=c clean=0 protocol=4",
      "open a:1883 id=c clean=0 protocol=4",
    }, world:asked())
    assert.equal(4, client:status().protocol)
    local first = client:history()[1]
    assert.same({ "downgraded", "connack", 1 }, { first.name, first.phase, first.delay })
  end)

  it("that refuses for another reason is not taken for an old one", function()
    local client = world:client { fallback = true }
    probe.script { connect = "refuse", source = "connack", code = 0x88 }
    client:start()
    world:pass(1)
    assert.same({ "0 failed server_unavailable 1 retry_in=1", "1 failed server_unavailable 2 retry_in=1" },
      world:told(client, "failed"))
    assert.equal(5, client:status().protocol)
  end)

  it("that does not speak 3.1.1 either ends the attempts", function()
    local client = world:client { fallback = true }
    probe.script { connect = "refuse", source = "connack", code = REFUSED_V5 }
    client:start()
    world:pass(0.5)
    probe.script { source = "connack_v3", code = REFUSED_V3 }
    world:pass(3600)
    assert.same({
      "0 failed downgraded 1 retry_in=1",
      "1 failed unsupported_protocol_version 2",
      "1 sleeping unsupported_protocol_version",
    }, world:told(client, "failed", "sleeping"))
  end)

  it("that does not speak 3.1.1 is spoken to in 5, though another one had to be spoken to in 3.1.1", function()
    local client = world:client { fallback = true, servers = { virtual.server "old", virtual.server "new" } }
    local function meet(...)
      probe.script(...)
      world:pass(1)
    end
    local refuses_5 = { connect = "refuse", source = "connack", code = REFUSED_V5 }
    local refuses_4 = { connect = "refuse", source = "connack_v3", code = REFUSED_V3 }
    local is_gone = { connect = "refuse", source = "network", code = 2 }
    probe.script(refuses_5)
    client:start()
    world:turn()
    meet { connect = "accept" }
    for _ = 1, 2 do
      world:pass(20)
      probe.drop(1, "network", 9)
      meet(is_gone)
      meet(refuses_4)
      meet { connect = "accept" }
      world:pass(20)
      probe.drop(1, "network", 9)
      meet(refuses_5)
      meet { connect = "accept" }
    end
    local expected = { "old 5", "old 4" }
    for _ = 1, 2 do
      for _, one in ipairs { "old 4", "new 4", "new 5", "old 5", "old 4" } do
        expected[#expected + 1] = one
      end
    end
    local asked = {}
    for _, line in ipairs(world:asked "open") do
      asked[#asked + 1] = line:gsub("^open (%a+):.* protocol=", "%1 ")
    end
    assert.same(expected, asked)
    local names = {}
    for _, line in ipairs(world:told(client, "failed")) do
      names[#names + 1] = line:match "failed (%S+)"
    end
    assert.equal("downgraded connection_refused upgraded downgraded connection_refused upgraded downgraded",
      table.concat(names, " "))
  end)

  -- RabbitMQ 3.10 closes the connection over a CONNECT of MQTT 5.
  local SILENT = { connect = "refuse", source = "network", code = 8 }

  local function protocols()
    local asked = {}
    for _, line in ipairs(world:asked "open") do
      asked[#asked + 1] = line:match "protocol=(%d)"
    end
    return table.concat(asked)
  end

  it("that closes over MQTT 5 without a word is spoken to in 3.1.1 after the second time", function()
    local client = world:client { fallback = true }
    probe.script(SILENT)
    client:start()
    world:pass(1.5)
    probe.script { connect = "accept" }
    world:pass(20)
    assert.same({ "0 failed closed_before_connack 1 retry_in=1", "1 failed downgraded 2 retry_in=1" },
      world:told(client, "failed"))
    assert.equal("up", client:history()[3].phase)
    probe.drop(1, "network", 9)
    probe.script(SILENT) -- an outage, by then
    world:pass(5)
    probe.script { connect = "accept" }
    world:pass(60)
    assert.matches("^5544+$", protocols())
    assert.equal(4, client:status().protocol)
  end)

  it("that closes over 3.1.1 as well was only away, and the next try of that comes much later", function()
    local client = world:client { fallback = true, slow = virtual.constant(1000) }
    probe.script(SILENT)
    client:start()
    world:pass(55)
    assert.matches("^554" .. ("5"):rep(8) .. "4" .. ("5"):rep(32) .. "4" .. "5", protocols())
    probe.script { connect = "accept" }
    world:pass(5)
    assert.equal(5, client:status().protocol)
  end)

  it("that refuses in the words of 3.1.1 speaks it", function()
    local client = world:client { fallback = true, slow = virtual.constant(1000) }
    probe.script(SILENT)
    client:start()
    world:pass(1.5)
    probe.script { source = "connack_v3", code = 5 }
    world:pass(1)
    probe.script { connect = "accept" }
    world:pass(5)
    assert.equal("5544", protocols())
  end)

  it("that has spoken MQTT 5 and closes is away, whatever is allowed; so is one that is refused", function()
    for _, changes in ipairs { { fallback = true }, { fallback = false } } do
      local client = world:client(changes)
      client:start()
      if changes.fallback then
        world:pass(20)
        probe.drop(1, "network", 9)
      end
      probe.script(SILENT)
      world:pass(20)
      assert.matches("^5+$", protocols())
      probe.script { connect = "accept" }
      client:close(0)
      world:pass(60)
      world:asked()
    end
  end)

  it("is spoken to in no other version while exactly once is in the middle of something", function()
    local client = world:client { fallback = true }
    client:start()
    world:pass(20)
    probe.script { hold_publishes = true }
    client:post("a", "x", 2, false, nil, false)
    world:pass(1)
    probe.drop(1, "network", 9)
    probe.script { connect = "refuse", source = "connack", code = REFUSED_V5 }
    world:pass(20)
    assert.equal("55", protocols())
    assert.same({ "22 failed unsupported_protocol_version 1" }, world:told(client, "failed"))
    assert.equal(5, client:status().protocol)
    probe.script { connect = "accept", hold_publishes = false }
  end)

  it("that does not speak MQTT 5 ends the attempts where no fallback is allowed", function()
    local client = world:client()
    probe.script { connect = "refuse", source = "connack", code = REFUSED_V5 }
    client:start()
    world:pass(3600)
    assert.same({ "0 failed unsupported_protocol_version 1", "0 sleeping unsupported_protocol_version" },
      world:told(client, "failed", "sleeping"))
    assert.equal(1, #world:asked "open")
  end)

  it("is asked by the client id that it has assigned", function()
    local client = world:client { client_id = "" }
    assert.equal("", client:status().client_id)
    probe.script { assigned_client_id = "auto-17" }
    client:start()
    world:pass(1)
    assert.equal("auto-17", client:status().client_id)
    probe.script { assigned_client_id = false }
    probe.drop(1, "network", 9)
    world:pass(5)
    assert.same({ "open a:1883 id= clean=0 protocol=5", "open a:1883 id=auto-17 clean=0 protocol=5" }, world:asked())
    assert.equal("auto-17", client:status().client_id)
  end)

  it("may give another id, shorter than the one before", function()
    local client = world:client { client_id = "" }
    for _, id in ipairs { "a-rather-long-identifier", "short" } do
      probe.script { assigned_client_id = id }
      client:start()
      client:reconnect()
      world:pass(1)
      assert.equal(id, client:status().client_id)
    end
  end)

  it("may not rename a client that has a name, nor give one that no CONNECT can carry", function()
    for _, case in ipairs { { "kitchen", "cellar" }, { "", "\201x" }, { "", "" } } do
      local client = world:client { client_id = case[1] }
      probe.script { assigned_client_id = case[2] }
      client:start()
      world:pass(1)
      assert.equal(case[1], client:status().client_id)
      client:close(0)
      world:pass(1)
    end
  end)

  it("may not bring the queue to a stop by a Receive Maximum of 0, which is a protocol error", function()
    local client = world:client()
    probe.script { receive_maximum = 0 }
    client:start()
    client:post("a", "x", 1, false, nil, true)
    world:pass(1)
    assert.same({ "open a:1883 id=c clean=0 protocol=5", "abandon" }, world:asked())
    probe.script { receive_maximum = 1 }
    world:pass(60)
    assert.same(0, client:status().queued.messages)
    assert.equal(1, client:status().counters.delivered)
  end)

  it("sets the keep alive while connected", function()
    local client = world:client { keep_alive = 20 }
    assert.equal(20, client:status().keep_alive)
    probe.script { server_keep_alive = 7 }
    client:start()
    world:pass(1)
    assert.equal(7, client:status().keep_alive)
    probe.script { server_keep_alive = 0 } -- the broker leaves it to us
    probe.drop(1, "network", 9)
    world:pass(0.5)
    assert.equal(20, client:status().keep_alive)
    world:pass(1)
    assert.equal(20, client:status().keep_alive)
  end)
end)
