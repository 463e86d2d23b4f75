--- holdfast's half of the bench: does and prints what raw_paho.c does and prints, in the same modes, over the transport
-- in BENCH_TRANSPORT (paho). `lua bench/client.lua receive port=.. qos=.. count=.. how=reader|handler`,
-- `publish .. how=post|wait`, and so on.
local holdfast = require "holdfast"
local now = require("holdfast.core").now
local cpu = os.clock -- of the whole process, every thread

local TOPIC = "bench/topic"

local given = {}
for i = 2, #arg do
  local key, value = arg[i]:match "^(%w+_?%w*)=(.*)$"
  given[key] = tonumber(value) or value
end

local transport = os.getenv "BENCH_TRANSPORT"

local function new(options)
  options.transport = transport
  options.server = options.server or given.server or "mqtt://127.0.0.1:" .. (options.port or given.port)
  options.port = nil
  options.keep_alive = 60
  options.zero_rtt = given.zero_rtt == 1 or nil
  options.tls = given.ca and given.ca ~= "" and { ca = given.ca } or nil
  return holdfast.new(options)
end

local function answer(format, ...)
  print(string.format(format, ...))
  io.stdout:flush()
end

local modes = {}

function modes.receive()
  -- Room for all: what is measured is how fast messages get through, not what happens when they do not.
  local client = new { inbox = { messages = given.count, bytes = given.count * 1024 } }
  local count, received = given.count, 0
  local warm = math.floor(count / 10)
  local start, start_cpu, done
  local function take()
    received = received + 1
    if received == warm then
      start, start_cpu = now(), cpu()
    elseif received == count then
      answer("messages=%d seconds=%.6f cpu=%.6f", count - warm, now() - start, cpu() - start_cpu)
      done = true
    end
  end
  holdfast.run(function()
    if given.how == "handler" then
      client:subscribe(TOPIC, { qos = given.qos }, take)
      client:start()
      while not done do
        holdfast.sleep(0.01)
      end
    else
      local subscription = client:subscribe(TOPIC, { qos = given.qos })
      client:start()
      for _ in subscription:messages() do
        take()
        if done then
          break
        end
      end
    end
    client:close()
  end)
end

local function post_all(client, count, payload, options)
  for _ = 1, count do
    local id, message, code = client:post(TOPIC, payload, options)
    while not id do
      assert(code == "queue_full", message)
      holdfast.sleep(0.001)
      id, message, code = client:post(TOPIC, payload, options)
    end
  end
  while client:status().counters.delivered < count do
    holdfast.sleep(0.001)
  end
end

local function publish_all(client, count, payload, options)
  local left, running = count, 100
  for _ = 1, running do
    holdfast.spawn(function()
      while left > 0 do
        left = left - 1
        assert(client:publish(TOPIC, payload, options))
      end
      running = running - 1
    end)
  end
  while running > 0 do
    holdfast.sleep(0.001)
  end
end

function modes.publish()
  local store = given.store == 1 and os.getenv "BENCH_FOLDER" .. "/queue-" .. given.port or nil
  local client = new { client_id = store and "bench", queue = { store = store } }
  holdfast.run(function()
    assert(client:connect(10))
    local start, start_cpu = now(), cpu()
    local send = given.how == "wait" and publish_all or post_all
    send(client, given.count, string.rep("\0", given.size), { qos = given.qos })
    answer("messages=%d seconds=%.6f cpu=%.6f", given.count, now() - start, cpu() - start_cpu)
    client:close()
  end)
end

-- Publishes to itself by way of the broker.
function modes.echo()
  local client = new { inbox = { messages = given.count } }
  local received = 0
  client:subscribe(TOPIC, { qos = given.qos }, function() received = received + 1 end)
  holdfast.run(function()
    assert(client:connect(10))
    local start, start_cpu = now(), cpu()
    post_all(client, given.count, string.rep("\0", given.size), { qos = given.qos })
    while received < given.count do
      holdfast.sleep(0.001)
    end
    answer("messages=%d seconds=%.6f cpu=%.6f", given.count, now() - start, cpu() - start_cpu)
    client:close()
  end)
end

function modes.burst()
  local client = new { queue = { messages = given.count } }
  holdfast.run(function()
    assert(client:connect(10))
    local start = now()
    post_all(client, given.count, string.rep("\0", 64), { qos = 1 })
    answer("messages=%d seconds=%.6f", given.count, now() - start)
    client:close()
  end)
end

function modes.large()
  local client = new { queue = { bytes = 2 * given.size } }
  holdfast.run(function()
    assert(client:connect(10))
    local payload = string.rep("\0", given.size)
    local start = now()
    assert(client:publish(TOPIC, payload, { qos = 1 }))
    answer("seconds=%.6f", now() - start)
    client:close()
  end)
end

local function connected(count, port)
  local clients = {}
  for i = 1, count do
    clients[i] = new { port = port }
    clients[i]:start()
  end
  for i = 1, count do
    assert(clients[i]:connect(30))
  end
  return clients
end

function modes.recover()
  holdfast.run(function()
    local others = connected(given.idle or 0, given.idle_port)
    local client = new { backoff = { strategy = "constant", min = 0.05, jitter = "none" } }
    client:subscribe(TOPIC, { qos = 1 })
    local left = given.rounds + 1
    client:on("ready", function()
      answer("ready=%.6f", now())
      left = left - 1
      if left == 0 then
        client:close()
      end
    end)
    client:start()
    client:wait "closed"
    return others -- held until here
  end)
end

-- Leaves and comes back, time and again.
function modes.reconnect()
  holdfast.run(function()
    local client = new { backoff = { strategy = "constant", min = 0.05, jitter = "none" } }
    client:connect(30)
    local seconds = 0
    for _ = 1, given.rounds do
      local start = now()
      client:reconnect()
      assert(client:wait("ready", 30))
      seconds = seconds + now() - start
    end
    answer("seconds=%.6f", seconds)
    client:close(5)
  end)
end

-- Likewise, with a pause between, and says each time when it was ready.
function modes.comeback()
  holdfast.run(function()
    local client = new { backoff = { strategy = "constant", min = 0.05, jitter = "none" } }
    client:connect(30)
    for _ = 1, given.rounds do
      holdfast.sleep(0.6) -- what the handshake has left to say is over
      client:reconnect()
      assert(client:wait("ready", 30))
      answer("ready=%.6f", now())
    end
    client:close(5)
  end)
end

-- Publishes to itself at QoS 1, 20 at once, through whatever network there is.
function modes.lossy()
  holdfast.run(function()
    local client = new { connect_timeout = 30, backoff = { strategy = "constant", min = 0.05, jitter = "none" } }
    local late, lost = {}, 0
    client:subscribe(TOPIC, { qos = 1 }, function(message)
      late[#late + 1] = now() - tonumber(message.payload)
    end)
    client:on("lost", function() lost = lost + 1 end)
    assert(client:connect(120))
    local ending = now() + given.seconds
    for _ = 1, 20 do
      holdfast.spawn(function()
        while now() < ending do
          client:publish(TOPIC, ("%.6f"):format(now()), { qos = 1, timeout = 60 })
        end
      end)
    end
    holdfast.sleep(given.seconds)
    local count = #late
    table.sort(late)
    answer("messages=%d late=%.6f lost=%d", count, late[math.ceil(count * 0.99)] or given.seconds, lost)
    client:close(0)
  end)
end

local function resident()
  for line in io.lines "/proc/self/status" do
    local kilobytes = line:match "^VmRSS:%s*(%d+)"
    if kilobytes then
      return tonumber(kilobytes)
    end
  end
end

function modes.idle()
  holdfast.run(function()
    local clients = connected(given.clients)
    holdfast.sleep(3)
    local start, start_cpu = now(), cpu()
    holdfast.sleep(given.seconds)
    answer("seconds=%.6f cpu=%.6f memory=%d", now() - start, cpu() - start_cpu, resident())
    for _, client in ipairs(clients) do
      client:close()
    end
  end)
end

-- To itself, `rate` messages a second.
function modes.pace()
  local client, received = new {}, 0
  local subscription = client:subscribe(TOPIC, { qos = given.qos }, function()
    received = received + 1
  end)
  holdfast.run(function()
    assert(client:connect(10))
    assert(subscription:granted(10))
    local payload, options = ("\0"):rep(64), { qos = given.qos }
    local start, start_cpu = now(), cpu()
    for sent = 1, given.count do
      assert(client:post(TOPIC, payload, options))
      holdfast.sleep(math.max(0, start + sent / given.rate - now()))
    end
    while received < given.count do
      holdfast.sleep(0.01)
    end
    answer("messages=%d seconds=%.6f cpu=%.6f", received, now() - start, cpu() - start_cpu)
    client:close()
  end)
end

-- One client among others that are silent: it sends itself `rate` messages a second for `seconds`.
function modes.scale()
  holdfast.run(function()
    local begin = now()
    local clients = connected(given.clients)
    local ready, busy = now() - begin, clients[1]
    local received = 0
    assert(busy:subscribe(TOPIC, { qos = 0 }, function()
      received = received + 1
    end))
    assert(busy:connect(10))
    holdfast.sleep(2)
    local memory, start, start_cpu = resident(), now(), cpu()
    holdfast.sleep(given.seconds)
    local idle = (cpu() - start_cpu) / (now() - start)
    local payload, sent = ("x"):rep(64), 0
    start, start_cpu, received = now(), cpu(), 0
    while now() - start < given.seconds do
      assert(busy:post(TOPIC, payload))
      sent = sent + 1
      holdfast.sleep(math.max(0, start + sent / given.rate - now()))
    end
    local used = cpu() - start_cpu - idle * (now() - start)
    answer("messages=%d cpu=%.6f idle=%.6f memory=%d ready=%.6f", math.max(received, 1), used, idle, memory, ready)
    for _, client in ipairs(clients) do
      client:close(0)
    end
  end)
end

function modes.pairs()
  local client = new {}
  local subscription = client:subscribe(TOPIC, { qos = given.qos })
  holdfast.run(function()
    assert(client:connect(10))
    for _ = 1, given.rounds do
      local start = now()
      assert(client:post(TOPIC, ("x"):rep(64), { qos = given.qos }))
      assert(client:post(TOPIC, ("x"):rep(64), { qos = given.qos }))
      assert(subscription:receive(10))
      assert(subscription:receive(10))
      answer("seconds=%.6f", now() - start)
      holdfast.sleep(0.05)
    end
    client:close()
  end)
end

-- What a connect costs, and a client that stays; over TLS by where the trusted certificates come from.
function modes.trust()
  local function over_tls()
    return new { server = given.server or "mqtts://localhost:" .. given.port }
  end
  holdfast.run(function()
    local first = over_tls()
    assert(first:connect(30))
    local start_cpu = cpu()
    for _ = 1, given.rounds do
      first:reconnect()
      assert(first:wait("ready", 30))
    end
    local used = cpu() - start_cpu
    local before, others = resident(), {}
    for i = 1, given.clients do
      others[i] = over_tls()
      assert(others[i]:connect(30))
    end
    answer("cpu=%.6f memory=%.1f", used / given.rounds, (resident() - before) / given.clients)
    for _, client in ipairs(others) do
      client:close()
    end
    first:close()
  end)
end

-- What a full handshake costs, and one with a ticket: clients that connect one after the other, each to an address of
-- its own, and come back. Tickets belong to an address, what is read from files to all.
function modes.tickets()
  holdfast.run(function()
    local clients = {}
    for i = 1, given.clients do
      clients[i] = holdfast.new { server = ("mqtts://127.0.0.%d:%d"):format(i, given.port), keep_alive = 60,
        transport = transport, tls = { ca = given.ca } }
    end
    assert(clients[1]:connect(30))
    local before, start_cpu = resident(), cpu()
    for i = 2, given.clients do
      assert(clients[i]:connect(30))
    end
    local full, memory = cpu() - start_cpu, resident() - before
    start_cpu = cpu()
    for i = 2, given.clients do
      clients[i]:reconnect()
      assert(clients[i]:wait("ready", 30))
    end
    answer("full=%.6f resumed=%.6f memory=%d", full, cpu() - start_cpu, memory)
    for _, client in ipairs(clients) do
      client:close()
    end
  end)
end

-- A crowd whose broker goes and comes back: when the last was to try for the first time with the broker there, when all
-- were ready, and how many tries with the broker there came to nothing.
function modes.crowd()
  holdfast.run(function()
    local clients = connected(given.clients)
    local last_due, last_ready, count, vain = 0, 0, 0, 0
    for i, client in ipairs(clients) do
      local due
      local function wait(event)
        if count == 0 then
          due = now() + event.retry_in
        else
          vain = vain + 1
        end
      end
      client:on("lost", wait)
      client:on("failed", wait)
      client:on("ready", function()
        if due then
          count, last_due, last_ready = count + 1, math.max(last_due, due), now()
        end
      end)
      assert(client:subscribe(TOPIC .. i, { qos = 1 }):granted(30))
    end
    answer "connected=1"
    while count < given.clients do
      holdfast.sleep(0.05)
    end
    answer("due=%.6f ready=%.6f vain=%d", last_due, last_ready, vain)
  end)
end

-- How long the worst publish of one client takes while another waits for a name that is slow to be found.
function modes.names()
  local steady = new {}
  local waiting = holdfast.new { server = ("%s://slow.example:%d"):format(given.scheme, given.port),
    transport = transport }
  holdfast.run(function()
    assert(steady:connect(10))
    waiting:start()
    local worst, finish = 0, now() + given.seconds
    while now() < finish do
      local before = now()
      assert(steady:publish(TOPIC, "", { qos = 1 }))
      worst = math.max(worst, now() - before)
      holdfast.sleep(0.01)
    end
    answer("worst=%.6f", worst)
    waiting:close()
    steady:close()
  end)
end

local mode = modes[arg[1]]
if not mode then
  io.stderr:write "usage: see the head of bench/client.lua\n"
  os.exit(2)
end
mode()
