-- What metrics say of outages, by reason, against a real broker. #broker
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local openmetrics = require "spec.support.openmetrics"
local process = require "process_probe"
local transport = require "spec.support.transport"

describe("metrics #broker", function()
  local broker, client

  before_each(function()
    broker = mosquitto.start()
  end)

  after_each(function()
    client:close(0)
    mosquitto.finish()
  end)

  local function sums(metrics)
    local found = { failures = 0, losses = 0, names = {} }
    for _, reason in ipairs(metrics.reasons) do
      found.failures, found.losses = found.failures + reason.failures, found.losses + reason.losses
      found.names[reason.source .. " " .. reason.name] = reason.failures + reason.losses
    end
    return found
  end

  it("have an outage by reason, its time, and what has waited through it", function()
    local before = sums(holdfast.metrics())
    local dispatched, downtime = holdfast.metrics().dispatch.count, holdfast.metrics().downtime
    client = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, client_id = "one",
      backoff = { strategy = "constant", jitter = "none", min = 0.05, max = 0.05 } }
    local subscription = client:subscribe("t", { qos = 1 })
    assert(client:connect(10))
    local started = client:status().downtime
    local lost = client:event "lost"
    local killed = process.now()
    broker:kill()
    assert(lost:wait(10))
    assert(client:post("t", "x", { qos = 1 }))
    repeat
      holdfast.sleep(0.02)
    until client:status().counters.failures >= 3
    local during = client:status()
    assert.is_true(during.queued.oldest > 0)
    assert.is_true(during.downtime > started)
    local text = openmetrics.read(holdfast.prometheus(), "openmetrics")
    assert.equal(0, text:value("holdfast_client_state", { client = "one", holdfast_client_state = "connected" }))
    assert.equal(1, text:value "holdfast_queue_messages")
    broker:restart()
    local message = assert(subscription:receive(20)) -- there and back
    assert.equal("x", message.payload)
    while client:status().queued.messages > 0 do -- the broker may have passed it on before it answers
      holdfast.sleep(0.01)
    end
    local longest = (process.now() - killed) / 1000 + started + 0.01 -- clocks are read in whole milliseconds
    local status, after = client:status(), sums(holdfast.metrics())
    assert.is_true(status.downtime > during.downtime and status.downtime <= longest)
    assert.is_true(math.abs(holdfast.metrics().downtime - downtime - status.downtime) < 1e-6)
    local counters = status.counters
    assert.same({ 1, 1, 2 }, { counters.losses, counters.reconnects, counters.connects })
    assert.equal(counters.attempts, counters.connects + counters.failures)
    assert.equal(counters.failures, after.failures - before.failures)
    assert.equal(1, after.losses - before.losses)
    local refused = transport.either { native = "network connection_refused", paho = "network connect_failed" }
    assert.is_true((after.names[refused] or 0) - (before.names[refused] or 0) >= 1)
    assert.equal(1, holdfast.metrics().dispatch.count - dispatched)
    assert.is_nil(status.queued.oldest)
  end)
end)
