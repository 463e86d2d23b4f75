--- `run` and `spawn`: coroutines that belong together and end together.
-- A run inside a run is a run like any other: it returns when its own function has returned, and ends what that one
-- spawned. An error in a spawned coroutine ends its run, which raises it: a task that dies unseen helps nobody. What
-- belongs to no run that goes on, such as the child of a handler, belongs to the outermost one that drives the loop:
-- one that a coroutine waits for, of another library's perhaps, has nothing to do with it.
-- @module holdfast.loop.run
local log = require "holdfast.log"
local task = require "holdfast.task"
local turn = require "holdfast.loop.turn"
local workers = require "holdfast.loop.workers"

local unpack = table.unpack or unpack -- luacheck: globals unpack

local run = {
  ENDED = "the holdfast.run that this coroutine belongs to has ended",
}

local LEAST = 16 -- runs below which they are not gone through for each that begins

local CANCELLED = "the task that this coroutine is has been cancelled"

local loop -- what they run on: with `try_park` and `unpark`
local active = {} -- groups of the runs that have not returned, innermost last
local most = LEAST -- of them, before they are gone through once more
local outside = { tasks = {} } -- of what is spawned while no run is active

local finish

-- Ends a task where it waits; one that is further down the stack ends at its next wait.
local function stop(which)
  local waiter = turn.kill(which.worker)
  if waiter and waiter.group then
    finish(waiter.group) -- it was waiting for a run of its own
  end
end

function finish(group)
  if group.ended then
    return
  end
  group.ended = true
  for index = #active, 1, -1 do
    if active[index] == group then
      table.remove(active, index)
    end
  end
  local tasks = group.tasks
  group.tasks = {}
  for which in pairs(tasks) do
    task.settle(which, "the run that the task belongs to has ended", "ended")
    stop(which)
  end
  loop.unpark(group.waiter)
end

-- Who waits for a run may have been ended (`coroutine.close`), and nobody comes to say so: the run is over then.
local function finish_abandoned()
  local index = 1
  while active[index] do
    if turn.is_gone(active[index].waiter) then
      finish(active[index])
    else
      index = index + 1
    end
  end
end

local NEVER = "%d coroutine%s of holdfast.spawn %s never begun, since the script has ended before the loop ran: have "
  .. "them in a holdfast.run, or wait for something after them"

-- When the Lua state is closed.
local function tell_unbegun()
  local count = 0
  for which in pairs(outside.tasks) do
    count = count + (which.worker.state == "begun" and 1 or 0)
  end
  if count > 0 then
    log.write("error", NEVER:format(count, count == 1 and "" or "s", count == 1 and "has" or "have"))
  end
end

-- What is collected with the Lua state; a table has a finalizer from Lua 5.2 on.
if rawget(_G, "newproxy") then
  run.last = newproxy(true) -- luacheck: globals newproxy
  getmetatable(run.last).__gc = tell_unbegun
else
  run.last = setmetatable({}, { __gc = tell_unbegun })
end

local function finished(group, which, err, trace)
  group.tasks[which] = nil
  local is_heard = task.finish(which, err, trace)
  if err ~= nil and not is_heard then
    if group == outside then
      log.write("error", "error in a spawned coroutine: " .. trace)
    elseif not group.ended then
      group.failure = { err }
      log.write("error", "error in holdfast.run: " .. trace)
      finish(group)
    end
  elseif which == group.main then
    finish(group)
  end
end

local function kill(which)
  local worker = which.worker
  worker.group.tasks[which] = nil
  stop(which)
  if worker == workers.current() then
    turn.retire(worker)
  end
end

-- The coroutine starts at the loop's next turn, not on top of whoever makes it.
local function launch(group, fn, ...)
  local which = task.new(kill, fn, ...)
  group.tasks[which] = true
  which.worker = workers.new(finished, group, which)
  which.worker.group = group
  turn.begin(which.worker, task.perform, which)
  return which
end

--- Runs `fn(...)` in a coroutine, with the loop, until it returns.
-- Coroutines spawned meanwhile end with it (on Lua 5.4 their variables are closed).
-- @tparam function fn
-- @param ... its arguments
-- @return what `fn` returns
-- @raise an error in `fn`, or in a coroutine it spawned, as it was thrown; the traceback goes to the log
function run.run(fn, ...)
  local group = { tasks = {} }
  group.waiter = { group = group }
  if #active >= most then
    finish_abandoned()
    most = math.max(LEAST, 2 * #active)
  end
  active[#active + 1] = group
  group.main = launch(group, fn, ...)
  local err = loop.try_park(group.waiter)
  finish(group)
  if group.failure then
    err = group.failure[1]
  end
  if err ~= nil then
    error(err, 0)
  end
  local results = group.main.results
  return unpack(results, 1, results.count)
end

-- Whose are those that belong to nobody.
local function outermost()
  while active[1] and turn.is_gone(active[1].waiter) do
    finish(active[1])
  end
  for _, group in ipairs(active) do
    if not group.waiter.thread and not group.waiter.worker then
      return group
    end
  end
  return outside
end

--- Runs `fn(...)` in a coroutine of its own, which belongs to the run of its maker.
-- @tparam function fn
-- @param ... its arguments
-- @treturn holdfast.task
function run.spawn(fn, ...)
  local worker = workers.current() or workers.innermost()
  local group = worker and worker.group
  if not group or group.ended then
    group = outermost()
  end
  return launch(group, fn, ...)
end

--- Why a worker must not wait any more.
-- @tparam ?table worker
-- @treturn ?string nil: it may
function run.problem(worker)
  if worker and worker.group then
    return worker.group.ended and run.ENDED or worker.state == "dead" and CANCELLED or nil
  end
end

--- Gives a loop its `run` and `spawn`.
-- @tparam table which with `try_park` and `unpark`
function run.equip(which)
  loop = which
  loop.run, loop.spawn = run.run, run.spawn
end

return run
