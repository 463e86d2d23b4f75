---@meta resty.holdfast.metrics
-- Made by `make reference` of the comments in lua/, its options and its events; not to be edited.

---Metrics of all workers.
---@class resty.holdfast.metrics
local metrics = {}

---Has this worker's metrics put into a shared dict, now and every `interval` from now on. Call it in
---`init_worker_by_lua`, in each worker with the same values. The dict has some 10 KiB a worker, and 3 KiB for each
---client that is listed.
---
---```lua
---assert(require("resty.holdfast.metrics").publish { dict = "metrics" })
---```
---@param given holdfast.options.shared_metrics
---@return boolean? # true
---@return string? message # what is wrong
---@return "master"|nil code
function metrics.publish(given) end

---The metrics of all workers.
---
---```lua
---local text, content_type = require("resty.holdfast.metrics").text { format = "text" }
---```
---@param given? holdfast.options.metrics_text
---@return string? # the text
---@return string # its content type; or what is wrong
function metrics.text(given) end

---Answers the request with them, in OpenMetrics to those who ask for that, as Prometheus does, and in the classic
---format to everybody else. For `content_by_lua`.
---
---```lua
---require("resty.holdfast.metrics").serve()
---```
function metrics.serve() end

return metrics
