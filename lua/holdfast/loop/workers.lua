--- Coroutines of the loop: how each begins, is suspended and resumed, and ends.
--
-- A worker is one call of a function in a coroutine of its own. It is in one of these states, and goes from one to the
-- next as @{workers.moves} says; what has no place there does not happen:
--
--              resume   suspend  finish   close
--     begun    running  -        -        dead     made, and waits for its turn
--     running  -        parked   over     dead
--     parked   running  -        over *   dead     it waits
--     over     -        -        -        -        its function has returned or thrown; `finish` has been called
--     dead     -        -        -        -        it was ended from outside; `finish` is not called
--
--     * where the scheduler of another library has resumed it
--
-- No coroutine is used for a second call: what a user keeps by it, sets on it (a hook) or resumes too late is that
-- call's own; but the call may be one that begins with handler after handler (@{holdfast.runs}). And nothing starts on
-- the stack of what it follows: what is started by a `finish`, or while a wait that cannot be suspended holds up a
-- handler, waits for @{workers.flush}.
--
-- An interruption (Ctrl-C, an error of a hook) may come between any two steps. A step that was not done whole is done
-- again: `finish` may be called twice, and a worker is out of the list when it has begun.
--
-- A call that throws is told to its `finish`, whoever resumed it last. Lua 5.1 cannot yield across `xpcall`: there the
-- coroutine is the protection, so that a call that somebody else resumes throws at that one.
-- @module holdfast.loop.workers
local log = require "holdfast.log"
local stack = require "holdfast.loop.stack"

local can_yield = stack.can_yield

local workers = {
  stray = nil, -- `stray(worker)` hears that a call has yielded by itself, to nobody
  foreign = nil, -- `foreign(worker, word, ...)` hears what a call yields to a scheduler of another library
  changed = nil, -- `changed()`: there is something to flush
}

local create, resume, running, status = coroutine.create, coroutine.resume, coroutine.running, coroutine.status
local close = coroutine.close -- Lua 5.4
local unpack = table.unpack or unpack -- luacheck: globals unpack
local traceback, words_of = debug.traceback, log.words_of

local UNEXPLAINED = "the coroutine has ended, and there was no memory to say why"
local OVER = {} -- what a worker answers when its call is over

--- State -> what happens -> the next state.
workers.moves = {
  begun = { resume = "running", close = "dead" },
  running = { suspend = "parked", finish = "over", close = "dead" },
  parked = { resume = "running", finish = "over", close = "dead" },
  over = {},
  dead = {},
}

local moves = workers.moves
local PARKED, RUNNING = moves.running.suspend, moves.parked.resume -- the way of a worker that waits again and again
local top -- the innermost worker on the stack
local known = setmetatable({}, { __mode = "kv" }) -- coroutine -> worker, of those that have been suspended
local waiting, first, last = {}, 1, 0 -- workers that are to begin
local finishing = false -- a `finish` is on the stack
local barred = false -- no handler begins

local function move(worker, what)
  local state = moves[worker.state][what]
  if state then
    worker.state = state
    return true
  end
  return false
end

--- What was thrown and where, for `xpcall`.
-- @param err
-- @treturn table `err`, never nil; `trace`
function workers.explain(err)
  local words = words_of(err)
  return { err = err == nil and words or err, trace = traceback(words, 2) }
end

local explain = workers.explain

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

-- Where memory has run out there was none to explain a failure in.
local function parts_of(failure)
  if type(failure) == "table" then
    return failure.err, failure.trace
  end
  return failure, failure
end

--- A call is over. What it has failed of stays with the worker until `finish` has heard it.
-- @tparam table worker
function workers.conclude(worker)
  local state = moves[worker.state].finish
  if state then
    local err, trace
    if worker.failure then
      err, trace = parts_of(worker.failure)
    end
    finishing = true
    worker.finish(worker.owner, worker.item, err, trace)
    finishing = false
    worker.has_returned = err == nil
    worker.state, worker.over = state, true
  end
end

local conclude = workers.conclude

-- Who is above one that has failed on the stack was left by the same error, perhaps as it was to be heard.
local function look_above(worker)
  local other = top
  while other and other ~= worker do
    other = other.below
  end
  if other and top ~= worker then
    pcall(workers.unwind, worker, barred)
  end
end

local function account_for(worker, err, thread)
  local words = words_of(err)
  worker.failure = { err = err == nil and words or err, trace = traceback(thread, words) }
end

-- Its coroutine has ended by an error.
local function died(worker, err, thread)
  if worker.state == "begun" then
    error(err, 0) -- it was interrupted before its first step, and so is whoever begins with it
  end
  worker.failure = UNEXPLAINED -- until there was memory for more
  look_above(worker)
  account_for(worker, err, thread)
  return conclude(worker)
end

local DEPTH = 5 -- calls from `body` to what a handler calls first, in the longest way there

-- Has the stack of the coroutine grow, and the frames of its calls be made.
local function reach(depth)
  if depth > 0 then
    reach(depth - 1)
  else
    running() -- what is C has room for 20 values of its own, and what a handler calls first a frame
  end
end

--- A call that has begun must not end for want of a place on the stack before a handler has what it was begun for: this
-- is to be called before it has.
function workers.make_room()
  reach(DEPTH)
end

local function body(worker, fn, a, b, c)
  reach(DEPTH)
  move(worker, "resume")
  local fine, failure = call(fn, a, b, c)
  worker.failure = not fine and failure
  if not fine then
    look_above(worker)
  end
  if worker.state == "running" then
    return OVER
  end
  return conclude(worker)
end

local function shut(thread)
  if close and thread and status(thread) == "suspended" then
    local where = traceback(thread)
    local fine, err = close(thread)
    if not fine then
      local words = "error in a variable that was closed with its coroutine: "
      log.write("error", words .. words_of(err) .. "\n" .. where)
    end
  end
end

local function hear(worker, alive, word, ...)
  if not alive then
    return died(worker, word, worker.coroutine)
  elseif not move(worker, "suspend") then
    return shut(worker.coroutine) -- it has ended itself
  end
  known[worker.coroutine] = worker
  worker.known = true
  if word ~= nil and workers.foreign then
    return workers.foreign(worker, word, ...)
  elseif not worker.waiter and workers.stray then
    return workers.stray(worker)
  end
end

-- What follows a resume. Until it has been heard the worker is the innermost one.
local function step(worker, alive, word, ...)
  if alive and word == nil and worker.known and worker.waiter and worker.state == RUNNING then
    worker.state = PARKED -- it waits again
  elseif word ~= OVER then
    hear(worker, alive, word, ...)
  else
    conclude(worker)
  end
  top = worker.below or nil
end

local function begin(worker, fn, a, b, c)
  local thread = create(body)
  worker.coroutine, worker.below = thread, top
  top = worker
  step(worker, resume(thread, worker, fn, a, b, c))
end

--- Goes on with a worker.
-- @tparam table worker
-- @param ... what it yielded for
function workers.continue(worker, ...)
  local thread, parked = worker.coroutine, worker.state == PARKED
  if parked then
    worker.state = RUNNING
  end
  if parked or move(worker, "resume") or worker.state == "running" and status(thread) == "suspended" then
    worker.below = top
    top = worker
    step(worker, resume(thread, ...))
  end
end

--- As `continue`, which it leaves everything to but what happens again and again: a worker that waits, and waits anew.
-- @tparam table worker
-- @treturn ?boolean whether the worker goes on no more, where it has not said so itself
function workers.go_on(worker)
  if worker.state ~= "parked" or workers.foreign then
    return workers.continue(worker)
  end
  worker.state, worker.below = "running", top
  top = worker
  local alive, word = resume(worker.coroutine)
  if alive and word == nil and worker.waiter and worker.state == "running" then
    worker.state = "parked"
    top = worker.below or nil
    return
  end
  step(worker, alive, word)
  return not alive
end

--- Has workers run in coroutines of another library.
-- @tparam function make `make(run, fail)` calls `run()` in one, and `fail(err, thread)` when that has thrown; may
-- answer which, in case that it has ended before it came to `run` and nobody has said so
function workers.borrow(make)
  function begin(worker, fn, a, b, c)
    local thread = make(function()
      if move(worker, "resume") then
        fn(a, b, c)
        conclude(worker)
      end
    end, function(err, where)
      move(worker, "resume") -- it may not have come that far
      worker.failure = UNEXPLAINED
      pcall(account_for, worker, err, where)
      return conclude(worker)
    end)
    if thread and worker.state == "begun" and status(thread) == "dead" then
      error(UNEXPLAINED, 0) -- as in `died`
    end
  end
end

--- Makes a worker.
-- @tparam function finish called as `finish(owner, item)`, or `finish(owner, item, err, traceback)` when `fn` threw
-- @param owner for `finish`
-- @param item for `finish`
-- @treturn table whose `over` becomes true with its end
function workers.new(finish, owner, item)
  return {
    state = "begun", finish = finish, owner = owner, item = item, coroutine = false, over = false, below = false,
    known = false, has_returned = false,
    failure = nil, -- what `explain` has made of it, or a text; false: there was none
  }
end

local new = workers.new

--- Begins with a worker: runs `fn(a, b, c)` in its coroutine, now.
-- @tparam table worker
-- @tparam function fn
-- @param a
-- @param b
-- @param c
function workers.begin(worker, fn, a, b, c)
  if worker.state == "begun" then
    return begin(worker, fn, a, b, c)
  end
end

--- Runs `fn(a, b, c)` in a coroutine of its own, now or at the next flush, and `finish` after it. Workers begin in the
-- order of the calls. The arguments are those of @{workers.new} and of @{workers.begin}.
function workers.start(finish, owner, item, fn, a, b, c)
  local worker = new(finish, owner, item)
  if workers.starts_at_once() then
    return begin(worker, fn, a, b, c)
  end
  waiting[last + 1] = { worker, fn, a, b, c }
  last = last + 1
  if workers.changed then
    workers.changed()
  end
end

--- Whether what is started begins at once, on top of the caller.
-- @treturn boolean
function workers.starts_at_once()
  return not finishing and not barred and first > last
end

--- As `start`, for what a wait may be waiting for: now, whatever else is held up.
function workers.serve(finish, owner, item, fn, a, b, c)
  return begin(new(finish, owner, item), fn, a, b, c)
end

--- Begins with those that wait for it.
-- @tparam function is_late whether the others have to wait for the next flush
function workers.flush(is_late)
  finishing = false -- an error may have passed through a `finish`
  while first <= last and not barred do
    local place, call_of = first, waiting[first]
    if call_of and call_of[1].state == "begun" then
      begin(unpack(call_of, 1, 5))
    end
    if place == first and waiting[place] == call_of then
      waiting[place] = nil
      first = place + 1
      if first > last then
        first, last = 1, 0
      end
    end
    if is_late() then
      return
    end
  end
end

--- Whether a flush would begin with somebody.
-- @treturn boolean
function workers.is_waiting()
  return first <= last and not barred
end

--- Those above a worker are gone from the stack, by an interruption perhaps: who is over and has not been heard is
-- heard now.
-- @tparam ?table worker of `innermost`
-- @tparam boolean no_handlers whether no handler is to begin from here on
function workers.unwind(worker, no_handlers)
  barred = no_handlers
  while top and top ~= worker do
    local above = top
    if above.coroutine and status(above.coroutine) == "dead" then
      if above.failure == nil then
        above.failure = UNEXPLAINED
      end
      conclude(above)
    end
    top = above.below or nil
  end
end

--- The innermost worker on the stack: the caller is in its coroutine, or in one that it resumes.
-- @treturn ?table nil in the main program
-- @treturn boolean whether no handler begins
function workers.innermost()
  local thread, is_main = running()
  if thread == nil or is_main then
    workers.unwind(nil, false)
  end
  return top, barred
end

local function pack(...)
  return { count = select("#", ...), ... }
end

local function carry(worker, wait)
  while worker.asked and worker.state == "parked" do
    local asked = worker.asked
    worker.asked = nil
    local answer = pack(wait(unpack(asked, 1, asked.count)))
    if worker.state == "parked" then
      workers.continue(worker, unpack(answer, 1, answer.count))
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
  local thread = running()
  if top and top.coroutine == thread then
    return top
  end
  return known[thread or 0]
end

--- The same, if that worker can be suspended where the caller stands, and nothing speaks against it.
-- @treturn ?table
function workers.poised()
  local thread, worker = running(), top
  if not worker or worker.coroutine ~= thread then
    worker = known[thread or 0]
  end
  local group = worker and worker.group -- of holdfast.loop.run, whose `problem` says it in words
  if worker and not (group and (group.ended or worker.state == "dead")) and can_yield() then
    return worker
  end
end

--- Has a coroutine count as that of the worker which calls.
-- @tparam thread thread
function workers.adopt(thread)
  known[thread] = workers.current()
end

--- Ends a worker, without `finish`: where it is suspended, or at its next suspension.
-- @tparam table worker
function workers.close(worker)
  if move(worker, "close") then
    worker.over = true
    shut(worker.coroutine)
  end
end

return workers
