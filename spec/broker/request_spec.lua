-- Questions over a broker: what it is told of answers, and an outage between a question and its answer.
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local scripted = require "spec.support.scripted_broker"

describe("client:request #broker", function()
  local client, broker

  before_each(function()
    broker = scripted.listen()
    client = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, client_id = "c",
      backoff = { strategy = "constant", min = 0.01, max = 0.01, jitter = "none" } }
  end)

  after_each(function()
    client:close()
    broker:close()
  end)

  local function topic_of(properties)
    return properties:match "\8..(holdfast/answers/c)" or properties:match "\8..(mine/answers)"
  end

  local function key_of(properties)
    local length, rest = properties:match "\9(..)(.*)"
    return rest:sub(1, length:byte(1) * 256 + length:byte(2))
  end

  -- The next packet, which must be of this kind. Meanwhile Lua has its turns.
  local function next_of(peer, kind)
    for _ = 1, 5000 do
      local packet = peer:packet(1)
      if packet then
        assert.equal(kind, packet.type)
        return packet
      end
      holdfast.sleep(0.001)
    end
    error("no " .. kind, 2)
  end

  -- Grants the subscription to the answers; the question, which has come then.
  local function hear(peer)
    peer:suback(next_of(peer, "subscribe").id, 0)
    local question = next_of(peer, "publish")
    peer:answer("puback", question.id)
    return question
  end

  local function answer(peer, question, payload)
    peer:publish { topic = topic_of(question.properties), payload = payload,
      properties = { scripted.text(9, key_of(question.properties)) } }
  end

  it("asks the broker for its Response Information, and goes by it", function()
    client:start()
    local task = holdfast.spawn(client.request, client, "q", "x")
    local event = client:event "connected"
    holdfast.sleep(0)
    local peer, connect = broker:welcome { properties = { scripted.text(0x1A, "mine") } }
    assert.equal("mine", event:wait(10).response_information)
    assert.truthy(connect.properties:find("\25\1", 1, true))
    local question = hear(peer)
    assert.equal("mine/answers", topic_of(question.properties))
    answer(peer, question, "fine")
    local message = task:join(10)
    assert.equal("fine", message.payload)
  end)

  it("asks again after an outage, under the same key", function()
    client:start()
    local task = holdfast.spawn(client.request, client, "q", "x")
    holdfast.sleep(0)
    local peer = broker:welcome()
    local first = hear(peer)
    while next(client.outcomes) do holdfast.sleep(0.001) end
    holdfast.sleep(0)
    local lost = client:event "lost"
    peer:close()
    lost:wait(10)
    peer = broker:welcome { session_present = true }
    local second = next_of(peer, "publish")
    peer:answer("puback", second.id)
    assert.equal(key_of(first.properties), key_of(second.properties))
    answer(peer, second, "late")
    assert.equal("late", task:join(10).payload)
  end)

  it("is answered through a broker", function()
    local server = "mqtt://127.0.0.1:" .. mosquitto.start().port
    local adder, asker = holdfast.new { server = server }, holdfast.new { server = server }
    adder:respond("add", function(question)
      local sum = 0
      for number in question.payload:gmatch "%d+" do
        sum = sum + number
      end
      return ("%d"):format(sum)
    end)
    holdfast.run(function()
      assert(adder:connect(10))
      assert(asker:connect(10))
      for n = 1, 5 do
        assert.equal(tostring(n + 2), assert(asker:request("add", n .. " + 2")).payload)
      end
      asker:close()
      adder:close()
    end)
    mosquitto.finish()
  end)
end)
