--- The reconnect engine by itself, for other transports and for tests: a state machine without clock, I/O or thread.
-- Its owner tells it what happened and when, does what it answers, and steps it with "timer" at the deadline.
-- @module holdfast.engine
local core = require "holdfast.core"
local options = require "holdfast.options"
local settings = require "holdfast.settings"
local text = require "holdfast.text"

local Engine = {}
Engine.__index = Engine

local engine = {}

local inputs, input_names = {}, {}
for _, row in ipairs(core.engine.table()) do
  if not inputs[row.input] then
    inputs[row.input] = true
    input_names[#input_names + 1] = row.input
  end
end

local takes_reason = { failed = true, lost = true, hold = true }
local sources = {}
for _, source in ipairs(core.reason.sources) do
  sources[source] = true
end

local function time_problem(what, value)
  if type(value) ~= "number" or value ~= value or value < 0 or value > 2 ^ 42 then
    return ("%s must be seconds on a clock that only goes forward, got %s"):format(what, text.describe(value))
  end
end

local function ms(seconds)
  return math.floor(seconds * 1000 + 0.5)
end

--- An engine.
-- @tparam[opt] holdfast.options given of which it reads `servers`, `backoff`, `policy`, `connect_timeout`,
-- `stable_after`, `max_attempts` and `sleep_for`
-- @tparam[opt] number seed a whole number; the same one gives the same delays. Default: from the system
-- @tparam[opt=0] number now seconds on the caller's clock
-- @treturn holdfast.engine
-- @raise when an option is wrong, naming the key
-- @usage
-- local engine = holdfast.engine.new({ connect_timeout = 5 }, 42, 0)
function engine.new(given, seed, now)
  local copy = {}
  if type(given) == "table" then
    for key, value in pairs(given) do
      copy[key] = value
    end
    setmetatable(copy, { __index = given }) -- what its own metatable puts behind it
  end
  if copy.server == nil and copy.servers == nil then
    copy.server = "mqtt://localhost"
  end
  local values, problem = options.check((given == nil or type(given) == "table") and copy or given)
  problem = problem or time_problem("now", now or 0)
  if not problem and seed ~= nil and (type(seed) ~= "number" or seed % 1 ~= 0) then
    problem = "seed must be a whole number, got " .. text.describe(seed)
  end
  if problem then
    error("engine.new: " .. problem, 2)
  end
  local set = settings.build(values)
  set.server_count = math.max(1, #values.servers)
  return setmetatable({ machine = core.engine.new(set, seed, ms(now or 0)) }, Engine)
end

--- One step.
-- @tparam number now seconds on the caller's clock
-- @tparam string input "start", "connected", "failed", "lost", "timer", "wake", "reconnect", "hint", "delay", "refuse",
-- "hold", "release" or "close"
-- @tparam[opt] string|number source of the reason, with "failed", "lost" and "hold"; the seconds to wait, with "delay"
-- @tparam[opt] number code of the reason, with "failed", "lost" and "hold"
-- @treturn {string,...} what must be done and told, in order: "abandon", "disconnect", "connect", "probe",
-- "tell_failed", "tell_lost", "tell_sleeping", "tell_connecting", "tell_connected", "tell_stable", "tell_closed"; empty
-- when the input means nothing in this state
-- @raise when an argument is wrong
-- @usage
-- local engine = holdfast.engine.new()
-- print(table.concat(engine:step(0, "start"), ", ")) --> connect, tell_connecting
-- print(table.concat(engine:step(1, "failed", "connack", 0x89), ", ")) --> tell_failed
function Engine:step(now, input, source, code)
  local problem = time_problem("now", now)
  if problem then
    error("step: " .. problem, 2)
  elseif not inputs[input] then
    error("step: " .. text.unknown("input", input, input_names), 2)
  elseif takes_reason[input] then
    if not sources[source] then
      error("step: " .. text.unknown("source", source, core.reason.sources), 2)
    elseif type(code) ~= "number" or code % 1 ~= 0 or code < -32768 or code > 32767 then
      error("step: code must be a whole number from -32,768 to 32,767, got " .. text.describe(code), 2)
    end
    return self.machine:step(ms(now), input, source, code)
  elseif input == "delay" then
    if type(source) ~= "number" or not (source >= 0 and source <= 4294967) then
      error("step: the delay must be a number of seconds from 0 to 4,294,967, got " .. text.describe(source), 2)
    end
    return self.machine:step(ms(now), input, ms(source))
  end
  return self.machine:step(ms(now), input)
end

--- Where it stands.
-- @treturn table `state`, `server` (its place in the list), `attempt`, `delay` (chosen last), `deadline` (when to step
-- it with "timer"; nil: never), `since`, `down_since` (times in seconds), `reason`, `class`, `held`, `stable` ...
-- @usage
-- local engine = holdfast.engine.new()
-- engine:step(0, "start")
-- print(engine:state().state, engine:state().deadline) --> connecting  10.0
function Engine:state()
  local state = self.machine:state()
  for _, name in ipairs { "delay", "deadline", "since", "down_since" } do
    state[name] = state[name] and state[name] / 1000
  end
  return state
end

--- The whole behaviour.
-- @treturn {table,...} rows of { state, input, next, actions }
-- @usage
-- for _, row in ipairs(holdfast.engine.table()) do
--   print(row.state, row.input, row.next, table.concat(row.actions, ", "))
-- end
function engine.table()
  return core.engine.table()
end

return engine
