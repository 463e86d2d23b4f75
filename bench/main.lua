--- holdfast on both of its transports, beside plain C programs on Paho and on libmosquitto: see HELP.
package.path = "bench/?.lua;" .. package.path

local HELP = [[
usage: bench/run [part ...] [--runs=N] [--count=N] [--raw-burst=SECONDS] [--lua=NAME]

Parts (all of them unless named; scale, start, crowd and tickets only if named):
  receive   64 B messages from a server that costs next to nothing, QoS 0 and 1
  publish   64 B messages to such a server, QoS 0 and 1
  store     64 B messages at QoS 1 to such a server, in memory and on disk: Paho's file store, queue.store
  recover   from the first accept of a restarted mosquitto to subscribed, retrying each 50 ms, alone and beside
            20 idle clients
  large     one QoS 1 publish of 20 MB to mosquitto, beside one by a plain socket
  pace      1,000 messages a second to itself by way of mosquitto, beside libmosquitto
  burst     2,000 QoS 1 publishes at once to mosquitto, whose Receive Maximum is 20
  pairs     two messages in a row to itself, 50 ms between two pairs, QoS 1 and 2
  idle      CPU and memory of 1 and of 500 connected clients
  trust     a connect over TLS, and a connected client's memory: a file with one certificate, a hashed folder, the
            system's certificates
  names     one client's worst publish while another waits 3 s for its name, with TLS and without
  roads     64 B messages to mosquitto, and back, over our own transport by each road: CPU a message, and its ratio to
            that of mqtt
  matching  a message, a wish, a publish that comes back among 1,000, 10,000 and 100,000 others: csrc/core alone
  hosts     how late a 10 ms timer of cqueues, copas and luv is beside a client: silent, busy, without its broker
  scale     one busy client among 1, 10 ... --most in one process: CPU of a message to itself (QoS 0, 500 a second), and
            of silence; memory of each client, and how long it takes until all are connected
  crowd     1,000 clients whose broker is away for 5 s: when all are ready again, and when the last of them was to try
  tickets   a full handshake of TLS, and one with a ticket: CPU of a connect, memory of a client after the first
  start     a script that connects, publishes once and closes, beside mosquitto_pub, a script that does nothing, and
            luamqtt where that is installed; CPU less Lua's own start, as a multiple of mosquitto_pub's

receive and publish have five columns: raw Paho, libmosquitto (one thread, its own loop), MQTT.js (where there is node;
npm installs it the first time), holdfast over Paho, holdfast native. The other parts that have two compare raw Paho
with holdfast over --transport.

  --runs=N            repetitions, all columns in turn (5; recover takes four times as many)
  --transport=NAME    paho or native, for parts with one column of holdfast (paho)
  --most=N            clients in scale (10,000)
  --most-paho=N       the same over Paho, which has one select and a lock for all of them (1,000)
  --count=N           messages in a run of receive and publish (100,000)
  --raw-burst=SECONDS how long raw Paho may take for its burst (120)
  --lua=NAME          the Lua that holdfast runs on (lua5.4)

CPU is user and system time of the whole client process, the broker's not included. Medians; a ratio is the median of
the runs' ratios, of CPU a message to that of the best of raw Paho, libmosquitto and MQTT.js in the same run. Ratios
carry over to another machine, absolute figures do not.
]]

local given = {
  runs = 5, count = 100000, ["raw-burst"] = 120, most = 10000, ["most-paho"] = 1000, transport = "paho",
}
local parts = {}
for _, word in ipairs(arg) do
  local key, value = word:match "^%-%-([%a-]+)=(.+)$"
  if key == "lua" or key == "transport" and (value == "paho" or value == "native") then
    given[key] = value
  elseif key and given[key] and tonumber(value) then
    given[key] = tonumber(value)
  elseif word:match "^%-" then
    io.write(HELP)
    os.exit(word == "--help" and 0 or 2)
  else
    parts[#parts + 1] = word
  end
end

local tools = require "tools"
local median = tools.median

tools.programs.holdfast = tools.programs[given.transport]

local BESIDE = { "raw", "mosquitto", "mqttjs", "paho", "native" } -- in turn
if os.getenv "BENCH_LEFT_OUT" ~= "" then
  table.remove(BESIDE, 3)
end
local PAIR = { "raw", "holdfast" }

local function say(format, ...)
  io.write((string.format(format, ...):gsub(" +$", "")), "\n")
  io.flush()
end

--- Programs in turn, `runs` times, each time another one first; `measure(program, name)` returns what one measured.
local function in_turn(names, runs, measure)
  local results = {}
  for _, name in ipairs(names) do
    results[name] = {}
  end
  for run = 1, runs do
    for index = 1, #names do
      local name = names[(run + index) % #names + 1]
      results[name][run] = measure(tools.programs[name], name)
    end
  end
  return results
end

local function column(results, value)
  local list = {}
  for i, result in ipairs(results) do
    list[i] = value(result)
  end
  return list
end

local function rate(result)
  return result.messages / result.seconds
end

local function cost(result)
  return result.cpu / result.messages * 1e6
end

local SLOW = 20000 -- messages in a run of what takes raw Paho long

local function throughput(title, names, mode, peer_mode, qos, how, store)
  local count = store and math.min(given.count, SLOW) or given.count
  local results = in_turn(names, given.runs, function(program)
    local arguments = { qos = qos, count = count, size = 64, how = how, store = store and 1 or 0 }
    local port, peer = tools.peer(peer_mode, { qos = qos, count = count, size = 64 })
    arguments.port = port
    local result = tools.measure(program, mode, arguments)
    peer:close()
    return result
  end)
  local cells = {}
  for index, name in ipairs(names) do
    local ratios = {}
    for run = 1, given.runs do
      local best = math.huge
      for _, peer in ipairs { "raw", "mosquitto", "mqttjs" } do
        best = results[peer] and math.min(best, cost(results[peer][run])) or best
      end
      ratios[run] = cost(results[name][run]) / best
    end
    cells[index] = ("%5.0f k/s %6.2f us x%4.2f"):format(median(column(results[name], rate)) / 1000,
      median(column(results[name], cost)), median(ratios))
  end
  say("%-38s %s", title, table.concat(cells, "   "))
end

local TITLES = { raw = "raw Paho", socket = "a plain socket", mosquitto = "libmosquitto", mqttjs = "MQTT.js",
  paho = "holdfast, Paho", native = "holdfast, native", holdfast = "holdfast" }

local function throughput_head(names)
  if names == BESIDE and os.getenv "BENCH_LEFT_OUT" ~= "" then
    say("\n%s", os.getenv "BENCH_LEFT_OUT")
  end
  local cells = {}
  for index, name in ipairs(names) do
    cells[index] = ("%24s"):format(TITLES[name])
  end
  say("\n%-38s %s", "64 B messages, one connection", table.concat(cells, "   "))
end

local run_part = {}

function run_part.receive()
  throughput_head(BESIDE)
  for qos = 0, 1 do
    throughput("receive QoS " .. qos .. ", subscription:messages()", BESIDE, "receive", "feed", qos, "reader")
    throughput("receive QoS " .. qos .. ", handler", BESIDE, "receive", "feed", qos, "handler")
  end
end

function run_part.publish()
  throughput_head(BESIDE)
  for qos = 0, 1 do
    throughput("publish QoS " .. qos .. ", client:post", BESIDE, "publish", "swallow", qos, "post")
    throughput("publish QoS " .. qos .. ", 100 x client:publish", BESIDE, "publish", "swallow", qos, "wait")
  end
end

function run_part.store()
  throughput_head(PAIR)
  throughput("publish QoS 1, no store", PAIR, "publish", "swallow", 1, "post")
  throughput("publish QoS 1, store", PAIR, "publish", "swallow", 1, "post", true)
end

local function recover_beside(idle)
  local broker_of = { raw = tools.broker(), holdfast = tools.broker() }
  local idle_broker = idle > 0 and tools.broker()
  local pipes, times, rounds = {}, { raw = {}, holdfast = {} }, 4 * given.runs
  for name, broker in pairs(broker_of) do
    pipes[name] = tools.start(tools.programs[name], "recover",
      { port = broker.port, idle = idle, idle_port = idle_broker and idle_broker.port or 0, rounds = rounds }, 600)
    tools.answer(pipes[name])
  end
  for _ = 1, rounds do
    for name, broker in pairs(broker_of) do
      broker:kill()
      tools.sleep(0.3 + 0.2 * math.random())
      broker:start()
      local ready = tools.answer(pipes[name]).ready
      table.insert(times[name], (ready - broker.accepted) * 1000)
    end
  end
  for name, broker in pairs(broker_of) do
    pipes[name]:close()
    broker:kill()
  end
  if idle_broker then
    idle_broker:kill()
  end
  return times
end

function run_part.recover()
  say("\n%-38s %-26s %s", "first accept -> subscribed again", "  raw Paho", "  holdfast")
  for _, idle in ipairs { 0, 20 } do
    local times = recover_beside(idle)
    say("%-38s %7.0f ms (90 %%: %5.0f)     %7.0f ms (90 %%: %5.0f)",
      idle == 0 and "alone" or "beside " .. idle .. " idle clients", median(times.raw), tools.quantile(times.raw, 0.9),
      median(times.holdfast), tools.quantile(times.holdfast, 0.9))
  end
end

function run_part.large()
  local broker = tools.broker()
  local names = { "socket", "raw", "paho", "native" }
  local results = in_turn(names, given.runs, function(program)
    return tools.measure(program, "large", { port = broker.port, size = 20000000 })
  end)
  local titles, cells = {}, {}
  for index, name in ipairs(names) do
    local times, ratios = {}, {}
    for run = 1, given.runs do
      times[run] = results[name][run].seconds
      ratios[run] = times[run] / results.socket[run].seconds
    end
    titles[index] = ("%17s"):format(TITLES[name])
    cells[index] = ("%9.3f s x%5.2f"):format(median(times), median(ratios))
  end
  say("\n%-38s %s", "", table.concat(titles, "   "))
  say("%-38s %s", "one QoS 1 publish of 20 MB", table.concat(cells, "   "))
  broker:kill()
end

function run_part.pace()
  local broker = tools.broker "set_tcp_nodelay true\nmax_queued_messages 0"
  local names, titles = { "mosquitto", "paho", "native" }, {}
  for index, name in ipairs(names) do
    titles[index] = ("%17s"):format(TITLES[name])
  end
  say("\n%-38s %s", "1,000 messages a second to itself", table.concat(titles, "   "))
  for qos = 0, 1 do
    local results = in_turn(names, given.runs, function(program)
      return tools.measure(program, "pace", { port = broker.port, qos = qos, count = 3000, rate = 1000 })
    end)
    local cells = {}
    for index, name in ipairs(names) do
      local ratios = {}
      for run = 1, given.runs do
        ratios[run] = cost(results[name][run]) / cost(results.mosquitto[run])
      end
      cells[index] = ("%8.1f us x%5.2f"):format(median(column(results[name], cost)), median(ratios))
    end
    say("%-38s %s", "QoS " .. qos, table.concat(cells, "   "))
  end
  broker:kill()
end

function run_part.burst()
  local broker = tools.broker()
  local held = {}
  for run = 1, given.runs do
    held[run] = tools.measure(tools.programs.holdfast, "burst", { port = broker.port, count = 2000 }).seconds
  end
  local raw = tools.measure(tools.programs.raw, "burst",
    { port = broker.port, count = 2000, limit = given["raw-burst"] }, given["raw-burst"] + 30)
  say("\n%-38s %7.1f s%-17s %7.3f s", "2,000 QoS 1 at once, window 20", raw.seconds,
    raw.messages < 2000 and string.format(" (%d were out)", raw.messages) or "", median(held))
  broker:kill()
end

function run_part.pairs()
  local broker = tools.broker "set_tcp_nodelay true"
  say("\n%-38s %-26s %s", "two messages in a row to itself", "  raw Paho", "  holdfast")
  for qos = 1, 2 do
    local times = {}
    for _, name in ipairs(PAIR) do
      local arguments = { port = broker.port, qos = qos, rounds = 40 * given.runs }
      local pipe = tools.start(tools.programs[name], "pairs", arguments)
      times[name] = {}
      for i = 1, 40 * given.runs do
        times[name][i] = tools.answer(pipe).seconds * 1000
      end
      pipe:close()
    end
    say("%-38s %7.1f ms (90 %%: %5.1f)     %7.1f ms (90 %%: %5.1f)", "QoS " .. qos, median(times.raw),
      tools.quantile(times.raw, 0.9), median(times.holdfast), tools.quantile(times.holdfast, 0.9))
  end
  broker:kill()
end

function run_part.idle()
  local broker = tools.broker()
  say("\n%-38s %-22s %-22s", "connected and silent", "  raw Paho", "  holdfast")
  local memory = {}
  for _, clients in ipairs { 1, 500 } do
    local line = {}
    for _, name in ipairs { "raw", "holdfast" } do
      local arguments = { port = broker.port, clients = clients, seconds = 10 }
      local result = tools.measure(tools.programs[name], "idle", arguments)
      memory[name .. clients] = result.memory
      line[#line + 1] = string.format("%5.2f %% CPU %6.1f MB   ", 100 * result.cpu / result.seconds,
        result.memory / 1024)
    end
    say("%-40s %s", clients == 1 and "1 client" or clients .. " clients", table.concat(line))
  end
  local function each(name)
    return (memory[name .. 500] - memory[name .. 1]) / 499
  end
  say("%-38s %7.1f KB                 %7.1f KB", "memory of each further client", each "raw", each "holdfast")
  broker:kill()
end

function run_part.names()
  local broker = tools.broker()
  local program = "env LD_PRELOAD=" .. os.getenv "BENCH_NAMES" .. " " .. tools.programs.holdfast
  say("\nworst QoS 1 publish of one client while another's name takes 3 s to be found")
  for _, scheme in ipairs { "mqtt", "mqtts" } do
    local result = tools.measure(program, "names", { port = broker.port, scheme = scheme, seconds = 12 })
    say("%-38s %7.0f ms", scheme, result.worst * 1000)
  end
  broker:kill()
end

local CERTIFICATES = [[
set -e
cd %s
exec 2>log
for name in ca server; do openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $name.key; done
openssl req -x509 -new -key ca.key -days 2 -subj /CN=bench -out ca.pem
openssl req -new -key server.key -subj /CN=localhost -out server.csr
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out server.pem
mkdir -p folder
cp ca.pem folder
openssl rehash folder
cat /etc/ssl/certs/ca-certificates.crt ca.pem >all.pem
]]

function run_part.trust()
  local folder = os.getenv "BENCH_FOLDER"
  os.execute(CERTIFICATES:format(folder))
  local lines = "user root\ncafile FOLDER/ca.pem\ncertfile FOLDER/server.pem\nkeyfile FOLDER/server.key"
  local broker = tools.broker((lines:gsub("FOLDER", folder)))
  say("\n%-38s %-16s %s", "over TLS", "CPU a connect", "memory a client")
  local least
  for _, way in ipairs { { "one certificate in tls.ca", folder .. "/ca.pem" },
    { "a hashed folder in tls.ca", folder .. "/folder" }, { "the system's (no tls.ca)" } } do
    local results = {}
    for run = 1, given.runs do
      results[run] = tools.measure("env SSL_CERT_FILE=" .. folder .. "/all.pem " .. tools.programs.holdfast, "trust",
        { port = broker.port, ca = way[2], rounds = 20, clients = 20 })
    end
    local cpu = median(column(results, function(result) return result.cpu * 1000 end))
    least = least or cpu
    say("%-38s %5.1f ms (x%4.1f) %9.0f KB", way[1], cpu, cpu / least,
      median(column(results, function(result) return result.memory end)))
  end
  broker:kill()
end

local GROWING = {
  { "again", "the same message again, by its topic" },
  { "topic", "a message, by its topic" },
  { "identifier", "a message, by its identifier" },
  { "add", "a filter more" },
  { "remove", "a filter less" },
  { "join", "a wish more for one filter, granted" },
  { "leave", "a wish less for one filter" },
  { "back", "a publish put back in its line" },
}

function run_part.roads()
  local folder = os.getenv "BENCH_FOLDER"
  local broker = tools.broker(("user root\nmax_queued_messages 0\nlistener 0 %s/socket"):format(folder))
  local names = { "mqtt", "unix" }
  local servers = { mqtt = "mqtt://127.0.0.1:" .. broker.port, unix = "unix://" .. folder .. "/socket" }
  local titles = {}
  for index, name in ipairs(names) do
    titles[index] = ("%22s"):format(name)
  end
  say("\n%-38s %s", "64 B messages by way of mosquitto", table.concat(titles, "   "))
  for _, row in ipairs { { "publish", 0 }, { "publish", 1 }, { "echo", 1 } } do
    local mode, qos = row[1], row[2]
    local results = {}
    for run = 1, given.runs do
      for _, name in ipairs(names) do
        results[name] = results[name] or {}
        results[name][run] = tools.measure(tools.programs.native, mode,
          { server = servers[name], qos = qos, count = SLOW, size = 64, how = "post", store = 0 })
      end
    end
    local cells = {}
    for index, name in ipairs(names) do
      local ratios = {}
      for run = 1, given.runs do
        ratios[run] = cost(results[name][run]) / cost(results.mqtt[run])
      end
      cells[index] = ("%3.0f k/s %6.2f us x%4.2f"):format(median(column(results[name], rate)) / 1000,
        median(column(results[name], cost)), median(ratios))
    end
    say("%-38s %s", ("%s QoS %d"):format(mode == "echo" and "publish and receive" or mode, qos),
      table.concat(cells, "   "))
  end
  broker:kill()
end

function run_part.matching()
  local sizes, results = { 1000, 10000, 100000 }, {}
  for _, size in ipairs(sizes) do
    results[size] = {}
    for run = 1, given.runs do
      results[size][run] = tools.measure("build/bench/matching", "", { count = size, rounds = 200000 })
    end
  end
  say("\n%-38s %12s %19s %19s", "nanoseconds of one among", "1,000", "10,000", "100,000")
  for _, row in ipairs(GROWING) do
    local line, least = {}, nil
    for i, size in ipairs(sizes) do
      local each = median(column(results[size], function(result) return result[row[1]] end))
      least = least or each
      line[i] = i == 1 and string.format("%12.0f", each) or string.format("%10.0f (x%5.1f)", each, each / least)
    end
    say("%-38s %s", row[2], table.concat(line, " "))
  end
end

local MODES = {
  alone = "no client",
  idle = "connected and silent",
  busy = "publish, receive, QoS 1",
  outage = "no broker, try each 50 ms",
}

function run_part.hosts()
  local hosts = require "spec.support.hosts"
  local broker = tools.broker()
  say("\n%-38s %8s %8s %8s   %s", "lateness of a 10 ms timer, ms", "median", "99 %", "worst", "messages/s")
  for _, host in ipairs(hosts.names) do
    local missing = hosts.missing(host)
    if missing then
      say("%-38s %s", host, missing)
    end
    for _, mode in ipairs(missing and {} or { "alone", "idle", "busy", "outage" }) do
      local pipe = tools.start(arg[-1] .. " bench/hosts.lua", mode, { host = host, port = broker.port, seconds = 5 })
      if mode == "outage" then
        tools.answer(pipe)
        broker:kill()
      end
      local result = tools.answer(pipe, "the bench of " .. host)
      pipe:close()
      if mode == "outage" then
        broker:start()
      end
      say("%-38s %8.2f %8.2f %8.2f   %6.0f", ("%s, %s"):format(host, MODES[mode]), result.median, result.most,
        result.worst, result.busy / 5)
    end
  end
  broker:kill()
end

-- Scale and start --------------------------------------------------------------------------------------------------

local HOT_RATE = 500 -- messages a second

function run_part.scale()
  say("\n%-38s %-22s %-14s %-12s %s", "one busy client among", "CPU a message, ratio", "idle CPU", "memory each",
    "all connected")
  for _, name in ipairs { "native", "paho" } do
    local broker = tools.broker "set_tcp_nodelay true\nmax_connections -1"
    local alone, least
    local clients, most = 1, name == "native" and given.most or given["most-paho"]
    while clients <= most do
      local cpu, memory, idle, ready = {}, {}, {}, {}
      for run = 1, given.runs do
        local result = tools.measure(tools.programs[name], "scale",
          { port = broker.port, clients = clients, rate = HOT_RATE, seconds = 3 })
        cpu[run], idle[run] = result.cpu / result.messages * 1e6, 100 * result.idle
        memory[run], ready[run] = result.memory, result.ready
      end
      alone, least = alone or median(cpu), least or median(memory)
      say("%-38s %8.1f us x%4.1f      %6.2f %%       %s   %8.3f s", ("%d, %s"):format(clients, name), median(cpu),
        median(cpu) / alone, median(idle),
        clients > 1 and ("%6.1f KB"):format((median(memory) - least) / (clients - 1)) or "        -", median(ready))
      clients = clients * 10
    end
    broker:kill()
  end
end

function run_part.crowd()
  local clients = 1000
  say("\n%-38s %-22s %-22s %s", "from the first accept, 1,000 clients", "the last was to try", "all ready, ratio",
    "in vain")
  for run = 1, given.runs do
    local broker = tools.broker "set_tcp_nodelay true\nmax_connections -1"
    local pipe = tools.start(tools.programs.holdfast, "crowd", { port = broker.port, clients = clients })
    tools.answer(pipe)
    broker:kill()
    tools.sleep(5)
    broker:start()
    local result = tools.answer(pipe)
    pipe:close()
    broker:kill()
    local due, ready = result.due - broker.accepted, result.ready - broker.accepted
    say("%-38s %10.3f s %17.3f s x%.3f %10d", "run " .. run, due, ready, ready / due, result.vain)
  end
end

local ADDRESSES = [[
cd %s
echo subjectAltName=%s >names
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out names.pem 2>log
]]

function run_part.tickets()
  local folder, names = os.getenv "BENCH_FOLDER", {}
  for i = 1, 51 do -- tickets of 64 servers are kept
    names[i] = "IP:127.0.0." .. i
  end
  os.execute(CERTIFICATES:format(folder))
  os.execute(ADDRESSES:format(folder, table.concat(names, ",")))
  local port = tools.first_line "build/bench/peer port"
  local lines = "user root\nlistener PORT 0.0.0.0\ncafile DIR/ca.pem\ncertfile DIR/names.pem\nkeyfile DIR/server.key"
  local broker = tools.broker((lines:gsub("%u%u%u+", { PORT = port, DIR = folder })))
  local full, resumed, ratios, memory = {}, {}, {}, {}
  for run = 1, given.runs do
    local result = tools.measure(tools.programs.holdfast, "tickets",
      { port = port, clients = #names, ca = folder .. "/ca.pem" })
    local count = #names - 1
    full[run], resumed[run] = result.full / count * 1000, result.resumed / count * 1000
    ratios[run], memory[run] = resumed[run] / full[run], result.memory / count
  end
  say("\n%-38s full %.2f ms, with a ticket %.2f ms, x%.2f; %.0f KB a client", "CPU of a connect over TLS",
    median(full), median(resumed), median(ratios), median(memory))
  broker:kill()
end

function run_part.start()
  local broker = tools.broker "set_tcp_nodelay true"
  local lua = arg[-1]
  local commands = {
    { "nothing", lua .. " -e 'local _ = 1'" },
    { "mosquitto_pub", ("mosquitto_pub -V 5 -p %d -t bench -m x -q 1"):format(broker.port) },
    { "require \"holdfast\"", lua .. " -e 'require \"holdfast\"'" },
    { "connect, publish, close: native", tools.programs.native .. " once port=" .. broker.port },
    { "connect, publish, close: paho", tools.programs.paho .. " once port=" .. broker.port },
  }
  if pcall(require, "mqtt") then
    table.insert(commands, { "connect, publish, close: luamqtt", lua .. " bench/luamqtt.lua " .. broker.port })
  end
  local wall, cpu = {}, {}
  for run = 1, 4 * given.runs do
    for index, command in ipairs(commands) do
      wall[index], cpu[index] = wall[index] or {}, cpu[index] or {}
      wall[index][run], cpu[index][run] = tools.timed(command[2])
    end
  end
  say("\n%-38s %10s %10s", "a process", "time", "CPU")
  for index, command in ipairs(commands) do
    local ratios = {}
    for run = 1, 4 * given.runs do
      ratios[run] = (cpu[index][run] - cpu[1][run]) / cpu[2][run]
    end
    say("%-38s %7.1f ms %7.1f ms%s", command[1], median(wall[index]) * 1000, median(cpu[index]) * 1000,
      index > 3 and ("  x%.1f"):format(median(ratios)) or "")
  end
  broker:kill()
end

local ALL = { "receive", "publish", "store", "recover", "large", "burst", "pairs", "idle", "trust", "names", "roads",
  "matching", "hosts" }
for _, part in ipairs(parts) do
  if not run_part[part] then
    io.stderr:write("there is no part '", part, "'\n\n", HELP)
    os.exit(2)
  end
end

math.randomseed(os.time())
for _, line in ipairs(tools.machine()) do
  say("%s", line)
end
say("%d runs each, in turn; medians", given.runs)
for _, part in ipairs(#parts > 0 and parts or ALL) do
  run_part[part]()
end
