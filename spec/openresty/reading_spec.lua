-- Who reads in nginx, and who has stopped: readers that take turns, loops that are left, what a handler has begun.
-- #broker
if not jit or os.getenv "HOLDFAST_SANITIZE" then
  return -- nginx runs LuaJIT, with the module that is built for it, and brings no checker along
end

local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local nginx = require "spec.support.nginx"
local sockets = require "socket_probe"

local COUNT = 3000

describe("reading in nginx #broker", function()
  local broker, server

  before_each(function()
    broker = mosquitto.start { lines = { "max_queued_messages 0" } }
  end)

  after_each(function()
    nginx.finish()
    mosquitto.finish()
  end)

  local function start(code, locations, transport)
    locations["/ready"] = "ngx.say(tostring(client:status().ready))"
    locations["/account"] = [[
      local counters = client:status().counters
      ngx.say(counters.losses, " lost, ", counters.dropped, " dropped")
    ]]
    server = nginx.start { locations = locations, init_worker = ([[
      holdfast = require "resty.holdfast"
      client = assert(holdfast:new { server = "mqtt://127.0.0.1:%d", transport = "%s",
        backoff = { min = 0.05, max = 0.1 } })
      %s
      client:start()
    ]]):format(broker.port, transport or "native", code) }
    server:eventually("/ready", "^true$")
  end

  local function connected()
    local client = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, queue = { messages = COUNT + 1 } }
    assert(client:connect(10))
    return client
  end

  local function post(client, topic, from, to)
    for n = from, to do
      assert(client:post(topic, tostring(n), { qos = 1 }))
    end
  end

  local function begin(path)
    local socket = sockets.connect(server.port)
    assert(socket:send("GET " .. path .. " HTTP/1.0\r\n\r\n"))
    return socket
  end

  local function body_of(socket)
    local _, _, answer = socket:receive(1000000, 30000)
    socket:close()
    return answer:match "\r\n\r\n(.-)\n$" or answer
  end

  -- Paho has no way to hold a broker back but to leave it, and what was not acknowledged comes again.
  for _, transport in ipairs { "native", "paho" } do
    it("drops nothing of a subscription where one of two readers has ended, over " .. transport, function()
      start('readings = client:subscribe("readings", { qos = 1 })', {
        ["/once"] = "ngx.say(select(3, readings:receive(0.2)))",
        ["/all"] = ([[
          local seen, wanted = {}, 0
          while wanted < %d do
            local number = assert(readings:receive(20)).payload
            if not seen[number] then
              seen[number], wanted = true, wanted + 1
              assert(number == tostring(wanted), number)
            end
            has_begun = true
            while not may_go_on do ngx.sleep(0.01) end
          end
          ngx.say(wanted)
        ]]):format(COUNT),
        ["/begun"] = "ngx.say(tostring(has_begun))",
        ["/go"] = "may_go_on = true",
      }, transport)
      local publisher = connected()
      local reader = begin "/all"
      assert(publisher:publish("readings", "1", { qos = 1 }))
      server:eventually("/begun", "^true$")
      assert.equal("timeout", server:answer "/once") -- who has one in hand is no longer the last who read
      post(publisher, "readings", 2, COUNT)
      assert(publisher:close(20))
      assert.equal("", server:answer "/go")
      assert.equal(tostring(COUNT), body_of(reader))
      local account = transport == "native" and "^0 lost, 0 dropped$" or "^%d+ lost, 0 dropped$"
      assert.matches(account, server:answer "/account")
    end)
  end

  it("is over with a loop that has been left, and holds up nobody else", function()
    start([[
      readings = client:subscribe("readings", { qos = 1 })
      alarms = client:subscribe("alarms", { qos = 1 })
      client:post("readings", "first", { qos = 1 })
    ]], {
      ["/first"] = [[
        for message in readings:messages() do
          ngx.say(message.payload)
          readings:leave()
          break
        end
      ]],
      ["/ended"] = "ngx.say(readings:ended())",
      ["/alarm"] = "ngx.say(assert(alarms:receive(20)).payload)",
    })
    assert.equal("first", server:answer "/first")
    assert.equal("left", server:answer "/ended")
    local publisher = connected()
    post(publisher, "readings", 1, COUNT)
    post(publisher, "alarms", 1, 1)
    assert(publisher:close(20))
    assert.equal("1", server:answer "/alarm")
    assert.matches("^0 lost", server:answer "/account")
  end)

  it("begins as well while the first message waits for somebody, and handlers have had their time", function()
    start([[
      client:subscribe("orders", { qos = 1 }, function()
        has_come = true
        local since = ngx.now()
        repeat ngx.update_time() until ngx.now() - since > 0.02
      end)
      readings = client:subscribe("readings", { qos = 1 })
    ]], {
      ["/first"] = [[
        repeat ngx.sleep(0.001) until has_come
        ngx.say(readings:receive(20).payload)
      ]],
    })
    local reader = begin "/first"
    local publisher = connected()
    assert(publisher:post("orders", "bolts", { qos = 1 }))
    assert(publisher:post("readings", "first", { qos = 1 }))
    publisher:close(20)
    assert.equal("first", body_of(reader))
    server:eventually("/ready", "^true$")
  end)

  it("leaves what a handler has begun to itself, whatever requests and readers end meanwhile", function()
    start([[
      told = {}
      client:subscribe("orders", { qos = 1 }, function(message)
        holdfast.spawn(function()
          local answer = client:subscribe("stock/" .. message.payload, { qos = 1 }):receive(20)
          told[#told + 1] = message.payload .. " " .. answer.payload
        end)
      end)
      other = client:subscribe "other"
    ]], {
      ["/order"] = [[
        assert(client:publish("orders", "bolts", { qos = 1 }))
        local thread = ngx.thread.spawn(function() return other:receive(20) end)
        ngx.sleep(0.05)
        ngx.thread.kill(thread)
        ngx.say "asked"
      ]],
      ["/told"] = "ngx.say(table.concat(told, ','))",
    })
    assert.equal("asked", server:answer "/order")
    local publisher = connected()
    assert(publisher:publish("stock/bolts", "1", { qos = 1, retain = true }))
    publisher:close(20)
    assert.equal("bolts 1", server:eventually("/told", "bolts"))
  end)
end)
