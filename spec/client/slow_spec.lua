-- A program that is slower than its messages: #broker.
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local transport = require "spec.support.transport"

describe("a slow consumer #broker", function()
  local broker, source, sink

  setup(function()
    broker = mosquitto.start { lines = { "max_queued_messages 0" } }
  end)

  teardown(mosquitto.finish)

  before_each(function()
    source = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port }
    sink = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, inbox = { messages = 20 }, receive_maximum = 10,
      backoff = { strategy = "constant", min = 0.02, max = 0.02 } }
  end)

  after_each(function()
    source:close(1)
    sink:close(1)
  end)

  local function numbers(from, to)
    local list = {}
    for n = from, to do
      list[#list + 1] = tostring(n)
    end
    return list
  end

  local function publish(count, qos)
    for n = 1, count do
      assert(source:publish("n", tostring(n), { qos = qos }))
    end
  end

  local function watch()
    local steps = {}
    sink:on("lost", function(event)
      steps[#steps + 1] = event.reason.name
    end)
    return steps
  end

  for qos = 1, 2 do
    it("steps away at QoS " .. qos .. ", loses nothing and keeps the order", function()
      local steps = watch()
      local messages = sink:subscribe("n", { qos = qos })
      local heard, seen = {}, {}
      holdfast.run(function()
        assert(sink:connect(10))
        assert(source:connect(10))
        holdfast.spawn(publish, 300, qos)
        for message in messages:messages(5) do
          if qos == 2 or not seen[message.payload] then -- QoS 1 may bring one again whose acknowledgement was lost
            heard[#heard + 1] = message.payload
          end
          seen[message.payload] = true
          if #heard % 40 == 1 then
            holdfast.sleep(0.1)
          end
          if #heard == 300 then
            messages:remove()
          end
        end
      end)
      assert.same(numbers(1, 300), heard)
      assert.equal(transport.either { paho = "slow_consumer" }, steps[1]) -- our own holds acknowledgements back instead
      assert.equal(0, messages.dropped)
    end)
  end

  it("is away while a handler of each message waits, and back when they are done", function()
    local steps = watch()
    local seen, done = {}, 0
    sink:subscribe("n", { qos = 1 }, function(message)
      holdfast.sleep(0.05)
      done = done + (seen[message.payload] and 0 or 1)
      seen[message.payload] = true
    end)
    holdfast.run(function()
      assert(sink:connect(10))
      assert(source:connect(10))
      publish(200, 1)
      local deadline = 200
      while done < 200 and deadline > 0 do
        holdfast.sleep(0.05)
        deadline = deadline - 1
      end
    end)
    assert.equal(200, done)
    assert.equal(transport.either { paho = "slow_consumer" }, steps[1]) -- our own holds acknowledgements back instead
  end)

  it("drops and counts at QoS 0, without leaving", function()
    local steps = watch()
    local messages = sink:subscribe "n"
    holdfast.run(function()
      assert(sink:connect(10))
      assert(source:connect(10))
      messages:receive(0)
      publish(100, 0)
      while sink:status().counters.received < 100 do
        holdfast.sleep(0.01)
      end
    end)
    assert.same({}, steps)
    local counters = sink:status().counters
    assert.equal(100, counters.received)
    assert.equal(80, counters.inbox_dropped)
    for n = 1, 20 do
      assert.equal(tostring(n), messages:receive(1).payload)
    end
  end)

  it("that nobody is does not step away", function()
    local steps = watch()
    local forgotten = sink:subscribe("n", { qos = 1, buffer = 5 })
    local last = sink:subscribe("last", { qos = 1 })
    holdfast.run(function()
      assert(sink:connect(10))
      assert(source:connect(10))
      publish(200, 1)
      assert(source:publish("last", "x", { qos = 1 }))
      assert(last:receive(10))
    end)
    assert.same({}, steps)
    assert.equal(195, forgotten.dropped)
    for n = 196, 200 do
      assert.equal(tostring(n), forgotten:receive(1).payload)
    end
  end)
end)
