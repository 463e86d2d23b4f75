-- What only a transport of our own can do: large messages over slow links, and readers and handlers that publish on
-- more than the inbox holds. A soak has 8 MB over 200 KB/s, and 100,000 messages that wait. #broker
local diary = require "spec.support.diary"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local now = require("holdfast.core").now
local program = require "spec.support.program"
local proxies = require "proxy_probe"

local function url(port)
  return "mqtt://127.0.0.1:" .. port
end

describe("a slow link #broker", function()
  local broker, proxy, port, others

  before_each(function()
    broker = mosquitto.start()
    proxy, port = proxies.start(broker.port)
    others = {}
  end)

  after_each(function()
    for _, client in ipairs(others) do
      client:close(1)
    end
    proxy:close()
    mosquitto.finish()
  end)

  local function client_of(options)
    options.server = options.server or url(port)
    options.transport = "native"
    local client = holdfast.new(options)
    others[#others + 1] = client
    return client, diary.of(client)
  end

  -- Longer than two times the silence after which a broker closes.
  local KEEP_ALIVE, RATE = program.size(2, 4), 200000
  local SIZE = program.size(7, 40) * RATE

  local function hint_in_the_middle(client)
    holdfast.spawn(function()
      holdfast.sleep(SIZE / RATE / 2)
      client:network_changed()
    end)
  end

  it("takes a message up for longer than the keep alive", function()
    proxy:limit(RATE)
    local slow, seen = client_of { keep_alive = KEEP_ALIVE }
    holdfast.run(function()
      assert(slow:connect(10))
      hint_in_the_middle(slow)
      local before = now()
      assert(slow:publish("up", ("x"):rep(SIZE), { qos = 1, timeout = 60 }))
      assert.is_true(now() - before > 2 * 1.5 * KEEP_ALIVE, "the link was not slow")
    end)
    assert.are.equal("connecting connected ready", seen:words())
  end)

  it("brings a message down for longer than the keep alive", function()
    proxy:limit(RATE)
    local slow, seen = client_of { keep_alive = KEEP_ALIVE }
    local source = client_of { server = url(broker.port) }
    holdfast.run(function()
      local subscription = slow:subscribe("down", { qos = 1 })
      assert(slow:connect(10))
      assert(source:connect(10))
      local before = now()
      assert(source:publish("down", ("x"):rep(SIZE), { qos = 1 }))
      hint_in_the_middle(slow)
      assert.are.equal(SIZE, #assert(subscription:receive(60)).payload)
      assert.is_true(now() - before > 2 * 1.5 * KEEP_ALIVE, "the link was not slow")
    end)
    assert.are.equal("connecting connected ready", seen:words())
  end)

  it("brings a message before SUBACK, for longer than a SUBACK may take", function()
    local PATIENCE, LOW_RATE = program.size(1, 5), program.size(50000, 30000)
    proxy:limit(LOW_RATE)
    local options = { client_id = "slow", session_expiry = 600, connect_timeout = PATIENCE }
    local size = 4 * PATIENCE * LOW_RATE
    local source = client_of { server = url(broker.port) }
    holdfast.run(function()
      local first = client_of(options)
      first:subscribe("large", { qos = 1 })
      assert(first:connect(10))
      first:close(1)
      assert(source:connect(10))
      assert(source:publish("large", ("x"):rep(size), { qos = 1, timeout = 10 }))
      local slow, seen = client_of(options)
      local subscription = slow:subscribe("large", { qos = 1 })
      slow:subscribe("another", { qos = 1 })
      local before = now()
      slow:start()
      holdfast.spawn(function()
        holdfast.sleep(2 * PATIENCE)
        slow:network_changed()
      end)
      assert(slow:wait("ready", 30))
      assert.is_true(now() - before > 2 * PATIENCE, "nothing stood before SUBACK")
      assert.are.equal(size, #assert(subscription:receive(30)).payload)
      assert.are.equal("connecting connected ready", seen:words())
    end)
  end)
end)

describe("a bridge #broker", function()
  local INBOX, MESSAGES, LIMIT = program.size(20, 1000), program.size(400, 100000), program.size(30, 400)
  local broker

  setup(function()
    broker = mosquitto.start { quiet = true, lines = { "max_queued_messages 0" } }
  end)

  teardown(mosquitto.finish)

  -- How each message is published on.
  local ways = {
    ["messages()"] = function(client, qos, pass)
      local subscription = client:subscribe("from/#", { qos = qos })
      holdfast.spawn(function()
        for message in subscription:messages() do
          pass(message)
        end
      end)
    end,
    ["a handler"] = function(client, qos, pass)
      client:subscribe("from/#", { qos = qos }, pass)
    end,
    ["a handler, ordered"] = function(client, qos, pass)
      client:subscribe("from/#", { qos = qos, ordered = true }, pass)
    end,
  }

  local function leave_in_session(name, qos, protocol, options)
    local first = holdfast.new(options)
    first:subscribe("from/#", { qos = qos })
    assert(first:connect(10))
    first:close(1)
    local source = holdfast.new { server = url(broker.port), protocol = protocol, queue = { messages = MESSAGES } }
    assert(source:connect(10))
    for number = 1, MESSAGES do
      assert(source:post("from/" .. name, tostring(number), { qos = qos }))
    end
    repeat
      holdfast.sleep(0.01)
    until source:status().queued.messages == 0
    source:close(1)
  end

  local function bridges(way, qos, protocol)
    local name = ("%s-%d-%d"):format(way:gsub("%W", ""), qos, protocol)
    local inbound = math.max(qos, 1) -- only these wait in a session
    local options = { server = url(broker.port), client_id = name, transport = "native", protocol = protocol,
      session_expiry = 600, inbox = { messages = INBOX } }
    local sink = holdfast.new { server = url(broker.port) }
    local arrived, count, twice = {}, 0, 0
    sink:subscribe("to/" .. name, { qos = 2 }, function(message)
      twice = twice + (arrived[message.payload] and 1 or 0)
      count = count + (arrived[message.payload] and 0 or 1)
      arrived[message.payload] = true
    end)
    holdfast.run(function()
      assert(sink:connect(10))
      leave_in_session(name, inbound, protocol, options)
      local client = holdfast.new(options)
      local seen = diary.of(client)
      ways[way](client, inbound, function(message)
        assert(client:publish("to/" .. name, message.payload, { qos = qos, timeout = 30 }))
      end)
      client:start()
      local deadline = now() + LIMIT
      while count < MESSAGES and now() < deadline do
        holdfast.sleep(0.01)
      end
      assert.are.equal("connecting connected ready", seen:words())
      client:close(1)
      sink:close(1)
    end)
    assert.are.equal(MESSAGES, count)
    assert.are.equal(0, twice)
  end

  for way in pairs(ways) do
    for _, protocol in ipairs { 4, 5 } do
      for qos = 0, 2 do
        it(("passes on what waits in its session: %s, QoS %d, protocol %d"):format(way, qos, protocol), function()
          bridges(way, qos, protocol)
        end)
      end
    end
  end
end)

describe("a broker that tells no window #broker", function()
  after_each(mosquitto.finish)

  for _, transport in ipairs { "paho", "native" } do
    it("gets all of 2,000 posted at once at QoS 2 with 3.1.1: " .. transport, function()
      local MESSAGES = 2000
      local broker = mosquitto.start { quiet = true, lines = { "max_queued_messages 0" } }
      local function client_of()
        return holdfast.new { server = url(broker.port), transport = transport, protocol = 4,
          queue = { messages = MESSAGES } }
      end
      local source, sink = client_of(), client_of()
      local arrived, count = {}, 0
      sink:subscribe("all", { qos = 2 }, function(message)
        count = count + (arrived[message.payload] and 0 or 1)
        arrived[message.payload] = true
      end)
      holdfast.run(function()
        assert(sink:connect(10))
        assert(source:connect(10))
        for number = 1, MESSAGES do
          assert(source:post("all", tostring(number), { qos = 2 }))
        end
        local deadline = now() + 60
        while count < MESSAGES and now() < deadline do
          holdfast.sleep(0.02)
        end
        source:close(1)
        sink:close(1)
      end)
      assert.are.equal(MESSAGES, count)
      assert.are.equal(MESSAGES, source:status().counters.delivered)
    end)
  end
end)
