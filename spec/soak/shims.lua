--- Chaos with a slow disk that fails now and then, and memory that is short for the module's own threads: clients with
-- a store each, on both transports. Nothing lost, nothing stuck, nothing twice at QoS 2. SEED repeats the acts.
local PROBES = { "disk_probe", "famine_probe" }
local SYNC, EVERY = 300, 101 -- ms that a sync takes; of so many requests for memory one fails

if not (os.getenv "LD_PRELOAD" or ""):find(PROBES[2], 1, true) then
  local paths = {}
  for index, name in ipairs(PROBES) do
    paths[index] = assert(package.searchpath(name, package.cpath))
  end
  local fine = os.execute(("LD_PRELOAD='%s' exec '%s' '%s'"):format(table.concat(paths, ":"), arg[-1], arg[0]))
  os.exit((fine == true or fine == 0) and 0 or 1)
end

local chaos = require "spec.support.chaos"
local core = require "holdfast.core"
local disk = require "disk_probe"
local famine = require "famine_probe"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"

local seed = tonumber(os.getenv "SEED" or os.time())
local seconds = math.max(tonumber(os.getenv "MINUTES" or 10) * 60 - 60, 20) / 2

io.stdout:setvbuf "line"
print(("seed %d"):format(seed))
holdfast.log(function() end) -- each failed sync has a line there

local function trouble(stop)
  while not stop.now do
    holdfast.sleep(2)
    disk.fail("EIO", 1)
  end
  disk.fail("EIO", 0)
end

local fine = true
for _, transport in ipairs { "paho", "native" } do
  local folder = assert(process.temporary_folder())
  local stop, before, began = {}, famine.failed(), core.now()
  disk.slow(SYNC)
  local report = holdfast.run(function()
    return chaos.run {
      seconds = seconds, clients = 8, rate = 25, seed = seed, say = print, transport = transport, store = folder,
      begun = function()
        famine.every(EVERY)
        holdfast.spawn(trouble, stop)
      end,
      calm = function()
        famine.every(0)
        stop.now = true
      end,
    }
  end)
  disk.slow(0)
  mosquitto.finish()
  process.remove_folder(folder)
  print(("%s, %.0f s: %d requests for memory refused, %d syncs, %d connections lost"):format(transport,
    core.now() - began, famine.failed() - before, disk.syncs(), report.losses))
  print(("%d sent, %d refused, %d lost, %d stuck; doubled: QoS 1 %d, QoS 2 %d"):format(report.sent, report.refused,
    report.lost, report.stuck, report.doubled[1] or 0, report.doubled[2] or 0))
  for index = 1, math.min(#report.strange, 20) do
    print(report.strange[index])
  end
  fine = fine and report.lost == 0 and report.stuck == 0 and #report.strange == 0 and not report.doubled[2]
    and famine.failed() > before
end
os.exit(fine and 0 or 1)
