-- What is asked of the broker so that every wish is heard, over any number of connections.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

local BROKE = 9 -- connection_lost

describe("wishes", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  local function subscribe(client, wish, filter, qos, identifier)
    assert.is_true(client:subscribe(wish, filter, qos or 1, false, false, 0, identifier))
  end

  -- A client that is up with these filters, numbered from 1; nothing of that is left to be told or asked.
  local function up_with(...)
    local client = world:client()
    for i = 1, select("#", ...) do
      subscribe(client, i, (select(i, ...)))
    end
    client:start()
    world:pass(20)
    world:told(client)
    world:asked()
    return client
  end

  local function requests()
    return world:asked("subscribe", "unsubscribe")
  end

  it("are asked for in the order in which they came", function()
    local client = world:client()
    subscribe(client, 7, "b", 2)
    subscribe(client, 3, "a/#", 0)
    client:start()
    world:turn()
    subscribe(client, 5, "c")
    world:turn()
    assert.same({
      "subscribe b qos=2 identifier=1", "subscribe a/# qos=0 identifier=2", "subscribe c qos=1 identifier=3",
    }, requests())
    assert.same({ "0 granted 7 qos=2", "0 granted 3 qos=0", "0 granted 5 qos=1" }, world:told(client, "granted"))
  end)

  it("are answered by the thousand in one turn, and ready is told all the same", function()
    local client = world:client()
    for wish = 1, 5000 do
      subscribe(client, wish, "many")
    end
    client:start()
    world:turn()
    local told = world:told(client, "granted", "ready")
    assert.same({ 5001, "0 ready 5000 downtime=0" }, { #told, told[#told] })
    assert.equal(0, client:status().counters.events_dropped)
  end)

  it("are answered once each, one filter's that come one by one, too", function()
    local client = up_with()
    world.blind = true
    for wish = 1, 200 do
      subscribe(client, wish, "a")
      world:turn()
    end
    world.blind = false
    world:turn()
    local told = world:told(client)
    assert.same({ 200, "20 granted 1 qos=1", "20 granted 200 qos=1" }, { #told, told[1], told[200] })
    assert.equal(0, client:status().counters.events_dropped)
  end)

  it("are answered although thousands before them have been answered and taken back", function()
    local client = up_with()
    world.blind = true
    for wish = 1, 2000 do
      subscribe(client, wish, "some" .. wish)
      world:turn()
    end
    for wish = 1, 2000 do
      client:unsubscribe(wish)
    end
    subscribe(client, 2001, "a")
    for _ = 1, 40 do
      world:turn()
    end
    world.blind = false
    world:turn()
    local told = world:told(client)
    assert.same({ 2001, "20 granted 2001 qos=1" }, { #told, told[#told] })
  end)

  it("are restored by a connection without a session", function()
    local client = up_with("a", "b")
    probe.script { session_present = 0 }
    probe.drop(1, "network", BROKE)
    world:pass(5)
    assert.same({ "subscribe a qos=1 identifier=1", "subscribe b qos=1 identifier=2" }, requests())
    assert.same({
      "20 lost connection_lost uptime=20 retry_in=1",
      "21 connecting 1",
      "21 connected 1 downtime=1 session=false",
      "21 granted 1 qos=1",
      "21 granted 2 qos=1",
      "21 ready 2 downtime=1",
    }, world:told(client))
    probe.send("b", "x", 1)
    world:turn()
    assert.same({ "25 message b x qos=1 for 2" }, world:told(client))
  end)

  it("are not asked for again when the session is there", function()
    local client = up_with("a", "b")
    for _ = 1, 3 do
      probe.drop(1, "network", BROKE)
      world:pass(20)
    end
    assert.same({}, requests())
    assert.equal(3, #world:told(client, "ready"))
  end)

  it("are asked for again by a session that was there once more, when it was lost in between", function()
    local client = up_with "a"
    for _, present in ipairs { -1, 0, -1 } do
      probe.script { session_present = present }
      probe.drop(1, "network", BROKE)
      world:pass(20)
    end
    assert.same({ "subscribe a qos=1 identifier=1" }, requests())
    assert.equal(3, #world:told(client, "ready"))
  end)

  it("that changed while away are all that is asked for", function()
    local client = up_with("stays", "goes")
    probe.drop(1, "network", BROKE)
    world:pass(0.5)
    subscribe(client, 3, "comes")
    subscribe(client, 4, "comes and goes")
    client:unsubscribe(2)
    client:unsubscribe(4)
    world:pass(5)
    local asked = requests()
    table.sort(asked)
    assert.same({ "subscribe comes qos=1 identifier=3", "unsubscribe goes" }, asked)
    assert.same({ "21 ready 2 downtime=1" }, world:told(client, "ready"))
  end)

  it("that ended while away are not asked for without a session", function()
    local client = up_with("stays", "goes")
    probe.script { session_present = 0 }
    probe.drop(1, "network", BROKE)
    client:unsubscribe(2)
    world:pass(5)
    assert.same({ "subscribe stays qos=1 identifier=1" }, requests())
  end)

  it("that come while connected are asked for at once", function()
    local client = up_with()
    subscribe(client, 1, "a")
    world:turn()
    assert.same({ "subscribe a qos=1 identifier=1" }, requests())
    client:unsubscribe(1)
    world:turn()
    assert.same({ "unsubscribe a" }, requests())
    probe.send("a", "x", 1)
    world:turn()
    assert.same({}, world:told(client, "message"))
  end)

  it("for one filter share one subscription at the higher QoS", function()
    local client = world:client()
    subscribe(client, 1, "a", 0)
    subscribe(client, 2, "a", 2)
    subscribe(client, 3, "a", 1)
    client:start()
    world:turn()
    assert.same({ "subscribe a qos=2 identifier=1" }, requests())
    assert.same({ "0 granted 1 qos=2", "0 granted 2 qos=2", "0 granted 3 qos=2" }, world:told(client, "granted"))
    probe.send("a", "x", 2)
    world:turn()
    assert.same({ "0 message a x qos=2 for 1,2,3" }, world:told(client, "message"))
    client:unsubscribe(3)
    world:turn()
    assert.same({}, requests())
    client:unsubscribe(2)
    world:turn()
    assert.same({ "subscribe a qos=0 identifier=1" }, requests())
    client:unsubscribe(1)
    world:turn()
    assert.same({ "unsubscribe a" }, requests())
  end)

  it("for a filter that has been granted already get a verdict of their own", function()
    local client = up_with "a"
    subscribe(client, 2, "a")
    world:turn()
    assert.same({ "20 granted 2 qos=1" }, world:told(client, "granted"))
    subscribe(client, 3, "a", 2)
    world:turn()
    assert.same({ "20 granted 1 qos=2", "20 granted 2 qos=2", "20 granted 3 qos=2" }, world:told(client, "granted"))
  end)

  it("for one filter may be any number", function()
    local client = world:client()
    for wish = 1, 9 do
      subscribe(client, wish, "a")
    end
    client:start()
    world:turn()
    probe.send("a", "x", 0)
    world:turn()
    assert.same({ "0 message a x qos=0 for 1,2,3,4,5,6,7,8,9" }, world:told(client, "message"))
  end)

  it("get messages with the properties they were sent with", function()
    local client = world:client()
    subscribe(client, 1, "a")
    client:start()
    client:post("a", "x", 1, true, { content_type = "text", user = { { "k", "v" }, { "k", "w" } } }, false)
    world:turn()
    local message = world:newest_of(client, "message")[1]
    assert.same({ "a", "x", 1, true, "text" },
      { message.topic, message.payload, message.qos, message.retain, message.properties.content_type })
    assert.same({ { "k", "v" }, { "k", "w" } }, { message.properties.user[1], message.properties.user[2] })
  end)

  it("may carry the user's own identifier", function()
    local client = world:client()
    subscribe(client, 1, "a/+", 1, 77)
    subscribe(client, 2, "a/b", 1)
    client:start()
    world:turn()
    assert.same({ "subscribe a/+ qos=1 identifier=77", "subscribe a/b qos=1 identifier=1" }, requests())
    probe.send("a/b", "x", 1)
    world:turn()
    assert.same({ "0 message a/b x qos=1 for 1", "0 message a/b x qos=1 for 2" }, world:told(client, "message"))
  end)

  it("may be many: 64 are asked for at a time", function()
    local client = world:client()
    for wish = 1, 200 do
      subscribe(client, wish, "a/" .. wish)
    end
    probe.script { hold_subscriptions = true }
    client:start()
    world:pass(1)
    assert.equal(64, #requests())
    assert.same({}, world:told(client, "ready"))
    probe.release(1)
    world:turn()
    assert.equal(136, #requests())
    assert.equal(200, #world:told(client, "granted"))
    assert.equal(200, world:newest_of(client, "event")[2].subscriptions)
  end)

  it("that were unanswered when the connection went are asked for in full by the next", function()
    local client = world:client()
    for wish = 1, 100 do
      subscribe(client, wish, "a/" .. wish)
    end
    probe.script { hold_subscriptions = true }
    client:start()
    for second = 1, 3 do
      world:pass(1)
      assert.equal(64, #requests(), "connection " .. second)
      probe.drop(1, "network", BROKE)
    end
    probe.script { hold_subscriptions = false }
    world:pass(1)
    assert.equal(100, #requests())
    assert.same({ "4 ready 100 downtime=1" }, { world:told(client, "ready")[1] })
  end)
end)

describe("a SUBACK that never comes", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  it("ends the connection after connect_timeout", function()
    local client = world:client { connect_timeout = 7000 }
    client:subscribe(1, "a", 1, false, false, 0)
    probe.script { hold_subscriptions = true }
    client:start()
    world:pass(9)
    assert.same({
      "0 connecting 1",
      "0 connected 1 downtime=0 session=false",
      "7 lost subscribe_timeout uptime=7 retry_in=1",
      "8 connecting 2",
      "8 connected 2 downtime=1 session=true",
    }, world:told(client))
    assert.same({
      "open a:1883 id=c clean=0 protocol=5",
      "subscribe a qos=1 identifier=1",
      "abandon",
      "open a:1883 id=c clean=0 protocol=5",
      "subscribe a qos=1 identifier=1",
    }, world:asked())
  end)

  local function up()
    local client = world:client()
    client:subscribe(1, "a", 1, false, false, 0)
    client:start()
    world:pass(20)
    world:told(client)
    return client
  end

  it("is waited for from the first request on", function()
    local client = up()
    probe.script { hold_subscriptions = true }
    client:subscribe(2, "b", 1, false, false, 0)
    world:pass(6)
    client:subscribe(3, "c", 1, false, false, 0)
    world:pass(3.999)
    assert.same({}, world:told(client))
    world:pass(0.001)
    assert.same({ "30 lost subscribe_timeout uptime=30 retry_in=1" }, world:told(client))
  end)

  it("is not waited for any longer because others come", function()
    local client = up()
    probe.script { hold_subscriptions = true }
    client:subscribe(2, "b", 1, false, false, 0)
    world:turn()
    probe.script { hold_subscriptions = false }
    for wish = 3, 11 do
      world:pass(1)
      client:subscribe(wish, "c" .. wish, 1, false, false, 0)
    end
    world:pass(1)
    local told = world:told(client, "granted", "lost")
    assert.same({ 10, "30 lost subscribe_timeout uptime=30 retry_in=1" }, { #told, told[10] })
  end)

  it("is waited for as long again after each answer, in their order", function()
    local client = up()
    probe.script { hold_subscriptions = true }
    for wish = 2, 4 do
      client:subscribe(wish, "b" .. wish, 1, false, false, 0)
    end
    for _ = 1, 2 do
      world:pass(9)
      probe.answer(1, 1)
    end
    world:pass(9.999)
    assert.same({}, world:told(client, "lost"))
    world:pass(0.001)
    assert.same({ "48 lost subscribe_timeout uptime=48 retry_in=1" }, world:told(client, "lost"))
  end)

  it("is told by its filter, whatever ends the connection", function()
    local client = up()
    probe.script { hold_subscriptions = true }
    local text
    world:answer("event", function(_, name, event)
      text = name == "lost" and event.reason.text or text
    end)
    local function text_after(fn)
      fn()
      world:pass(5)
      return text
    end
    local broke = function() probe.drop(1, "network", BROKE) end
    assert.equal("the connection to the server broke", text_after(broke))
    client:subscribe(2, "b/#", 1, false, false, 0)
    world:turn()
    assert.equal("the connection to the server broke; unanswered: SUBSCRIBE of b/#", text_after(broke))
    client:subscribe(3, "c", 1, false, false, 0)
    client:unsubscribe(1)
    world:turn()
    assert.equal("the broker did not answer a subscription in time; unanswered: SUBSCRIBE of b/# and 2 more",
      text_after(function() world:pass(10) end))
    assert.equal("a packet broke the protocol; unanswered: UNSUBSCRIBE of a and 2 more", text_after(function()
      probe.drop(1, "disconnect", 0x82)
    end))
  end)

  it("is told in one line of whole characters, though not of all of them", function()
    local client = up()
    probe.script { hold_subscriptions = true }
    client:subscribe(2, "some\nlines/" .. ("\195\164"):rep(101), 1, false, false, 0)
    world:turn()
    probe.drop(1, "network", BROKE)
    world:turn()
    assert.equal("the connection to the server broke; unanswered: SUBSCRIBE of some lines/" .. ("\195\164"):rep(94)
      .. "...", world:newest_of(client, "event")[2].reason.text)
  end)

  it("is waited for after UNSUBSCRIBE too", function()
    local client = world:client()
    client:subscribe(1, "a", 1, false, false, 0)
    client:start()
    world:pass(20)
    world:told(client)
    probe.script { hold_subscriptions = true }
    client:unsubscribe(1)
    world:pass(10)
    assert.same({ "30 lost subscribe_timeout uptime=30 retry_in=1" }, world:told(client))
    probe.script { hold_subscriptions = false }
    world:asked()
    world:pass(10)
    assert.same({ "unsubscribe a" }, world:asked("subscribe", "unsubscribe"))
  end)

  it("is no matter once all have come", function()
    local client = world:client()
    client:subscribe(1, "a", 1, false, false, 0)
    probe.script { hold_subscriptions = true }
    client:start()
    world:pass(9.999)
    probe.release(1)
    world:pass(3600)
    assert.same({}, world:told(client, "lost"))
  end)
end)
