-- Messages that are acknowledged when they have been handled: what a broker sees, and a consumer that is killed at
-- random moments. The long run is spec/soak/crashes.lua.
local consumers = require "spec.support.consumers"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local scripted = require "spec.support.scripted_broker"

describe("acknowledge = handled #broker", function()
  local broker, client, calls, released, ended

  before_each(function()
    broker = scripted.listen()
    calls, released, ended = {}, {}, {}
  end)

  after_each(function()
    if client then client:close() end
    client = nil
    broker:close()
  end)

  local function handle(message)
    local name = message.payload
    calls[#calls + 1] = name
    while not released[name] do
      holdfast.sleep(0.001)
    end
    ended[name] = true
  end

  local function begin(protocol, qos, options)
    client = holdfast.new {
      server = "mqtt://127.0.0.1:" .. broker.port, transport = "native", client_id = "c", protocol = protocol,
      acknowledge = "handled", backoff = { strategy = "constant", min = 0.01, max = 0.01, jitter = "none" },
      inbox = options,
    }
    client:subscribe("t", { qos = qos }, handle)
    client:start()
    local peer = broker:welcome()
    peer:suback(peer:expect("subscribe").id, qos)
    return peer
  end

  local function send(peer, qos, name, duplicate)
    peer:publish { topic = "t", id = tonumber(name), qos = qos, payload = name, duplicate = duplicate }
  end

  local function wait_for(is_true)
    for _ = 1, 5000 do
      if is_true() then return end
      holdfast.sleep(0.001)
    end
    error("it does not happen", 2)
  end

  local function finish(name)
    released[name] = true
    wait_for(function() return ended[name] end)
    holdfast.sleep(0)
  end

  for _, protocol in ipairs { 5, 4 } do
    for qos = 1, 2 do
      local receipt = qos == 1 and "puback" or "pubrec"

      it(("goes out in order, never before, protocol %d, QoS %d"):format(protocol, qos), function()
        local peer = begin(protocol, qos)
        for n = 1, 5 do
          send(peer, qos, tostring(n))
        end
        wait_for(function() return #calls == 5 end)
        assert.same({ "1", "2", "3", "4", "5" }, calls)
        for _, step in ipairs { { "3" }, { "1", 1 }, { "2", 2, 3 }, { "5" }, { "4", 4, 5 } } do
          finish(step[1])
          for index = 2, #step do
            assert.equal(step[index], peer:expect(receipt).id)
          end
          assert.is_nil((peer:packet(10)))
        end
      end)

      it(("follows its message to another connection, protocol %d, QoS %d"):format(protocol, qos), function()
        local peer = begin(protocol, qos)
        for n = 1, 3 do
          send(peer, qos, tostring(n))
        end
        wait_for(function() return #calls == 3 end)
        local lost = client:event "lost"
        peer:close()
        lost:wait(10)
        finish "1"
        peer = broker:welcome { session_present = true }
        for n = 1, 3 do
          send(peer, qos, tostring(n), true)
        end
        assert.equal(1, peer:expect(receipt).id)
        assert.is_nil((peer:packet(10)))
        finish "3"
        finish "2"
        assert.same({ 2, 3 }, { peer:expect(receipt).id, peer:expect(receipt).id })
        assert.same({ "1", "2", "3" }, calls)
      end)
    end
  end

  it("lets as many handlers run as the inbox has places, and those that publish go on", function()
    local peer = begin(5, 1, { messages = 2 })
    for n = 1, 4 do
      send(peer, 1, tostring(n))
    end
    wait_for(function() return #calls == 2 end)
    local published = holdfast.spawn(client.publish, client, "u", "x", { qos = 1 })
    holdfast.sleep(0)
    peer:answer("puback", peer:expect("publish").id)
    assert.is_true(published:join(10))
    assert.same({ "1", "2" }, calls)
    finish "1"
    wait_for(function() return #calls == 3 end)
    assert.equal(1, peer:expect("puback").id)
  end)

  describe("a consumer killed under way", function()
    after_each(mosquitto.finish)

    for _, run in ipairs { { qos = 1, protocol = 4, kills = 5 }, { qos = 2, protocol = 5, kills = 5 } } do
      it(("handles every message, QoS %d, protocol %d"):format(run.qos, run.protocol), function()
        local report
        holdfast.run(function()
          report = consumers.run(run)
        end)
        assert.is_nil(report.problem)
        assert.equal(0, report.lost)
        if run.qos == 2 then -- one at a time: the one in hand
          assert.is_true(report.doubled <= run.kills)
        end
      end)
    end
  end)
end)
