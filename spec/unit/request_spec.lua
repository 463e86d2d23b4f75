-- Questions and answers of MQTT 5, on a virtual clock and with a scripted core.
local fake_core = require "spec.support.fake_core"

describe("client:request", function()
  local core, holdfast, client, handle

  local function begin(options)
    options.server = "mqtt://localhost"
    client = holdfast.new(options)
    handle = core.clients[core.made]
    handle.snapshot.ready, handle.snapshot.protocol = true, 5
  end

  before_each(function()
    core, holdfast = fake_core.install()
    begin { client_id = "kitchen/1" }
  end)

  after_each(fake_core.remove)

  -- What was posted in the n-th place: its topic, payload, QoS, properties.
  local function posted(n)
    local call = handle:called("post")[n]
    return call and { topic = call[2], payload = call[3], qos = call[4], properties = call[6], ttl = call[8] }
  end

  local function topic_of(n)
    local call = handle:called("subscribe")[n]
    return call and call[3]
  end

  local function grant()
    core:mail("granted", handle.number, client.answers.wish, 0)
  end

  local function deliver(n)
    core:mail("outcome", handle.number, n, true)
  end

  local function answer(n, payload)
    local message = core:message(handle.number, "x", payload, client.answers.wish)
    message.properties = { correlation_data = posted(n).properties.correlation_data }
  end

  it("asks under a topic and a key of the client's own, and returns the answer", function()
    core:at(1, grant)
    core:at(2, function() deliver(1) end)
    core:at(3, function() answer(1, "42") end)
    local message = client:request("q", "what", { properties = { user = { a = "b" } } })
    assert.equal("42", message.payload)
    local first = posted(1)
    assert.same({ "q", "what", 1, "holdfast/answers/kitchen_1", 30 },
      { first.topic, first.payload, first.qos, first.properties.response_topic, first.properties.message_expiry })
    assert.same({ { "a", "b" } }, { { first.properties.user[1][1], first.properties.user[1][2] } })
    assert.same({ "holdfast/answers/kitchen_1", 0 }, { topic_of(1), handle:called("subscribe")[1][4] })
    assert.equal(client.answers.wish, handle.answer_wish)
    assert.is_nil(posted(2))
    assert.is_nil(next(client.questions_asked))
  end)

  it("knows each answer, and drops what nobody waits for", function()
    local heard = {}
    holdfast.run(function()
      local tasks = {}
      for n = 1, 2 do
        tasks[n] = holdfast.spawn(function()
          heard[n] = client:request("q", tostring(n)).payload
        end)
      end
      core:at(1, grant)
      core:at(2, function() deliver(1) deliver(2) end)
      core:at(3, function() answer(2, "two") answer(2, "two again") answer(1, "one") answer(2, "and again") end)
      tasks[1]:join()
      tasks[2]:join()
    end)
    assert.same({ "one", "two" }, heard)
    assert.equal(1, #handle:called "subscribe")
  end)

  it("gives up after its timeout, wherever it stands then", function()
    local function fails(...)
      local before = core.clock
      local message, words, code = client:request("q", "x", ...)
      assert.is_nil(message)
      return { words, code, core.clock - before }
    end
    assert.same({ "no answer of the broker within 2 s", "timeout", 2 }, fails { timeout = 2 })
    core:at(core.clock, grant)
    core:at(core.clock + 1, function() deliver(1) end)
    assert.same({ "no answer within 3 s", "timeout", 3 }, fails { timeout = 3 })
    handle.snapshot.ready = false
    assert.same({ "not ready within 1 s", "timeout", 1 }, fails { timeout = 1 })
    client.defaults.request = { timeout = 7 }
    assert.equal(7, fails()[3])
  end)

  it("asks again when the client is ready after an outage, under the same key", function()
    core:at(1, grant)
    core:at(2, function() deliver(1) end)
    core:at(5, function() core:mail("event", handle.number, "ready", { subscriptions = 1, refused = 0 }) end)
    core:at(6, function() deliver(2) end)
    core:at(7, function() answer(2, "late") end)
    assert.equal("late", client:request("q", "x").payload)
    assert.equal(posted(1).properties.correlation_data, posted(2).properties.correlation_data)
    assert.equal(7, core.clock)
  end)

  it("does not ask again what the queue still has", function()
    core:at(1, grant)
    core:at(2, function() core:mail("event", handle.number, "ready", { subscriptions = 1, refused = 0 }) end)
    core:at(3, function() deliver(1) end)
    core:at(4, function() answer(1, "x") end)
    assert.equal("x", client:request("q", "x").payload)
    assert.is_nil(posted(2))
  end)

  it("has its answers where the broker or the option says", function()
    core:mail("event", handle.number, "connected", { response_information = "mine/12/" })
    holdfast.sleep(0)
    core:at(1, grant)
    core:at(2, function() deliver(1) end)
    core:at(3, function()
      core:mail("event", handle.number, "connected", { response_information = "mine/13" })
      core:mail("event", handle.number, "ready", { subscriptions = 1, refused = 0 })
    end)
    core:at(4, grant)
    core:at(5, function() deliver(2) end)
    core:at(6, function() answer(2, "x") end)
    assert.equal("x", client:request("q", "x").payload)
    assert.same({ "mine/12/answers", "mine/13/answers" },
      { posted(1).properties.response_topic, posted(2).properties.response_topic })
    assert.same({ "mine/12/answers", "mine/13/answers", 1 },
      { topic_of(1), topic_of(2), #handle:called "unsubscribe" })
    begin { response_topic = "here" }
    client:request("q", "x", { timeout = 1 })
    assert.equal("here", topic_of(1))
  end)

  it("fails as the question does, or the subscription to its answers", function()
    core:at(1, function()
      core:mail("granted", handle.number, client.answers.wish, nil, { text = "no", code = 0x87 })
    end)
    assert.equal("refused", select(3, client:request("q", "x")))
    grant()
    holdfast.sleep(0)
    core:at(3, function() core:mail("outcome", handle.number, 1, false, "expired") end)
    assert.equal("expired", select(3, client:request("q", "x")))
    handle.snapshot.protocol = 4
    assert.equal("protocol", select(3, client:request("q", "x")))
    core:at(4, function() core:mail("event", handle.number, "closed", {}) end)
    handle.snapshot.protocol, handle.snapshot.ready = 5, false
    assert.equal("closed", select(3, client:request("q", "x")))
    client:close()
    assert.equal("closed", select(3, client:request("q", "x")))
  end)

  it("has its answer inside of a handler that cannot be suspended", function()
    local heard
    local subscription = client:subscribe("t", function()
      heard = coroutine.wrap(function()
        return (client:request("q", "x", { timeout = 9 }))
      end)()
    end)
    core:message(handle.number, "t", "go", subscription.wish)
    core:at(1, grant)
    core:at(2, function() deliver(1) end)
    core:at(3, function() answer(1, "42") answer(1, "again") end)
    holdfast.sleep(10)
    assert.equal("42", heard and heard.payload)
  end)

  it("leaves nothing behind when its coroutine is ended", function()
    holdfast.run(function()
      core:at(1, grant)
      core:at(2, function() deliver(1) end)
      local task = holdfast.spawn(client.request, client, "q", "x")
      holdfast.sleep(3)
      task:cancel()
    end)
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(client.questions_asked))
  end)

  it("is nothing that the broker keeps, whatever other messages are", function()
    client.defaults.publish = { retain = true }
    core:at(1, grant)
    core:at(1, function() deliver(1) end)
    client:request("q", "x", { timeout = 2 })
    assert.is_nil(handle:called("post")[1][5])
  end)

  it("refuses what it cannot do at the caller's line", function()
    local function problem(...)
      local _, words = pcall(client.request, client, ...)
      return words
    end
    assert.equal("request: topic must be a string, got 5", problem(5, "x"))
    assert.equal("request: payload must be a string, got nothing", problem "t")
    assert.equal("request: properties.correlation_data is the client's own here",
      problem("t", "x", { properties = { correlation_data = "x" } }))
    assert.matches('request: unknown option "retain"', problem("t", "x", { retain = true }), 1, true)
    begin { protocol = 4 }
    assert.equal("request: needs protocol = 5: MQTT 3.1.1 has no response topics", problem("t", "x"))
    local _, words = pcall(client.respond, client, "t", print)
    assert.equal("respond: needs protocol = 5: MQTT 3.1.1 has no response topics", words)
    _, words = pcall(holdfast.new, { server = "mqtt://localhost", protocol = 4, response_topic = "t" })
    assert.matches("response_topic needs protocol = 5", words, 1, true)
  end)

  describe("is answered by client:respond", function()
    local function ask(fn, properties)
      local subscription = client:respond("q/+", fn)
      local message = core:message(handle.number, "q/1", "5", subscription.wish)
      message.properties = properties
      holdfast.sleep(1)
      return subscription
    end

    it("with what the handler returns, under the key of the question", function()
      ask(function(question, subscription)
        assert.equal("q/+", subscription.filter)
        return "no " .. question.payload, { properties = { content_type = "text", correlation_data = "mine" } }
      end, { response_topic = "there", correlation_data = "\0key" })
      local first = posted(1)
      assert.same({ "there", "no 5", 1, "\0key", "text" }, { first.topic, first.payload, first.qos,
        first.properties.correlation_data, first.properties.content_type })
      assert.equal(1, handle:called("subscribe")[1][4])
    end)

    it("unless it returns nothing, or nobody has asked", function()
      ask(function() end, { response_topic = "there" })
      ask(function() return "x" end)
      assert.is_nil(posted(1))
    end)

    it("once there is room in the queue", function()
      handle.room = 0
      ask(function() return "x" end, { response_topic = "there" })
      assert.is_nil(posted(1))
      handle.room = 1
      core:mail("room", handle.number)
      holdfast.sleep(1)
      assert.equal("there", posted(1).topic)
    end)

    it("by options of its own, wherever they stand in their tables", function()
      local subscription = client:respond("q/+", setmetatable({}, { __index = { qos = 2 } }), function()
        return "x", setmetatable({}, { __index = { qos = 0 } })
      end)
      local message = core:message(handle.number, "q/1", "5", subscription.wish)
      message.properties = { response_topic = "there" }
      holdfast.sleep(1)
      assert.same({ 2, 0 }, { handle:called("subscribe")[1][4], posted(1).qos })
    end)

    it("or not, and it is told what is wrong with what the handler has returned", function()
      local told = {}
      client:on("error", function(event) told[#told + 1] = event.message end)
      ask(function() return ("a"):gsub("a", "b") end, { response_topic = "there" })
      ask(function() return "x", { properties = 5 } end, { response_topic = "there" })
      assert.matches("the answer to a question at q/1: options must be a table, got 1", told[1], 1, true)
      assert.matches("the answer to a question at q/1: properties must be a table, got 5", told[2], 1, true)
      ask(function() return 42 end, { response_topic = "there" })
      assert.equal("the answer to a question at q/1: payload must be a string, got 42", told[3])
      assert.is_nil(posted(1))
    end)

    it("or not, which is told, when it throws or the topic is none", function()
      local told = {}
      client:on("error", function(event) told[#told + 1] = event.message end)
      ask(function() error("no", 0) end, { response_topic = "there" })
      ask(function() return "x" end, { response_topic = "#" })
      assert.equal("no", told[1])
      assert.matches("topic must", told[2], 1, true)
      assert.is_nil(posted(1))
    end)
  end)
end)
