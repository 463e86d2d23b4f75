--- `holdfast watch`: holds a connection, and shows how it fares.
-- @module holdfast.command.watch
local core = require "holdfast.core"
local exit = require "holdfast.command.exit"
local format = require "holdfast.command.format"
local json = require "holdfast.command.json"
local lag = require "holdfast.command.lag"
local options = require "holdfast.command.options"
local session = require "holdfast.command.session"
local text = require "holdfast.text"
local values = require "holdfast.command.values"
local view = require "holdfast.command.view"

local watch = {
  name = "watch", summary = "Hold a connection, and show how it fares.", synopsis = "URL ...",
  examples = {
    { "how the way to a broker fares, and what it says", "holdfast watch mqtts://broker.example" },
    { "with the rate of some messages", "holdfast watch -t 'meters/#' mqtt://broker.example" },
    { "for a program: a line of JSON an event, the status once a minute",
      "holdfast watch --json --interval 60 mqtt://broker.example" },
  },
}

local EVENTS = { "connecting", "connected", "ready", "failed", "lost", "sleeping", "closed" }
local MOODS = { ready = "good", failed = "bad", lost = "bad", sleeping = "bad" }
local KEPT = 200 -- of what happened
local TICK = 0.25 -- seconds between two pictures

--- Adds its options.
-- @tparam table command of argparse
function watch.declare(command)
  command:group("What is watched",
    command:option "-t --topic":argname "FILTER":count "*":description
      "Messages whose rate is shown; may be repeated. None unless given.",
    command:option "-q --qos":argname "QOS":description "Their quality of service at most (0).":convert(
      values.qos "--qos"),
    command:option "--lag":argname "SECONDS":description
      "Send so often a message to itself, QoS 0, and show its way's time (2); 0: never.":convert(
      values.number("--lag", "a number of seconds", 0)):target "lag_every",
    command:option "--lag-topic":argname "TOPIC":description "Its topic (holdfast/watch/ and the client id).",
    command:option "-W":argname "SECONDS":description "End after this time.":target "within":convert(
      values.number("-W", "a number of seconds", 0)))
  command:group("How it is shown",
    command:flag "--json":description "A line of JSON an event; the fields are in the manual.",
    command:flag "--plain":description "A line of text an event, also on a terminal.",
    command:option "--interval":argname "SECONDS":description
      "In lines: the status so often (10); 0: never.":convert(values.number("--interval", "a number of seconds", 0)))
  options.declare(command)
  options.declare_session(command)
  options.declare_url(command)
end

-- The fields of an event's line of JSON, in order.
local FIELDS = { "time", "at", "event", "server", "attempt", "attempts", "session_present", "subscriptions", "refused",
  "reason", "class", "code", "source", "text", "uptime", "downtime", "retry_in", "wake_in" }
local STATUS = { "time", "at", "event", "state", "ready", "server", "transport", "protocol", "client_id", "attempt",
  "retry_in", "since", "attempts", "connects", "losses", "messages", "rate", "lag", "downtime" }

local function event_line(self, name, event)
  local fields = { time = format.time(os.time()), at = core.now() - self.began, event = name }
  for _, key in ipairs(FIELDS) do
    if fields[key] == nil and event[key] ~= nil then
      fields[key] = event[key]
    end
  end
  local reason = event.reason
  if reason then
    fields.reason, fields.class, fields.code = reason.name, reason.class, reason.code
    fields.source, fields.text = reason.source, reason.text
  end
  return json.object(FIELDS, fields).json
end

local function status_fields(self)
  local status = self.client:status()
  local counters = status.counters
  return {
    time = format.time(os.time()), at = core.now() - self.began, event = "status", state = status.state,
    ready = status.ready, server = status.server, transport = status.transport, protocol = status.protocol,
    client_id = status.client_id, attempt = status.attempt, retry_in = status.retry_in, since = status.since,
    attempts = counters.attempts, connects = counters.connects, losses = counters.losses, messages = self.messages,
    rate = self.rate, lag = self.lag:newest(), downtime = self:downtime(),
  }
end

local function described(event)
  local reason = event.reason
  local words = tostring(event):gsub("^%w+: ?", "")
  return reason and reason.text and words .. "; " .. reason.text or words
end

local function status_words(fields)
  local next_one = fields.retry_in and fields.state == "waiting" and (", attempt %d in %s"):format(fields.attempt + 1,
    view.duration(fields.retry_in)) or ""
  return ("%s for %s%s, %s messages a second, lag %s"):format(fields.ready and "ready" or fields.state,
    view.duration(fields.since), next_one, text.format("%.1f", fields.rate),
    fields.lag and view.latency(fields.lag) or "unknown")
end

local function write(self, words)
  local fine, problem, number = io.stdout:write(words)
  if fine then
    fine, problem, number = io.stdout:flush()
  end
  if not fine then
    self.gone, self.problem = true, self.problem or number ~= exit.EPIPE and problem or nil
  end
end

local function print_line(self, name, words)
  write(self, ("%s %-10s %s\n"):format(format.time(os.time()), name, text.safe(words)))
end

local function happens(self, name, event)
  if self.mode == "json" then
    write(self, event_line(self, name, event) .. "\n")
  elseif self.mode == "plain" then
    print_line(self, name, described(event))
  else
    local list = self.happened
    list[#list + 1] = { os.date "%H:%M:%S", name, described(event), MOODS[name] }
    if #list > KEPT then
      table.remove(list, 1)
    end
    self.due = 0
  end
end

local function listen(self)
  local now = core.now
  self.began, self.away_since, self.away = now(), now(), 0
  self.messages, self.rate, self.counted, self.counted_at = 0, 0, 0, now()
  for _, name in ipairs(EVENTS) do
    self.client:on(name, function(event)
      if name == "ready" and self.away_since then
        self.away, self.away_since = self.away + now() - self.away_since, nil
      elseif name == "lost" then
        self.away_since = self.away_since or now()
      end
      happens(self, name, event)
    end)
  end
  for _, filter in ipairs(self.arguments.topic) do
    self.client:subscribe(filter, { qos = self.arguments.qos }, function()
      self.messages = self.messages + 1
    end)
  end
  function self.downtime()
    return self.away + (self.away_since and now() - self.away_since or 0)
  end
end

-- Over a second at least, so that it does not flicker.
local function count_rate(self)
  local now = core.now()
  if now - self.counted_at >= 1 then
    self.rate = (self.messages - self.counted) / (now - self.counted_at)
    self.counted, self.counted_at = self.messages, now
  end
end

local function draw(self)
  local columns, rows = core.console.size()
  local now = core.now()
  local made = view.lines({ status = self.client:status(), servers = self.arguments.url,
    filters = self.arguments.topic[1] ~= nil, rate = self.rate, messages = self.messages, lag = self.lag:summary(),
    watched = now - self.began, downtime = self:downtime(), happened = self.happened }, columns or 80, rows or 24,
    self.coloured)
  write(self, view.drawn(made, self.drawn))
  self.drawn = #made
end

local function show(self)
  local now = core.now()
  if now < self.due then
    return
  end
  if self.mode == "live" then
    draw(self)
    self.due = now + TICK
  elseif self.interval > 0 then
    if now >= self.began + self.interval / 2 then -- not before anything has happened
      local fields = status_fields(self)
      if self.mode == "json" then
        write(self, json.object(STATUS, fields).json .. "\n")
      else
        print_line(self, "status", status_words(fields))
      end
    end
    self.due = now + self.interval
  else
    self.due = math.huge
  end
end

local function loop(self)
  local within = self.arguments.within
  local deadline = within and self.began + within or math.huge
  local status
  repeat
    count_rate(self)
    show(self)
    self.lag:turn()
    local now = core.now()
    local due = math.min(self.due, deadline, self.lag:due())
    local _, _, gone = self:wait(due < math.huge and math.max(0, due - now) or nil)
    self.gone = self.gone or gone
    status = self.gone and exit.done or core.now() >= deadline and exit.done or self:over(exit.done)
  until status
  return status
end

local function mode_of(arguments)
  if arguments.json then
    return "json"
  elseif arguments.plain or not core.console.size() or os.getenv "TERM" == "dumb" then
    return "plain"
  end
  return "live"
end

local function problem_of(arguments)
  if arguments.json and arguments.plain then
    return "--json and --plain exclude each other; keep one"
  end
  for _, filter in ipairs(arguments.topic) do
    local problem = core.filter_problem(filter)
    if problem then
      return "--topic " .. problem
    end
  end
  local problem = arguments.lag_topic and core.topic_problem(arguments.lag_topic)
  return problem and "--lag-topic " .. problem
end

local function coloured()
  local no = os.getenv "NO_COLOR" -- no-color.org: set, and not empty
  return no == nil or no == ""
end

--- Runs it.
-- @tparam table arguments
-- @treturn number the exit status
function watch.run(arguments)
  local problem = problem_of(arguments)
  if problem then
    io.stderr:write("holdfast watch: ", problem, "\n")
    return exit.wrong
  end
  local mode = mode_of(arguments)
  arguments.quiet = true -- what happens is what it shows
  local self, status = session.open("watch", arguments, function(made)
    made.clean_start = not arguments.keep_session or nil
  end)
  if not self then
    return status
  end
  self.mode, self.interval, self.coloured = mode, arguments.interval or 10, coloured()
  self.happened, self.drawn, self.due = {}, 0, 0
  self.lag = lag.new(self.client, arguments.lag_every or 2, arguments.lag_topic)
  listen(self)
  self.lag:listen()
  self.client:start()
  if mode == "live" then
    write(self, view.BEGIN)
  end
  local fine, result = pcall(loop, self)
  if mode == "live" then
    write(self, view.END)
  end
  self:close()
  if not fine then
    error(result, 0)
  elseif self.problem then
    self:say("the standard output: " .. self.problem)
    return exit.failed
  end
  return result
end

return watch
