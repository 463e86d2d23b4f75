--- Numbered messages through a broker that is restarted under way, and an account of what became of each.
--
--     local report = numbered.run { qos = 2, count = 1000, restarts = 5, signal = "KILL" }
--     report.lost.writer, report.lost.reader, report.lost.broker           -- how many
--
-- One client posts, another one listens, both through proxies that write down every packet. From that trace and from
-- what the clients told it follows who has lost or doubled a message: a client, or a broker that forgot in its death
-- what it had acknowledged. Within `holdfast.run` only.
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local transport = require "spec.support.transport"
local proxies = require "proxy_probe"

local numbered = {}

local QUICK = { strategy = "constant", min = 0.05, max = 0.05, jitter = "none" }
-- mosquitto 2.0.11 does not keep to our Receive Maximum after a restart, and what it has in flight beyond its own
-- max_inflight_messages it sends anew after the next one, as other messages.
local IN_FLIGHT, MORE = 100, 10000
local IDLE = 3 -- s without any news after which nothing more is expected

-- ---- what the packets say ----

local function each_packet(file)
  local lines = io.lines(file)
  return function()
    local line = lines()
    if line then
      local way, kind, id, flags, code, payload = line:match "^%d+ %d+ (%a+) (%a+) (%d+) (%d+) (%d+) (.*)$"
      return way, kind, tonumber(id), tonumber(flags), tonumber(code), tonumber(payload)
    end
  end
end

-- Of the client that publishes: what was acknowledged; what was published as another message after that; whether each
-- was published for the first time in its order.
local function writer_trace(file, qos)
  local acknowledged, again, newest, disorder = {}, {}, 0, 0
  local open, seen = {}, {} -- packet id -> number; number -> it was published
  for way, kind, id, _, code, number in each_packet(file) do
    if way == "up" and kind == "publish" then
      if open[id] ~= number and acknowledged[number] then
        again[number] = (again[number] or 0) + 1
      end
      open[id] = number
      if not seen[number] then
        disorder = disorder + (number < newest and 1 or 0)
        seen[number], newest = true, math.max(number, newest)
      end
    elseif way == "down" and (kind == "puback" or kind == "pubrec") and open[id] then
      acknowledged[open[id]] = code < 0x80 or nil
    elseif way == "down" and kind == "connack" and id == 0 and code == 0 then
      open = {}
    end
    if way == "down" and (kind == "puback" or kind == "pubcomp") then
      open[id] = nil
    end
  end
  return { acknowledged = acknowledged, again = qos == 2 and again or {}, disorder = disorder }
end

local function add(counts, number)
  counts[number] = (counts[number] or 0) + 1
end

-- Of the client that listens: how often each was handed to it as a message of its own, and how often it has taken one
-- on itself. At QoS 2 Paho hands a message on when PUBLISH has come in MQTT 5, and when PUBREL has come in 3.1.1; our
-- own transport always when PUBLISH has come, and one of another content under a known id is another message to it.
local function reader_trace(file, protocol)
  local given, taken, open, owed = {}, {}, {}, {}
  local order, handed = {}, 0 -- number -> as the how-many-th it was to be handed out first
  local function give(number)
    handed = handed + 1
    order[number] = order[number] or handed
    add(given, number)
  end
  local native = transport.name() == "native"
  local early = native or protocol == 5
  for way, kind, id, flags, code, number in each_packet(file) do
    if way == "down" and kind == "publish" then
      local qos = math.floor(flags / 2) % 4
      if qos == 1 or not open[id] or (native and open[id] ~= number) then
        owed[id] = true
        if qos == 1 or early then
          give(number)
        end
      end
      if qos == 1 or native or protocol == 4 or not open[id] then
        open[id] = number
      end
    elseif way == "up" and (kind == "puback" or kind == "pubrec" and early) and owed[id] then
      add(taken, open[id])
      owed[id] = nil
    elseif way == "down" and kind == "pubrel" and open[id] then
      if not early then
        give(open[id])
        add(taken, open[id])
      end
      open[id] = nil
    elseif way == "down" and kind == "connack" and id == 0 and code == 0 then
      open, owed = {}, {}
    end
  end
  return { given = given, taken = taken, order = order }
end

-- How often a message was handed out before one that had come before it. A broker that sends what is new past what it
-- has queued (mosquitto 2.0.11 does, when acknowledgements come fast) is no fault of the client's.
local function disorder_of(sequence, order)
  local disorder, newest = 0, 0
  for _, number in ipairs(sequence) do
    local place = order[number] or 0
    disorder = disorder + (place < newest and 1 or 0)
    newest = math.max(place, newest)
  end
  return disorder
end

-- ---- who did what ----

local function judge(options, facts, writer, reader)
  local lost, doubled, pending = { writer = 0, reader = 0, broker = 0 }, { writer = 0, reader = 0, broker = 0 }, 0
  for number = 1, options.count do
    local heard = facts.heard[number] or 0
    if heard == 0 and reader.taken[number] then
      lost.reader = lost.reader + 1
    elseif heard == 0 and facts.late then -- it may still be on its way
      pending = pending + 1
    elseif heard == 0 and not writer.acknowledged[number] then
      lost.writer = lost.writer + 1
    elseif heard == 0 then
      lost.broker = lost.broker + 1
    end
    if heard > (reader.given[number] or 0) then
      doubled.reader = doubled.reader + 1
    elseif writer.again[number] then -- heard or not: it was the broker's by then
      doubled.writer = doubled.writer + 1
    elseif heard > 1 then
      doubled.broker = doubled.broker + 1 -- at QoS 1 it may also be the writer's right
    end
  end
  return {
    count = options.count, restarts = facts.restarts, seconds = core.now() - facts.began, heard = facts.total,
    delivered = facts.delivered, dropped = facts.dropped, disorder = disorder_of(facts.sequence, reader.order),
    sent_in_disorder = writer.disorder, lost = lost, doubled = doubled, late = facts.late, pending = pending,
    stalled = facts.late and facts.idle > IDLE,
  }
end

-- ---- the run ----

local function client_of(options, port, name)
  return holdfast.new {
    server = "mqtt://127.0.0.1:" .. port, client_id = name, protocol = options.protocol or 5, backoff = QUICK,
    stable_after = 0, policy = { slow = { min = 0.1, max = 0.2 } }, queue = { messages = 2000 },
    inbox = { messages = 100000 }, receive_maximum = options.protocol ~= 4 and IN_FLIGHT or nil,
  }
end

local function write(options, writer, facts)
  writer:on("delivered", function() facts.delivered = facts.delivered + 1 end)
  writer:on("dropped", function() facts.dropped = facts.dropped + 1 end)
  for number = 1, options.count do
    while not writer:post("numbers", tostring(number), { qos = options.qos }) do
      holdfast.sleep(0.005)
    end
    if number % 50 == 0 then
      holdfast.sleep(0)
    end
    if facts.over then
      return
    end
  end
  facts.posted = true
end

local function listen(reader, qos, facts)
  reader:subscribe("numbers", { qos = qos }, function(message)
    local number = tonumber(message.payload)
    facts.total, facts.latest = facts.total + 1, core.now()
    if not facts.heard[number] then
      facts.sequence[#facts.sequence + 1] = number
      facts.distinct = facts.distinct + 1
    end
    facts.heard[number] = (facts.heard[number] or 0) + 1
  end)
end

-- Each time another part of the messages has arrived, or when nothing comes any more.
local function disturb(options, broker, facts)
  local step = options.count / (options.restarts + 1)
  while facts.restarts < options.restarts and not facts.over do
    if facts.distinct >= step * (facts.restarts + 1) or core.now() > facts.latest + 2 then
      if options.signal == "TERM" then
        broker:stop()
      else
        broker:kill()
      end
      if options.signal == "KILL and forget" then
        os.remove(broker.folder .. "/mosquitto.db")
      end
      holdfast.sleep(math.random() * 0.2)
      broker:restart()
      facts.restarts, facts.latest = facts.restarts + 1, core.now()
      if options.progress then
        options.progress(facts)
      end
    end
    holdfast.sleep(0.002)
  end
end

local function await_end(options, facts, deadline)
  while core.now() < deadline do
    local done = facts.distinct == options.count and facts.delivered + facts.dropped == options.count
    if facts.restarts == options.restarts and (done or (facts.posted and core.now() > facts.latest + IDLE)) then
      holdfast.sleep(done and 0.3 or 0) -- a double would come after
      return
    end
    holdfast.sleep(0.02)
  end
  facts.late, facts.idle = true, core.now() - facts.latest
end

-- Over Paho the reader has acknowledged what has arrived, and whoever leaves in the middle must still hear it.
local function hear_rest(facts)
  local deadline, before = core.now() + 10, nil
  while facts.total ~= before and core.now() < deadline do
    before = facts.total
    holdfast.sleep(0.3)
  end
end

--- Has them posted, the broker restarted, and everything accounted for.
-- @tparam table options `qos`, `count`, `restarts`, `signal` ("TERM", "KILL" or "KILL and forget": its
-- sessions), `protocol` (5), `seconds` (60: it is
-- ended then), `progress` (called after each restart with `restarts` and `distinct`)
-- @treturn table `count`, `restarts`, `seconds`, `heard`, `delivered`, `dropped`, `disorder`, `sent_in_disorder`,
-- `lost` and `doubled` ({ writer, reader, broker }), `late` (it was ended early, with so many `pending`), `stalled`
-- (nothing moved any more by then)
function numbered.run(options)
  local broker = mosquitto.start {
    persistent = "each second", quiet = true,
    lines = { "max_inflight_messages " .. MORE, "max_queued_messages 0" },
  }
  local traces = assert(process.temporary_folder())
  local up, up_port = proxies.start(broker.port, traces .. "/writer")
  local down, down_port = proxies.start(broker.port, traces .. "/reader")
  local facts = {
    heard = {}, total = 0, distinct = 0, sequence = {}, delivered = 0, dropped = 0, restarts = 0, began = core.now(),
    latest = core.now(),
  }
  local writer, reader = client_of(options, up_port, "writer"), client_of(options, down_port, "reader")
  listen(reader, options.qos, facts)
  assert(reader:connect(10))
  if options.signal == "KILL" then
    broker:save() -- the subscription is what the account depends on
  end
  assert(writer:connect(10))
  holdfast.spawn(write, options, writer, facts)
  holdfast.spawn(disturb, options, broker, facts)
  await_end(options, facts, facts.began + (options.seconds or 60))
  facts.over = true
  writer:close(0)
  if facts.late then
    hear_rest(facts)
  end
  reader:close(0)
  holdfast.sleep(0.1)
  up:close()
  down:close()
  broker:kill()
  local report = judge(options, facts, writer_trace(traces .. "/writer", options.qos),
    reader_trace(traces .. "/reader", options.protocol or 5))
  process.remove_folder(traces)
  return report
end

--- One line.
function numbered.words(report)
  return ("%d messages, %d restarts, %.0f s: lost %d by a client, %d by the broker; doubled %d by a client, %d by the "
    .. "broker; %d out of order%s"):format(report.count, report.restarts, report.seconds,
    report.lost.writer + report.lost.reader, report.lost.broker, report.doubled.writer + report.doubled.reader,
    report.doubled.broker, report.disorder + report.sent_in_disorder,
    report.late and ("; ended with %d on their way"):format(report.pending) or "")
end

return numbered
