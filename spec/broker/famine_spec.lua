-- Memory that is short for the module's own threads again and again: on both transports connections are lost over it,
-- and nothing else.
local certificates = require "spec.support.certificates"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local quic_server = require "spec.support.quic_server"
local shim = require "spec.support.shim"

local CODE = [[
local famine = require "famine_probe"
local holdfast = require "holdfast"
local EVERY = { 3, 4, 5, 7, 11, 13 } -- of so many requests one fails, a while each
local COUNT = 120
local PAIRS = {} -- more than the Paho link has room for without asking
for i = 1, 10 do
  PAIRS["n" .. i] = "v" .. i
end
holdfast.log(function() end)
holdfast.run(function()
  local client = assert(holdfast.new { server = "mqtt://127.0.0.1:%d", client_id = "hungry", transport = %q,
    backoff = { strategy = "constant", min = 0.02, jitter = "none" }, policy = { slow = { min = 0.02 } },
    connect_timeout = 1 })
  local heard, distinct, doubled = {}, 0, 0
  local handler = function(message)
    if message.properties.user.n10 ~= "v10" then
      print "a message without its properties"
    end
    if heard[message.payload] then
      doubled = doubled + 1
    else
      heard[message.payload], distinct = true, distinct + 1
    end
  end
  local first = client:subscribe("hungry/+", { qos = 2 }, handler)
  assert(client:connect(10))
  assert(first:granted(10) == 2)
  local outcomes = {}
  client:on("delivered", function(event) outcomes[event.id] = "delivered" end)
  client:on("dropped", function(event) outcomes[event.id] = tostring(event.why) end)
  local ids = {}
  for i = 1, COUNT do
    if i %% (COUNT / #EVERY) == 1 then
      famine.every(EVERY[math.ceil(i * #EVERY / COUNT)])
      local more = client:subscribe("other/" .. i, { qos = 1 })
      more:remove()
    end
    ids[i] = assert(client:post("hungry/" .. i %% 3, tostring(i), { qos = 2, properties = { user = PAIRS } }))
    holdfast.sleep(0.004)
  end
  print(famine.failed() > 0)
  famine.every(0)
  for _ = 1, 3000 do
    local all = distinct == COUNT
    for _, id in ipairs(ids) do
      all = all and outcomes[id] == "delivered"
    end
    if all then break end
    holdfast.sleep(0.01)
  end
  local delivered = 0
  for _, id in ipairs(ids) do
    delivered = delivered + (outcomes[id] == "delivered" and 1 or 0)
  end
  print(distinct, delivered, doubled)
  assert(client:close(5))
  print(client:status().state)
end)
]]

local HELD = [[
local famine = require "famine_probe"
local holdfast = require "holdfast"
holdfast.run(function()
  local client = assert(holdfast.new { server = "quic://127.0.0.1:%d", transport = "native", tls = { ca = %q } })
  assert(client:connect(10))
  holdfast.sleep(0.2) -- what was sent is acknowledged
  famine.every(1, "quic")
  holdfast.spawn(function()
    while famine.failed() == 0 do
      holdfast.sleep(0.01)
    end
    famine.every(0)
  end)
  print(client:publish("held", "up", { qos = 1, timeout = 10 }))
  print(famine.failed() > 0)
  client:close()
end)
]]

local COMEBACK = [[
local famine = require "famine_probe"
local holdfast = require "holdfast"
holdfast.log(function() end)
holdfast.run(function()
  local client = assert(holdfast.new { server = "quic://127.0.0.1:%d", transport = "native", zero_rtt = true,
    tls = { ca = %q }, backoff = { strategy = "constant", min = 0.01, jitter = "none" },
    policy = { slow = { strategy = "constant", min = 0.01, jitter = "none" } } })
  assert(client:connect(10))
  local came, requests, before, came_before = 0, 0, nil, nil
  client:on("ready", function() came = came + 1 end)
  repeat -- the n-th of a reconnect's fails, with enough afterwards
    requests, before, came_before = requests + 1, famine.failed(), came
    famine.every(requests, "quic")
    client:reconnect()
    local left = 5000
    repeat
      holdfast.sleep(0.002)
      left = left - 1
      if famine.failed() > before then famine.every(0) end
    until came > came_before or left == 0
    assert(left > 0)
    famine.every(0)
    assert(client:publish("back", tostring(requests), { qos = 1, timeout = 20 }))
  until famine.failed() == before or requests == 200
  print(requests > 5 and requests < 200)
  client:close()
end)
]]

local WHOLE = [[
local famine = require "famine_probe"
local holdfast = require "holdfast"
local who = %q
holdfast.log(function() end)
holdfast.run(function()
  local requests, before = 0, nil
  repeat -- the n-th of a whole life fails: of a connect, a publish, a move, a publish, a close
    requests, before = requests + 1, famine.failed()
    local client = assert(holdfast.new { server = "quic://127.0.0.1:%d", transport = "native", tls = { ca = %q },
      backoff = { strategy = "constant", min = 0.01, jitter = "none" }, client_id = "famine" .. requests,
      policy = { slow = { strategy = "constant", min = 0.01, jitter = "none" } } })
    famine.every(requests, who)
    client:start()
    local over = false
    holdfast.spawn(function()
      repeat
        holdfast.sleep(0.001)
        if famine.failed() > before then famine.every(0) end
      until over
    end)
    assert(client:ready(30))
    assert(client:publish("whole", tostring(requests), { qos = 2, timeout = 30 }))
    client:network_changed()
    assert(client:publish("whole", tostring(-requests), { qos = 2, timeout = 30 }))
    client:close(10)
    over = true
    famine.every(0)
  until famine.failed() == before or requests == 1000
  print(requests > 20 and requests < 1000, famine.failed() >= requests - 1)
end)
]]

describe("memory that is short now and then #broker", function()
  after_each(function()
    quic_server.finish()
    mosquitto.finish()
  end)

  for _, transport in ipairs { "paho", "native" } do
    it("costs connections and nothing else: " .. transport, function()
      local broker = mosquitto.start()
      assert.equal("true\n120\t120\t0\nclosed\n", shim.run("famine_probe", CODE:format(broker.port, transport)))
    end)
  end

  it("costs a reconnect over QUIC one attempt, or its ticket", function()
    if not quic_server.program() then
      pending "ngtcp2 is not there"
      return
    end
    local folder = certificates.make()
    local server = quic_server.start { upstream = mosquitto.start().port, folder = folder }
    assert.equal("true\n", shim.run("famine_probe", COMEBACK:format(server.port, folder .. "/ca.pem")))
    local stats = server:stats()
    assert.is_true(stats.resumed > 0 and stats.early > 0 and stats.early_foreign == 0)
    process.remove_folder(folder)
  end)

  it("costs a whole life over QUIC one attempt, or a connection, whichever request of ngtcp2's it is", function()
    if not quic_server.program() then
      pending "ngtcp2 is not there"
      return
    end
    local folder = certificates.make()
    local broker = mosquitto.start()
    local server = quic_server.start { upstream = broker.port, folder = folder }
    assert.equal("true\ttrue\n", shim.run("famine_probe", WHOLE:format("ngtcp2", server.port, folder .. "/ca.pem")))
    process.remove_folder(folder)
  end)

  it("holds up what is sent over QUIC until there is some again, though nothing else stirs", function()
    if not quic_server.program() then
      pending "ngtcp2 is not there"
      return
    end
    local folder = certificates.make()
    local server = quic_server.start { upstream = mosquitto.start().port, folder = folder }
    assert.equal("true\ntrue\n", shim.run("famine_probe", HELD:format(server.port, folder .. "/ca.pem")))
    process.remove_folder(folder)
  end)
end)
