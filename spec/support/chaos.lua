--- Clients in pairs that send each other numbered messages while a broker and the network to it are mistreated.
--
--     local report = chaos.run { seconds = 10, clients = 20, seed = 1, say = print }
--     report.lost, report.stuck, report.dropped, report.doubled, report.sent, report.acts
--
-- Odd clients send at QoS 1, even ones at QoS 2, unless told otherwise, each to the next. A kill is one without loss of
-- the broker's own: nothing reaches it any more when it writes down its state, and then it dies. Within `holdfast.run`
-- only.
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local mutator = require "spec.support.mutator"
local weathers = require "weather_probe"

local chaos = {}

local PATIENCE = 90 -- seconds of good weather in which everything must have arrived

local function make(index, count, port, report, options)
  local function qos_of(number)
    return options.qos or number % 2 == 1 and 1 or 2
  end
  local one = { index = index, qos = qos_of(index), sent = 0, open = {}, open_count = 0, heard = {}, distinct = 0,
    keeps = options.store ~= nil }
  local client = holdfast.new {
    server = "mqtt://127.0.0.1:" .. port, client_id = "chaos" .. index, keep_alive = 2, connect_timeout = 5,
    backoff = { min = 0.05, max = 1 }, policy = { slow = { min = 0.1, max = 1 } }, protocol = index % 4 < 2 and 5 or 4,
    transport = options.transport, queue = options.store and { store = options.store .. "/" .. index },
  }
  one.client = client
  client:on("delivered", function(event)
    if one.open[event.id] then
      one.open[event.id], one.open_count = nil, one.open_count - 1
    else
      report.strange[#report.strange + 1] = "delivered twice, or never posted: " .. tostring(event.id)
    end
  end)
  client:on("dropped", function(event)
    one.open[event.id], one.open_count = nil, one.open_count - 1
    report.dropped = report.dropped + 1
    report.strange[#report.strange + 1] = "dropped: " .. tostring(event.why)
  end)
  client:on("error", function(event) report.strange[#report.strange + 1] = event.traceback end)
  client:on("lost", function() report.losses = report.losses + 1 end)
  client:on("sleeping", function(event) report.strange[#report.strange + 1] = "asleep: " .. event.reason.name end)
  client:subscribe("chaos/" .. index % count + 1, { qos = qos_of(index % count + 1) }, function(message)
    local number = tonumber(message.payload:match "^%d+")
    if one.heard[number] then
      report.doubled[message.qos] = (report.doubled[message.qos] or 0) + 1
    else
      one.heard[number], one.distinct = true, one.distinct + 1
    end
  end)
  client:start()
  return one
end

local function post(one, report, size)
  local number = tostring(one.sent + 1)
  local payload = number .. (" "):rep(math.max(one.sent % size - #number, 0))
  local id, _, code = one.client:post("chaos/" .. one.index, payload, { qos = one.qos })
  if id then
    one.sent, one.open[id], one.open_count = one.sent + 1, true, one.open_count + 1
  else
    report.refused = report.refused + 1
    assert(code == "queue_full" or one.keeps and (code:match "^store_" or code == "out_of_memory"), code)
  end
end

-- What may happen, each with how often in comparison; `sleep(least, most)` waits so many ms.
local acts = {
  { "cut", 6, function(it) it.weather:cut(it.random(6), it.random(2) == 1) end },
  { "delay", 3, function(it)
    it.weather:set { delay = it.random(300) }
    it.sleep(300, 2000)
  end },
  { "hold", 3, function(it)
    local which = it.random(3)
    it.weather:set { hold_up = which ~= 1, hold_down = which ~= 2 }
    it.sleep(300, 7000)
  end },
  { "refuse", 2, function(it)
    it.weather:set { refuse = true }
    it.weather:cut(1)
    it.sleep(100, 1500)
  end },
  { "freeze", 2, function(it)
    it.broker:freeze()
    it.sleep(300, 5000)
    it.broker:resume()
  end },
  { "stop", 1, function(it)
    it.broker:stop()
    it.sleep(1, 1500)
    it.broker:restart()
  end },
  { "kill", 2, function(it)
    it.weather:set { refuse = true }
    it.weather:cut(1, it.random(2) == 1)
    it.sleep(300, 400) -- the broker reads what it has been sent
    it.broker:save():kill()
    it.sleep(1, 1500)
    it.broker:restart()
  end },
}

local function choose(random)
  local all = 0
  for _, act in ipairs(acts) do
    all = all + act[2]
  end
  local left = random(all)
  for _, act in ipairs(acts) do
    left = left - act[2]
    if left <= 0 then
      return act
    end
  end
end

local function totals(clients, report)
  report.sent, report.stuck, report.lost = 0, 0, 0
  for index, one in ipairs(clients) do
    report.sent = report.sent + one.sent
    report.stuck = report.stuck + one.open_count
    report.lost = report.lost + one.sent - clients[(index - 2) % #clients + 1].distinct
  end
  return report
end

--- Mistreats for so long, lets the weather clear, and counts.
-- @tparam table options `seconds`, `clients` (20), `seed`, `rate` (messages a second of each, 5), `size` (of a message,
-- at most, 1), `qos` (of all), `transport`, `store` (a folder for theirs), `say(words)`, `begun()` once all have
-- connected, `calm()` when the weather has cleared
-- @treturn table sent, lost (accepted and never heard), stuck (accepted, and its fate never told), dropped, refused,
-- doubled (QoS -> how many), losses (of connections), acts (name -> how often), strange (a list of words)
function chaos.run(options)
  local random = mutator.random(options.seed)
  local broker = mosquitto.start { persistent = "each second", quiet = true,
    lines = { "max_inflight_messages 1000", "max_queued_messages 0" } }
  local weather, port = weathers.start(broker.port)
  local report = { dropped = 0, refused = 0, doubled = {}, losses = 0, acts = {}, strange = {} }
  local clients, count = {}, options.clients or 20
  for index = 1, count do
    clients[index] = make(index, count, port, report, options)
  end
  for _, one in ipairs(clients) do
    assert(one.client:connect(20))
  end
  if options.begun then
    options.begun()
  end
  local finish, busy = core.now() + options.seconds, true
  holdfast.spawn(function()
    while busy do
      for _, one in ipairs(clients) do
        post(one, report, options.size or 1)
      end
      holdfast.sleep(1 / (options.rate or 5))
    end
  end)
  local it = { random = random, weather = weather, broker = broker }
  function it.sleep(least, most)
    holdfast.sleep((least + random(most - least)) / 1000)
  end
  local told = core.now()
  while core.now() < finish do
    local act = choose(random)
    report.acts[act[1]] = (report.acts[act[1]] or 0) + 1
    act[3](it)
    weather:set {}
    it.sleep(100, 1500)
    if options.say and core.now() > told + options.seconds / 10 then
      told = core.now()
      totals(clients, report)
      options.say(("  %d sent, %d on their way, %d connections lost"):format(report.sent, report.lost, report.losses))
    end
  end
  busy = false
  if options.calm then
    options.calm()
  end
  local deadline = core.now() + PATIENCE
  repeat
    holdfast.sleep(0.1)
    totals(clients, report)
  until report.lost == 0 and report.stuck == 0 or core.now() > deadline
  report.cleared = PATIENCE - (deadline - core.now())
  for _, one in ipairs(clients) do
    one.client:close(1)
  end
  weather:close()
  return report
end

return chaos
