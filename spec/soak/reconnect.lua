--- 10,000 cycles of connecting and losing the connection, or as many as there is time for: memory, descriptors and
-- threads stay as they are. CYCLES changes the number.
local cycles = require "spec.support.cycles"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"

local MOST = 100 -- bytes a cycle; less than any struct of a connection, more than what the allocator's pages blur

io.stdout:setvbuf "line"
local report = holdfast.run(cycles.run, {
  count = tonumber(os.getenv "CYCLES" or 10000), seconds = tonumber(os.getenv "MINUTES" or 10) * 60, say = print,
})
mosquitto.finish()
print(("%d cycles in %.0f s: %.1f bytes of memory a cycle over the second half (%d KB to %d KB), %d descriptors, "
  .. "%d threads more"):format(report.cycles, report.seconds, report.slope, report.before.resident / 1024,
  report.after.resident / 1024, report.descriptors, report.threads))
os.exit(report.slope < MOST and report.descriptors <= 0 and report.threads == 0 and 0 or 1)
