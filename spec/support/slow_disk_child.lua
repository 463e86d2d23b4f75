-- Run by slow_disk_spec in a process whose syncs take 3 s: `slow_disk_child.lua port folder`. Client A has a store, no
-- broker, and a log that is long enough to be folded; B has a broker and no store.
local core = require "holdfast.core"
local disk = require "disk_probe"
local holdfast = require "holdfast"

local port, folder = arg[1], arg[2]
local PAYLOAD = ("x"):rep(900)

local function slowest(times, wait, fn)
  local longest = 0
  for i = 1, times do
    local before = core.now()
    fn(i)
    longest = math.max(longest, core.now() - before)
    holdfast.sleep(wait)
  end
  return longest < 1 and "at once" or ("%.1f s"):format(longest)
end

holdfast.run(function()
  local a = assert(holdfast.new { server = "mqtt://127.0.0.1:1", client_id = "a",
    backoff = { strategy = "constant", min = 0.1, max = 0.1, jitter = "none" },
    queue = { store = folder .. "/queue", messages = 50000, bytes = 1e9 } })
  a:start()
  local b = assert(holdfast.new { server = "mqtt://127.0.0.1:" .. port })
  assert(b:connect(5))
  disk.slow(3000)
  for _ = 1, 20000 do
    assert(a:post("t", PAYLOAD, { qos = 1 }))
  end
  print("B publishes " .. slowest(100, 0.1, function(i)
    assert(b:publish("t", tostring(i), { qos = 1 }))
  end))
  local before = disk.syncs()
  print("A posts " .. slowest(60, 0.1, function()
    assert(a:post("t", PAYLOAD, { qos = 2 }))
  end))
  print("A withdraws " .. slowest(20, 0.01, function()
    assert(a:post("t", PAYLOAD, { qos = 1, ttl = 0.001 }))
  end))
  print("syncs meanwhile " .. (disk.syncs() > before and "some" or "none"))
  print("syncs of the connections' thread " .. disk.syncs "holdfast")
  disk.slow(0)
  b:close(1)
  a:close()
  a:wait("closed", 20)
end)
