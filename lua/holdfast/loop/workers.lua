--- Coroutines that run one task after the other, so that a handler costs no new one.
-- A task that throws is told to its `finish`, whoever resumed it last. Lua 5.1 cannot yield across `xpcall`: there the
-- coroutine is the protection, so that a task that somebody else resumes throws at that one. An idle worker keeps
-- nothing alive.
-- @module holdfast.loop.workers
local workers = {
  foreign = nil, -- `foreign(worker, word, ...)` hears what a task yields to a scheduler of another library
}

local create, resume, running, status, yield =
  coroutine.create, coroutine.resume, coroutine.running, coroutine.status, coroutine.yield
local close = coroutine.close -- Lua 5.4
local unpack = table.unpack or unpack -- luacheck: globals unpack
local traceback = debug.traceback

local KEPT = 64 -- idle ones
local IDLE = {} -- what a worker yields when its task is over

local idle, count = {}, 0
local owned = setmetatable({}, { __mode = "kv" }) -- coroutine -> worker

local function words_of(err)
  if type(err) == "string" then
    return err
  end
  local fine, shown = pcall(tostring, err)
  return fine and type(shown) == "string" and shown or type(err)
end

local function explain(err)
  local words = words_of(err)
  return { err = err == nil and words or err, trace = traceback(words, 2) }
end

local call
if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then
  function call(fn, a, b, c)
    fn(a, b, c)
    return true
  end
else
  function call(fn, a, b, c)
    return xpcall(fn, explain, a, b, c)
  end
end

local function perform(worker, fn, a, b, c)
  local fine, failure = call(fn, a, b, c)
  local finish, owner, item = worker.finish, worker.owner, worker.item
  worker.finish, worker.owner, worker.item = nil, nil, nil
  if worker.task then
    worker.task.over, worker.task = true, nil
  end
  if fine then
    return finish(owner, item)
  end
  finish(owner, item, failure.err, failure.trace)
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
local function step(worker, alive, word, ...)
  if word == IDLE then
    if count < KEPT then
      count = count + 1
      idle[count] = worker
    end
  elseif not alive then
    if worker.task then
      worker.task.over = true
    end
    local words = words_of(word)
    return worker.finish(worker.owner, worker.item, word == nil and words or word, traceback(worker.coroutine, words))
  elseif word ~= nil and workers.foreign then
    return workers.foreign(worker, word, ...)
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

local function pack(...)
  return { count = select("#", ...), ... }
end

local function carry(worker, wait)
  while worker.asked and not worker.is_closed do
    local asked = worker.asked
    worker.asked = nil
    local answer = pack(wait(unpack(asked, 1, asked.count)))
    if not worker.is_closed then
      step(worker, resume(worker.coroutine, unpack(answer, 1, answer.count)))
    end
  end
  worker.is_carried = nil
end

--- Goes on with a worker that has asked the scheduler of another library for something, once that has answered.
-- @tparam table worker
-- @tparam function spawn `spawn(fn, ...)` calls it in a coroutine of that scheduler
-- @tparam function wait what answers there
-- @param ... its arguments
function workers.carry(worker, spawn, wait, ...)
  worker.asked = pack(...)
  if not worker.is_carried then
    worker.is_carried = true
    spawn(carry, worker, wait)
  end
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
  worker.is_closed = true
  if worker.task then
    worker.task.over = true
  end
  if close and status(worker.coroutine) == "suspended" then
    close(worker.coroutine)
  end
end

return workers
