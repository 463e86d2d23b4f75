-- A worker whose readers and handlers publish on, by the same client, more than its inbox holds: what waits in the
-- session of its client. A soak has 100,000 messages. #broker
if not jit or os.getenv "HOLDFAST_SANITIZE" then
  return -- nginx runs LuaJIT, with the module that is built for it, and brings no checker along
end

local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local nginx = require "spec.support.nginx"
local program = require "spec.support.program"

local INBOX, MESSAGES = program.size(20, 1000), program.size(400, 100000)
local LIMIT = program.size(30, 1200) -- seconds for all; one at a time, 100,000 of QoS 2 are slow on a busy machine
local STILL = 30 -- seconds without one in which it has stopped

local WORKER = [[
  losses = {}
  client = assert(require "resty.holdfast":new {
    server = "mqtt://127.0.0.1:PORT", client_id = "bridge", transport = "native", protocol = PROTOCOL,
    session_expiry = 600, inbox = { messages = INBOX },
  })
  client:on("lost", function(event) losses[#losses + 1] = event.reason.name end)
  local function pass(message)
    assert(client:publish("to", message.payload, { qos = QOS, timeout = 30 }))
  end
  WAY
  client:start()
]]

local WAYS = {
  messages = [[
    local from = client:subscribe("from", { qos = 2 })
    ngx.timer.at(0, function()
      for message in from:messages() do
        pass(message)
      end
    end)
  ]],
  handler = 'client:subscribe("from", { qos = 2 }, pass)',
  ordered = 'client:subscribe("from", { qos = 2, ordered = true }, pass)',
}

describe("a bridge in nginx #broker", function()
  after_each(function()
    nginx.finish()
    mosquitto.finish()
  end)

  local function bridge(way, qos, protocol)
    local broker = mosquitto.start { quiet = true, lines = { "max_queued_messages 0" } }
    local address = "mqtt://127.0.0.1:" .. broker.port
    local first = holdfast.new { server = address, client_id = "bridge", session_expiry = 600, protocol = protocol }
    first:subscribe("from", { qos = 2 })
    assert(first:connect(10))
    first:close(1)
    local world = holdfast.new { server = address, queue = { messages = MESSAGES } }
    local arrived, count, doubled = {}, 0, 0
    world:subscribe("to", { qos = 2 }, function(message)
      doubled = doubled + (arrived[message.payload] and 1 or 0)
      count = count + (arrived[message.payload] and 0 or 1)
      arrived[message.payload] = true
    end)
    assert(world:connect(10))
    for number = 1, MESSAGES do
      assert(world:post("from", tostring(number), { qos = math.max(qos, 1) })) -- only these wait in a session
    end
    while world:status().queued.messages > 0 do
      holdfast.sleep(0.01)
    end
    local words = { PORT = broker.port, PROTOCOL = protocol, QOS = qos, INBOX = INBOX, WAY = WAYS[way] }
    local server = nginx.start { init_worker = WORKER:gsub("%f[%u]%u+%f[%U]", words),
      locations = { ["/losses"] = 'ngx.say(#losses, " ", table.concat(losses, " "))' } }
    local began = core.now()
    local newest, seen = began, 0
    while count < MESSAGES and core.now() < math.min(began + LIMIT, newest + STILL) do
      if count > seen then
        newest, seen = core.now(), count
      end
      holdfast.sleep(0.01)
    end
    assert.are.equal("0 ", server:answer "/losses")
    assert.are.same({ MESSAGES, 0 }, { count, doubled })
    assert.is_true(world:close(5))
  end

  local is_small = { ["messages 1 5"] = true, ["handler 2 4"] = true, ["ordered 0 5"] = true }

  for way in pairs(WAYS) do
    for qos = 0, 2 do
      for _, protocol in ipairs { 4, 5 } do
        if program.is_soak or is_small[("%s %d %d"):format(way, qos, protocol)] then
          it(("passes on what waits in its session: %s, QoS %d, protocol %d"):format(way, qos, protocol), function()
            holdfast.run(bridge, way, qos, protocol)
          end)
        end
      end
    end
  end
end)
