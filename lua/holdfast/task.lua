--- A function that runs in a coroutine of its own, as @{holdfast.spawn} answers it: to be waited for, or ended.
-- @classmod holdfast.task
local check = require "holdfast.check"
local late = require "holdfast.late"
local line = require "holdfast.line"
local loop = require "holdfast.loop"

local first = late.module "holdfast.first"

local unpack = table.unpack or unpack -- luacheck: globals unpack

local Task = {}
Task.__index = Task

local task = {}

--- Makes one; somebody has to run it.
-- @tparam function kill `kill(self)` ends it where it waits
-- @tparam function fn
-- @param ... its arguments
-- @treturn holdfast.task
-- @local
function task.new(kill, fn, ...)
  return setmetatable({
    kill = kill,
    fn = fn,
    count = select("#", ...),
    joiners = line.new(),
    watchers = setmetatable({}, { __mode = "k" }), -- of holdfast.first
    over = false,
    ...
  }, Task)
end

local function keep(self, ...)
  if not self.over then -- or it has been cancelled, and has swallowed the error
    self.results = { count = select("#", ...), ... }
  end
end

--- Calls its function.
-- @tparam holdfast.task self
-- @local
function task.perform(self)
  keep(self, self.fn(unpack(self, 1, self.count)))
end

--- It is over; whoever waits for it goes on.
-- @tparam holdfast.task self
-- @tparam ?string message why there are no results
-- @tparam ?string code
-- @param ... what was thrown
-- @treturn boolean whether anybody has heard of it
-- @local
function task.settle(self, message, code, ...)
  if self.over then
    return true
  end
  self.over, self.message, self.code, self.err = true, message, code, ...
  local is_heard = false
  local waiter = line.shift(self.joiners)
  while waiter do
    is_heard = not line.is_over(waiter) or is_heard
    loop.unpark(waiter)
    waiter = line.shift(self.joiners)
  end
  if next(self.watchers) ~= nil then
    is_heard = first.is_watched(self) or is_heard
    first.tell(self)
  end
  return is_heard
end

--- Its function has returned or thrown.
-- @tparam holdfast.task self
-- @param err what was thrown; nil: nothing
-- @tparam ?string trace
-- @treturn boolean whether anybody has heard of it
-- @local
function task.finish(self, err, trace)
  if err == nil then
    return task.settle(self)
  end
  return task.settle(self, type(err) == "string" and err or trace:match "^[^\n]*", "failed", err)
end

function Task:__tostring()
  return ("holdfast.task (%s)"):format(self.over and (self.code or "returned") or "running")
end

--- Waits until it is over. While somebody waits here, or in `holdfast.first`, an error in the task is
-- told to him, and to nobody else.
-- @tparam[opt] number timeout seconds; default: no end
-- @return ... what its function has returned; or nil
-- @treturn ?string message why not
-- @treturn ?string code: "failed", "cancelled", "ended", "timeout"
-- @return what was thrown, after "failed"
-- @raise when the timeout is no time, or where nothing can wait
-- @usage
-- local task = holdfast.spawn(function()
--   return 6 * 7
-- end)
-- print(task:join(1)) --> 42
function Task:join(timeout)
  check.method(self, "joiners", "task:join")
  local problem = check.timeout_problem(timeout)
  if problem then
    error("join: " .. problem, 2)
  end
  if not self.over then
    local waiter = {}
    line.join(self.joiners, waiter)
    loop.park(waiter, timeout)
    if waiter.timed_out then
      line.leave(self.joiners, waiter)
      return nil, ("the task is not over within %g s"):format(timeout), "timeout"
    end
  end
  if self.results then
    return unpack(self.results, 1, self.results.count)
  end
  return nil, self.message, self.code, self.err
end

--- Whether `join` would not wait, as @{holdfast.first} asks.
-- @treturn boolean
-- @local
function Task:is_ready()
  return self.over
end

--- Has a waiter go on once it is over.
-- @tparam table waiter
-- @local
function Task:watch(waiter)
  self.watchers[waiter] = true
end

--- Ends what `watch` began.
-- @tparam table waiter
-- @local
function Task:unwatch(waiter)
  self.watchers[waiter] = nil
end

--- Ends it where it waits, or at its next wait. On Lua 5.4 its variables are closed. In nginx and in a loop of your own
-- nobody but a coroutine can end it: there what it waits in is an error, once.
-- @treturn boolean whether it was not over yet
-- @usage
-- local task = holdfast.spawn(holdfast.sleep, 3600)
-- print(task:cancel()) --> true
function Task:cancel()
  check.method(self, "joiners", "task:cancel")
  if self.over then
    return false
  end
  task.settle(self, "the task has been cancelled", "cancelled")
  self:kill()
  return true
end

return task
