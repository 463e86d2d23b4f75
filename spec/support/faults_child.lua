--- Run by faults_spec in a network namespace of its own: `lua spec/support/faults_child.lua FOLDER FAULT`. A broker in
-- another namespace, at the other end of a veth pair, and a fault of the network between them. Prints what happened, a
-- line each.
local core = require "holdfast.core"
local holdfast = require "holdfast"
local process = require "process_probe"

local folder, fault = arg[1], arg[2]
local OURS, THEIRS, PORT = "10.99.8.1", "10.99.8.2", 1883

io.stdout:setvbuf "line"

local function run(command, ...)
  local words = command:format(...)
  local first, _, code = os.execute(words .. " >>" .. folder .. "/commands 2>&1")
  assert(first == true or first == 0 or code == 0, words)
end

local holder = assert(process.spawn { "unshare", "--net", "sleep", "120" })
local other = ("nsenter --net=/proc/%d/ns/net "):format(holder)

local function read(path)
  local file = io.open(path)
  local text = file and file:read "*a" or ""
  return text, file and file:close()
end

local function await(condition, seconds, what)
  local deadline = core.now() + seconds
  while not condition() do
    assert(core.now() < deadline, what)
    holdfast.sleep(0.02)
  end
end

local function connect_namespaces()
  local own = process.self()
  await(function() -- the holder has left ours
    local pipe = io.popen(("readlink /proc/%d/ns/net /proc/%d/ns/net"):format(own, holder))
    local mine, its = pipe:read "*l", pipe:read "*l"
    pipe:close()
    return its and mine ~= its
  end, 5, "no second namespace")
  run("ip link set lo up")
  run("ip link add hold0 type veth peer name hold1 netns %d", holder)
  run("ip address add %s/24 dev hold0", OURS)
  run("ip link set hold0 up")
  run("%s ip address add %s/24 dev hold1", other, THEIRS)
  run("%s ip link set hold1 up", other)
end

local function start_broker()
  local file = assert(io.open(folder .. "/mosquitto.conf", "w"))
  file:write("listener ", PORT, " ", THEIRS, "\nallow_anonymous true\nuser root\nlog_dest stderr\nlog_type all\n")
  file:close()
  assert(process.spawn({ "nsenter", ("--net=/proc/%d/ns/net"):format(holder), "env",
    "PATH=" .. os.getenv "PATH" .. ":/usr/sbin:/usr/local/sbin", "mosquitto", "-c", folder .. "/mosquitto.conf" },
    folder .. "/broker"))
  await(function() return read(folder .. "/broker"):find " running" end, 10, "no broker")
end

local function table_rule(rule, ...)
  run(other .. "iptables -A " .. rule, ...)
end

local function heal()
  run(other .. "iptables -F")
end

-- What is lost in each: begin, what it is expected to look like, end.
local faults = {
  silence = { -- every packet is dropped, both ways
    begin = function()
      table_rule "INPUT -j DROP"
      table_rule "OUTPUT -j DROP"
    end,
    heal = heal,
  },
  reset = { -- whatever arrives is answered by RST
    begin = function() table_rule("INPUT -p tcp --dport %d -j REJECT --reject-with tcp-reset", PORT) end,
    heal = heal,
  },
  down = {
    begin = function() run "ip link set hold0 down" end,
    heal = function() run "ip link set hold0 up" end,
  },
  half_open = { -- the broker's side is gone, and its RSTs never arrive
    begin = function()
      table_rule "OUTPUT -p tcp --tcp-flags RST RST -j DROP"
      run(other .. "ss -K dst " .. OURS)
    end,
    heal = heal,
    accepts = true, -- the next connection
  },
  lossy = { -- one packet in five is lost, each way
    begin = function()
      table_rule "INPUT -m statistic --mode random --probability 0.2 -j DROP"
      table_rule "OUTPUT -m statistic --mode random --probability 0.2 -j DROP"
    end,
    heal = heal,
    endures = true,
  },
}

holdfast.run(function()
  connect_namespaces()
  start_broker()
  local client = holdfast.new {
    server = ("mqtt://%s:%d"):format(THEIRS, PORT), client_id = "faults", detect_within = 5, connect_timeout = 2,
    backoff = { strategy = "constant", min = 0.2, jitter = "none" },
  }
  local heard, count, reasons = {}, 0, {}
  client:subscribe("faults", { qos = 1 }, function(message)
    count = count + (heard[message.payload] and 0 or 1)
    heard[message.payload] = true
  end)
  local begun
  client:on("lost", function(event)
    print("lost", core.now() - begun < 9 and "in time" or "late", event.reason.class)
  end)
  client:on("failed", function(event)
    if not reasons[event.reason.name] then
      reasons[event.reason.name] = true
      print("failed", event.reason.name)
    end
  end)
  assert(client:connect(10))
  assert(client:publish("faults", "before", { qos = 1, timeout = 5 }))
  local it = faults[fault]
  begun = core.now()
  it.begin()
  local messages = it.endures and 50 or 5
  for number = 1, messages do
    assert(client:post("faults", tostring(number), { qos = 1 }))
  end
  if not it.endures then
    assert(client:wait("lost", 15))
    if not it.accepts then
      assert(client:wait("failed", 15))
    end
    it.heal()
    assert(client:wait("ready", 15))
  end
  await(function()
    return count == messages + 1 and client:status().queued.messages == 0
  end, 60, "messages are missing")
  print("all", count)
  client:close(1)
end)
