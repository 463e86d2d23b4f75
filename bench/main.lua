--- holdfast on both of its transports, beside plain C programs on Paho and on libmosquitto: see HELP.
package.path = "bench/?.lua;" .. package.path

local HELP = [[
usage: bench/run [part ...] [--runs=N] [--count=N] [--raw-burst=SECONDS] [--lua=NAME]

Parts (all of them unless named; scale, start, crowd, tickets, quic and comeback only if named):
  receive   64 B messages from a server that costs next to nothing, QoS 0 and 1
  publish   64 B messages to such a server, QoS 0 and 1
  store     64 B messages at QoS 1 to such a server, in memory and on disk: Paho's file store, queue.store
  recover   from the first accept of a restarted mosquitto to subscribed, retrying each 50 ms, alone and beside
            20 idle clients
  large     one QoS 1 publish of 20 MB to mosquitto, beside one by a plain socket
  pace      1,000 messages a second to itself by way of mosquitto, beside libmosquitto, and beside lua-mosquitto where
            that and LuaSocket are installed
  burst     2,000 QoS 1 publishes at once to mosquitto, whose Receive Maximum is 20
  pairs     two messages in a row to itself, 50 ms between two pairs, QoS 1 and 2
  idle      CPU and memory of 1 and of 500 connected clients
  trust     a connect over TLS, and a connected client's memory: a file with one certificate, a hashed folder, the
            system's certificates
  names     one client's worst publish while another waits 3 s for its name, with TLS and without
  roads     64 B messages to mosquitto, and back, over our own transport by each road: CPU a message, and its ratio to
            that of mqtt; CPU of a connect, and memory of a client
  matching  a message, a wish, a publish that comes back among 1,000, 10,000 and 100,000 others: csrc/core alone
  hosts     how late a 10 ms timer of cqueues, copas and luv is beside a client: silent, busy, without its broker
  scale     one busy client among 1, 10 ... --most in one process: CPU of a message to itself (QoS 0, 500 a second), and
            of silence; memory of each client, and how long it takes until all are connected
  crowd     1,000 clients whose broker is away for 5 s: when all are ready again, and when the last of them was to try
  tickets   a full handshake of TLS, and one with a ticket: CPU of a connect, memory of a client after the first
  quic      MQTT over QUIC beside mqtts and mqtt: first accept to subscribed, packets of a reconnect, messages a second
            and the 99th percentile of delivery where 0, 5 and 20 % of packets are lost each way (as root)
  comeback  a reconnect over a link of 100 ms each way, by mqtt, mqtts and QUIC with its tickets and without, and with
            CONNECT before the handshake: round trips, and packets and bytes up to `ready`, as captured (as root)
  start     a script that connects, publishes once and closes, beside mosquitto_pub, a script that does nothing, and
            luamqtt where that is installed; CPU less Lua's own start, as a multiple of mosquitto_pub's

receive and publish have five columns: raw Paho, libmosquitto (one thread, its own loop), MQTT.js (where there is node;
npm installs it the first time), holdfast over Paho, holdfast native. The other parts that have two compare raw Paho
with holdfast over --transport.

  --runs=N            repetitions, all columns in turn (5; recover takes four times as many)
  --transport=NAME    native or paho, for parts with one column of holdfast (native)
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
  runs = 5, count = 100000, ["raw-burst"] = 120, most = 10000, ["most-paho"] = 1000, transport = "native",
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
  lua_mosquitto = "lua-mosquitto", paho = "holdfast, Paho", native = "holdfast, native", holdfast = "holdfast" }

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

local function ratios_of(results, name, peer)
  local ratios = {}
  for run = 1, given.runs do
    ratios[run] = cost(results[name][run]) / cost(results[peer][run])
  end
  return median(ratios)
end

function run_part.pace()
  local broker = tools.broker "set_tcp_nodelay true\nmax_queued_messages 0"
  local names, titles = { "mosquitto", "paho", "native" }, {}
  local has_binding = pcall(require, "mosquitto") and pcall(require, "socket")
  if has_binding then
    table.insert(names, 2, "lua_mosquitto")
  end
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
      cells[index] = ("%8.1f us x%5.2f"):format(median(column(results[name], cost)),
        ratios_of(results, name, "mosquitto"))
    end
    say("%-38s %s", "QoS " .. qos, table.concat(cells, "   "))
    if has_binding then
      say("  beside lua-mosquitto: holdfast, Paho x%.2f; native x%.2f", ratios_of(results, "paho", "lua_mosquitto"),
        ratios_of(results, "native", "lua_mosquitto"))
    end
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

local of_clients = require "clients" {
  given = given, say = say, column = column, cost = cost, rate = rate, slow = SLOW,
}
function run_part.quic()
  require "quic"(given, say)
end

function run_part.comeback()
  require "comeback"(given, say)
end

for name, run in pairs(of_clients) do
  run_part[name] = run
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
