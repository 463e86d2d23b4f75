-- Handlers and waiting calls with a real broker: #broker.
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local transport = require "spec.support.transport"

describe("with a broker #broker", function()
  local broker, client, errors

  setup(function()
    broker = mosquitto.start()
  end)

  teardown(mosquitto.finish)

  before_each(function()
    errors = {}
    client = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port,
      backoff = { strategy = "constant", min = 0.05, max = 0.05 } }
    client:on("error", function(event)
      errors[#errors + 1] = event
    end)
  end)

  after_each(function()
    client:close(1)
  end)

  local function elapsed(fn)
    local start = process.now()
    fn()
    return process.now() - start
  end

  it("a handler that throws reaches error with a traceback and stops nothing", function()
    local seen = {}
    client:on("ready", function()
      error "in ready"
    end)
    client:on("ready", function()
      seen[#seen + 1] = "second handler"
    end)
    local answered = client:subscribe("t/ok")
    client:subscribe("t/+", { qos = 1 }, function(message)
      if message.payload == "bad" then
        holdfast.sleep(0.01)
        error "in a subscription"
      end
      seen[#seen + 1] = message.payload
    end)
    holdfast.run(function()
      assert(client:connect(10))
      for _, payload in ipairs { "one", "bad", "two" } do
        assert(client:publish("t/x", payload, { qos = 1 }))
      end
      assert(client:publish("t/ok", "end"))
      assert(answered:receive(10))
      holdfast.sleep(0.1)
    end)
    assert.same({ "second handler", "one", "two", "end" }, seen)
    assert.equal(2, #errors)
    assert.matches("in ready$", errors[1].message)
    assert.matches("in a subscription\nstack traceback:.-handlers_spec.lua", errors[2].traceback)
    assert.equal("connected", client:status().state)
  end)

  it("a message prints itself", function()
    local words
    client:subscribe("t/print", { qos = 1 }, function(message)
      words = tostring(message)
    end)
    holdfast.run(function()
      assert(client:connect(10))
      assert(client:publish("t/print", "hello", { qos = 1 }))
      while not words do
        holdfast.sleep(0.005)
      end
    end)
    assert.equal("t/print: hello", words)
  end)

  it("a handler that waits 2 s delays no other event", function()
    local done
    local late = 0
    client:subscribe("slow", function()
      holdfast.sleep(2)
      done = true
    end)
    client:subscribe("fast", function()
      late = late + 1
    end)
    holdfast.run(function()
      assert(client:connect(10))
      assert(client:publish("slow", "x"))
      local took = elapsed(function()
        for _ = 1, 50 do
          assert(client:publish("fast", "x", { qos = 1 }))
        end
        while late < 50 do
          holdfast.sleep(0.001)
        end
      end)
      assert.is_nil(done)
      assert.is_true(took < 2000, "took " .. took .. " ms")
      holdfast.sleep(2)
      assert.is_true(done)
    end)
  end)

  it("a handler may publish, subscribe and wait for what it subscribed", function()
    local echoed
    client:subscribe("request", function(message)
      local answers = client:subscribe("answer/" .. message.payload, { qos = 1 })
      assert(answers:granted(5))
      assert(client:publish("answer/" .. message.payload, "yes", { qos = 1 }))
      echoed = answers:receive(5).payload
      answers:remove()
      client:close(5)
    end)
    holdfast.run(function()
      assert(client:connect(10))
      assert(client:publish("request", "17"))
      assert(client:wait("closed", 10))
    end)
    assert.equal("yes", echoed)
    assert.same({}, errors)
  end)

  it("close from a handler of ready works, and nothing connects after it", function()
    local connecting = 0
    client:on("connecting", function()
      connecting = connecting + 1
    end)
    client:on("ready", function()
      assert.is_true(client:close(1))
    end)
    local closed = 0
    client:on("closed", function()
      closed = closed + 1
    end)
    client:start()
    assert(client:wait("closed", 10))
    holdfast.sleep(0.5)
    assert.same({ 1, 1 }, { connecting, closed })
    assert.equal("closed", client:status().state)
  end)

  it("a closed client answers closed, each time", function()
    local messages = client:subscribe("t", { qos = 1 })
    assert(client:connect(10))
    assert.is_true(client:close(5))
    for _ = 1, 2 do
      for _, method in ipairs { "start", "connect", "wake", "reconnect", "network_changed" } do
        assert.equal("closed", select(3, client[method](client)))
      end
      assert.equal("closed", select(3, client:publish("t", "x")))
      assert.equal("closed", select(3, client:post("t", "x")))
      assert.equal("closed", select(3, client:subscribe "t"))
      assert.equal("closed", select(3, client:wait "ready"))
      assert.equal("closed", select(3, messages:receive()))
      assert.equal(1, messages:granted())
      assert.is_nil(messages:messages()())
      assert.is_true(client:close(5))
    end
    assert.is_true(messages:remove())
    assert.equal("removed", select(3, messages:receive()))
    assert.equal("closed", client:status().state)
    assert.equal("up", client:history()[1].phase)
    assert.matches("%(closed%)$", tostring(client))
  end)

  it("every waiting call works outside of run", function()
    local messages = client:subscribe("t", { qos = 1 })
    assert.is_true(client:connect(10))
    assert.equal(1, messages:granted(10))
    assert.equal(1, select("#", client:publish("t", "1", { qos = 2 })), "`print(client:publish(...))` prints true")
    assert.equal("1", messages:receive(10).payload)
    assert.truthy(client:post("t", "2", { qos = 1 }))
    for message in messages:messages(10) do
      assert.equal("2", message.payload)
      messages:remove()
    end
    assert.is_true(elapsed(function()
      holdfast.sleep(0.1)
    end) >= 100)
    assert.is_true(client:close(5))
    assert.equal("closed", client:wait("closed").reason.name)
  end)

  it("every waiting call works in coroutines that are not the loop's", function()
    local messages = client:subscribe("t", { qos = 1 })
    local step = coroutine.wrap(function()
      coroutine.yield(client:connect(10))
      coroutine.yield(client:publish("t", "1", { qos = 1 }))
      coroutine.yield(messages:receive(10).payload)
    end)
    assert.is_true(step())
    assert.is_true(step())
    assert.equal("1", step())
  end)

  it("a publish waits in line for room and through an outage", function()
    local small = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, queue = { messages = 8 },
      backoff = { strategy = "constant", min = 0.05, max = 0.05 } }
    local heard = {}
    client:subscribe("n", { qos = 1 }, function(message)
      heard[#heard + 1] = message.payload
    end)
    assert(client:connect(10))
    holdfast.run(function()
      local open = 100
      for n = 1, 100 do
        holdfast.spawn(function()
          assert(small:publish("n", tostring(n), { qos = 1 }))
          open = open - 1
        end)
      end
      holdfast.sleep(0.05)
      assert.equal(100, open)
      assert.equal("queue_full", select(3, small:post("n", "x")))
      assert(small:connect(10))
      while open > 0 or #heard < 100 do
        holdfast.sleep(0.01)
      end
      small:close(1)
    end)
    local expected = {}
    for n = 1, 100 do
      expected[n] = tostring(n)
    end
    assert.same(expected, heard)
  end)

  it("a publish that times out is withdrawn, and never arrives", function()
    local away = holdfast.new { server = "mqtt://127.0.0.1:1", backoff = { min = 0.05, max = 0.1 } }
    away:start()
    local fine, message, code, what = away:publish("t", "late", { qos = 1, timeout = 0.2 })
    assert.is_nil(fine)
    assert.same({ "not delivered within 0.2 s", "timeout", "withdrawn" }, { message, code, what })
    assert.same({ messages = 0, bytes = 0 }, away:status().queued)
    away:close()
  end)

  it("delivered and dropped tell what became of a post", function()
    local outcomes = {}
    client:on("delivered", function(event)
      outcomes[event.id] = "delivered"
    end)
    client:on("dropped", function(event)
      outcomes[event.id] = "dropped " .. event.why
    end)
    assert(client:connect(10))
    local first = client:post("somebody", "x", { qos = 1 })
    local second = client:post("somebody", "x", { qos = 2 })
    while not (outcomes[first] and outcomes[second]) do
      holdfast.sleep(0.01)
    end
    client:close()
    assert.same({ "delivered", "delivered" }, { outcomes[first], outcomes[second] })
    local third, _, code = client:post("t", "x")
    assert.is_nil(third)
    assert.equal("closed", code)

    local never = holdfast.new { server = "mqtt://127.0.0.1:1" }
    never:on("dropped", function(event)
      outcomes.never = event.why
    end)
    never:post("t", "x", { qos = 1 })
    never:close()
    assert(never:wait("closed", 10))
    assert.equal("closed", outcomes.never)
  end)

  it("a connect fails with the reason while nobody listens there", function()
    local away = holdfast.new { server = "mqtt://127.0.0.1:1", backoff = { min = 0.01, max = 0.01 }, max_attempts = 2 }
    local fine, message, code, reason = away:connect(10)
    assert.is_nil(fine)
    assert.equal("sleeping", code)
    assert.equal("max_attempts", reason.name)
    assert.matches("^asleep after max_attempts: .*; the last failure is " .. transport.refused() .. " %(", message)
    assert.is_true(away:wake())
    assert.equal("sleeping", select(3, away:connect(10)))
    assert.equal(4, away:status().counters.attempts)
    away:close()
  end)
end)
