--- Run by notice_spec in a network namespace of its own: clients of a broker there, and then every packet to and from
-- it is dropped. Prints a line each: which, and after how many seconds it was told of the loss.
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local notice = require "spec.support.notice"

io.stdout:setvbuf "line"

local function run(command)
  local first, _, code = os.execute(command)
  assert(first == true or first == 0 or code == 0, command)
end

run "ip link set lo up"
local broker = mosquitto.start { quiet = true }
local fine, problem = pcall(holdfast.run, function()
  local times = notice.of(broker.port, function()
    run(("iptables -A INPUT -p tcp --dport %d -j DROP"):format(broker.port))
    run(("iptables -A INPUT -p tcp --sport %d -j DROP"):format(broker.port))
    return core.now()
  end)
  for name, seconds in pairs(times) do
    print(("%s: %.2f"):format(name, seconds))
  end
end)
mosquitto.finish()
assert(fine, problem)
