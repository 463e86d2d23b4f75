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

-- Two clients of one id take each other's connection for ever, so it has to tell the workers apart.
local function expand(id)
  if type(id) ~= "string" then
    return id, true
  elseif ngx.worker.count() > 1 and not id:find("$worker", 1, true) and not id:find("$pid", 1, true) then
    return nil, ('client_id must have "$worker" or "$pid" in it, since each of the %d workers needs its own, got "%s"')
      :format(ngx.worker.count(), id)
  end
  local expanded = id:gsub("%$worker", ngx.worker.id() or "privileged"):gsub("%$pid", ngx.worker.pid())
  return expanded, id:find("$pid", 1, true) ~= nil
end

--- Makes a client: `holdfast:new(options)`. It does nothing before `start` or `connect`.
-- In `client_id`, `$worker` stands for the worker's number and `$pid` for its process id; without one the id is random.
-- @tparam table self this module: call it with a colon
-- @tparam table given as for @{holdfast.new}
-- @treturn ?holdfast.client or nil
-- @treturn ?string what is wrong with the options, or with the place
-- @treturn ?string "master", "forked" or "out_of_memory"; nil for bad options
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
  local ephemeral = true
  if type(given) == "table" then
    local copy = {}
    for name, value in pairs(given) do
      copy[name] = value
    end
    local id, second = expand(given.client_id)
    if id == nil and given.client_id ~= nil then
      return nil, second
    end
    copy.client_id, ephemeral = id, second
    given = copy
  end
  local made, message, code = client.new(given, ephemeral)
  if not made then
    return nil, message, code
  end
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
