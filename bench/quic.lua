--- The part `quic` of the bench: MQTT over QUIC beside mqtts and mqtt, in a network of its own that loses packets.
-- As root: it needs a network namespace, and iptables.
package.cpath = os.getenv "BENCH_PROBES" .. "/?.so;" .. package.cpath
local certificates = require "spec.support.certificates"
local process = require "process_probe"
local quic_server = require "spec.support.quic_server"
local tools = require "tools"

local median, quantile = tools.median, tools.quantile
local NAMES = { "mqtt", "mqtts", "quic" }
local EARLY = "zero_rtt" -- quic with that option, where it may matter
local DELIVERY = 10 -- seconds

local function run_command(format, ...)
  local fine = os.execute(format:format(...))
  assert(fine == true or fine == 0, format:format(...))
end

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

-- Everything to and from a port, each way once: it is on loopback that packets come in.
local function rules(ports, what)
  run_command "iptables -F INPUT"
  for _, name in ipairs(NAMES) do
    for _, side in ipairs { "dport", "sport" } do
      run_command("iptables -A INPUT -p %s --%s %d %s", name == "quic" and "udp" or "tcp", side, ports[name], what)
    end
  end
end

-- Packets and bytes that have come in since the rules were made, both ways together.
local function counted(port)
  local packets, bytes = 0, 0
  for line in lines_of "iptables -L INPUT -v -x -n":gmatch "[^\n]+" do
    local one, other = line:match("^%s*(%d+)%s+(%d+).*pts?:" .. port .. "%s*$")
    packets, bytes = packets + (one or 0), bytes + (other or 0)
  end
  return packets, bytes
end

local function start(folder)
  local ports = { mqtts = tools.free_port() }
  local broker = tools.broker(([[
user root
max_queued_messages 0
set_tcp_nodelay true
listener %d 127.0.0.1
certfile %s/server.pem
keyfile %s/server.key]]):format(ports.mqtts, folder, folder))
  ports.mqtt = broker.port
  local server = quic_server.start { upstream = broker.port, folder = folder }
  ports.quic = server.port
  local arguments = {}
  for _, name in ipairs(NAMES) do
    arguments[name] = { server = ("%s://localhost:%d"):format(name, ports[name]),
      ca = name ~= "mqtt" and folder .. "/ca.pem" or "" }
  end
  arguments[EARLY] = { server = arguments.quic.server, ca = arguments.quic.ca, zero_rtt = 1 }
  return broker, ports, function(name, more)
    for key, value in pairs(more) do arguments[name][key] = value end
    return arguments[name]
  end
end

local function row(say, title, format, cell, names)
  local cells = {}
  for index, name in ipairs(names or NAMES) do cells[index] = ("%26s"):format(format:format(cell(name))) end
  say("%-38s %s", title, table.concat(cells, "   "))
end

local function recover(say, broker, arguments, rounds)
  local pipes, times, names = {}, {}, { NAMES[1], NAMES[2], NAMES[3], EARLY }
  for _, name in ipairs(names) do
    pipes[name], times[name] = tools.start(tools.programs.native, "recover",
      arguments(name, { rounds = rounds, idle = 0 }), 600), {}
    tools.answer(pipes[name], name)
  end
  for _ = 1, rounds do
    broker:kill()
    tools.sleep(0.3 + 0.2 * math.random())
    broker:start()
    for _, name in ipairs(names) do
      table.insert(times[name], (tools.answer(pipes[name], name).ready - broker.accepted) * 1000)
    end
  end
  for _, pipe in pairs(pipes) do pipe:close() end
  row(say, "first accept -> subscribed again", "%.0f ms (90 %%: %.0f)", function(name)
    return median(times[name]), quantile(times[name], 0.9)
  end, names)
end

local function reconnect(say, ports, arguments, rounds)
  local results = {}
  for _, name in ipairs(NAMES) do
    rules(ports, "")
    local result = tools.measure(tools.programs.native, "reconnect", arguments(name, { rounds = rounds }))
    local packets, bytes = counted(ports[name])
    results[name] = { packets / (rounds + 1), bytes / (rounds + 1), result.seconds / rounds * 1000 }
  end
  row(say, "a reconnect", "%.1f packets, %.0f B, %.1f ms", function(name)
    return results[name][1], results[name][2], results[name][3]
  end)
end

local function lossy(say, ports, arguments, loss, runs)
  rules(ports, loss > 0 and ("-m statistic --mode random --probability %.2f -j DROP"):format(loss) or "")
  local results = {}
  for run = 1, runs do
    for _, name in ipairs(NAMES) do
      results[name] = results[name] or { rate = {}, late = {}, lost = 0 }
      local one = tools.measure(tools.programs.native, "lossy", arguments(name, { seconds = DELIVERY }), 300)
      results[name].rate[run], results[name].late[run] = one.messages / DELIVERY, one.late * 1000
      results[name].lost = results[name].lost + one.lost
    end
  end
  run_command "iptables -F INPUT"
  row(say, ("%.0f %% of packets lost each way"):format(loss * 100), "%.0f/s, %.0f ms, %d lost", function(name)
    return median(results[name].rate), median(results[name].late), results[name].lost
  end)
end

--- @param given runs
-- @param say prints a line
return function(given, say)
  local why
  if not quic_server.program() then why = "ngtcp2 is not there: make deps" end
  if not why then
    local fine, problem = process.own_network()
    if not fine then why = "no network of its own: " .. tostring(problem) end
  end
  if why then
    say("\nquic is left out: %s", why)
    return
  end
  run_command "ip link set lo up"
  local folder = certificates.make()
  local broker, ports, arguments = start(folder)
  say("\n%-38s %s", "over our own transport, loopback", ("%26s   %26s   %26s   %26s"):format("mqtt", "mqtts", "quic",
    "quic, zero_rtt"))
  recover(say, broker, arguments, 4 * given.runs)
  reconnect(say, ports, arguments, 4 * given.runs)
  say("%-38s (messages a second at QoS 1 to itself, 20 at once; 99 %% of deliveries; connections lost)", "")
  for _, loss in ipairs { 0, 0.05, 0.2 } do lossy(say, ports, arguments, loss, given.runs) end
  quic_server.finish()
  broker:kill()
  process.remove_folder(folder)
end
