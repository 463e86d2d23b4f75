-- 1, a bridge: a reader publishes each message on at the same QoS, while the broker that has a backlog for it is
-- restarted twice. #broker
local accounts = require "spec.support.account"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local program = require "spec.support.program"

local ONE_CLIENT = [[
local holdfast = require "holdfast"

local client = holdfast.new { server = arg[1], client_id = "bridge" }
client:on("ready", print)
client:on("lost", print)

local function on(message)
  assert(client:publish((message.topic:gsub("^in/", "out/")), message.payload, { qos = message.qos }))
end
]]

local TWO_CLIENTS = [[
local holdfast = require "holdfast"

local client = holdfast.new { server = arg[1], client_id = "bridge" }
local other = holdfast.new { server = arg[1], client_id = "bridge-out" }
client:on("ready", print)
client:on("lost", print)
other:start()

local function on(message)
  assert(other:publish((message.topic:gsub("^in/", "out/")), message.payload, { qos = message.qos }))
end
]]

local READERS = {
  messages = [[
local from = client:subscribe("in/#", { qos = 2 })
holdfast.run(function()
  assert(client:connect(10))
  for message in from:messages() do
    on(message)
  end
end)
]],
  receive = [[
local from = client:subscribe("in/#", { qos = 2 })
holdfast.run(function()
  assert(client:connect(10))
  while true do
    on(assert(from:receive()))
  end
end)
]],
  handler = [[
client:subscribe("in/#", { qos = 2 }, on)
client:start()
holdfast.run(function()
  client:wait "closed"
end)
]],
  ordered = [[
client:subscribe("in/#", { qos = 2, ordered = true }, on)
client:start()
holdfast.run(function()
  client:wait "closed"
end)
]],
}

-- Over Paho each time that it steps away from the broker the session has all that is not acknowledged sent anew.
local COUNTS = { native = program.size(1500, 100000), paho = program.size(1500, 20000) }
local PATIENCE = program.size(12, 280)

describe("a bridge #broker", function()
  after_each(function()
    program.finish()
    mosquitto.finish()
  end)

  -- One run of a bridge, `options`: code, QoS, protocol and transport. In the specs' run there are some of them, in a
  -- soak all.
  local function bridge(options)
    local broker = mosquitto.start { persistent = "each second", quiet = true,
      lines = { "max_inflight_messages 10000", "max_queued_messages 0" } }
    local address = "mqtt://127.0.0.1:" .. broker.port
    local account, count = accounts.new(), COUNTS[options.transport]
    local start = { code = options.code, transport = options.transport, protocol = options.protocol,
      host = options.host, arguments = { address } }

    local one = program.start(start):await "^ready"
    one:signal("KILL"):ended(5)

    local quick = { strategy = "constant", min = 0.05, max = 0.05, jitter = "none" }
    local world = holdfast.new { server = address, client_id = "world", backoff = quick, stable_after = 0,
      queue = { messages = count }, inbox = { messages = count } }
    world:subscribe("out/#", { qos = 2 }, function(message)
      account:arrived(message.topic:match "%d+$", tonumber(message.payload))
    end)
    assert(world:connect(10))
    for number = 1, count do
      local stream = tostring(number % 4)
      assert(world:post("in/" .. stream, tostring(number), { qos = options.qos }))
      account:posted(stream, number)
    end
    while world:status().queued.messages > 0 do
      holdfast.sleep(0.01)
    end

    one = account:watch(program.start(start)):await("^ready", PATIENCE) -- SUBACK comes behind what is sent anew
    account:weigh(one.pid)
    for restart = 1, 2 do
      account:await("arrived", count * restart / 3, PATIENCE)
      broker:stop()
      broker:restart()
      one:await("^ready", program.size(15, PATIENCE), restart + 1)
    end
    account:await("arrived", count, PATIENCE)
    holdfast.sleep(0.2) -- a double would come after
    account:weigh(one.pid)
    account:close { gap = { 0, program.size(15, 60) }, doubled = options.qos == 1 and { 0 } or 0 }
    -- With Paho the client also steps away from what it cannot hold; with our own transport the broker waits.
    local others = one:count "^lost" - one:count "^lost: slow_consumer"
    assert(others == 2 or options.transport == "paho" and others < 2, account:words())
    world:close(1)
  end

  local function each(define)
    program.everywhere(1, function(transport, protocol, host)
      for _, reader in ipairs { "messages", "receive", "handler", "ordered" } do
        for qos = 1, 2 do
          define(reader, { qos = qos, protocol = protocol, transport = transport, host = host })
        end
      end
    end)
  end

  local is_small = {
    ["native 1 messages 1 5"] = true, ["native 1 receive 2 4"] = true, ["native 1 ordered 2 5"] = true,
    ["native 2 handler 1 4"] = true, ["paho 2 ordered 2 4"] = true,
  }
  local AS_GUEST = "native 1 handler 2 5"

  -- Paho acknowledges as messages arrive, so that the client can only step away from the broker when the inbox is full:
  -- a reader that waits for a publish of the same client waits for ever then, and what comes before a reader has begun
  -- is kept only as far as its buffer goes. docs/transports/paho.md.
  local function can(transport, clients, reader)
    return transport == "native" or clients == 2 and (reader == "handler" or reader == "ordered")
  end

  each(function(reader, options)
    for clients, code in ipairs { ONE_CLIENT, TWO_CLIENTS } do
      local words = ("%s %d %s %d %d"):format(options.transport, clients, reader, options.qos, options.protocol)
      local wanted = program.is_soak or is_small[words] and not options.host or options.host and words == AS_GUEST
      if can(options.transport, clients, reader) and wanted then
        it(("of %d client(s), %s, QoS %d, %s"):format(clients, reader, options.qos, program.way(options.transport,
          options.protocol, options.host)), function()
          options.code = code .. READERS[reader]
          holdfast.run(bridge, options)
        end)
      end
    end
  end)
end)
