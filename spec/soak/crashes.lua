--- A publisher that is killed 50 times at random moments and goes on with its store, for each QoS and protocol: what
-- was lost, doubled, out of order. And a consumer with `acknowledge = "handled"`, 200 times in all: what it has not
-- handled. KILLS changes the first number, CONSUMER_KILLS the second, SEED the random times.
local consumers = require "spec.support.consumers"
local core = require "holdfast.core"
local crashes = require "spec.support.crashes"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"

local kills = tonumber(os.getenv "KILLS" or 50)
local consumer_kills = tonumber(os.getenv "CONSUMER_KILLS" or 200)
local seed = tonumber(os.getenv "SEED" or os.time())
local finish = core.now() + tonumber(os.getenv "MINUTES" or 10) * 60

local runs = {
  { qos = 2, protocol = 5 }, { qos = 1, protocol = 5 }, { qos = 2, protocol = 4 }, { qos = 1, protocol = 4 },
}

local function say(...)
  print(string.format(...))
  io.stdout:flush()
end

local function is_fine(run, report)
  return not report.problem and report.lost + report.reused == 0
    and (run.qos == 1 or report.doubled + report.disorder == 0)
end

local fine = true
say("seed %d", seed)
math.randomseed(seed)
holdfast.run(function()
  for _, run in ipairs(runs) do
    if core.now() > finish then
      say("no time for QoS %d, protocol %d", run.qos, run.protocol)
      break
    end
    local report = crashes.run { qos = run.qos, protocol = run.protocol, kills = kills }
    local good = is_fine(run, report)
    fine = fine and good
    say("%s QoS %d, protocol %d, %d kills: %s%s", good and "ok    " or "FAILED", run.qos, run.protocol, kills,
      crashes.words(report), report.problem and "; " .. report.problem or "")
    mosquitto.finish()
    collectgarbage()
  end
  for _, run in ipairs(runs) do
    if core.now() > finish then
      say("no time for a consumer, QoS %d, protocol %d", run.qos, run.protocol)
      break
    end
    local times = math.ceil(consumer_kills / #runs)
    local report = consumers.run { qos = run.qos, protocol = run.protocol, kills = times }
    local good = not report.problem and report.lost == 0
      and (run.qos == 1 or run.protocol == 4 or report.doubled <= times)
    fine = fine and good
    say("%s consumer, QoS %d, protocol %d, %d kills: %s%s", good and "ok    " or "FAILED", run.qos, run.protocol, times,
      consumers.words(report), report.problem and "; " .. report.problem or "")
    mosquitto.finish()
    collectgarbage()
  end
end)
os.exit(fine and 0 or 1)
