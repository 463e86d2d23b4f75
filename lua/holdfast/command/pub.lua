--- `holdfast pub`: publishes, with mosquitto_pub's options, through any outage.
-- @module holdfast.command.pub
local broker = require "holdfast.command.broker"
local core = require "holdfast.core"
local exit = require "holdfast.command.exit"
local lines = require "holdfast.command.lines"
local options = require "holdfast.command.options"
local properties = require "holdfast.command.properties"
local session = require "holdfast.command.session"
local submission = require "holdfast.submission"
local values = require "holdfast.command.values"

local pub = {
  name = "pub", summary = "Publish a message, or lines of the standard input, through any outage.",
  synopsis = "-t TOPIC (-m TEXT | -f FILE | -n | -s | -l)",
  examples = {
    { "one message, with the broker when this ends", "holdfast pub -h broker.example -t alarms/smoke -m kitchen -q 1" },
    { "a gateway: what the meter says is published a line at a time; of what has been read nothing is lost, whatever "
      .. "happens to broker, network or this process", "meter | holdfast pub -t meters/1 -l -q 1 -i meter --queue "
      .. "/var/lib/meter.queue" },
    { "a file, retained, or exit status 3 after a minute", "holdfast pub -t config -f config.json -r -q 1 --wait 60" },
  },
}

local PACKETS = { "connect", "publish", "will" }
local PORTION = 200 -- lines between two looks at what has been delivered
local AGAIN = 1 -- seconds until a store that refuses is asked once more

--- Adds its options.
-- @tparam table command of argparse
function pub.declare(command)
  command:group("What is published",
    command:option "-t --topic":argname "TOPIC":description "Where.",
    command:option "-m --message":argname "TEXT":description "This payload.",
    command:option "-f --file":argname "FILE":description "That of a file.",
    command:flag "-n --null-message":description "An empty one.",
    command:flag "-s --stdin-file":description "The whole standard input as one.",
    command:flag "-l --stdin-line":description "Each line of the standard input as one; empty lines are left out.",
    command:option "-q --qos":argname "QOS":description "Quality of service (0; 1 with --queue).":convert(
      values.qos "--qos"),
    command:flag "-r --retain":description "The broker keeps it for who subscribes later.",
    command:option "--repeat":argname "COUNT":description "So many times (1); not with -l.":convert(
      values.whole("--repeat", 1, 2 ^ 53)),
    command:option "--repeat-delay":argname "SECONDS":description "Between two of them (0).":convert(
      values.number("--repeat-delay", "a number of seconds", 0)),
    command:option "--ttl":argname "SECONDS":description "What could not be sent within this is dropped.":convert(
      values.number("--ttl", "a number of seconds", 0.001, 4294967)),
    command:option "--priority":argname "0-9":description "9 leaves the queue first (0).":convert(
      values.whole("--priority", 0, 9)))
  command:group("What has not been delivered yet",
    command:option "--queue":argname "FILE":description "Keeps it over the end of this process; needs --id.",
    command:option "--queue-messages":argname "COUNT":description
      "So many at most (10000); beyond that the input is not read.":convert(values.whole("--queue-messages", 1)),
    command:option "--queue-bytes":argname "BYTES":description "And so many bytes (67108864).":convert(
      values.whole("--queue-bytes", 1)),
    command:option "--sync":argname "SECONDS":description "How much a power cut may cost of --queue (1); 0: nothing."
      :convert(values.number("--sync", "a number of seconds", 0)),
    command:option "--wait":argname "SECONDS":description
      "How long to wait for delivery once all is read; without an end unless given.":convert(
      values.number("--wait", "a number of seconds", 0)),
    command:option "-M --max-inflight":argname "COUNT":description
      "Messages of QoS 1 and 2 on their way at once.":convert(values.whole("--max-inflight", 1, 65535)))
  broker.declare(command)
  options.declare(command)
  options.declare_session(command)
  properties.declare(command, PACKETS)
end

local SOURCES = { "message", "file", "null_message", "stdin_file", "stdin_line" }

local function source_problem(arguments)
  local count = 0
  for _, name in ipairs(SOURCES) do
    count = count + (arguments[name] and 1 or 0)
  end
  if count ~= 1 then
    return "one of --message, --file, --null-message, --stdin-file and --stdin-line is wanted, got "
      .. (count == 0 and "none" or count)
  elseif arguments.stdin_line and (arguments["repeat"] or arguments.repeat_delay) then
    return "--repeat does not go with --stdin-line"
  end
end

local function queue_problem(arguments)
  if arguments.queue and not arguments.id then
    return "--queue needs --id: the broker knows the session that it belongs to by no other name"
  elseif arguments.queue and arguments.qos == 0 then
    return "--queue keeps messages of --qos 1 and 2, got 0"
  elseif arguments.sync and not arguments.queue then
    return "--sync needs --queue"
  end
end

local function problem_of(arguments)
  local topic, problem = broker.resolve(arguments)
  if topic and arguments.topic then
    return "--topic and a topic in --url exclude each other; keep one"
  end
  arguments.topic = arguments.topic or topic
  if problem then
    return problem
  elseif not arguments.topic then
    return "--topic is missing: where shall it be published?"
  end
  problem = core.topic_problem(arguments.topic)
  return problem and "--topic " .. problem or source_problem(arguments) or queue_problem(arguments)
end

-- The only payload, where there is one.
local function payload_of(arguments)
  if arguments.message then
    return arguments.message
  elseif arguments.file then
    return values.read(arguments.file)
  elseif arguments.stdin_file then
    return io.stdin:read "*a"
  end
  return ""
end

-- What will not do better later, and concerns this one message alone.
local HOPELESS = { too_large = true, qos_not_supported = true, retain_not_supported = true }

--- The outcome of what is posted.
local function listen(self)
  local posted = {}
  self.posted, self.outstanding, self.dropped = posted, 0, 0
  local function settle(event)
    if posted[event.id] then -- and not of an earlier process
      posted[event.id], self.outstanding = nil, self.outstanding - 1
    end
  end
  self.client:on("delivered", settle):on("dropped", function(event)
    settle(event)
    self.dropped = self.dropped + 1
    self:say(("a message is dropped: %s%s"):format(event.why, event.reason and " (" .. event.reason.text .. ")" or ""))
  end)
end

-- Whether a payload is dealt with: it is in the queue, or never will be.
local function post(self, payload)
  local id, words, code = nil, submission.problem(self.arguments.topic, payload), "too_large"
  if not words then
    id, words, code = self.client:post(self.arguments.topic, payload, self.given)
  end
  if id then
    self.posted[id], self.outstanding, self.problem = true, self.outstanding + 1, nil
    return true
  elseif HOPELESS[code] then
    self.dropped = self.dropped + 1
    self:say(("a message of %d bytes is dropped: %s"):format(#payload, words))
    return true
  end
  if code ~= self.problem and code ~= "queue_full" then
    self:say(words .. "; waiting")
  end
  self.problem = code
  return false
end

-- For how long to wait before `post` is called again.
local function pause(self)
  return self.problem ~= "queue_full" and self.problem and AGAIN or nil
end

-- Until a signal comes, or `step` answers false. It says for how long to wait, and whether for input; "later": not for
-- it, for there is some, but it counts after that time.
local function turns(self, step)
  local status
  local seconds, wants_input = step(false)
  while seconds ~= false and not status do
    local input, hung_up = self:wait(seconds, wants_input == true)
    if wants_input == "later" then
      input, hung_up = self:wait(0, true)
    end
    status = self:over()
    if not status then
      seconds, wants_input = step(input, hung_up)
    end
  end
  return status
end

local function post_lines(self)
  local input = lines.new()
  local function take_portion()
    for _ = 1, PORTION do
      local line = input:next()
      if not line then
        return false
      elseif line ~= "" and not post(self, line) then
        return true
      end
      input:taken()
    end
    self.problem = nil
    return true
  end
  return turns(self, function(is_input, hung_up)
    if is_input and not input:next() then
      local fine, problem = input:look(hung_up)
      if not fine then
        self:say("the standard input: " .. problem)
        self.failed = true
        return false
      end
    end
    if take_portion() then
      if self.problem then
        return pause(self), false -- without an end where a delivery makes room
      end
      return 0, false
    elseif input:is_over() then
      return false
    end
    if input:is_half() then
      return lines.PAUSE, "later"
    end
    return nil, true
  end)
end

local function post_payload(self, payload)
  local left, due = self.arguments["repeat"] or 1, core.now()
  return turns(self, function()
    while left > 0 and core.now() >= due do
      if not post(self, payload) then
        return pause(self)
      end
      left, due = left - 1, due + (self.arguments.repeat_delay or 0)
    end
    return left > 0 and math.max(0, due - core.now())
  end)
end

-- All that the queue has, be it from an earlier process.
local function deliver(self)
  local wait = self.arguments.wait
  local deadline = wait and core.now() + wait
  return turns(self, function()
    if self.client:status().queued.messages == 0 and self.outstanding <= 0 then
      return false
    elseif deadline and core.now() >= deadline then
      self.late = true
      return false
    end
    return deadline and deadline - core.now() or nil
  end)
end

-- What is not delivered, and where it is now.
local function account(self)
  local left = self.client:status().queued.messages
  if left > 0 then
    self:say(("%d message%s not delivered, and %s"):format(left, left == 1 and "" or "s", self.arguments.queue
      and "kept in " .. self.arguments.queue or "lost"))
  end
  return self.failed and exit.failed or self.late and exit.late or self.dropped > 0 and exit.undelivered or exit.done
end

local function shape_of(arguments, found)
  return function(made)
    made.queue = { messages = arguments.queue_messages, bytes = arguments.queue_bytes, store = arguments.queue,
      sync = arguments.sync }
    made.window = arguments.max_inflight
    made.clean_start = not arguments.keep_session and not arguments.queue or nil
    return properties.apply(made, found)
  end
end

--- Runs it.
-- @tparam table arguments
-- @treturn number the exit status
function pub.run(arguments)
  local problem, found, payload = problem_of(arguments), nil, nil
  if not problem then
    found, problem = properties.read(arguments.property, PACKETS)
  end
  if problem then
    io.stderr:write("holdfast pub: ", problem, "\n")
    return exit.wrong
  end
  if not arguments.stdin_line then
    payload, problem = payload_of(arguments)
    if core.console.caught() then
      return exit.signal(core.console.caught())
    elseif not payload then
      io.stderr:write("holdfast pub: ", problem, "\n")
      return exit.failed
    end
  end
  problem = submission.problem(arguments.topic, payload or "")
  if problem then
    io.stderr:write("holdfast pub: ", problem, "\n")
    return exit.wrong
  end
  local self, status = session.open("pub", arguments, shape_of(arguments, found))
  if not self then
    return status
  end
  self.given = { qos = arguments.qos or arguments.queue and 1 or 0, retain = arguments.retain or false,
    ttl = arguments.ttl, priority = arguments.priority, properties = properties.some(found.publish) }
  listen(self)
  self.client:start()
  if payload then
    status = post_payload(self, payload)
  else
    status = post_lines(self)
  end
  status = status or self.failed and exit.failed or deliver(self)
  local judged = account(self)
  self:close()
  return status or judged
end

return pub
