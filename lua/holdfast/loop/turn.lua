--- One turn of the loop: whose time has come, who is to go on, and then mail.
-- The built-in loop takes one turn after the other; in a loop of another library `holdfast.loop.guest` takes one
-- whenever there is reason to. A turn ends after some milliseconds, whatever is left to do, but not before one of each
-- kind has had its part. Every waiter that is waited on is known here.
-- @module holdfast.loop.turn
local core = require "holdfast.core"
local heap = require "holdfast.loop.heap"
local span = require "holdfast.loop.span"
local stack = require "holdfast.loop.stack"
local workers = require "holdfast.loop.workers"

local can_yield = stack.can_yield
local now, go_on_with, flush = core.now, workers.go_on, workers.flush
local status, yield = coroutine.status, coroutine.yield

local LENGTH = 0.005 -- seconds that a turn takes, and what the last one in it takes beyond
local PORTION = 256 -- mails, before those whom they have woken go on

local timers = heap.new()
local parked = {} -- workers, and waiters of hosts: keeps suspended coroutines, and through them their clients, alive
local dispatch, settle
local slice = span.new(LENGTH, now)
local is_late = slice.is_over

local turn = {
  now = now,
  is_late = is_late, -- `is_late()`: whether the turn has taken its time
  wake = nil, -- `wake(waiter)` resumes a coroutine of another library's loop, which is what `waiter.host` stands for
  changed = nil, -- `changed()`: there is something to do sooner than expected
}

-- A queue whose first places are an array: what comes and goes at the ends of an empty table stays in its hash.
local function new_queue()
  local queue = { first = 1, last = 0 }
  for place = 1, 128 do
    queue[place] = false
  end
  for place = 1, 128 do
    queue[place] = nil
  end
  return queue
end

local ready, expired = new_queue(), new_queue() -- waiters whose coroutine is to be resumed

-- Takes the first of a queue out. The window does not slide: that would have the table rehashed again and again. An
-- interruption leaves places in which there is nobody, but none behind which the queue counts as one with somebody.
local function advance(queue)
  local first = queue.first
  queue[first] = nil
  if first < queue.last then
    queue.first = first + 1
  else
    queue.first = 1
    queue.last = 0
  end
end

-- An interruption (Ctrl-C, a hook) may come between any two steps: who is ready stays in the list until its coroutine
-- has gone on, and may stand in it twice.
local function resume_all(queue)
  for _ = queue.first, queue.last do -- those that become ready meanwhile have their turn after the mailbox
    local first = queue.first
    local waiter = queue[first]
    local worker = waiter and waiter.worker
    if first > queue.last then
      return -- a turn further up the stack took the rest
    elseif waiter then
      waiter.done = true
    end
    if worker and worker.state == "begun" then
      worker.waiter = nil -- it waits for nothing from here on, but what it parks on
      workers.begin(worker, worker.fn, worker.argument)
    elseif worker and worker.waiter == waiter then
      if go_on_with(worker) then
        parked[worker] = nil -- it was ended where it stood
      end
    elseif waiter and not worker and parked[waiter] then
      turn.wake(waiter)
      parked[waiter] = nil
    end
    if queue.first == first and queue[first] == waiter then
      advance(queue)
    end
    if is_late() then
      return
    end
  end
end

local function hand_out()
  return dispatch(PORTION, is_late)
end

--- Lets go on who is parked on the waiter; a second call means nothing.
-- @tparam table waiter
-- @treturn ?boolean false when its coroutine has been ended: what was meant for it can go to another
function turn.unpark(waiter)
  if waiter.done then
    return
  end
  local thread = waiter.thread or waiter.worker and waiter.worker.coroutine
  local is_gone = thread and status(thread) == "dead"
  if waiter.worker or waiter.host and not is_gone then -- a worker that is gone has yet to be heard of
    local queue = waiter.timed_out and expired or ready
    queue[queue.last + 1] = waiter
    queue.last = queue.last + 1
  end
  waiter.done = true
  if waiter.due then -- not before: an interruption would leave it with neither its time nor its turn
    heap.remove(timers, waiter)
  end
  if turn.changed and turn.is_ready() then
    turn.changed()
  end
  if is_gone then
    parked[waiter.worker or waiter], waiter.gone = nil, true
    return false
  end
end

--- Lets go on who is parked on the waiters in some places of a table, which have a `value` from then on and are taken
-- out of it. Who is gone is heard of when its turn comes.
-- @tparam table waiters
-- @tparam number from
-- @tparam number to
function turn.unpark_all(waiters, from, to)
  for place = from, to do
    local waiter = waiters[place]
    if waiter then
      waiter.value = true
      if waiter.due or not waiter.worker then
        turn.unpark(waiter)
      elseif not waiter.done then
        local last = ready.last + 1
        ready[last] = waiter
        ready.last = last
        waiter.done = true
      end
      waiters[place] = nil
    end
  end
end

--- Whether the coroutine that is parked on a waiter has been ended (`coroutine.close`).
-- @tparam table waiter
-- @treturn boolean
function turn.is_gone(waiter)
  local thread = waiter.thread or waiter.worker and waiter.worker.coroutine
  return thread and status(thread) == "dead" or false
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

local function go_on()
  resume_all(ready)
  flush(is_late)
end

--- Takes a turn.
-- @tparam ?boolean alone only for who waits in it: nobody else goes on
-- @treturn boolean whether there may be more mail
function turn.take(alone)
  slice.begin()
  fire_timers()
  if not alone then
    resume_all(expired)
    go_on()
  end
  local busy = dispatch ~= nil and hand_out()
  if not alone and not is_late() then
    go_on() -- whom the mail has woken
  end
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
-- @tparam function hand_out_mails `hand_out_mails(limit)` hands out up to `limit` mails, answers whether there were any
-- @tparam function before_wait called once a turn
function turn.attend(hand_out_mails, before_wait)
  dispatch, settle = hand_out_mails, before_wait
end

--- Whether there is somebody to resume or to begin with.
-- @treturn boolean
function turn.is_ready()
  return ready.last > 0 or expired.last > 0 or workers.is_waiting()
end

--- When there is something to do that no mail brings.
-- @tparam ?boolean alone as of `take`
-- @treturn ?number seconds from now; nil: never
function turn.due(alone)
  if not alone and turn.is_ready() then
    return 0
  end
  local first = timers[1]
  return first and math.max(0, first.due - now())
end

--- Whether somebody is suspended, or about to go on.
-- @treturn boolean
function turn.is_awaited()
  return turn.is_ready() or next(parked) ~= nil
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
  waiter.done, waiter.gone = true, true
  heap.remove(timers, waiter)
end

--- Suspends the worker that runs.
-- @tparam table worker
-- @tparam table waiter
-- @tparam ?number seconds as of `limit`
function turn.suspend(worker, waiter, seconds)
  if seconds then
    turn.limit(waiter, seconds)
  end
  waiter.worker, worker.waiter = worker, waiter
  parked[worker] = true
  repeat
    yield()
  until waiter.done and worker.state ~= "dead" -- a scheduler that knows neither may have resumed it
  parked[worker], worker.waiter = nil, nil
end

--- Suspends a worker that has ended itself, for ever.
-- @tparam table worker
function turn.retire(worker)
  while worker.state == "dead" and can_yield() do
    yield()
  end
end

--- Keeps, or no longer keeps, a waiter whose coroutine is not a worker's.
-- @tparam table waiter
-- @tparam ?boolean kept
function turn.keep(waiter, kept)
  parked[waiter] = kept
end

--- Has a worker begin at the next turn, with `fn(argument)`.
-- @tparam table worker
-- @tparam function fn
-- @param argument
function turn.begin(worker, fn, argument)
  local waiter = { worker = worker }
  worker.waiter, worker.fn, worker.argument = waiter, fn, argument
  turn.unpark(waiter)
end

--- Ends a worker where it waits; one that is further down the stack ends at its next wait.
-- @tparam table worker
-- @treturn ?table the waiter that it was parked on
function turn.kill(worker)
  local waiter = worker.waiter
  if waiter then
    turn.abandon(waiter)
    parked[worker], worker.waiter = nil, nil
  end
  workers.close(worker)
  return waiter
end

return turn
