--- `run` and `spawn`: coroutines that belong together and end together.
-- A run inside a run is a run like any other: it returns when its own function has returned, and ends what that one
-- spawned. An error in a spawned coroutine ends its run, which raises it: a task that dies unseen helps nobody.
-- @module holdfast.loop.run
local log = require "holdfast.log"
local workers = require "holdfast.loop.workers"

local unpack = table.unpack or unpack -- luacheck: globals unpack

local run = {
  ENDED = "the holdfast.run that this coroutine belongs to has ended",
}

local loop -- what they run on: with `start`, `park`, `try_park`, `unpark` and `kill`
local active = {} -- groups of the runs that have not returned, innermost last
local outside = { tasks = {} } -- of what is spawned while no run is active

local function finished(group, task, err, trace)
  group.tasks[task] = nil
  task.worker.group = nil
  if err == nil or group.ended then
    return
  elseif group == outside then
    log.write("error", "error in a spawned coroutine: " .. trace)
  elseif not group.waiter.done then
    group.failure = { type(err) == "string" and trace or err }
    loop.unpark(group.waiter)
  end
end

local function perform(task, group)
  local worker = workers.current()
  task.worker, worker.group = worker, group
  loop.park(task)
  task.fn(unpack(task, 1, task.count))
end

-- The coroutine starts at the loop's next turn, not on top of whoever makes it.
local function launch(group, fn, ...)
  local task = { fn = fn, count = select("#", ...), ... }
  group.tasks[task] = true
  loop.start(finished, group, task, perform, task, group)
  loop.unpark(task)
end

local function finish(group)
  group.ended = true
  for index = #active, 1, -1 do
    if active[index] == group then
      table.remove(active, index)
    end
  end
  for task in pairs(group.tasks) do
    local waiter = loop.kill(task.worker)
    if waiter and waiter.group then
      finish(waiter.group) -- it was waiting for a run of its own
    end
  end
end

--- Runs `fn(...)` in a coroutine, with the loop, until it returns.
-- Coroutines spawned meanwhile end with it (on Lua 5.4 their variables are closed).
-- @tparam function fn
-- @param ... its arguments
-- @return what `fn` returns
-- @raise an error in `fn`, or in a coroutine it spawned, with the traceback of that coroutine
function run.run(fn, ...)
  local group = { tasks = {} }
  group.waiter = { group = group }
  active[#active + 1] = group
  local count, results
  local function keep(...)
    count, results = select("#", ...), { ... }
    loop.unpark(group.waiter)
  end
  launch(group, function(...)
    keep(fn(...))
  end, ...)
  local err = loop.try_park(group.waiter)
  finish(group)
  if group.failure then
    err = group.failure[1]
  end
  if err ~= nil then
    error(err, 0)
  end
  return unpack(results, 1, count)
end

--- Runs `fn(...)` in a coroutine of its own, which belongs to the run of its maker.
-- @tparam function fn
-- @param ... its arguments
function run.spawn(fn, ...)
  local worker = workers.current()
  local group = worker and worker.group
  if not group or group.ended then
    group = active[#active] or outside
  end
  launch(group, fn, ...)
end

--- Whether a worker belongs to a run that is over.
-- @tparam ?table worker
-- @treturn boolean
function run.has_ended(worker)
  return worker ~= nil and worker.group ~= nil and worker.group.ended == true
end

--- Gives a loop its `run` and `spawn`.
-- @tparam table which with `start`, `park`, `try_park`, `unpark` and `kill`
function run.equip(which)
  loop = which
  loop.run, loop.spawn = run.run, run.spawn
end

return run
