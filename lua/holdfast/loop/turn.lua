--- One turn of the loop: mail, the coroutines that it makes ready, and those whose time has come.
-- The built-in loop takes one turn after the other; in a loop of another library `holdfast.loop.guest` takes one
-- whenever there is reason to. Every waiter that is waited on is known here.
-- @module holdfast.loop.turn
local core = require "holdfast.core"
local heap = require "holdfast.loop.heap"
local workers = require "holdfast.loop.workers"

local now, continue = core.now, workers.continue
local status, yield = coroutine.status, coroutine.yield

local BATCH = 128 -- mails handed out between two looks at the timers

local timers = heap.new()
local ready, first_ready, last_ready = {}, 1, 0 -- waiters whose coroutine is to be resumed
local parked = {} -- waiters: keeps suspended coroutines, and through them their clients, alive
local dispatch, settle

local turn = {
  now = now,
  wake = nil, -- `wake(waiter)` resumes a coroutine of another library's loop, which is what `waiter.host` stands for
  changed = nil, -- `changed()`: there is something to do sooner than expected
}

-- Takes the first of the ready ones out. The window does not slide: that would have the table rehashed again and again.
local function advance()
  ready[first_ready] = nil
  first_ready = first_ready + 1
  if first_ready > last_ready then
    first_ready = 1
    last_ready = 0
  end
end

-- An interruption (Ctrl-C, a hook) may come between any two steps: who is ready stays in the list until its coroutine
-- has gone on, and may stand in it twice.
local function resume_ready()
  for _ = first_ready, last_ready do -- those that become ready meanwhile have their turn after the mailbox
    if first_ready > last_ready then
      return -- a turn further up the stack took the rest
    end
    local waiter = ready[first_ready]
    local worker = waiter and waiter.worker
    if waiter then
      waiter.done = true
    end
    if worker and worker.waiter == waiter then
      continue(worker)
    elseif waiter and not worker and parked[waiter] then
      turn.wake(waiter)
      parked[waiter] = nil
    end
    if ready[first_ready] == waiter then
      advance()
    end
  end
end

--- Lets go on who is parked on the waiter; a second call means nothing.
-- @tparam table waiter
-- @treturn ?boolean false when its coroutine has been ended: what was meant for it can go to another
function turn.unpark(waiter)
  if waiter.done then
    return
  end
  heap.remove(timers, waiter)
  if turn.is_gone(waiter) then
    turn.abandon(waiter)
    parked[waiter] = nil
    return false
  elseif waiter.worker or waiter.host then
    ready[last_ready + 1] = waiter
    last_ready = last_ready + 1
  end
  waiter.done = true
  if turn.changed and first_ready <= last_ready then
    turn.changed()
  end
end

--- Whether the coroutine that is parked on a waiter has been ended (`coroutine.close`).
-- @tparam table waiter
-- @treturn boolean
function turn.is_gone(waiter)
  local thread = waiter.thread or waiter.worker and waiter.worker.coroutine
  return thread ~= nil and status(thread) == "dead"
end

local function fire_timers()
  local first = timers[1]
  if first then
    local time = now()
    while first and first.due <= time do
      if not first.done then
        first.timed_out = true
        turn.unpark(first)
      end
      heap.remove(timers, first)
      first = timers[1]
    end
  end
end

--- Takes a turn.
-- @treturn boolean whether there may be more mail
function turn.take()
  local busy = dispatch and dispatch(BATCH)
  resume_ready()
  fire_timers()
  if settle then
    settle()
  end
  return busy
end

--- Has the core told what is owed to it, before the turn is over.
function turn.pay()
  settle()
end

--- Says where mail comes from.
-- @tparam function hand_out `hand_out(limit)` hands out up to `limit` mails and answers whether there were any
-- @tparam function before_wait called once a turn
function turn.attend(hand_out, before_wait)
  dispatch, settle = hand_out, before_wait
end

--- When there is something to do that no mail brings.
-- @treturn ?number seconds from now; nil: never
function turn.due()
  if first_ready <= last_ready then
    return 0
  end
  local first = timers[1]
  return first and math.max(0, first.due - now())
end

--- Whether there is somebody to resume.
-- @treturn boolean
function turn.is_ready()
  return first_ready <= last_ready
end

--- Whether somebody is suspended, or about to go on.
-- @treturn boolean
function turn.is_awaited()
  return first_ready <= last_ready or next(parked) ~= nil
end

--- Gives a waiter an end.
-- @tparam table waiter
-- @tparam ?number seconds nil: none
function turn.limit(waiter, seconds)
  if seconds then
    waiter.due = now() + seconds
    heap.push(timers, waiter)
    if turn.changed and timers[1] == waiter then
      turn.changed()
    end
  end
end

--- Ends a wait that nobody is resumed from.
-- @tparam table waiter
function turn.abandon(waiter)
  waiter.done = true
  heap.remove(timers, waiter)
end

--- Suspends the worker that runs.
-- @tparam table worker
-- @tparam table waiter
function turn.suspend(worker, waiter)
  waiter.worker, worker.waiter = worker, waiter
  parked[waiter] = true
  repeat
    yield()
  until waiter.done
  parked[waiter], worker.waiter = nil, nil
end

--- Keeps, or no longer keeps, a waiter whose coroutine is not a worker's.
-- @tparam table waiter
-- @tparam ?boolean kept
function turn.keep(waiter, kept)
  parked[waiter] = kept
end

--- Ends a worker where it waits; one that is further down the stack ends at its next wait.
-- @tparam table worker
-- @treturn ?table the waiter that it was parked on
function turn.kill(worker)
  local waiter = worker.waiter
  if waiter then
    turn.abandon(waiter)
    parked[waiter], worker.waiter = nil, nil
  end
  workers.close(worker)
  return waiter
end

return turn
