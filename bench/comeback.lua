--- The part `comeback` of the bench: what a reconnect costs in packets and round trips, by each road, captured on a
-- link of its own (bench/wire.c) that takes its time. As root: it needs two networks and /dev/net/tun.
package.cpath = os.getenv "BENCH_PROBES" .. "/?.so;" .. package.cpath
local certificates = require "spec.support.certificates"
local process = require "process_probe"
local quic_server = require "spec.support.quic_server"
local tools = require "tools"

local median = tools.median
local HERE, DELAY = "10.98.0.1", 100 -- ms each way
local ROUNDS = 20

local function run_command(format, ...)
  local fine = os.execute(format:format(...))
  assert(fine == true or fine == 0, format:format(...))
end

local function certify(folder)
  run_command([[cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout far.key ]]
    .. [[-subj /CN=far -addext subjectAltName=IP:%s -CA ca.pem -CAkey ca.key -days 2 -out far.pem 2>>log]], folder,
    HERE)
end

local function network_of(pid)
  return tools.first_line(("readlink /proc/%s/ns/net"):format(pid))
end

-- The process whose network is the client's, and the wire to it.
local function join(folder)
  local other = assert(process.spawn { "unshare", "--net", "sleep", "600" })
  while network_of(other) == network_of "self" do process.sleep(10) end
  local log = folder .. "/wire"
  local wire = assert(process.spawn({ "build/bench/wire", tostring(other), tostring(DELAY) }, log))
  local deadline = process.now() + 5000
  while not (io.open(log) and io.open(log):read "*l") do
    assert(process.now() < deadline, "the wire is not there")
    process.sleep(10)
  end
  run_command("ip link set lo up && ip address add %s/24 dev near && ip link set near up", HERE)
  run_command("nsenter --net=/proc/%d/ns/net sh -c 'ip link set lo up && ip address add 10.98.0.2/24 dev far && "
    .. "ip link set far up'", other)
  return { pid = other, wire = wire, log = log }
end

-- What went over the wire by this protocol, of each port of the client's: when it began, and each packet.
local function read_flows(log, protocol)
  local flows, order = {}, {}
  for line in io.lines(log) do
    local at, from, which, source, target, length = line:match "^(%d+) (%a+) (%a+) (%d+) (%d+) (%d+)$"
    local port = from == "there" and source or target
    if which == protocol then
      if not flows[port] then
        flows[port] = { began = at / 1e6 }
        order[#order + 1] = flows[port]
      end
      table.insert(flows[port], { at = at / 1e6, length = tonumber(length) })
    end
  end
  return order
end

-- The last that had begun then is the one that was ready then.
local function flow_of(flows, ready)
  local found
  for _, flow in ipairs(flows) do
    if flow.began < ready then found = flow end
  end
  return found
end

local function measure(net, arguments, protocol)
  local program = ("nsenter --net=/proc/%d/ns/net %s"):format(net.pid, tools.programs.native)
  local pipe = tools.start(program, "comeback", arguments, 120)
  local trips, packets, bytes, answers = {}, {}, {}, {}
  for round = 1, ROUNDS do answers[round] = tools.answer(pipe, arguments.server) end
  pipe:close()
  local flows = read_flows(net.log, protocol)
  for round, one in ipairs(answers) do
    local flow = flow_of(flows, one.ready)
    trips[round] = (one.ready - flow.began) * 1000 / (2 * DELAY)
    packets[round], bytes[round] = 0, 0
    for _, packet in ipairs(flow) do
      if packet.at <= one.ready then
        packets[round], bytes[round] = packets[round] + 1, bytes[round] + packet.length
      end
    end
  end
  return median(trips), median(packets), median(bytes)
end

--- @param _ given
-- @param say prints a line
return function(_, say)
  local fine, why = quic_server.program() ~= nil, "ngtcp2 is not there: make deps"
  if fine then fine, why = process.own_network() end
  if not fine then
    say("\ncomeback is left out: %s", why)
    return
  end
  local folder = certificates.make()
  certify(folder)
  local net = join(folder)
  local ports = { mqtt = tools.free_port(), mqtts = tools.free_port() }
  local broker = tools.broker(([[
user root
set_tcp_nodelay true
listener %d %s
listener %d %s
certfile %s/far.pem
keyfile %s/far.key]]):format(ports.mqtt, HERE, ports.mqtts, HERE, folder, folder))
  local function serve(tickets)
    return quic_server.start { upstream = broker.port, folder = folder, certificate = "far", address = HERE,
      tickets = tickets }.port
  end
  local without, with, refused = serve "off", serve "early", serve "refused"
  local ca = folder .. "/ca.pem"
  say("\n%-44s %12s %10s %10s", ("a reconnect, %d ms each way, median of %d"):format(DELAY, ROUNDS), "round trips",
    "packets", "bytes")
  for _, row in ipairs {
    { "mqtt", "mqtt", ports.mqtt }, { "mqtts, its session taken up again", "mqtts", ports.mqtts },
    { "quic, a whole handshake", "quic", without }, { "quic, its session taken up again", "quic", with },
    { "quic, zero_rtt", "quic", with, 1 }, { "quic, zero_rtt, refused", "quic", refused, 1 },
  } do
    local title, scheme, port, early = row[1], row[2], row[3], row[4]
    say("%-44s %12.2f %10.0f %10.0f", title, measure(net, { server = ("%s://%s:%d"):format(scheme, HERE, port),
      ca = scheme ~= "mqtt" and ca or "", rounds = ROUNDS, zero_rtt = early or 0 },
      scheme == "quic" and "udp" or "tcp"))
  end
  quic_server.finish()
  broker:kill()
  process.kill(net.wire, "KILL")
  process.kill(net.pid, "KILL")
  process.remove_folder(folder)
end
