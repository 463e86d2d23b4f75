--- `spawn` for loops that have none of their own: a handler like any other, which can be cancelled.
-- Nothing here can end a coroutine from outside. A cancelled one is let go on, and what it waits in is an error.
-- @module holdfast.loop.spawn
local log = require "holdfast.log"
local protect = require "holdfast.loop.protect"
local task = require "holdfast.task"

local spawn = {}

local running = protect.running

local CANCELLED = "the task that this coroutine is has been cancelled"
local AGAIN = 1 -- seconds that each further wait of a cancelled task takes: it may be in a loop that swallows errors

local tasks = setmetatable({}, { __mode = "k" }) -- coroutine -> task

-- Called in the coroutine that the task was, which may run something else after it.
local function finished(which, _, err, trace)
  tasks[running() or 0] = nil
  if err ~= nil and not task.finish(which, err, trace) then
    log.write("error", "error in a spawned coroutine: " .. trace)
  else
    task.finish(which)
  end
end

local function perform(which)
  if not which.over then
    tasks[running() or 0] = which
    task.perform(which)
  end
end

--- Gives a loop its `spawn`, and a `park` that knows of it.
-- @tparam table loop with `start`, `park` and `unpark`
function spawn.equip(loop)
  local park, start, unpark = loop.park, loop.start, loop.unpark

  local function kill(which)
    if which.waiter then
      which.waiter.gone = true
      unpark(which.waiter)
    end
  end

  local function wait(which, waiter, seconds)
    if which.code == "cancelled" then
      waiter.done, waiter.gone = true, true
      park({}, which.is_told and AGAIN or 0)
    else
      which.waiter = waiter
      park(waiter, seconds)
      which.waiter = nil
    end
    if which.code == "cancelled" then
      which.is_told = true
      error(CANCELLED, 0)
    end
  end

  function loop.park(waiter, seconds)
    local which = tasks[running() or 0]
    if not which or waiter.done then
      return park(waiter, seconds)
    end
    return wait(which, waiter, seconds)
  end

  function loop.spawn(fn, ...)
    local which = task.new(kill, fn, ...)
    start(finished, which, nil, perform, which)
    return which
  end
end

return spawn
