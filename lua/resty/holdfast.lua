--- An MQTT client for nginx workers: holdfast in OpenResty, or in nginx with its Lua module.
--
--     init_worker_by_lua_block {
--       local holdfast = require "resty.holdfast"
--       local client, err = holdfast:new { server = "mqtt://localhost" }
--       client:start()
--     }
--
-- One client a worker, made in `init_worker_by_lua` and shared by all of its requests. A client has the calls of
-- @{holdfast.client}, and `set_timeouts`. Bad options are `nil, err` here; a mistake in a later call is still an error
-- at the caller's line. What waits (`connect`, `publish`, `receive` ...) can be called wherever nginx can suspend;
-- `post`, `start`, `subscribe`, `on` and `status` do not wait and can be called anywhere in a worker.
-- @module resty.holdfast
local base = require "holdfast"
local bucket = require "resty.holdfast.bucket"
local budget = require "holdfast.budget"
local client = require "holdfast.client"
local departure = require "resty.holdfast.departure"
local log = require "holdfast.log"
local loop = require "holdfast.loop"
local methods = require "resty.holdfast.client"
local openresty = require "holdfast.loop.openresty"
local options = require "holdfast.options"

local holdfast = {
  _VERSION = base._VERSION,
  backoff = base.backoff,
  engine = base.engine,
  log = base.log,
  metrics = base.metrics,
  reason = base.reason,
}

local MASTER = "this is nginx's master, whose clients no worker could use; make them in init_worker_by_lua"

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

-- Two clients of one id take each other's connection for ever, and a store is one client's. With a store the worker
-- after this one goes on where it ended, so nothing may change from one to the next.
local function naming_problem(id, store)
  local workers = ngx.worker.count()
  if type(id) == "string" and workers > 1 and not has(id, "$worker") and not has(id, "$pid") then
    return ('client_id must have "$worker" or "$pid" in it, since each of the %d workers needs its own, got "%s"')
      :format(workers, id)
  elseif type(store) ~= "string" then
    return nil
  elseif workers > 1 and not has(store, "$worker") then
    return ('queue.store must have "$worker" in it, since each of the %d workers needs its own, got "%s"'):format(
      workers, store)
  end
  local name, value = "queue.store", store
  if type(id) == "string" and has(id, "$pid") then
    name, value = "client_id", id
  end
  return has(value, "$pid") and ('%s must not have "$pid" in it when there is a queue.store, with which the next '
    .. 'worker goes on, got "%s"'):format(name, value) or nil
end

local function copied(given)
  local copy = {}
  for name, value in pairs(given) do
    copy[name] = value
  end
  return copy
end

-- The options with the names of this worker, and whether its client's id dies with it; or nil and what is wrong.
local function localized(given)
  local queue = given.queue
  local id, store = given.client_id, type(queue) == "table" and queue.store or nil
  local problem = naming_problem(id, store)
  if problem then
    return nil, problem
  end
  local copy = copied(given)
  if type(store) == "string" then
    copy.queue = copied(queue)
    copy.queue.store = expand(store)
  end
  if type(id) ~= "string" then
    return copy, true
  end
  copy.client_id = expand(id)
  return copy, has(id, "$pid")
end

--- Makes a client: `holdfast:new(options)`. It does nothing before `start` or `connect`.
-- In `client_id`, `$worker` stands for the worker's number and `$pid` for its process id; without one the id is random.
-- In `queue.store`, `$worker` stands for the same. At a reload the worker before has the store until it is told to
-- leave: until then the answer is "store_locked".
-- @tparam table self this module: call it with a colon
-- @tparam table given as for @{holdfast.new}
-- @treturn ?holdfast.client or nil
-- @treturn ?string what is wrong with the options, or with the place
-- @treturn ?string "master", "forked", "out_of_memory", or what is wrong with the store, as of @{holdfast.new}; nil for
-- bad options
function holdfast.new(self, given)
  if ngx.get_phase() == "init" then
    return nil, MASTER, "master"
  elseif self ~= holdfast and given == nil then -- as it is with plain holdfast
    return nil, "call it with a colon, holdfast:new { ... }"
  end
  local problem = loop.choose "openresty"
  if problem then
    return nil, problem
  end
  local here, ephemeral = given, true
  if type(given) == "table" then
    here, ephemeral = localized(given)
    if not here then
      return nil, ephemeral
    end
  end
  local made, message, code = client.new(here, ephemeral)
  if not made then
    return nil, message, code
  end
  count_place()
  departure.expect(made, ephemeral)
  return methods.adopt(made)
end

local limit_rows = {
  attempts_per_second = { type = "number", from = 0.001, to = 1000000, required = true },
  burst = { type = "whole", from = 1, to = 1000000 },
  dict = { type = "text", from = 1, required = true },
}
local limit_names = { "attempts_per_second", "burst", "dict" }

local function limit_problem(given)
  local values, problem = options.take(given, limit_rows, limit_names)
  if problem then
    return nil, problem
  end
  for _, name in ipairs(limit_names) do
    if limit_rows[name].required and values[name] == nil then
      return nil, name .. " is missing"
    end
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
-- @tparam table given `attempts_per_second`, `burst` (default 1), `dict` (the name of a `lua_shared_dict`)
-- @treturn ?boolean true, or nil
-- @treturn ?string what is wrong
-- @treturn ?string "master", "forked" or "out_of_memory"; nil for bad options
function holdfast.limit(given)
  if ngx.get_phase() == "init" then
    return nil, MASTER, "master"
  end
  local values, problem = limit_problem(given)
  if not values then
    return nil, problem
  end
  local burst, workers = values.burst or 1, ngx.worker.count()
  local shared = bucket.new(ngx.shared[values.dict], values.attempts_per_second, burst, openresty.now, ngx.sleep)
  return budget.share(function()
    return shared:take()
  end, values.attempts_per_second / workers, math.max(1, math.floor(burst / workers)))
end

return holdfast
