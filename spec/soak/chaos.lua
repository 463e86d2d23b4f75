--- 20 clients at QoS 1 and 2 while their broker is stopped, killed and frozen, and the network cuts, delays and holds:
-- nothing lost, nothing stuck. SEED repeats the acts (not what comes of them), CLIENTS changes the number, RATE how
-- many messages each sends a second, SIZE how large they are at most; with QOS all are of that one. TRANSPORT is what
-- they have, the default one unless told.
local chaos = require "spec.support.chaos"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"

local seed = tonumber(os.getenv "SEED" or os.time())
local minutes = tonumber(os.getenv "MINUTES" or 10)

io.stdout:setvbuf "line"
print(("seed %d"):format(seed))
local report = holdfast.run(chaos.run, {
  seconds = math.max(minutes * 60 - 30, 10), clients = tonumber(os.getenv "CLIENTS" or 20), seed = seed, say = print,
  rate = tonumber(os.getenv "RATE"), size = tonumber(os.getenv "SIZE"), qos = tonumber(os.getenv "QOS"),
  transport = os.getenv "TRANSPORT",
})
mosquitto.finish()
local acts = {}
for name, count in pairs(report.acts) do
  acts[#acts + 1] = ("%s %d"):format(name, count)
end
table.sort(acts)
print(("%s; %d connections lost, all had arrived %.1f s after the last"):format(table.concat(acts, ", "),
  report.losses, report.cleared))
print(("%d sent, %d lost, %d stuck, %d dropped, %d refused; doubled: QoS 1 %d, QoS 2 %d"):format(report.sent,
  report.lost, report.stuck, report.dropped, report.refused, report.doubled[1] or 0, report.doubled[2] or 0))
for index = 1, math.min(#report.strange, 20) do
  print(report.strange[index])
end
os.exit(report.lost == 0 and report.stuck == 0 and #report.strange == 0 and 0 or 1)
