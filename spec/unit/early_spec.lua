-- The session of an earlier process: what comes before its subscription is there is kept for it, for a turn of the
-- program after the first `ready`.
local fake_core = require "spec.support.fake_core"

describe("a message that comes before its subscription", function()
  local core, holdfast, client, handle, log, told

  local function begin(transport)
    core, holdfast = fake_core.install()
    client = holdfast.new { server = "mqtt://localhost", client_id = "a", transport = transport }
    handle = core.clients[1]
    log, told = {}, {}
    holdfast.log(function(_, message, fields)
      if fields.event == "unclaimed" then told[#told + 1] = message end
    end)
  end

  before_each(function() begin() end)

  -- Which has what it is told of off its hands by then.
  local function begin_over_paho()
    fake_core.remove()
    begin "paho"
  end

  after_each(function()
    holdfast.log(nil)
    fake_core.remove()
  end)

  local function note(message)
    log[#log + 1] = message.topic .. message.payload
  end

  local function connected(session_present)
    core:mail("event", 1, "connected", { server = "x", session_present = session_present, attempts = 1 })
  end

  local function send(topic, first, last, wish)
    for number = first, last do
      core:message(1, topic, tostring(number), wish).qos = 1
    end
  end

  local function ready()
    core:mail("event", 1, "ready", { subscriptions = 0, refused = 0 })
  end

  it("is handed to who subscribes after connect has returned, in order and before what comes later", function()
    connected(true)
    send("t", 1, 3)
    ready()
    send("t", 4, 6)
    assert(client:connect(1))
    client:subscribe("t", { ordered = true }, note)
    send("t", 7, 9, 1)
    holdfast.sleep(1)
    send("t", 10, 10, 1)
    holdfast.sleep(1)
    assert.same({ "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "t10" }, log)
    assert.same({ 10, {} }, { handle.messages_consumed, told })
    assert.is_nil(handle.messages_unclaimed)
  end)

  it("waits for who does something else for a moment between connect and subscribe", function()
    connected(true)
    send("t", 1, 2)
    ready()
    assert(client:connect(1))
    holdfast.sleep(0.01)
    client:subscribe("t", { ordered = true }, note)
    holdfast.sleep(1)
    assert.same({ "t1", "t2" }, log)
    assert.is_nil(handle.messages_unclaimed)
  end)

  it("is handed out though the program looks at it only after its turn, until the broker has answered", function()
    connected(true)
    send("t", 1, 2)
    ready()
    assert(client:connect(1))
    client:subscribe("t", { ordered = true }, note)
    client:subscribe("u", note)
    holdfast.sleep(1)
    send("t", 3, 4) -- they came with the first two
    core:mail("granted", 1, 1, 1)
    send("t", 5, 5, 1)
    send("t", 6, 6) -- and the broker has sent this for another subscription
    send("u", 7, 7)
    core:mail("granted", 1, 2, 1)
    send("u", 8, 8)
    holdfast.sleep(1)
    assert.same({ "t1", "t2", "t3", "t4", "t5", "u7" }, log)
    assert.same({ 8, 2, 2 }, { handle.messages_consumed, handle.messages_unclaimed, #told })
  end)

  it("is nobody's once its subscription has been removed without a verdict", function()
    connected(true)
    ready()
    assert(client:connect(1))
    local gone, other = client:subscribe("t", note), client:subscribe("t/#", note)
    holdfast.sleep(1)
    send("t", 1, 1)
    holdfast.sleep(1)
    gone:remove()
    send("t", 2, 2)
    core:mail("granted", 1, 2, 1)
    send("t", 3, 3)
    holdfast.sleep(1)
    assert.same({ "t1", "t1", "t2" }, log)
    assert.is_true(not other.removed)
    assert.same({ 3, 1 }, { handle.messages_consumed, handle.messages_unclaimed })
    assert.is_nil(client.unjudged) -- no verdict on the other comes, and each message would be compared with it for ever
  end)

  it("goes before what its subscription had later, whoever came first, and others keep theirs", function()
    connected(true)
    send("t", 1, 5)
    send("u", 1, 1)
    client:subscribe("t", { ordered = true }, note)
    send("t", 6, 9, 1)
    ready()
    assert(client:connect(1))
    client:subscribe("u", note)
    holdfast.sleep(1)
    assert.same({ "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "u1" }, log)
    assert.is_nil(handle.messages_unclaimed)
  end)

  it("is not handed out twice by a handler that drives the loop as it is handed out", function()
    connected(true)
    send("t", 1, 2)
    ready()
    assert(client:connect(1))
    client:subscribe("t", function(message)
      note(message)
      if message.payload == "1" then
        send("t", 3, 3, 1)
        string.gsub("x", "x", function() holdfast.sleep(0) end)
      end
    end)
    holdfast.sleep(1)
    assert.same({ "t1", "t2", "t3" }, log)
    assert.equal(3, handle.messages_consumed)
  end)

  it("keeps no client from being collected once it has been handed out", function()
    connected(true)
    send("t", 1, 2)
    ready()
    assert(client:connect(1))
    client:subscribe("t", note)
    holdfast.sleep(1)
    assert.same({ "t1", "t2" }, log)
    local left = setmetatable({ client }, { __mode = "v" })
    client, handle = nil, nil
    collectgarbage()
    collectgarbage()
    assert.is_nil(left[1])
  end)

  it("goes once to each of those that overlap, one of which had a later message already", function()
    connected(true)
    send("t/a", 1, 2)
    client:subscribe("t/#", { ordered = true }, function(message) log[#log + 1] = "first " .. message.payload end)
    send("t/a", 3, 3, 1)
    ready()
    assert(client:connect(1))
    assert.equal(1, handle.messages_consumed) -- what was kept may still be somebody's
    client:subscribe("t/+", { ordered = true }, function(message) log[#log + 1] = "second " .. message.payload end)
    core:message(1, "t/a", "4", { 1, 2 }).qos = 1
    holdfast.sleep(1)
    table.sort(log)
    assert.same({ "first 1", "first 2", "first 3", "first 4", "second 1", "second 2", "second 4" }, log)
    assert.same({ 4, {} }, { handle.messages_consumed, told })
  end)

  it("goes to one that is made within the turn, though it has nothing later", function()
    begin_over_paho()
    connected(true)
    send("t/a", 1, 1)
    client:subscribe("t/#", function() log[#log + 1] = "first" end)
    send("t/a", 2, 2, 1)
    ready()
    assert(client:connect(1))
    local other = client:subscribe "t/+"
    holdfast.sleep(1)
    assert.equal("1", other:receive(0).payload)
    assert.same({ "first", "first" }, log)
    assert.equal(2, handle.messages_consumed)
  end)

  it("is handed to a coroutine that subscribes after connect, by wildcards and in a group", function()
    holdfast.spawn(function()
      assert(client:connect())
      client:subscribe("t/+", note)
      client:subscribe("$share/g/u/#", note)
    end)
    holdfast.sleep(0)
    connected(true)
    send("t/a", 1, 1)
    send("u", 2, 2)
    ready()
    holdfast.sleep(1)
    assert.same({ "t/a1", "u2" }, log)
    assert.same({ 2, 0 }, { handle.messages_consumed, #told })
  end)

  it("counts against the inbox until it is taken", function()
    connected(true)
    send("t", 1, 5)
    holdfast.sleep(1)
    assert.equal(0, handle.messages_consumed)
    local reader = client:subscribe "t"
    ready()
    holdfast.sleep(1)
    assert.equal("1", reader:receive(0).payload)
  end)

  it("goes to handlers of `message`, is counted and told when the turn is over and nobody took it", function()
    connected(true)
    send("t", 1, 2)
    ready()
    holdfast.sleep(1)
    client:subscribe("t", note)
    assert.same({ 2, 2, 1 }, { handle.messages_consumed, handle.messages_unclaimed, #told })
    client:on("message", note)
    send("u", 3, 3)
    holdfast.sleep(1)
    assert.same({ "u3" }, log)
    assert.equal(2, handle.messages_unclaimed)
  end)

  it("gives its room back where it fills the inbox before there is a ready", function()
    connected(true)
    send("t", 1, 2)
    core:mail("event", 1, "lost", { reason = { name = "slow_consumer", text = "" } })
    holdfast.sleep(1)
    assert.same({ 2, 2 }, { handle.messages_consumed, handle.messages_unclaimed })
  end)

  it("is not waited for where the session is new", function()
    connected(false)
    send("t", 1, 1)
    holdfast.sleep(0)
    assert.same({ 1, 1 }, { handle.messages_consumed, handle.messages_unclaimed })
    connected(true)
    send("t", 2, 2)
    holdfast.sleep(0)
    assert.equal(2, handle.messages_unclaimed)
  end)

  it("that a handler of `message` waits for is no reason to tell those of a subscription", function()
    client:subscribe("t", note)
    client:on("message", function() log[#log + 1] = "message" end)
    send("t", 1, 1, 1)
    holdfast.sleep(0)
    assert.same({ "t1" }, log)
    client:subscribe("#", note)
    send("t", 2, 2, { 1, 2 })
    holdfast.sleep(0)
    assert.same({ "t1", "t2", "t2" }, log)
  end)
end)
