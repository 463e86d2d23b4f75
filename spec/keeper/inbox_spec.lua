-- A script that is slower than the broker: what is dropped, what is not, and when the client steps away.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("the inbox", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  -- A client with a wish for everything; nothing is left to be told or asked.
  local function up(messages, bytes, changes)
    local settings = { inbox = { messages = messages, bytes = bytes or 1000000 } }
    for key, value in pairs(changes or {}) do
      settings[key] = value
    end
    local client = world:client(settings)
    client:subscribe(1, "#", 2, false, false, 0)
    client:start()
    world:pass(20)
    world:told(client)
    world:asked()
    return client
  end

  local function send(count, qos, payload)
    for i = 1, count do
      probe.send("t", payload or tostring(i), qos)
    end
    world:turn()
  end

  it("drops QoS 0 past its mark, counts it, and stays connected", function()
    local client = up(3)
    send(5, 0)
    assert.same({ "20 message t 1 qos=0 for 1", "20 message t 2 qos=0 for 1", "20 message t 3 qos=0 for 1" },
      world:told(client))
    local status = client:status()
    assert.same({ "connected", 5, 2 }, { status.state, status.counters.received, status.counters.inbox_dropped })
    assert.same({ messages = 3, bytes = 6 }, status.inbox)
  end)

  it("has room for answers to questions beyond its mark, as much again and no more", function()
    local client = up(3)
    client:subscribe(2, "answers", 0, false, false, 0)
    client:answers(2)
    world:pass(1)
    send(5, 0)
    world:told(client)
    for i = 1, 5 do
      probe.send("answers", tostring(i), 0)
    end
    world:turn()
    send(1, 0)
    assert.same({ "21 message answers 1 qos=0 for 2", "21 message answers 2 qos=0 for 2",
      "21 message answers 3 qos=0 for 2" }, world:told(client))
    -- 2 of the first 5, the copies of the answers for "#", 2 of the answers, the last one
    assert.equal(2 + 5 + 2 + 1, client:status().counters.inbox_dropped)
  end)

  it("takes no message without a topic, which is for nobody: the broker has broken the protocol", function()
    local client = up(3)
    local text
    world:answer("event", function(_, name, event)
      text = name == "lost" and event.reason.text or text
    end)
    probe.send("", "x", 1)
    world:turn()
    assert.same({ "20 lost protocol_error uptime=20 retry_in=30" }, world:told(client))
    assert.equal("PUBLISH without a topic", text)
    assert.same({ "abandon" }, world:asked "abandon")
    assert.same({ messages = 0, bytes = 0 }, client:status().inbox)
    world:pass(60)
    assert.equal("connected", client:status().state)
  end)

  it("takes QoS 0 again as soon as one message is consumed", function()
    local client = up(3)
    send(4, 0)
    client:consumed(1, 2)
    send(2, 0)
    assert.equal(4, #world:told(client, "message"))
    assert.equal(2, client:status().counters.inbox_dropped)
  end)

  it("counts bytes as well", function()
    local client = up(1000, 10)
    send(3, 0, "12345678") -- 9 with the topic: below the mark, past it, past it
    assert.equal(2, #world:told(client, "message"))
    assert.equal(1, client:status().counters.inbox_dropped)
    client:consumed(2, 18)
    assert.same({ messages = 0, bytes = 0 }, client:status().inbox)
    send(1, 0)
    assert.equal(1, #world:told(client, "message"))
  end)

  it("never drops QoS 1: the client steps away until half of it is consumed", function()
    local client = up(4)
    send(5, 1)
    assert.same({
      "20 message t 1 qos=1 for 1",
      "20 message t 2 qos=1 for 1",
      "20 message t 3 qos=1 for 1",
      "20 message t 4 qos=1 for 1",
      "20 message t 5 qos=1 for 1",
      "20 lost slow_consumer uptime=20",
    }, world:told(client))
    assert.same({ "close 0 expiry=-1" }, world:asked())
    local status = client:status()
    assert.same({ "waiting", "slow_consumer", nil, 0 },
      { status.state, status.held_by, status.retry_in, status.counters.inbox_dropped })
    world:pass(3600)
    client:consumed(2, 4)
    world:pass(3600)
    assert.same({}, world:told(client))
    assert.same({}, world:asked())
    client:consumed(1, 2) -- two of four are left
    world:pass(1)
    assert.same({ "7220 connecting 1", "7220 connected 1 downtime=7200 session=true", "7220 ready 1 downtime=7200" },
      world:told(client))
    assert.is_nil(client:status().held_by)
  end)

  it("never drops QoS 2 either", function()
    local client = up(1)
    send(3, 2)
    assert.equal(3, #world:told(client, "message"))
    assert.equal("slow_consumer", client:status().held_by)
  end)

  it("loses nothing that the link had already taken", function()
    local client = up(2)
    send(50, 1)
    assert.equal(50, #world:told(client, "message"))
    assert.same({ "close 0 expiry=-1" }, world:asked())
    assert.equal(50, client:status().inbox.messages)
  end)

  it("steps away for bytes, and comes back for bytes", function()
    local client = up(1000, 100)
    send(1, 1, ("x"):rep(99))
    assert.is_nil(client:status().held_by)
    send(1, 1, ("x"):rep(19))
    assert.equal("slow_consumer", client:status().held_by)
    client:consumed(1, 60)
    world:turn()
    assert.equal("slow_consumer", client:status().held_by)
    client:consumed(0, 10) -- 50 of 100 are left
    world:turn()
    assert.is_nil(client:status().held_by)
    client:consumed(1, 50)
  end)

  it("needs both below half", function()
    local client = up(4, 1000)
    send(5, 1, ("x"):rep(299))
    client:consumed(4, 1)
    world:turn()
    assert.equal("slow_consumer", client:status().held_by)
    client:consumed(1, 1499)
    world:turn()
    assert.equal("connected", client:status().state)
  end)

  it("may fill again and again", function()
    local client = up(4)
    for _ = 1, 3 do
      send(5, 1)
      client:consumed(5, 10)
      world:pass(30)
    end
    assert.equal(3, #world:told(client, "lost"))
    assert.equal("connected", client:status().state)
    assert.same({ messages = 0, bytes = 0 }, client:status().inbox)
  end)

  it("is not overruled: reconnect, wake and a network hint wait for the script", function()
    local client = up(1)
    send(2, 1)
    world:told(client)
    world:asked()
    client:reconnect()
    client:wake()
    client:network_changed()
    world:pass(3600)
    assert.same({}, world:told(client))
    assert.same({}, world:asked())
    client:consumed(2, 4)
    world:turn()
    assert.equal("connected", client:status().state)
  end)

  it("asks no strategy how long to be away", function()
    local client = up(1, nil, { ask_delay = true })
    send(2, 1)
    assert.same({}, world:told(client, "delay"))
  end)

  it("keeps what is posted meanwhile", function()
    local client = up(1)
    send(2, 1)
    client:post("other", "x", 1, false, nil, true)
    world:pass(60)
    assert.same({}, world:told(client, "delivered"))
    client:consumed(2, 4)
    world:turn()
    assert.same({ "80 delivered 1" }, world:told(client, "delivered"))
    client:consumed(1, 6)
  end)

  it("lets close through, even one that would wait for the queue", function()
    local client = up(1)
    send(2, 1)
    client:post("t", "x", 1, false, nil, true)
    world:told(client)
    client:close(5000)
    world:pass(60)
    assert.same({ "25 dropped 1 closed", "25 closed" }, world:told(client))
    client:consumed(2, 4) -- too late for anything
    world:pass(60)
    assert.same({}, world:asked "open")
  end)

  it("waits for its own DISCONNECT before it comes back", function()
    local client = up(1)
    probe.script { hold_close = true }
    send(2, 1)
    client:consumed(2, 4)
    world:pass(1)
    assert.same({ "close 0 expiry=-1" }, world:asked())
    probe.release(1)
    world:turn()
    assert.equal("connected", client:status().state)
  end)

  it("is no failure", function()
    local client = up(1, nil, { max_attempts = 1, stable_after = 3600000 })
    for _ = 1, 5 do
      send(2, 1)
      client:consumed(2, 4)
      world:pass(5)
    end
    assert.equal("connected", client:status().state)
    assert.equal(1, client:status().attempt)
    local away = client:history()[5]
    assert.same({ "slow_consumer", "up", nil }, { away.name, away.phase, away.delay })
  end)

  it("counts what matches no wish", function()
    local before = world:client() -- the same client id: an earlier process, whose session is still there
    before:subscribe(1, "theirs", 0, false, false, 0)
    before:start()
    world:turn()
    before:close(0)
    world:turn()
    local client = world:client()
    client:start()
    world:turn()
    probe.send("theirs", "x", 0)
    world:turn()
    assert.same({ "0 message theirs x qos=0 for " }, world:told(client, "message"))
    assert.same({ messages = 1, bytes = 7 }, client:status().inbox)
  end)
end)
