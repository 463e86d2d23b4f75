--- `holdfast bench`: how many messages a second a broker carries, and how long each takes.
-- Two clients of one process: one publishes, with so many messages unacknowledged at most, the other has subscribed.
-- @module holdfast.command.bench
local core = require "holdfast.core"
local exit = require "holdfast.command.exit"
local holdfast = require "holdfast"
local json = require "holdfast.command.json"
local options = require "holdfast.command.options"
local session = require "holdfast.command.session"
local text = require "holdfast.text"
local values = require "holdfast.command.values"

local bench = {
  name = "bench", summary = "Measure a broker: messages a second, and their latency.", synopsis = "URL ...",
  examples = {
    { "what a broker takes at QoS 1", "holdfast bench -q 1 mqtt://broker.example" },
    { "the latency of 100 messages a second of 1 KB, for a minute",
      "holdfast bench -q 1 --rate 100 --count 6000 --size 1024 mqtt://broker.example" },
  },
}

local PORTION = 100 -- messages posted between two looks at what has come
local QUIET = 5 -- seconds without one until the rest counts as lost
local PERCENTILES = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p99_9", 0.999 }, { "max", 1 } }

--- Adds its options.
-- @tparam table command of argparse
function bench.declare(command)
  command:group("What is measured",
    command:option "-q --qos":argname "QOS":description "Quality of service (0).":convert(values.qos "--qos"),
    command:option "--count":argname "COUNT":description "How many messages (10000).":convert(
      values.whole("--count", 1, 10000000)),
    command:option "--size":argname "BYTES":description "Bytes of a payload, at least 16 (64).":convert(
      values.whole("--size", 16, 268435455)),
    command:option "--window":argname "COUNT":description
      "Messages that are not acknowledged at once, at most (100).":convert(values.whole("--window", 1, 65535)),
    command:option "--rate":argname "COUNT":description "Messages a second; unless given, as fast as it goes.":convert(
      values.number("--rate", "a number of messages a second", 0.001, 10000000)),
    command:option "-t --topic":argname "TOPIC":description "Over which topic (holdfast/bench/ and a random name).",
    command:option "-W":argname "SECONDS":description "Give up after this time, with exit status 3.":target "within"
      :convert(values.number("-W", "a number of seconds", 0)),
    command:flag "--json":description "The result as one line of JSON; the fields are in the manual.")
  options.declare(command)
  options.declare_url(command)
end

--- Percentiles of times (the smallest value that so many are not above).
-- @tparam table times in any order; sorted afterwards
-- @treturn ?table `p50` ... `max`, in seconds; nil where there are none
function bench.percentiles(times)
  if not times[1] then
    return nil
  end
  table.sort(times)
  local found = {}
  for _, row in ipairs(PERCENTILES) do
    found[row[1]] = times[math.max(1, math.ceil(row[2] * #times))]
  end
  return found
end

local function is_shown()
  local ok = os.execute "test -t 2"
  return ok == true or ok == 0
end

local function progress(self)
  local now = core.now()
  if self.shown and now >= self.shown then
    io.stderr:write(("\r%s of %s sent, %s received "):format(text.number(self.sent), text.number(self.count),
      text.number(#self.arrived)))
    self.shown = now + 0.2
  end
end

-- The payload begins with its number, by which it is known when it comes.
local function payload_of(self, number)
  local head = ("%d "):format(number)
  return head .. self.filler:sub(#head + 1)
end

local function listen(self)
  self.sent, self.acknowledged, self.began_at = 0, {}, {}
  self.arrived, self.seen, self.twice, self.dropped = {}, {}, 0, 0
  local numbers = {}
  self.numbers = numbers
  self.client:on("delivered", function(event)
    local number, now = numbers[event.id], core.now()
    if number then
      numbers[event.id] = nil
      self.acknowledged[#self.acknowledged + 1] = now - self.began_at[number]
      self.last_acknowledged = now
    end
  end):on("dropped", function(event)
    numbers[event.id], self.dropped = nil, self.dropped + 1
  end)
  self.subscription = self.other:subscribe(self.topic, { qos = self.qos }, function(message)
    local number, now = tonumber(message.payload:match "^%d+"), core.now()
    if number and self.seen[number] then
      self.twice = self.twice + 1
    elseif number and self.began_at[number] then
      self.seen[number] = true
      self.arrived[#self.arrived + 1] = now - self.began_at[number]
      self.last_arrival = now
    end
  end)
end

local function is_full(self)
  return self.sent - #self.acknowledged - self.dropped >= self.window
end

-- Whether the next one is due, and when it would have been sent if nothing had held it up.
local function due(self, now)
  if not self.rate then
    return true, now
  end
  local at = self.began + self.sent / self.rate
  return at <= now, at
end

local function send(self)
  for _ = 1, PORTION do
    local now = core.now()
    local is_due, at = due(self, now)
    if self.sent == self.count or is_full(self) or not is_due then
      return
    end
    local id = self.client:post(self.topic, payload_of(self, self.sent + 1), { qos = self.qos })
    if not id then
      return
    end
    self.sent = self.sent + 1
    self.began_at[self.sent], self.numbers[id] = at, self.sent
  end
end

local function is_over(self)
  if #self.arrived == self.count then
    return #self.acknowledged + self.dropped == self.count
  end
  local last = math.max(self.last_arrival or self.began, self.last_acknowledged or self.began)
  return #self.acknowledged + self.dropped == self.count and core.now() > last + QUIET
end

-- Waits for the first that happens; nothing is waited for where more can be sent at once.
local function pause(self)
  if self.sent == self.count or is_full(self) then
    return 0.2
  end
  local is_due, at = due(self, core.now())
  return is_due and 0 or math.min(0.2, math.max(0, at - core.now()))
end

local function status_now(self)
  if self.deadline and core.now() >= self.deadline then
    return exit.late
  end
  return self:over()
end

local function become_ready(self)
  self.client:start()
  self.other:start()
  local status
  while not status and not (self.client:status().ready and self.other:status().ready) do
    self:wait(0.2)
    status = status_now(self)
  end
  if not status and select(3, self.subscription:granted(0)) == "refused" then
    status = exit.refused
  end
  return status
end

local function measure(self)
  local status = become_ready(self)
  self.began = core.now()
  while not status and not is_over(self) do
    send(self)
    progress(self)
    self:wait(pause(self))
    status = status_now(self)
  end
  return status
end

local FIELDS = { "server", "transport", "protocol", "qos", "count", "size", "window", "rate", "sent", "acknowledged",
  "received", "twice", "dropped", "losses", "publish_seconds", "receive_seconds", "published_per_second",
  "received_per_second", "acknowledge", "end_to_end" }

local function result_of(self)
  local status = self.client:status()
  local publishing = (self.last_acknowledged or self.began) - self.began
  local receiving = (self.last_arrival or self.began) - self.began
  return {
    server = status.server, transport = status.transport, protocol = status.protocol, qos = self.qos,
    count = self.count, size = self.size, window = self.window, rate = self.rate, sent = self.sent,
    acknowledged = #self.acknowledged, received = #self.arrived, twice = self.twice, dropped = self.dropped,
    losses = status.counters.losses + self.other:status().counters.losses,
    publish_seconds = publishing, receive_seconds = receiving,
    published_per_second = publishing > 0 and #self.acknowledged / publishing or 0,
    received_per_second = receiving > 0 and #self.arrived / receiving or 0,
    acknowledge = bench.percentiles(self.acknowledged), end_to_end = bench.percentiles(self.arrived),
  }
end

local function json_of(result)
  local names = {}
  for place, row in ipairs(PERCENTILES) do
    names[place] = row[1]
  end
  local shown = {}
  for key, value in pairs(result) do
    shown[key] = type(value) == "table" and json.object(names, value) or value
  end
  return json.object(FIELDS, shown).json
end

local function row_of(name, found)
  local words = { ("%-13s"):format(name) }
  for _, row in ipairs(PERCENTILES) do
    words[#words + 1] = ("%10s"):format(found and text.format("%.3f", found[row[1]] * 1000) or "-")
  end
  return table.concat(words)
end

--- The result for people.
-- @tparam table result
-- @treturn string
function bench.text(result)
  local heads = { ("%-13s"):format "ms" }
  for _, row in ipairs(PERCENTILES) do
    heads[#heads + 1] = ("%10s"):format((row[1]:gsub("_", ".")))
  end
  local troubles = (result.losses > 0 and (", %d connections lost"):format(result.losses) or "")
    .. (result.dropped > 0 and (", %d dropped"):format(result.dropped) or "")
  return table.concat({
    ("%s messages of %s bytes, QoS %d, window %d%s, MQTT %s over %s, %s"):format(text.number(result.count),
      text.number(result.size), result.qos, result.window,
      result.rate and text.format(", %g a second", result.rate) or "",
      result.protocol == 4 and "3.1.1" or "5", result.transport, result.server),
    ("published     %s a second, %s acknowledged%s"):format(text.number(result.published_per_second),
      text.number(result.acknowledged), troubles),
    ("received      %s a second, %s missing, %s twice"):format(text.number(result.received_per_second),
      text.number(result.sent - result.received), text.number(result.twice)),
    table.concat(heads), row_of(result.qos == 0 and "sent" or "acknowledged", result.acknowledge),
    row_of("end to end", result.end_to_end),
  }, "\n")
end

local function report(self)
  local result = result_of(self)
  if self.shown then
    io.stderr:write("\r", (" "):rep(60), "\r")
  end
  io.stdout:write(self.arguments.json and json_of(result) or bench.text(result), "\n")
  return result.received < result.sent and exit.undelivered or exit.done
end

local function shape_of(arguments, kept)
  return function(made)
    made.clean_start, made.window = true, arguments.window or 100
    made.queue = { messages = math.max(10000, 2 * made.window), bytes = math.max(64 * 1024 * 1024,
      2 * made.window * (arguments.size or 64)) }
    for key, value in pairs(made) do
      kept[key] = value
    end
    kept.queue, kept.client_id = nil, made.client_id and made.client_id .. "-sub"
  end
end

--- Runs it.
-- @tparam table arguments
-- @treturn number the exit status
function bench.run(arguments)
  local problem = arguments.topic and core.topic_problem(arguments.topic)
  if problem then
    io.stderr:write("holdfast bench: --topic ", problem, "\n")
    return exit.wrong
  end
  local kept = {}
  local self, status = session.open("bench", arguments, shape_of(arguments, kept))
  if not self then
    return status
  end
  self.other, problem, status = options.new(holdfast, kept)
  if not self.other then
    self:say(problem)
    return status
  end
  self:depend_on(self.other)
  self.qos, self.count, self.size = arguments.qos or 0, arguments.count or 10000, arguments.size or 64
  self.window, self.rate = arguments.window or 100, arguments.rate
  self.topic = arguments.topic or "holdfast/bench/" .. core.random_id()
  self.filler, self.shown = ("x"):rep(self.size), not arguments.quiet and is_shown() and 0 or nil
  self.deadline = arguments.within and core.now() + arguments.within
  listen(self)
  status = measure(self)
  self.other:close()
  self:close()
  return status or report(self)
end

return bench
