-- What a broker ends connections over, or answers as no broker may, is found; the rest goes on.
local holdfast = require "holdfast"
local core = require "holdfast.core"
local mosquitto = require "spec.support.mosquitto"
local scripted = require "spec.support.scripted_broker"

describe("a message that a broker will not have #broker", function()
  local client, broker, connection, delivered, dropped

  before_each(function()
    delivered, dropped = 0, {}
  end)

  after_each(function()
    if client then client:close() end
    if connection then connection:close() end
    if broker then broker:close() end
    broker, connection = nil, nil
    mosquitto.finish()
  end)

  local function new(port, changes)
    local options = { server = "mqtt://127.0.0.1:" .. port, client_id = "evidence", keep_alive = 10,
      backoff = { min = 0.02, max = 0.05 }, policy = { protocol_error = "retry" } }
    for name, value in pairs(changes) do options[name] = value end
    client = holdfast.new(options)
    client:on("delivered", function() delivered = delivered + 1 end)
    client:on("dropped", function(event) dropped[#dropped + 1] = event end)
    client:start()
  end

  for _, transport in ipairs { "paho", "native" } do
    it("is above its limit in MQTT 3.1.1: " .. transport, function()
      local server = mosquitto.start { lines = { "max_packet_size 2000" } }
      new(server.port, { transport = transport, protocol = 4 })
      local bad = client:post("t", ("x"):rep(5000), { qos = 1 })
      for number = 1, 60 do client:post("t", tostring(number), { qos = 1 }) end
      local began = core.now()
      while delivered + #dropped < 61 and core.now() - began < 30 do holdfast.sleep(0.05) end
      assert.same({ 60, 1 }, { delivered, #dropped })
      assert.same({ bad, "disconnected" }, { dropped[1].id, dropped[1].why })
      assert.is_true(client:status().counters.losses < 60)
    end)
  end

  -- Answers packets by `answers[type](connection, packet)` until `is_done()`; true ends the connection. The last one
  -- stays, for the next call: who leaves it to the collector does not know when it ends.
  local function serve(answers, is_done)
    local began, connections = core.now(), 0
    while not is_done() and core.now() - began < 15 do
      holdfast.sleep(0)
      if not connection then
        connection = broker:accept_now()
        if connection and connection:packet() then
          connections = connections + 1
          connection:connack { session_present = connections > 1 }
        end
      end
      local packet, why
      if connection then packet, why = connection:packet(20) end
      local answer = packet and answers[packet.type]
      if why == "closed" or answer and answer(connection, packet) then
        connection:close()
        connection = nil
      elseif not connection then
        holdfast.sleep(0.01)
      end
    end
    return connections
  end

  it("is answered as one of QoS 1", function()
    broker = scripted.listen()
    new(broker.port, { transport = "native" })
    for number = 1, 3 do
      client:post("t", tostring(number), { qos = 2 })
      client:post("t", tostring(number), { qos = 1 })
    end
    local connections = serve({ publish = function(far, packet) far:answer("puback", packet.id) end },
      function() return delivered + #dropped == 6 end)
    assert.same({ 3, 3 }, { delivered, #dropped })
    for _, event in ipairs(dropped) do
      assert.same({ "disconnected", "protocol_error" }, { event.why, event.reason.name })
    end
    assert.is_true(connections <= 6, connections)
  end)

  it("has its PUBREL closed over whenever it is repeated, which is left to later and later", function()
    broker = scripted.listen()
    new(broker.port, { transport = "native", session_expiry = 100 })
    client:post("t", "exactly once", { qos = 2 })
    for number = 1, 20 do client:post("t", tostring(number), { qos = 1 }) end
    local before, waits = nil, {}
    serve({
      publish = function(far, packet) far:answer(packet.qos == 1 and "puback" or "pubrec", packet.id) end,
      pubrel = function()
        local now = core.now()
        if before and now - before > 0.4 then waits[#waits + 1] = now - before end
        before = now
        return true
      end,
    }, function() return #waits == 2 end)
    assert.equal(2, #waits, "it is repeated at once")
    assert.equal(20, delivered)
    serve({ pubrel = function(far, packet) far:answer("pubcomp", packet.id) end },
      function() return delivered == 21 end)
    assert.same({ 21, 0 }, { delivered, #dropped })
  end)
end)
