--- 100,000 numbered messages through a broker that is restarted 50 times under way, for each QoS and each way to end a
-- broker: what was lost, doubled, out of order, and by whom. MESSAGES and RESTARTS change the numbers, SEED the random
-- times; a run that finds no time for all its messages says so.
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local numbered = require "spec.support.numbered"

local count = tonumber(os.getenv "MESSAGES" or 100000)
local restarts = tonumber(os.getenv "RESTARTS" or 50)
local seed = tonumber(os.getenv "SEED" or os.time())
local finish = core.now() + tonumber(os.getenv "MINUTES" or 10) * 60

local runs = {
  { qos = 2, signal = "TERM" }, { qos = 1, signal = "TERM" }, { qos = 2, signal = "KILL" },
  { qos = 1, signal = "KILL" }, { qos = 2, signal = "KILL and forget" },
}

local function say(...)
  print(string.format(...))
  io.stdout:flush()
end

-- Progress: a line a tenth.
local function progress(run)
  local tenths = 0
  return function(facts)
    local now = math.floor(facts.restarts * 10 / restarts)
    if now > tenths then
      tenths = now
      say("  QoS %d, SIG%s: %d restarts, %d arrived, %.0f s", run.qos, run.signal, facts.restarts, facts.distinct,
        core.now() - facts.began)
    end
  end
end

local function is_fine(run, report)
  local clients = report.lost.writer + report.lost.reader + report.doubled.writer + report.doubled.reader
  local broker = run.signal == "TERM" and report.lost.broker + (run.qos == 2 and report.doubled.broker or 0) or 0
  return clients + broker + report.disorder + report.sent_in_disorder == 0 and not report.stalled
end

local fine = true
say("seed %d", seed)
math.randomseed(seed)
holdfast.run(function()
  for index, run in ipairs(runs) do
    local report = numbered.run {
      qos = run.qos, signal = run.signal, count = count, restarts = restarts, progress = progress(run),
      seconds = (finish - core.now()) / (#runs - index + 1),
    }
    local good = is_fine(run, report)
    fine = fine and good
    say("%s QoS %d, SIG%s: %s", good and "ok    " or "FAILED", run.qos, run.signal, numbered.words(report))
    mosquitto.finish()
    collectgarbage()
  end
end)
os.exit(fine and 0 or 1)
