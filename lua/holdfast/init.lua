--- An MQTT client that keeps its connection.
--
--     local holdfast = require "holdfast"
--     local client = holdfast.new { server = "mqtt://localhost" }
--
-- All times are seconds, fractions allowed. A failure of the world is `nil, message, code` with a stable lowercase
-- code; a mistake in a call is an error at the caller's line.
-- @module holdfast
local loaded, require_one = package.loaded, require
loaded.holdfast = nil

-- On Lua 5.1 and LuaJIT what was not read to its end (Ctrl-C, a hook that throws, no memory) cannot be read again, for
-- the mark that stands there while it is read: that of this one is gone by now.
local function require(name)
  local fine, module = pcall(require_one, name)
  if not fine then
    for other, found in pairs(loaded) do
      if type(found) ~= "table" and type(other) == "string" and other:find "^holdfast%." then
        loaded[other] = nil
      end
    end
    error(module, 0)
  end
  return module
end

local check = require "holdfast.check"
local client = require "holdfast.client"
local core = require "holdfast.core"
local late = require "holdfast.late"
local log = require "holdfast.log"
local loop = require "holdfast.loop"
local losses = require "holdfast.losses"
local master = require "holdfast.master"
local registry = require "holdfast.registry"
local walk = require "holdfast.walk"

local metrics = late.module "holdfast.metrics"
local prometheus = late.module "holdfast.prometheus"
local text = late.module "holdfast.text"

local holdfast = { _VERSION = core.VERSION }

-- What a client needs none of is read when it is first asked for: a script that says one thing and ends has no use for
-- it.
local apart = {
  backoff = "holdfast.backoff", engine = "holdfast.engine", fleet = "holdfast.fleet", reason = "holdfast.reason",
  topic = "holdfast.topic",
}

for _, name in pairs(apart) do
  late.expect(name)
end

local calls = { first = { "holdfast.first", "of" }, pcall = { "holdfast.loop.protect", "pcall" } }

setmetatable(holdfast, { __index = function(_, name)
  if apart[name] then
    holdfast[name] = late.load(apart[name])
  elseif calls[name] then
    holdfast[name] = late.load(calls[name][1])[calls[name][2]]
  end
  return rawget(holdfast, name)
end })

--- Makes a client. It does nothing before `start` or `connect`.
-- @tparam holdfast.options options `server` or `servers`, and what else is to differ from its default
-- @treturn ?holdfast.client or nil
-- @treturn ?string message
-- @treturn ?string code: "master" (in nginx's master process), "forked", "out_of_memory", "no_library"; or what is
-- wrong with `queue.store`: "store_corrupt", "store_full", "store_read_only", "store_locked", "store_foreign",
-- "store_newer", "store_other_client", "store_failed"
-- @raise when an option is wrong: names the key, what was wanted, what came
-- @usage
-- local client = assert(holdfast.new { server = "mqtt://localhost", client_id = "kitchen" })
function holdfast.new(options)
  if options == holdfast then -- as it is with resty.holdfast
    error("holdfast.new: call it with a dot, holdfast.new { ... }", 2)
  end
  local made, message, code = client.new(options)
  if not made and not code then
    error("holdfast.new: " .. message, 2)
  end
  return made, message, code
end

local function function_problem(fn)
  if not check.is_callable(fn) then
    return "a function is wanted, got " .. text.describe(fn)
  end
end

--- Runs `fn(...)` on the loop in use until it returns. The coroutines that it spawned end with it.
-- A run inside a run is one like any other.
-- @tparam function fn
-- @param ... its arguments
-- @return ... what `fn` returns
-- @raise an error in `fn`, or in a coroutine that it spawned, as it was thrown (its traceback goes to the log); that
-- the loop in use cannot be run from here
-- @usage
-- holdfast.run(function()
--   assert(client:connect(10))
--   assert(client:publish("meters/kitchen/power", "42", { qos = 1 }))
-- end)
function holdfast.run(fn, ...)
  local problem, run = function_problem(fn), nil
  if not problem then
    run, problem = loop.runner()
  end
  if problem then
    error("run: " .. problem, 2)
  end
  return run(fn, ...)
end

--- Runs `fn(...)` in a coroutine of its own, from now on. It ends with the `run` that it was spawned in, what a handler
-- spawns with the outermost one; an error in it ends that run, unless somebody waits in `join`.
-- @tparam function fn
-- @param ... its arguments
-- @treturn holdfast.task
-- @raise when `fn` is no function
-- @usage
-- local task = holdfast.spawn(client.publish, client, "meters/kitchen/power", "42", { qos = 1 })
-- -- ... and when it matters:
-- local delivered, message, code = task:join(5)
function holdfast.spawn(fn, ...)
  local problem = function_problem(fn)
  if problem then
    error("spawn: " .. problem, 2)
  end
  return loop.spawn(fn, ...)
end

--- Waits, while everything else goes on.
-- @tparam number seconds 0: gives everything else a turn
-- @raise when it is no time, or the caller stands where nothing can wait
-- @usage
-- holdfast.sleep(0.5)
function holdfast.sleep(seconds)
  local problem = seconds == nil and "seconds must be a number, got nothing" or check.timeout_problem(seconds)
  if problem then
    error("sleep: " .. problem, 2)
  end
  loop.sleep(seconds)
end

--- Bounds the connection attempts of all clients of this process (a token bucket).
-- @tparam ?holdfast.options.limit options nil: no bound
-- @treturn ?boolean true, or nil
-- @treturn ?string message
-- @treturn ?string code: "master" (in nginx's master process), "forked", "out_of_memory"
-- @raise when an option is wrong
-- @usage
-- assert(holdfast.limit { attempts_per_second = 5, burst = 10 })
function holdfast.limit(options)
  local misplaced, why = master()
  if misplaced then
    return nil, misplaced, why
  end
  if options == nil then
    return core.limit(nil)
  end
  local values, problem = walk.process("limit", options)
  if problem then
    error("limit: " .. problem, 2)
  end
  return core.limit(values.attempts_per_second, values.burst)
end

--- Totals of this process since its start, and how the clients of this Lua state stand: docs/metrics.md.
-- @treturn holdfast.metrics
-- @usage
-- local totals = holdfast.metrics()
-- print(totals.clients, totals.connects, totals.losses)
function holdfast.metrics()
  return metrics.totals()
end

--- The same, and each client of this Lua state, as text for Prometheus: docs/metrics.md. Nothing waits, and nothing
-- goes over the network: whoever serves it does that.
-- @tparam[opt] holdfast.options.prometheus options
-- @treturn string the text
-- @treturn string its content type, for HTTP
-- @raise when an option is wrong
-- @usage
-- local text, content_type = holdfast.prometheus { labels = { app = "gateway" } }
function holdfast.prometheus(options)
  local values, problem = walk.process("prometheus", options)
  if problem then
    error("prometheus: " .. problem, 2)
  end
  return prometheus.text(values)
end

--- Sets where the library's own words go: what happens to each connection, warnings, and errors in handlers that no
-- `error` handler takes. Without a listener such errors go to the standard error (in nginx to its error log), warnings
-- to `warn` on Lua 5.4, and nothing else is said.
-- @tparam ?function|table listener `fn(level, message, fields)`, which must not wait, with level "debug", "info",
-- "warning" or "error"; or a LuaLogging logger; nil: nobody listens
-- @tparam[opt] holdfast.options.log options `trace`: also what Paho says of itself, as "debug"; one Lua state of the
-- process hears it
-- @treturn ?boolean true, or nil
-- @treturn ?string message
-- @treturn ?string code: "forked"
-- @raise when it is neither function nor logger, or an option is wrong
-- @usage
-- holdfast.log(function(level, message, fields)
--   print(level, fields.client, message)
-- end)
function holdfast.log(listener, options)
  local problem, trace
  if log.is_logger(listener) then
    listener = log.of_logger(listener)
  elseif listener ~= nil and not check.is_callable(listener) then
    problem = "a function or a logger is wanted, got " .. text.describe(listener)
  end
  if not problem and options ~= nil then
    trace, problem = walk.process("log", options)
  end
  if problem then
    error("log: " .. problem, 2)
  end
  log.listen(listener)
  losses.watch()
  return registry.trace(trace and trace.trace)
end

late.remember()

return holdfast
