--- `holdfast sub`: prints what comes, with mosquitto_sub's options, through any outage.
-- @module holdfast.command.sub
local broker = require "holdfast.command.broker"
local core = require "holdfast.core"
local exit = require "holdfast.command.exit"
local format = require "holdfast.command.format"
local holdfast = require "holdfast"
local options = require "holdfast.command.options"
local properties = require "holdfast.command.properties"
local session = require "holdfast.command.session"
local values = require "holdfast.command.values"

local sub = {
  name = "sub", summary = "Print the messages that come, through any outage.", synopsis = "-t FILTER",
  examples = {
    { "every meter, its topic in front", "holdfast sub -h broker.example -t 'meters/#' -v" },
    { "JSON, a line a message, of a session that is there when it comes back",
      "holdfast sub -L mqtts://broker.example -t 'orders/#' -q 1 -i biller -c --json" },
    { "one message, within 10 s or exit status 3", "holdfast sub -t ready -C 1 -W 10" },
  },
}

local PACKETS = { "connect", "subscribe", "will" }

--- Adds its options.
-- @tparam table command of argparse
function sub.declare(command)
  command:group("What is wanted",
    command:option "-t --topic":argname "FILTER":count "*":description "A topic filter; may be repeated.",
    command:option "-T --filter-out":argname "FILTER":count "*":description
      "Leave out what matches; may be repeated.",
    command:option "-q --qos":argname "QOS":description "Quality of service at most (0).":convert(
      values.qos "--qos"),
    command:option "-C":argname "COUNT":description "End after so many messages.":target "count":convert(
      values.whole("-C", 1, 2 ^ 53)),
    command:option "-W":argname "SECONDS":description "End after this time, with exit status 3.":target "within"
      :convert(values.number("-W", "a number of seconds", 0)),
    command:flag "-E":description "End as soon as the broker has confirmed the subscriptions.":target "confirmed",
    command:flag "-R --no-retained":description "Leave out what was retained.",
    command:flag "--retained-only":description "Print what was retained alone.",
    command:flag "--retain-as-published":description "Show retain as the publisher set it (MQTT 5).",
    command:option "--retain-handling":argname "WHEN":description
      "Retained messages come always (unless given), with a new subscription, or never (MQTT 5).":convert(
      values.word("--retain-handling", { "always", "new", "never" })))
  command:group("How it is printed",
    command:flag "-v --verbose":description "The topic in front of the payload.",
    command:option "-F --format":argname "FORMAT":description
      "As mosquitto_sub has it: %t topic, %p payload, %q QoS, %r retain, %l length, %x %X hexadecimal, %j JSON ...",
    command:flag "--json":description "A line of JSON a message; the fields are in the manual.",
    command:flag "-N":description "No newline after a payload.":target "no_newline")
  broker.declare(command)
  options.declare(command)
  options.declare_session(command)
  properties.declare(command, PACKETS)
end

local function printer_of(arguments)
  if arguments.json and arguments.format then
    return nil, "--json and --format exclude each other; keep one"
  end
  local ending = arguments.no_newline and "" or "\n"
  if arguments.json or arguments.format then
    local print_one, problem = format.read(arguments.json and "%j" or arguments.format)
    return print_one and function(message)
      return print_one(message, os.time()) .. ending
    end, problem
  elseif arguments.verbose then
    return function(message)
      return message.topic .. " " .. message.payload .. ending
    end
  end
  return function(message)
    return message.payload .. ending
  end
end

local function filters_problem(filters, name)
  for _, filter in ipairs(filters) do
    local problem = core.filter_problem(filter)
    if problem then
      return ("%s: %s"):format(name, problem)
    end
  end
end

local function problem_of(arguments)
  local topic, problem = broker.resolve(arguments)
  if topic then
    table.insert(arguments.topic, topic)
  end
  if problem then
    return problem
  elseif not arguments.topic[1] then
    return "--topic FILTER is missing: what do you want to see?"
  elseif arguments.no_retained and arguments.retained_only then
    return "--no-retained and --retained-only leave nothing; keep one"
  end
  return filters_problem(arguments.topic, "--topic") or filters_problem(arguments.filter_out, "--filter-out")
end

-- Whether a message is none of those that are wanted.
local function is_unwanted(arguments, message)
  return arguments.no_retained and message.retain or arguments.retained_only and not message.retain
    or arguments.filter_out[1] and format.is_filtered(arguments.filter_out, message.topic)
end

-- A reader that is gone ends the command without a word; what else goes wrong is told.
local function failed(self, problem, number)
  self.gone = true
  if number ~= exit.EPIPE then
    self:say("the standard output: " .. tostring(problem))
    self.failed = true
  end
end

local function write(self, words, at_once)
  local fine, problem, number = io.stdout:write(words)
  if fine and at_once then
    fine, problem, number = io.stdout:flush()
  end
  self.dirty = not at_once
  if not fine then
    failed(self, problem, number)
  end
end

local function handler_of(self, print_one)
  local arguments = self.arguments
  self.printed = 0
  return function(message)
    if is_unwanted(arguments, message) then
      return
    end
    while self.gone or self.printed == arguments.count do -- it is not ours, and stays with the broker
      holdfast.sleep(3600)
    end
    self.printed = self.printed + 1
    write(self, print_one(message), message.qos > 0)
  end
end

local function subscribe(self, handler, found)
  local arguments = self.arguments
  for _, filter in ipairs(arguments.topic) do
    self.client:subscribe(filter, { qos = arguments.qos, properties = found,
      retain_handling = arguments.retain_handling, retain_as_published = arguments.retain_as_published }, handler)
  end
  self.client:on("ready", function(event)
    self.is_ready, self.is_refused = true, event.refused == #arguments.topic
  end)
end

-- The exit status once there is one.
local function outcome(self, deadline)
  if self.failed then
    return exit.failed
  elseif self.gone or self.printed == self.arguments.count then
    return exit.done
  elseif self.is_refused then
    return exit.refused
  elseif self.arguments.confirmed and self.is_ready then
    return exit.done
  elseif deadline and core.now() >= deadline then
    return exit.late
  end
  return self:over(not self.arguments.count and exit.done or nil)
end

local function loop(self)
  local within = self.arguments.within
  local deadline = within and core.now() + within
  local status
  repeat
    local _, _, gone = self:wait(deadline and math.max(0, deadline - core.now()))
    if self.dirty and not self.gone then
      write(self, "", true)
    end
    self.gone = self.gone or gone
    status = outcome(self, deadline)
  until status
  return status
end

--- Runs it.
-- @tparam table arguments
-- @treturn number the exit status
function sub.run(arguments)
  local print_one, found
  local problem = problem_of(arguments)
  if not problem then
    print_one, problem = printer_of(arguments)
  end
  if not problem then
    found, problem = properties.read(arguments.property, PACKETS)
  end
  if problem then
    io.stderr:write("holdfast sub: ", problem, "\n")
    return exit.wrong
  end
  local self, status = session.open("sub", arguments, function(made)
    made.clean_start = not arguments.keep_session or nil
    if options.transport(made) == "native" then
      made.acknowledge = "handled"
    end
    return properties.apply(made, found)
  end)
  if not self then
    return status
  end
  io.stdout:setvbuf "full"
  local fine, why = pcall(subscribe, self, handler_of(self, print_one), properties.some(found.subscribe))
  if not fine then
    self:say(options.translated(why))
    return exit.wrong
  end
  self.client:start()
  status = loop(self)
  self:close()
  return status
end

return sub
