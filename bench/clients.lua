--- Parts of the bench that are about clients rather than about messages: what each costs, by itself and among others,
-- how it begins, and by which road.
local tools = require "tools"
local median = tools.median

local given, say, column, cost, rate, SLOW -- of main.lua

local run_part = {}

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
  os.execute(CERTIFICATES:format(folder))
  local ports = { mqtts = tools.free_port(), ws = tools.free_port(), wss = tools.free_port() }
  local lines = { "user root", "max_queued_messages 0", "set_tcp_nodelay true", "listener 0 " .. folder .. "/socket" }
  for _, name in ipairs { "mqtts", "ws", "wss" } do
    lines[#lines + 1] = ("listener %d 127.0.0.1"):format(ports[name])
    lines[#lines + 1] = name ~= "mqtts" and "protocol websockets" or nil
    lines[#lines + 1] = name ~= "ws" and ("certfile %s/server.pem\nkeyfile %s/server.key"):format(folder, folder) or nil
  end
  local broker = tools.broker(table.concat(lines, "\n"))
  local names = { "mqtt", "unix", "mqtts", "ws", "wss" }
  local servers = { mqtt = "mqtt://127.0.0.1:" .. broker.port, unix = "unix://" .. folder .. "/socket",
    mqtts = "mqtts://localhost:" .. ports.mqtts, ws = "ws://127.0.0.1:" .. ports.ws .. "/mqtt",
    wss = "wss://localhost:" .. ports.wss .. "/mqtt" }
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
          { server = servers[name], qos = qos, count = SLOW, size = 64, how = "post", store = 0,
            ca = servers[name]:find "s://l" and folder .. "/ca.pem" or "" })
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
  local cells = {}
  for index, name in ipairs(names) do
    local results = {}
    for run = 1, given.runs do
      results[run] = tools.measure(tools.programs.native, "trust", { server = servers[name], rounds = 20, clients = 50,
        ca = servers[name]:find "s://l" and folder .. "/ca.pem" or "" })
    end
    cells[index] = ("%6.2f ms %8.1f KB    "):format(
      median(column(results, function(result) return result.cpu * 1000 end)),
      median(column(results, function(result) return result.memory end)))
  end
  say("%-38s %s", "CPU a connect, memory a client", table.concat(cells, "   "))
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
    { "connect, publish, close: native", ("%s bench/once.lua %d native"):format(lua, broker.port) },
    { "connect, publish, close: paho", ("%s bench/once.lua %d paho"):format(lua, broker.port) },
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

return function(the)
  given, say, column, cost, rate, SLOW =
    the.given, the.say, the.column, the.cost, the.rate, the.slow
  return run_part
end
