--- A consumer with `acknowledge = "handled"` that is killed again and again, and an account of what it has handled.
--
--     local report = consumers.run { qos = 2, kills = 5 }
--     report.sent, report.lost, report.doubled
--
-- Within `holdfast.run` only.
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"

local consumers = {}

local EVERY = 0.002 -- seconds between two messages
local AT_LAST = 60 -- seconds for the last consumer to handle what is left

-- How often each number was handled; of a last line that was cut off nothing is known.
local function count(log)
  local handled, different = {}, 0
  for line in (io.open(log) and assert(io.open(log)):read "*a" or ""):gmatch "(%d+)\n" do
    different = different + (handled[line] and 0 or 1)
    handled[line] = (handled[line] or 0) + 1
  end
  return handled, different
end

local function judge(log, sent)
  local missing, doubled, handled = {}, 0, count(log)
  for number = 1, sent do
    local times = handled[tostring(number)] or 0
    missing[#missing + 1] = times == 0 and number or nil
    doubled = doubled + math.max(0, times - 1)
  end
  return { sent = sent, lost = #missing, missing = missing, doubled = doubled }
end

--- Kills a consumer at random moments.
-- @tparam table options `qos`, `kills`, `protocol` (5), `progress` (called after each kill)
-- @treturn table `sent`, `lost`, `missing` (those), `doubled` (handled once more than once), `problem` (nil: none)
function consumers.run(options)
  -- It is never restarted; one that writes its sessions down at each change takes the longer the more wait in them.
  local broker = mosquitto.start { quiet = true, lines = { "max_inflight_messages 10000", "max_queued_messages 0" } }
  local folder = assert(process.temporary_folder())
  local log = folder .. "/log"
  local source = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, protocol = options.protocol }
  local function start()
    return assert(process.spawn({ os.getenv "LUA" or "lua5.4", "spec/support/consumer_child.lua",
      tostring(broker.port), folder .. "/store", tostring(options.qos), tostring(options.protocol or 5), log },
      folder .. "/output"))
  end
  local problem
  local function finish(pid)
    problem = problem or process.wait(pid) and "a consumer ended by itself" or nil
    process.kill(pid, "KILL")
    process.wait(pid, 5000)
  end
  assert(source:connect(10))
  local pid, deadline, sent = start(), core.now() + AT_LAST, 1
  while count(log)["1"] == nil and core.now() < deadline do -- until the broker knows its subscription
    assert(source:publish("numbers", "1", { qos = options.qos }))
    holdfast.sleep(0.05)
  end
  for kill = 1, options.kills do
    local until_then = core.now() + 0.05 + math.random() * 0.3
    repeat
      sent = sent + 1
      assert(source:post("numbers", tostring(sent), { qos = options.qos }))
      holdfast.sleep(EVERY)
    until core.now() > until_then
    finish(pid)
    pid = start()
    if options.progress then
      options.progress(kill, sent)
    end
  end
  deadline = core.now() + AT_LAST
  while select(2, count(log)) < sent and core.now() < deadline do
    holdfast.sleep(0.05)
  end
  finish(pid)
  source:close(5)
  local report = judge(log, sent)
  report.doubled = report.doubled - (count(log)["1"] - 1) -- which was sent until it was
  report.problem = problem and problem .. "\n" .. assert(io.open(folder .. "/output")):read "*a"
  process.remove_folder(folder)
  return report
end

--- One line.
function consumers.words(report)
  local which = report.lost > 0 and (" (%s)"):format(table.concat(report.missing, ", ", 1, math.min(report.lost, 10)))
  return ("%d sent: %d lost%s, %d handled twice"):format(report.sent, report.lost, which or "", report.doubled)
end

return consumers
