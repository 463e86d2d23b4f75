-- Numbered messages through a broker with persistence that is stopped, or killed, again and again: what a client had
-- in hand arrives, once at QoS 2, in its order. What a broker forgets in its death is told apart by the packets.
-- The long run is spec/soak/restarts.lua.
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local numbered = require "spec.support.numbered"

describe("a broker that is restarted under way #broker", function()
  after_each(mosquitto.finish)

  local function run(options)
    local report
    holdfast.run(function()
      report = numbered.run(options)
    end)
    assert.is_nil(report.late)
    assert.are.equal(options.restarts, report.restarts)
    assert.are.equal(options.count, report.delivered)
    assert.are.same({ 0, 0 }, { report.disorder, report.sent_in_disorder })
    assert.are.same({ 0, 0 }, { report.lost.writer, report.lost.reader })
    assert.are.same({ 0, 0 }, { report.doubled.writer, report.doubled.reader })
    return report
  end

  for _, protocol in ipairs { 5, 4 } do
    for _, qos in ipairs { 1, 2 } do
      it(("by SIGTERM has every message, QoS %d, protocol %d"):format(qos, protocol), function()
        local report = run { qos = qos, protocol = protocol, count = 2000, restarts = 5, signal = "TERM" }
        assert.are.equal(0, report.lost.broker)
        if qos == 2 then
          assert.are.same({ 0, 2000 }, { report.doubled.broker, report.heard })
        end
      end)

      for _, signal in ipairs { "KILL", "KILL and forget" } do
        it(("by SIG%s loses what is its own alone, QoS %d, protocol %d"):format(signal, qos, protocol), function()
          run { qos = qos, protocol = protocol, count = 2000, restarts = 4, signal = signal }
        end)
      end
    end
  end

  it("gives a shared subscription its messages again", function()
    local broker = mosquitto.start { persistent = true }
    local client = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, client_id = "member" }
    local subscription = client:subscribe("$share/group/a", { qos = 1 })
    assert(client:connect(10))
    broker:stop()
    broker:restart()
    assert.is_true(assert(client:wait("connected", 10)).session_present)
    assert(client:publish("a", "again", { qos = 1, timeout = 10 }))
    assert.are.equal("again", assert(subscription:receive(5)).payload)
    client:close(1)
  end)
end)
