-- What ends connections again and again, what passes, and what an earlier worker has left: found, waited for and handed
-- out in nginx as anywhere, and the worker's client goes on. #broker
if not jit or os.getenv "HOLDFAST_SANITIZE" then
  return -- nginx runs LuaJIT, with the module that is built for it, and brings no checker along
end

local files = require "spec.support.files"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local nginx = require "spec.support.nginx"
local process = require "process_probe"
local scripted = require "spec.support.scripted_broker"

local WORKER = [[
  delivered, told, posted, slept, failed = 0, {}, {}, 0, {}
  client = assert(require "resty.holdfast":new {
    server = "mqtt://HOST:PORT", client_id = "trials-$worker", transport = "TRANSPORT",
    backoff = { strategy = "constant", min = 0.05, jitter = "none" }, CHANGES
  })
  client:on("delivered", function() delivered = delivered + 1 end)
  client:on("dropped", function(event)
    told[#told + 1] = posted[event.id] .. " " .. event.why .. (event.reason and " " .. event.reason.name or "")
  end)
  client:on("sleeping", function() slept = slept + 1 end)
  client:on("failed", function(event) failed[#failed + 1] = event.reason.name end)
]]

local START = "client:start()"
local IDENTIFIER = 11 -- the property, of one byte below 128

-- A slow wait is a short one, so that what is "stop from the 2nd on" comes to its second in a moment.
local SHORT = "policy = { slow = { strategy = 'constant', min = 0.05, max = 0.05, jitter = 'none' } },"

local LOCATIONS = {
  ["/state"] = [[
    local status = client:status()
    ngx.say(status.state, " slept ", slept, " delivered ", delivered, " dropped ", table.concat(told, ", "))
  ]],
  ["/losses"] = "ngx.say(client:status().counters.losses)",
  ["/post"] = [[
    local arguments = ngx.req.get_uri_args()
    for payload in arguments.payloads:gmatch "[^,]+" do
      local size = tonumber(arguments.size) or 0
      posted[client:post("t", payload .. ("x"):rep(size), { qos = tonumber(arguments.qos) or 1 })] = payload
    end
  ]],
  ["/failed"] = "ngx.say(table.concat(failed, ' '))",
  ["/filters"] = [[
    local _, _, code = bad:granted(0.05)
    ngx.say(client:status().state, " slept ", slept, " ", tostring(good:granted(0.05)), " ", tostring(code))
  ]],
  ["/begin"] = "begin()",
  ["/got"] = [[ngx.say(table.concat(got, " "), " unclaimed ", client:status().counters.unclaimed)]],
}

describe("a client on trial in nginx #broker", function()
  local broker, server, has_session

  after_each(function()
    nginx.finish()
    mosquitto.finish()
    if broker then
      broker:close()
      broker = nil
    end
  end)

  local function start(port, options)
    local words = { HOST = options.host or "127.0.0.1", PORT = tostring(port), TRANSPORT = options.transport,
      CHANGES = options.changes or "" }
    has_session = false
    server = nginx.start {
      init_worker = WORKER:gsub("%u%u%u+", words) .. (options.code or START), locations = LOCATIONS,
      environment = options.environment,
    }
  end

  -- Answers each connection's packets by `answers[type](connection, packet)`, where true ends it, until /state, or
  -- another path, has the pattern; answers how many connections that took.
  local function serve(answers, pattern, path)
    local deadline, connections, connection, state = process.now() + 10000, 0, nil, nil
    repeat
      local packet, why
      if connection then
        packet, why = connection:packet(20)
      else
        connection = broker:accept_now()
      end
      local answer = packet and answers[packet.type]
      if packet and packet.type == "connect" then
        connections = connections + 1
        connection:connack { session_present = has_session }
        has_session = true
      elseif why == "closed" or answer and answer(connection, packet) then
        connection:part()
        connection = nil
      elseif not packet then
        state = server:answer(path or "/state")
      end
      assert(process.now() < deadline, state)
    until state and state:find(pattern)
    if connection then
      connection:close()
    end
    return connections
  end

  for _, transport in ipairs { "paho", "native" } do
    it("drops the message that a broker names, goes on and does not sleep: " .. transport, function()
      broker = scripted.listen()
      start(broker.port, { transport = transport, changes = SHORT })
      server:answer "/post?payloads=one,bad,two,three"
      local answers = {
        publish = function(connection, packet)
          if packet.payload == "bad" then
            connection:disconnect(0x81)
            return true
          end
          connection:answer("puback", packet.id)
        end,
      }
      local dropped = " dropped bad disconnected malformed_packet$"
      assert.are.equal(3, serve(answers, "^connected slept 0 delivered 3" .. dropped))
      server:answer "/post?payloads=four,five"
      assert.is_true(serve(answers, "^connected slept 0 delivered 5" .. dropped) <= 1)
    end)

    it("subscribes no more to the filter that a broker names, goes on and does not sleep: " .. transport, function()
      broker = scripted.listen()
      start(broker.port, { transport = transport, changes = SHORT, code = [[
        good, bad = client:subscribe("good", { qos = 1 }), client:subscribe("bad", { qos = 1 })
      ]] .. START })
      serve({ subscribe = function(connection, packet)
        if packet.body:find("bad", 1, true) then
          connection:disconnect(0x81)
          return true
        end
        connection:suback(packet.id, 1)
      end }, "^connected slept 0 1 refused$", "/filters")
    end)

    it("finds what MQTT 3.1.1 has no word for, and delivers the others: " .. transport, function()
      local port = mosquitto.start({ lines = { "max_packet_size 2000" } }).port
      start(port, { transport = transport, changes = "protocol = 4," })
      server:answer "/post?payloads=bad&size=5000"
      server:answer("/post?payloads=good" .. (",good"):rep(59))
      server:eventually("/state", "slept 0 delivered 60 dropped bad disconnected %S+$")
      assert.is_true(tonumber((server:answer "/losses")) < 60)
    end)

    it("is back at once where a server that has worked accepts and closes: " .. transport, function()
      broker = scripted.listen()
      start(broker.port, { transport = transport })
      local connection = broker:welcome()
      server:eventually("/state", "^connected")
      connection:close()
      for _ = 1, 6 do
        connection = broker:accept()
        connection:expect "connect"
        connection:close()
      end
      connection = broker:welcome()
      server:eventually("/state", "^connected slept 0")
      connection:close()
    end)

    it("is back at once where a name that has been known is not for a while: " .. transport, function()
      local gone = assert(process.temporary_folder()) .. "/gone"
      finally(function()
        process.remove_folder((gone:gsub("/gone$", "")))
      end)
      local peer = mosquitto.start()
      start(peer.port, { transport = transport, host = "passing.example", environment = {
        "LD_PRELOAD=" .. package.searchpath("names_probe", package.cpath), "NAMES_PROBE_GONE=" .. gone,
      } })
      server:eventually("/state", "^connected")
      files.write(gone, "")
      peer:kill()
      server:eventually("/failed", "name_not_found name_not_found name_not_found")
      peer:restart()
      assert(os.remove(gone))
      server:eventually("/state", "^connected")
    end)

    it("speaks 3.1.1 to a broker that closes over MQTT 5, where it may: " .. transport, function()
      broker = scripted.listen()
      start(broker.port, { transport = transport, changes = "fallback = true," })
      local connection, connect
      for _ = 1, 2 do
        connection = broker:accept()
        assert.equal(5, connection:expect("connect").level)
        connection:close()
      end
      connection, connect = broker:welcome()
      assert.equal(4, connect.level)
      server:eventually("/state", "^connected slept 0")
      connection:close()
    end)

    it("has what comes for $queue/a under the bare topic, by its identifier: " .. transport, function()
      broker = scripted.listen()
      start(broker.port, { transport = transport, code = [[
        got = {}
        client:subscribe("$queue/a", { qos = 1 }, function(message) got[#got + 1] = message.topic end)
      ]] .. START })
      serve({ subscribe = function(connection, packet)
        connection:suback(packet.id, 1)
        connection:publish { topic = "a", payload = "x", qos = 1, id = 1,
          properties = { scripted.one(IDENTIFIER, packet.body:byte(5)) } }
      end }, "^a unclaimed 0$", "/got")
    end)
  end

  it("drops by name what is answered as if it were of QoS 1, and its connections have an end", function()
    broker = scripted.listen()
    start(broker.port, { transport = "native", changes = SHORT })
    for number = 1, 3 do
      server:answer("/post?qos=2&payloads=twice" .. number)
      server:answer("/post?qos=1&payloads=once" .. number)
    end
    local dropped = {}
    for number = 1, 3 do
      dropped[number] = ("twice%d disconnected protocol_error"):format(number)
    end
    local connections = serve({ publish = function(connection, packet)
      connection:answer("puback", packet.id)
    end }, "^connected slept 0 delivered 3 dropped " .. table.concat(dropped, ", ") .. "$")
    assert.is_true(connections <= 6, connections)
  end)

  it("leaves a PUBREL that is closed over to later and later, so that the others get through", function()
    broker = scripted.listen()
    start(broker.port, { transport = "native", changes = "session_expiry = 100," })
    server:answer "/post?qos=2&payloads=once"
    local answers = {
      publish = function(connection, packet) connection:answer(packet.qos == 1 and "puback" or "pubrec", packet.id) end,
      pubrel = function() return true end,
    }
    serve(answers, "^[3-9]$", "/losses")
    server:answer "/post?payloads=a,b,c"
    serve(answers, "^connected slept 0 delivered 3 dropped $")
    answers.pubrel = function(connection, packet) connection:answer("pubcomp", packet.id) end
    serve(answers, "delivered 4 dropped $")
  end)

  it("leaves with its will where a request has it do so, and says goodbye where one just closes it", function()
    local url = "mqtt://127.0.0.1:" .. mosquitto.start().port
    local witness = holdfast.new { server = url }
    local wills = witness:subscribe("will", { qos = 1 })
    assert(witness:connect(10))
    server = nginx.start {
      init_worker = ([[
        clients = {}
        for _, transport in ipairs { "paho", "native" } do
          for _, name in ipairs { "leaves", "closes" } do
            clients[#clients + 1] = assert(require "resty.holdfast":new { server = "%s", client_id = transport .. name,
              transport = transport, will = { topic = "will", payload = transport .. name, qos = 1 } }):start()
          end
        end
      ]]):format(url),
      locations = { ["/close"] = [[
        for index, client in ipairs(clients) do
          assert(client:connect(10))
          assert(client:close { timeout = 5, will = index % 2 == 1 })
        end
      ]] },
    }
    server:answer "/close"
    assert(witness:publish("will", "last", { qos = 1 }))
    local found = {}
    repeat found[#found + 1] = assert(wills:receive(10)).payload until found[#found] == "last"
    witness:close(1)
    assert.same({ "paholeaves", "nativeleaves", "last" }, found)
  end)

  -- The client connects, and subscribes only then: in a timer of the worker, or in a request.
  local BEGIN = [[
    got = {}
    function begin()
      assert(client:connect(10))
      client:subscribe("kept", { qos = 1, ordered = true }, function(message) got[#got + 1] = message.payload end)
    end
  ]]
  local ways = { timer = BEGIN .. "ngx.timer.at(0, begin)", request = BEGIN }

  for i, transport in ipairs { "paho", "native", "paho", "native" } do
    local way = i <= 2 and "timer" or "request"
    it(("has all that its session kept though a %s subscribes after connect: %s"):format(way, transport), function()
      local port = mosquitto.start().port
      local url = "mqtt://127.0.0.1:" .. port
      local earlier = holdfast.new { server = url, client_id = "trials-0", session_expiry = 60 }
      for _, filter in ipairs { "kept", "forgotten/#" } do
        earlier:subscribe(filter, { qos = 1 }, function() end)
      end
      assert(earlier:connect(10))
      earlier:close(1)
      local other = holdfast.new { server = url }
      assert(other:connect(10))
      for number = 1, 10 do
        assert(other:publish("kept", tostring(number), { qos = 1 }))
      end
      for _, topic in ipairs { "a", "a", "b" } do
        assert(other:publish("forgotten/" .. topic, "nobody's", { qos = 1 }))
      end
      other:close(1)

      start(port, { transport = transport, changes = "session_expiry = 60,", code = ways[way] })
      if way == "request" then
        server:answer "/begin"
      end
      server:eventually("/got", "^1 2 3 4 5 6 7 8 9 10 unclaimed 3$")
      for _, topic in ipairs { "a", "b" } do
        local words = "%[warn%][^\n]*a message for forgotten/" .. topic .. " belongs to no subscription"
        assert.equal(1, select(2, server:log():gsub(words, "")), server:log())
      end
    end)
  end
end)
