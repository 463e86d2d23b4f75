-- What an application sees of MQTT 5, out and in, against a real broker: #broker.
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"

describe("MQTT 5 #broker", function()
  local broker, client

  setup(function()
    broker = mosquitto.start()
  end)

  teardown(mosquitto.finish)

  before_each(function()
    client = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, properties = { user = { who = "spec" } } }
  end)

  after_each(function()
    client:close(1)
  end)

  it("carries every property of a message", function()
    local messages = client:subscribe("t", { qos = 1, identifier = 77 })
    assert(client:connect(10))
    assert(client:publish("t", "x", { qos = 1, properties = {
      content_type = "text/plain",
      response_topic = "answers/1",
      correlation_data = "\0\1\255",
      message_expiry = 100,
      payload_format = "utf8",
      user = { { "b", "2" }, { "a", "1" }, { "b", "3" } },
    } }))
    local properties = messages:receive(10).properties
    local user = properties.user
    properties.user = nil
    assert.same({ content_type = "text/plain", response_topic = "answers/1", correlation_data = "\0\1\255",
      message_expiry = 100, payload_format = "utf8", subscription_identifiers = { 77 } }, properties)
    assert.same({ { "b", "2" }, { "a", "1" }, { "b", "3" } }, { user[1], user[2], user[3] })
    assert.same({ "1", "3" }, { user.a, user.b })
  end)

  it("lets what came in go out again", function()
    local messages = client:subscribe "t"
    assert(client:connect(10))
    assert(client:publish("t", "", { properties = { user = { { "a", "1" }, { "a", "2" } } } }))
    local user = messages:receive(10).properties.user
    assert(client:publish("t", "", { properties = { user = user } }))
    assert.same(user, messages:receive(10).properties.user)
  end)

  it("keeps the subscription identifiers that it has chosen itself to itself", function()
    local own, given = client:subscribe "+", client:subscribe("t", { identifier = 77 })
    assert(client:connect(10))
    assert(client:publish("u", "x"))
    assert.same({ topic = "u", payload = "x", qos = 0, retain = false, duplicate = false }, own:receive(10))
    assert(client:publish("t", "x", { properties = { content_type = "c" } }))
    assert.same({ content_type = "c", subscription_identifiers = { 77 } }, given:receive(10).properties)
  end)

  it("has no properties where none were sent", function()
    local old = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, protocol = 4 }
    local messages = old:subscribe("t", { qos = 2 })
    assert(old:connect(10))
    assert(old:publish("t", "x", { qos = 2 }))
    local message = messages:receive(10)
    assert.same({ topic = "t", payload = "x", qos = 2, retain = false, duplicate = false }, message)
    old:close(1)
  end)

  it("does not send back to a subscription with no_local", function()
    local others = client:subscribe("t", { no_local = true })
    local all = client:subscribe "+"
    assert(client:connect(10))
    assert(client:publish("t", "x"))
    assert.equal("x", all:receive(10).payload)
    assert.equal("timeout", select(3, others:receive(0.1)))
  end)

  it("handles retained messages as the subscription says", function()
    assert(client:connect(10))
    assert(client:publish("kept/a", "old", { qos = 1, retain = true }))
    local function first(options)
      local subscription = client:subscribe("kept/#", options)
      assert(subscription:granted(10))
      local message = subscription:receive(0.2)
      subscription:remove()
      return message and message.payload
    end
    assert.equal("old", first {})
    assert.equal("old", first { retain_handling = "always" })
    assert.is_nil(first { retain_handling = "never" })
    local as_published = client:subscribe("kept/+", { retain_as_published = true, retain_handling = "never" })
    local plain = client:subscribe("+/a", { retain_handling = "never" })
    assert(as_published:granted(10))
    assert(plain:granted(10))
    assert(client:publish("kept/a", "", { qos = 1, retain = true }))
    assert.is_true(as_published:receive(10).retain)
    assert.is_false(plain:receive(10).retain)
  end)

  it("delivers overlapping filters to each subscription once", function()
    local counts = {}
    for _, filter in ipairs { "a/+", "a/#", "a/b", "a/b" } do
      local key = #counts + 1
      counts[key] = 0
      client:subscribe(filter, { qos = key % 3 }, function()
        counts[key] = counts[key] + 1
      end)
    end
    local last = client:subscribe "last"
    assert(client:connect(10))
    for _ = 1, 5 do
      assert(client:publish("a/b", "x", { qos = 1 }))
    end
    assert(client:publish("last", "x", { qos = 1 }))
    assert(last:receive(10))
    assert.same({ 5, 5, 5, 5 }, counts)
  end)

  -- More than fits on the stack of LuaJIT.
  it("delivers to 10,000 subscriptions at once", function()
    local count = 0
    for _ = 1, 10000 do
      client:subscribe("many", function()
        count = count + 1
      end)
    end
    local last = client:subscribe "last"
    assert(client:connect(10))
    assert(client:publish("many", "x", { qos = 1 }))
    assert(client:publish("last", "x", { qos = 1 }))
    assert(last:receive(10))
    assert.equal(10000, count)
  end)

  it("takes no message that its properties make larger than a packet may be", function()
    local roomy = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, queue = { bytes = 2 ^ 30 } }
    local user, value = {}, ("x"):rep(65535)
    for place = 1, 4096 do -- the last of which is too much
      user[place] = { "n", value }
    end
    for _, call in ipairs { "post", "publish" } do
      local id, message, code = roomy[call](roomy, "t", "x", { qos = 1, properties = { user = user } })
      assert.same({ nil, "too_large" }, { id, code })
      assert.equal("with its properties the message is larger than a packet may be (MQTT 5 section 1.5.5)", message)
    end
    roomy:close(1)
  end)

  it("shares a subscription among clients", function()
    local second = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port }
    local seen = {}
    for _, one in ipairs { client, second } do
      assert(one:connect(10))
      local subscription = one:subscribe("$share/crew/jobs", { qos = 1 }, function(message)
        seen[message.payload] = (seen[message.payload] or 0) + 1
      end)
      assert(subscription:granted(10))
    end
    for n = 1, 10 do
      assert(client:publish("jobs", tostring(n), { qos = 1 }))
    end
    holdfast.sleep(0.2)
    for n = 1, 10 do
      assert.equal(1, seen[tostring(n)])
    end
    second:close(1)
  end)

  it("lets the broker choose the client id", function()
    local nameless = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, client_id = false }
    assert.equal("", nameless:status().client_id)
    assert(nameless:connect(10))
    assert.matches("%w%w%w", nameless:status().client_id)
    nameless:close(1)
  end)
end)
