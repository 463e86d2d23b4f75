--- Coroutines that run one task after the other, so that a handler costs no new one.
-- The coroutine is also the protection: a task that throws kills its worker and nothing else. (`pcall` would not do,
-- Lua 5.1 cannot yield across it.) An idle worker keeps nothing alive.
-- @module holdfast.loop.workers
local workers = {}

local create, resume, running, status, yield =
  coroutine.create, coroutine.resume, coroutine.running, coroutine.status, coroutine.yield
local close = coroutine.close -- Lua 5.4
local traceback = debug.traceback

local KEPT = 64 -- idle ones
local IDLE = {} -- what a worker yields when its task is over

local idle, count = {}, 0
local owned = setmetatable({}, { __mode = "kv" }) -- coroutine -> worker

local function perform(worker, fn, a, b, c)
  fn(a, b, c)
  local finish, owner, item = worker.finish, worker.owner, worker.item
  worker.finish, worker.owner, worker.item = nil, nil, nil
  if worker.task then
    worker.task.over, worker.task = true, nil
  end
  finish(owner, item)
end

local function new()
  local worker = {}
  worker.coroutine = create(function()
    while true do
      perform(worker, yield(IDLE))
    end
  end)
  resume(worker.coroutine)
  owned[worker.coroutine] = worker
  return worker
end

-- What follows a resume: the worker is free again, waits, or is dead.
local function step(worker, alive, word)
  if word == IDLE then
    if count < KEPT then
      count = count + 1
      idle[count] = worker
    end
  elseif not alive then
    if worker.task then
      worker.task.over = true
    end
    local message = word
    if type(word) ~= "string" then
      local fine, shown = pcall(tostring, word)
      message = fine and type(shown) == "string" and shown or type(word)
    end
    local err = word == nil and message or word
    return worker.finish(worker.owner, worker.item, err, traceback(worker.coroutine, message))
  end
end

--- Runs `fn(a, b, c)` in a coroutine of its own, now, and `finish` after it.
-- @tparam function finish called as `finish(owner, item)`, or `finish(owner, item, err, traceback)` when `fn` threw
-- @param owner for `finish`
-- @param item for `finish`
-- @tparam function fn
-- @param a
-- @param b
-- @param c
function workers.start(finish, owner, item, fn, a, b, c)
  local worker
  if count > 0 then
    worker = idle[count]
    idle[count] = nil
    count = count - 1
  else
    worker = new()
  end
  worker.finish, worker.owner, worker.item = finish, owner, item
  return step(worker, resume(worker.coroutine, fn, a, b, c))
end

--- Goes on with a worker that has yielded in its task.
-- @tparam table worker
function workers.continue(worker)
  return step(worker, resume(worker.coroutine))
end

--- The worker in whose coroutine the caller runs.
-- @treturn ?table nil in the main program and in coroutines that are not the loop's
function workers.current()
  return owned[running() or 0]
end

--- What stands for the task in which the caller runs.
-- @treturn ?table with `over` true once the task has ended; nil where there is no task
function workers.task()
  local worker = owned[running() or 0]
  if worker then
    worker.task = worker.task or {}
    return worker.task
  end
end

--- Ends a worker that is suspended in its task, without `finish`.
-- @tparam table worker
function workers.close(worker)
  if worker.task then
    worker.task.over = true
  end
  if close and status(worker.coroutine) == "suspended" then
    close(worker.coroutine)
  end
end

return workers
