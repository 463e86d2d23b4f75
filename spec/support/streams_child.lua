--- Run by spec/stream/network_spec in a network namespace of its own: `lua spec/support/streams_child.lua`. What a
-- network does to streams that loopback does not, a line each.
local process = require "process_probe"
local sockets = require "socket_probe"
local streams = require "spec.support.streams"

io.stdout:setvbuf "line"

local function run(command, ...)
  local words = command:format(...)
  local first, _, code = os.execute(words .. " 2>&1")
  assert(first == true or first == 0 or code == 0, words)
end

run "ip link set lo up"
run "ip address add 10.99.0.1/32 dev lo"
run "ip address add 10.99.0.2/32 dev lo"
run "ip route add unreachable 10.99.1.0/24"
run "sysctl -qw net.ipv4.tcp_syn_retries=1"

local world = streams.new()
local port = process.free_port()
local listener = assert(sockets.listen(port, 16, "10.99.0.1", 4096))

local function drop(what)
  run("iptables -%s INPUT -p tcp -d 10.99.0.1 --dport %d -j DROP", what and "A" or "D", port)
end

local function ending(...)
  local one = world:open { addresses = { ... }, port = port }
  assert(world:wait(function() return one.stream:state() == "ended" end, 20000), "no end")
  return (one.stream:ending())
end

print("no way", ending "10.99.1.1")
print("no route", ending "192.0.2.1")
print("no IPv6", ending "2001:db8::1")
print("no way, then one", ending("10.99.1.1", "192.0.2.1", "10.99.0.2"))

drop(true)
print("silence", ending "10.99.0.1")
print("silence, then refused", ending("10.99.0.1", "10.99.0.2"))
drop(false)

local peers = {} -- which a collector would close

local function opened()
  local one = world:opened { addresses = { "10.99.0.1" }, port = port, idle = true }
  assert(one.stream:state() == "open")
  peers[#peers + 1] = assert(listener:accept(1000))
  return one.stream
end

-- Idle for longer than the limit, and then a write that is not answered: the silence counts from the write.
local stream = opened()
stream:write "x"
world:rest(600)
local calm = stream:progress()
print("calm", calm.quiet_for, calm.unacknowledged, calm.acknowledged)
drop(true)
world:rest(1) -- its time is that of its last turn, and iptables may have taken long
local JIFFIES = 20 -- ms by which the kernel's times may differ
local before = process.now()
stream:write "y"
world:rest(100)
local early = stream:progress()
print("early", early.quiet_for <= process.now() - before + JIFFIES, early.unacknowledged, early.acknowledged)
world:rest(600)
local late = stream:progress()
print("late", late.quiet_for >= 600 and late.quiet_for <= process.now() - before + JIFFIES, late.unacknowledged,
  late.probing)
drop(false)
assert(world:wait(function() return not stream:progress().unacknowledged end))
print("healed", stream:progress().quiet_for, stream:progress().acknowledged)
stream:abort()

-- A peer that reads nothing is alive for as long as its system answers.
stream = opened()
local big = ("z"):rep(2 ^ 20)
stream:write(big)
assert(world:wait(function() return not stream:progress().unacknowledged end))
world:rest(1500)
local shut
assert(world:wait(function() -- of two probes within half a second a system answers only one
  shut = stream:progress()
  return not shut.probing
end), "no answer")
print("shut", shut.quiet_for, shut.unacknowledged, shut.acknowledged < shut.accepted)
drop(true)
assert(world:wait(function() return stream:progress().probing end, 20000), "no probe")
world:rest(600)
local probing = stream:progress()
print("probing", probing.quiet_for >= 600, probing.unacknowledged, probing.probing)
drop(false)
assert(world:wait(function() return not stream:progress().probing end, 20000), "no answer to a probe")
print("answered", stream:progress().quiet_for < 600)
world:finish()
print "over"
