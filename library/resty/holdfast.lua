---@meta resty.holdfast
-- Made by `make reference` of the comments in lua/, its options and its events; not to be edited.

---In OpenResty.
---@class resty.holdfast
---@field _VERSION string
---@field backoff holdfast.module.backoff backoff by itself
---@field engine holdfast.module.engine the reconnect engine by itself
---@field reason holdfast.module.reason the table of reasons by itself
---@field topic holdfast.module.topic topics by themselves
---@field first fun(objects: table[], timeout?: number): table?, integer|string, string? as that of holdfast
---@field log fun(listener?: function|table, options?: holdfast.options.log): boolean?, string?, string? as that of holdfast
---@field metrics fun(): holdfast.metrics as that of holdfast
---@field prometheus fun(options?: holdfast.options.prometheus): string, string as that of holdfast
---@field spawn fun(fn: fun(...: any): any, ...: any): holdfast.task as that of holdfast
local holdfast = {}

---Makes a client: `holdfast:new(options)`. It does nothing before `start` or `connect`.
---In `client_id`, `$worker` stands for the worker's number and `$pid` for its process id; without one the id is random.
---Two clients on this machine that have one id at one server are told in the log.
---In `queue.store`, `$worker` stands for the same. At a reload the worker before has the store until it is told to
---leave: until then the answer is "store_locked".
---
---```lua
---local holdfast = require "resty.holdfast"
---local client, problem = holdfast:new { server = "mqtt://localhost", client_id = "gateway-$worker-$pid" }
---assert(client, problem):start()
---```
---@param given holdfast.options as for `holdfast.new`
---@return holdfast.client?
---@return string? message # what is wrong with the options, or with the place
---@return "master"|"forked"|"out_of_memory"|"no_library"|"store_corrupt"|"store_full"|"store_read_only"|"store_locked"|"store_foreign"|"store_newer"|"store_other_client"|"store_failed"|nil code
function holdfast:new(given) end

---The one client of this worker: made and started by the first call, which may be one of a request, answered to all
---later ones, whatever options they bring. After its `close` the next call makes another.
---
---```lua
---local holdfast = require "resty.holdfast"
---local client = assert(holdfast:kept { server = "mqtt://localhost" })
---assert(client:publish("requests", ngx.var.uri, { timeout = 5 }))
---```
---@param given holdfast.options as for `new`
---@return holdfast.client?
---@return string? message
---@return "master"|"forked"|"out_of_memory"|"no_library"|"store_corrupt"|"store_full"|"store_read_only"|"store_locked"|"store_foreign"|"store_newer"|"store_other_client"|"store_failed"|nil code
function holdfast:kept(given) end

---Bounds the connection attempts of all workers of this nginx together (a token bucket in a shared dict).
---A worker whose Lua does not answer within a second goes on with its own share of the bound. Call it in
---`init_worker_by_lua`, in each worker with the same values.
---
---```lua
---local holdfast = require "resty.holdfast"
---assert(holdfast.limit { attempts_per_second = 5, burst = 2, dict = "attempts" })
---```
---@param given holdfast.options.shared_limit
---@return boolean? # true
---@return string? message # what is wrong
---@return "master"|"forked"|"out_of_memory"|nil code
function holdfast.limit(given) end

return holdfast
