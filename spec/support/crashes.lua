--- A publisher that is killed again and again and goes on with its store, and an account of what arrived.
--
--     local report = crashes.run { qos = 2, kills = 8 }
--     report.lost, report.doubled, report.disorder         -- how many of report.accepted
--
-- Within `holdfast.run` only.
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"

local crashes = {}

local function words_of(file)
  local list = {}
  for line in io.lines(file) do
    local name, id = line:match "^(%S+) (%d+)$"
    if name then -- the last line may be cut off
      list[#list + 1] = { name = name, id = tonumber(id) }
    end
  end
  return list
end

--- Runs of a name are numbered, so "3.12" comes after "2.99".
local function place(name)
  local run, number = name:match "^(%d+)%.(%d+)$"
  return tonumber(run) * 1e9 + tonumber(number)
end

local function judge(accepted, heard, order)
  local lost, doubled, disorder, reused, newest, last = 0, 0, 0, 0, 0, 0
  for _, message in ipairs(accepted) do
    lost = lost + (heard[message.name] and 0 or 1)
    reused = reused + (message.id > last and 0 or 1)
    last = message.id
  end
  for _, count in pairs(heard) do
    doubled = doubled + (count > 1 and 1 or 0)
  end
  for _, name in ipairs(order) do
    disorder = disorder + (place(name) < newest and 1 or 0)
    newest = math.max(newest, place(name))
  end
  return { accepted = #accepted, lost = lost, doubled = doubled, disorder = disorder, reused = reused }
end

--- Kills a publisher at random moments.
-- @tparam table options `qos`, `kills`, `protocol` (5), `progress` (called after each kill)
-- @treturn table `accepted` (posts that returned an id), `lost`, `doubled`, `disorder` (of those heard for the first
-- time), `reused` (ids), `problem` (nil: the last run delivered everything and ended)
function crashes.run(options)
  local broker = mosquitto.start {
    persistent = "each second", quiet = true, lines = { "max_inflight_messages 10000", "max_queued_messages 0" },
  }
  local folder = assert(process.temporary_folder())
  local heard, order, latest = {}, {}, core.now()
  local reader = holdfast.new {
    server = "mqtt://127.0.0.1:" .. broker.port, client_id = "reader", inbox = { messages = 100000 },
  }
  reader:subscribe("numbers", { qos = options.qos }, function(message)
    if not heard[message.payload] then
      order[#order + 1] = message.payload
    end
    heard[message.payload] = (heard[message.payload] or 0) + 1
    latest = core.now()
  end)
  assert(reader:connect(10))
  local function start(run)
    return assert(process.spawn({ os.getenv "LUA" or "lua5.4", "spec/support/crash_child.lua",
      tostring(broker.port), folder .. "/store", tostring(options.qos), tostring(options.protocol or 5), tostring(run),
      folder .. "/log" }, folder .. "/output"))
  end
  local function logged()
    local file = io.open(folder .. "/log")
    local size = file and file:seek "end" or 0
    if file then
      file:close()
    end
    return size
  end
  local problem
  for run = 1, options.kills do
    local before, begun = logged(), core.now()
    local pid = start(run)
    while run % 2 == 0 and logged() == before and core.now() < begun + 10 do -- the others may be killed as they begin
      holdfast.sleep(0.01)
    end
    holdfast.sleep(0.05 + math.random() * 0.45)
    local ended = process.wait(pid)
    problem = problem or (ended and "run " .. run .. " ended by itself")
    if not ended then
      process.kill(pid, "KILL")
      process.wait(pid, 5000)
    end
    if options.progress then
      options.progress(run, #order)
    end
  end
  local pid, deadline = start "last", core.now() + 60
  local how, status = process.wait(pid)
  while not how and core.now() < deadline do
    holdfast.sleep(0.02)
    how, status = process.wait(pid)
  end
  if not how then
    process.kill(pid, "KILL")
    process.wait(pid, 5000)
  end
  problem = problem or (not how and "the last run does not end") or (status ~= 0 and "the last run failed") or nil
  while core.now() < latest + 0.5 do
    holdfast.sleep(0.02)
  end
  reader:close()
  local report = judge(words_of(folder .. "/log"), heard, order)
  report.problem = problem and problem .. "\n" .. assert(io.open(folder .. "/output")):read "*a"
  process.remove_folder(folder)
  return report
end

--- One line.
function crashes.words(report)
  return ("%d accepted: %d lost, %d doubled, %d out of order, %d ids given twice"):format(report.accepted, report.lost,
    report.doubled, report.disorder, report.reused)
end

return crashes
