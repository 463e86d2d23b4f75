--- An MQTT client for nginx workers: holdfast in OpenResty, or in nginx with its Lua module.
--
--     init_worker_by_lua_block {
--       local holdfast = require "resty.holdfast"
--       local client, err = holdfast:new { server = "mqtt://localhost" }
--       client:start()
--     }
--
-- One client a worker, made in `init_worker_by_lua` and shared by all of its requests. A client is one of
-- @{holdfast.client}, with `set_timeouts` besides; its `subscribe` takes a shared dict (`ngx.shared.NAME`) in place of
-- a handler, which then holds the newest payload of each topic, without those that are empty. Bad options are `nil,
-- err` here; a mistake in a later call is still an error at the caller's line. What waits (`connect`, `publish`,
-- `receive` ...) can be called wherever nginx can suspend; `post`, `start`, `subscribe`, `on` and `status` do not wait
-- and can be called anywhere in a worker.
-- @module resty.holdfast
local base = require "holdfast.whole" -- no request waits for a file
local bucket = require "resty.holdfast.bucket"
local budget = require "holdfast.budget"
local check = require "holdfast.check"
local client = require "holdfast.client"
local departure = require "resty.holdfast.departure"
local dict = require "resty.holdfast.dict"
local identity = require "resty.holdfast.identity"
local log = require "holdfast.log"
local loop = require "holdfast.loop"
local master = require "holdfast.master"
local openresty = require "holdfast.loop.openresty"
local walk = require "holdfast.walk"
local wishing = require "holdfast.wishing"

local holdfast = {
  _VERSION = base._VERSION,
  backoff = base.backoff,
  engine = base.engine,
  first = base.first,
  log = base.log,
  metrics = base.metrics,
  prometheus = base.prometheus,
  reason = base.reason,
  spawn = base.spawn,
  topic = base.topic,
}

wishing.adapt(dict.handler) -- in place of a handler, `subscribe` takes a shared dict

local levels = { error = ngx.ERR, warning = ngx.WARN, info = ngx.INFO, debug = ngx.DEBUG }

-- Until `holdfast.log` says otherwise.
log.listen(function(level, words, fields)
  local whose = fields.client and fields.client ~= "" and " [" .. fields.client .. "]" or ""
  ngx.log(levels[level], "holdfast: ", words, whose)
end)

-- Where a client may well be made; anywhere else it is made by a request, and the next one may make another.
local home = { init_worker = true, timer = true }
local MANY = 10
local in_requests = 0

local function count_place()
  if not home[ngx.get_phase()] then
    in_requests = in_requests + 1
    if in_requests == MANY then
      log.write("warning", ("%d clients have been made in requests of this worker, each with a connection until it is "
        .. "closed; make one in init_worker_by_lua for all of them"):format(MANY))
    end
  end
end

local function has(value, word)
  return value:find(word, 1, true) ~= nil
end

local function expand(value)
  return (value:gsub("%$worker", ngx.worker.id() or "privileged"):gsub("%$pid", ngx.worker.pid()))
end

-- A store is one client's. With one the worker after this one goes on where it ended, so nothing may change from one to
-- the next.
local function naming_problem(id, store)
  local workers = ngx.worker.count()
  if not store then
    return nil
  elseif workers > 1 and not has(store, "$worker") then
    return ('queue.store must have "$worker" in it, since each of the %d workers needs its own, got "%s"'):format(
      workers, store)
  end
  local name, value = "queue.store", store
  if id and has(id, "$pid") then
    name, value = "client_id", id
  end
  return has(value, "$pid") and ('%s must not have "$pid" in it when there is a queue.store, with which the next '
    .. 'worker goes on, got "%s"'):format(name, value) or nil
end

-- Gives the checked options the names of this worker; answers what is wrong, or nil and whether the client's id dies
-- with the worker.
local function localize(values)
  local id, store = values.client_id, values.queue.store
  local problem = naming_problem(id, store)
  if problem then
    return problem
  end
  values.queue.store = store and expand(store)
  if not id then
    return nil, true
  end
  values.client_id = expand(id)
  return nil, has(id, "$pid")
end

--- Makes a client: `holdfast:new(options)`. It does nothing before `start` or `connect`.
-- In `client_id`, `$worker` stands for the worker's number and `$pid` for its process id; without one the id is random.
-- Two clients on this machine that have one id at one server are told in the log.
-- In `queue.store`, `$worker` stands for the same. At a reload the worker before has the store until it is told to
-- leave: until then the answer is "store_locked".
-- @tparam table self this module: call it with a colon
-- @tparam holdfast.options given as for `holdfast.new`
-- @treturn ?holdfast.client or nil
-- @treturn ?string message what is wrong with the options, or with the place
-- @treturn ?string code: "master" (in nginx's master process), "forked", "out_of_memory", "no_library"; or what is
-- wrong with `queue.store`: "store_corrupt", "store_full", "store_read_only", "store_locked", "store_foreign",
-- "store_newer", "store_other_client", "store_failed"; nil for bad options
-- @usage
-- local holdfast = require "resty.holdfast"
-- local client, problem = holdfast:new { server = "mqtt://localhost", client_id = "gateway-$worker-$pid" }
-- assert(client, problem):start()
function holdfast.new(self, given)
  local misplaced, why = master()
  if misplaced then
    return nil, misplaced, why
  elseif self ~= holdfast and given == nil then -- as it is with plain holdfast
    return nil, "call it with a colon, holdfast:new { ... }"
  end
  local problem = loop.choose "openresty"
  if problem then
    return nil, problem
  end
  local ephemeral
  local made, message, code = client.new(given, function(values)
    problem, ephemeral = localize(values)
    return problem, ephemeral
  end)
  if not made then
    return nil, message, code
  end
  count_place()
  departure.expect(made, ephemeral)
  if not ephemeral then
    identity.claim(made, made:status().client_id)
  end
  return made
end

local kept

--- The one client of this worker: made and started by the first call, which may be one of a request, answered to all
-- later ones, whatever options they bring. After its `close` the next call makes another.
-- @tparam table self this module: call it with a colon
-- @tparam holdfast.options given as for `new`
-- @treturn ?holdfast.client or nil
-- @treturn ?string message
-- @treturn ?string code: "master" (in nginx's master process), "forked", "out_of_memory", "no_library"; or what is
-- wrong with `queue.store`: "store_corrupt", "store_full", "store_read_only", "store_locked", "store_foreign",
-- "store_newer", "store_other_client", "store_failed"; nil for bad options
-- @usage
-- local holdfast = require "resty.holdfast"
-- local client = assert(holdfast:kept { server = "mqtt://localhost" })
-- assert(client:publish("requests", ngx.var.uri, { timeout = 5 }))
function holdfast.kept(self, given)
  if kept and not kept.closing then
    return kept
  end
  local made, message, code = holdfast.new(self, given)
  if not made then
    return nil, message, code
  end
  kept = made
  return made:start()
end

local function seconds(name, milliseconds)
  if milliseconds == nil then
    return nil
  elseif type(milliseconds) ~= "number" or not (milliseconds >= 0 and milliseconds <= 4294967295) then
    error(("set_timeouts: %s must be a number of milliseconds from 0 to 4,294,967,295 or nil, got %s"):format(name,
      tostring(milliseconds)), 3)
  end
  return milliseconds / 1000
end

local function set_timeout(self, call, timeout)
  local options = self.defaults[call] or {}
  options.timeout = timeout
  self.defaults[call] = options
end

--- Sets timeouts of `client.defaults` as other libraries of OpenResty have it, in milliseconds; nil: without end, as at
-- first.
-- @tparam ?number connect milliseconds, for `connect`
-- @tparam ?number publish milliseconds, for `publish`
-- @tparam ?number receive milliseconds, for `receive` and `messages` of its subscriptions
-- @raise when one is no time
-- @usage
-- client:set_timeouts(1000, 5000, 30000)
function client.class:set_timeouts(connect, publish, receive)
  check.method(self, "handle", "client:set_timeouts")
  local for_connect, for_publish, for_receive = seconds("connect", connect), seconds("publish", publish),
    seconds("receive", receive)
  set_timeout(self, "connect", for_connect)
  set_timeout(self, "publish", for_publish)
  set_timeout(self, "receive", for_receive)
  set_timeout(self, "messages", for_receive)
end

local function limit_problem(given)
  local values, problem = walk.process("shared_limit", given)
  if problem then
    return nil, problem
  end
  if not ngx.shared[values.dict] then
    return nil, ("dict must be a shared dict of nginx; say `lua_shared_dict %s 64k;` in its http block"):format(
      values.dict)
  end
  return values
end

--- Bounds the connection attempts of all workers of this nginx together (a token bucket in a shared dict).
-- A worker whose Lua does not answer within a second goes on with its own share of the bound. Call it in
-- `init_worker_by_lua`, in each worker with the same values.
-- @tparam holdfast.options.shared_limit given
-- @treturn ?boolean true, or nil
-- @treturn ?string message what is wrong
-- @treturn ?string code: "master" (in nginx's master process), "forked", "out_of_memory"; nil for bad options
-- @usage
-- local holdfast = require "resty.holdfast"
-- assert(holdfast.limit { attempts_per_second = 5, burst = 2, dict = "attempts" })
function holdfast.limit(given)
  local misplaced, why = master()
  if misplaced then
    return nil, misplaced, why
  end
  local values, problem = limit_problem(given)
  if not values then
    return nil, problem
  end
  local burst, workers = values.burst, ngx.worker.count()
  local shared = bucket.new(ngx.shared[values.dict], values.attempts_per_second, burst, openresty.now, ngx.sleep)
  return budget.share(function()
    return shared:take()
  end, values.attempts_per_second / workers, math.max(1, math.floor(burst / workers)))
end

return holdfast
