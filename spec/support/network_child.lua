-- Run by network_spec in a network namespace of its own: a client waits for a minute while there is no network, and an
-- interface comes up.
local core = require "holdfast.core"
local holdfast = require "holdfast"

local function run(command)
  local first, _, code = os.execute(command)
  assert(first == true or first == 0 or code == 0, command)
end

local function client(watch)
  -- Half a second, then 30 s, then a minute: the second wait is the one that is cut short, back to the first.
  return holdfast.new { server = "mqtt://10.99.7.2", connect_timeout = 2, watch_network = watch,
    backoff = { strategy = "linear", min = 0.5, step = 30, max = 120, jitter = "none" } }
end

holdfast.run(function()
  run "ip link set lo up"
  local watching, deaf = client(true), client(false)
  watching:start()
  deaf:start()
  repeat -- by its events: the status is ahead of those that nobody has taken yet
    local failed = assert(watching:wait("failed", 5))
  until failed.attempt == 2
  while deaf:status().attempt < 2 or deaf:status().state ~= "waiting" do
    holdfast.sleep(0.01)
  end
  assert(watching:status().retry_in > 25)
  assert(deaf:status().retry_in > 25)
  run "ip link add hold0 type veth peer name hold1"
  run "ip link set hold0 addrgenmode none" -- no address of IPv6 some time later
  run "ip address add 10.99.7.1/24 dev hold0"
  run "ip link set hold1 up"
  run "ip link set hold0 up"
  local before = core.now()
  local event, message = watching:wait("connecting", 5)
  print(event and core.now() - before < 3 and "tried again" or message or "tried late")
  print(deaf:status().retry_in > 20 and "still waiting" or "disturbed")
  -- The address is given more time, as each Router Advertisement does.
  assert(watching:wait("failed", 10))
  local attempt = watching:status().attempt
  for i = 1, 4 do
    run("ip address change 10.99.7.1/24 dev hold0 valid_lft 200" .. i .. " preferred_lft 200" .. i)
    holdfast.sleep(0.8)
  end
  local quiet = watching:status().attempt == attempt and watching:status().retry_in > 50
  print(quiet and "not disturbed" or "disturbed")
  run "ip address add 10.99.8.1/24 dev hold0"
  holdfast.sleep(1)
  print(watching:status().retry_in < 31 and "the second step" or "waits for " .. watching:status().retry_in)
  watching:close()
  deaf:close()
end)
