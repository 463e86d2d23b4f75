--- Metrics of all workers of one nginx, for Prometheus: any worker may be asked, and answers for each.
--
--     init_worker_by_lua_block {
--       require("resty.holdfast.metrics").publish { dict = "metrics" }
--     }
--     location = /metrics {
--       content_by_lua_block { require("resty.holdfast.metrics").serve() }
--     }
--
-- Each worker puts its own into a shared dict every few seconds (`lua_shared_dict metrics 1m;`), and whichever is asked
-- puts them together, its own as they are right then; the label `worker` tells them apart. What a worker has left there
-- goes when it leaves, when the one after it begins, and at the latest three intervals after its last sign of life.
-- @module resty.holdfast.metrics
local exposition = require "holdfast.exposition"
local log = require "holdfast.log"
local master = require "holdfast.master"
local prometheus = require "holdfast.prometheus"
local walk = require "holdfast.walk"

local metrics = {}

local KEY, PRIVILEGED = "holdfast:metrics:", "privileged"
local LIFE = 3 -- intervals
local HEAD = "%d\n" -- whose it is

local settings -- of this worker, once it publishes
local has_complained

local function name()
  return tostring(ngx.worker.id() or PRIVILEGED)
end

local function put()
  local lines = {}
  for _, sample in ipairs(prometheus.samples(settings)) do
    lines[#lines + 1] = table.concat({ sample.family, sample.suffix, sample.value, sample.labels }, "\t")
  end
  local text = HEAD:format(ngx.worker.pid()) .. table.concat(lines, "\n") .. "\n"
  local fine, problem = settings.shared:safe_set(KEY .. name(), text, LIFE * settings.interval)
  if not fine and not has_complained then
    has_complained = true
    log.write("warning", ("the shared dict %s does not take the metrics of this worker: %s; make it larger, or list "
      .. "fewer clients"):format(settings.dict, problem))
  end
end

-- The worker after this one may have put its own there already.
local function take_back()
  local text = settings.shared:get(KEY .. name())
  local start = HEAD:format(ngx.worker.pid())
  if text and text:sub(1, #start) == start then
    settings.shared:delete(KEY .. name())
  end
end

--- Has this worker's metrics put into a shared dict, now and every `interval` from now on. Call it in
-- `init_worker_by_lua`, in each worker with the same values. The dict has some 10 KiB a worker, and 3 KiB for each
-- client that is listed.
-- @tparam holdfast.options.shared_metrics given
-- @treturn ?boolean true, or nil
-- @treturn ?string message what is wrong
-- @treturn ?string code: "master" (in nginx's master process); nil for bad options
-- @usage
-- assert(require("resty.holdfast.metrics").publish { dict = "metrics" })
function metrics.publish(given)
  local misplaced, why = master()
  if misplaced then
    return nil, misplaced, why
  end
  local values, problem = walk.process("shared_metrics", given)
  if not values then
    return nil, problem
  end
  values.shared = ngx.shared[values.dict]
  if not values.shared then
    return nil, ("dict must be a shared dict of nginx; say `lua_shared_dict %s 1m;` in its http block"):format(
      values.dict)
  end
  local is_first = not settings
  settings = values
  put()
  if is_first then
    return ngx.timer.every(values.interval, function(premature)
      if premature then
        take_back()
      else
        put()
      end
    end)
  end
  return true
end

local function read(samples, worker, text)
  for family, suffix, value, labels in text:gmatch "([^\t\n]+)\t([^\t\n]*)\t([^\t\n]+)\t([^\n]*)\n" do
    samples[#samples + 1] = { family = family, suffix = suffix, value = value, labels = labels, worker = worker }
  end
end

local function gather(samples, worker)
  local is_own = worker == name() and not ngx.worker.exiting()
  local text = not is_own and settings.shared:get(KEY .. worker)
  if is_own then
    for _, sample in ipairs(prometheus.samples(settings)) do
      sample.worker = worker
      samples[#samples + 1] = sample
    end
  elseif text then
    read(samples, worker, text)
  end
end

--- The metrics of all workers.
-- @tparam[opt] holdfast.options.metrics_text given
-- @treturn ?string the text, or nil
-- @treturn string its content type; or what is wrong
-- @usage
-- local text, content_type = require("resty.holdfast.metrics").text { format = "text" }
function metrics.text(given)
  local values, problem = walk.process("metrics_text", given)
  if not values then
    return nil, problem
  elseif not settings then
    return nil, "this worker has published none: call publish in init_worker_by_lua"
  end
  local samples = {}
  for worker = 0, ngx.worker.count() - 1 do
    gather(samples, tostring(worker))
  end
  gather(samples, PRIVILEGED)
  for _, sample in ipairs(samples) do
    local own = exposition.labels { "worker", sample.worker }
    sample.labels = sample.labels == "" and own or sample.labels .. "," .. own
  end
  return exposition.write(samples, values.format)
end

--- Answers the request with them, in OpenMetrics to those who ask for that, as Prometheus does, and in the classic
-- format to everybody else. For `content_by_lua`.
-- @usage
-- require("resty.holdfast.metrics").serve()
function metrics.serve()
  local accepted = ngx.var.http_accept or ""
  local wants_open = accepted:find("application/openmetrics-text", 1, true)
  local text, content_type = metrics.text { format = wants_open and "openmetrics" or "text" }
  if not text then
    ngx.status = ngx.HTTP_SERVICE_UNAVAILABLE
    return ngx.say(content_type)
  end
  ngx.header["Content-Type"] = content_type
  ngx.print(text)
end

return metrics
