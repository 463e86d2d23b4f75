--- The built-in loop: coroutines, timers and the mailbox, on nothing but poll(2).
--
-- It runs only while somebody waits: inside `holdfast.run`, or inside any call that waits outside of it. Such a call
-- drives the loop on its own stack until it is answered, and so does one in a coroutine that is not the loop's, or in
-- a place where Lua cannot suspend (a sort comparator; on Lua 5.1 also `pcall` and the iterator of a `for`).
-- @module holdfast.loop.builtin
local core = require "holdfast.core"
local heap = require "holdfast.loop.heap"
local run = require "holdfast.loop.run"
local stack = require "holdfast.loop.stack"
local workers = require "holdfast.loop.workers"

local now, yield = core.now, coroutine.yield
local can_yield, current_worker, continue = stack.can_yield, workers.current, workers.continue

local loop = {
  now = now,
  start = workers.start,
  task = workers.task,
  parked = {}, -- waiters: keeps suspended coroutines, and through them their clients, alive
  elsewhere = nil, -- `elsewhere()` answers why the loop must not be driven here, nil if it may
}

local BATCH = 128 -- mails handed out between two looks at the timers
local ENDED = "the holdfast.run that this coroutine belongs to has ended"
local ONE_LOOP = "this `for` loop over messages cannot be suspended (Lua 5.1, or a coroutine that is not the loop's), "
  .. "and another one waits in the same way; use receive() in a coroutine of the loop"

local timers = heap.new()
local ready, first_ready, last_ready = {}, 1, 0 -- waiters whose coroutine is to be resumed
local parked = loop.parked
local driving -- the waiter of the innermost drive
local iterating -- the waiter of the `for` loop that drives
local mailbox, dispatch, settle
local wanted = setmetatable({}, { __mode = "k" }) -- what `hold` was given
local pins = setmetatable({}, { __mode = "v" }) -- pins.strong: the same, held by the drives alone

local function resume_ready()
  for _ = first_ready, last_ready do -- those that become ready meanwhile have their turn after the mailbox
    if first_ready > last_ready then
      return -- a drive further up the stack took the rest
    end
    local waiter = ready[first_ready]
    ready[first_ready] = nil
    first_ready = first_ready + 1
    if first_ready > last_ready then
      first_ready, last_ready = 1, 0 -- a window that slides would have the table rehashed again and again
    end
    local worker = waiter.worker
    if worker.waiter == waiter then
      continue(worker)
    end
  end
end

--- Lets go on who is parked on the waiter; a second call means nothing.
-- @tparam table waiter
function loop.unpark(waiter)
  if waiter.done then
    return
  end
  waiter.done = true
  heap.remove(timers, waiter)
  if waiter.worker then
    last_ready = last_ready + 1
    ready[last_ready] = waiter
  end
end

local function fire_timers()
  local first = timers[1]
  if first then
    local time = now()
    while first and first.due <= time do
      first.timed_out = true
      loop.unpark(first)
      first = timers[1]
    end
  end
end

-- A run further down the stack whose function has returned while this drive was on top of it must be let through.
local function check_below(waiter)
  local below = waiter.below
  while below do
    if below.group and below.done then
      error(ENDED, 0)
    end
    below = below.below
  end
end

local function turns(waiter)
  local strong = pins.strong
  if not strong then
    strong = {}
    pins.strong = strong
    for object in pairs(wanted) do
      strong[object] = true
    end
  end
  while strong and not waiter.done do
    local busy = dispatch and dispatch(BATCH)
    resume_ready()
    fire_timers()
    if settle then
      settle()
    end
    check_below(waiter)
    if not busy and not waiter.done and first_ready > last_ready then
      mailbox:wait(loop.due())
    end
  end
end

-- Runs the loop until the waiter is done. Ctrl-C arrives as an error in here.
local function drive(waiter)
  local problem = loop.elsewhere and loop.elsewhere()
  if problem then
    waiter.done = true
    heap.remove(timers, waiter)
    return problem
  end
  mailbox = mailbox or core.mailbox()
  waiter.below, driving = driving, waiter
  local fine, err = pcall(turns, waiter)
  driving, waiter.below = waiter.below, nil
  if not fine then
    waiter.done = true
    heap.remove(timers, waiter)
    return err == nil and "nil" or err
  end
end

--- As `park`, but what goes wrong in the loop meanwhile is returned, not raised.
-- @tparam table waiter
-- @tparam ?number seconds
-- @return nil, or the error
function loop.try_park(waiter, seconds)
  if waiter.done then
    return nil
  end
  local worker = current_worker()
  if worker and worker.group and worker.group.ended then
    return ENDED
  end
  if seconds then
    waiter.due = now() + seconds
    heap.push(timers, waiter)
  end
  if worker and can_yield() then
    waiter.worker, worker.waiter = worker, waiter
    parked[waiter] = true
    repeat
      yield()
    until waiter.done
    parked[waiter], worker.waiter = nil, nil
    return nil
  end
  if waiter.iterator then
    if iterating and not iterating.done then
      return ONE_LOOP
    end
    iterating = waiter
  end
  return drive(waiter)
end

--- Suspends the caller until the waiter is done or the time is over.
-- @tparam table waiter
-- @tparam ?number seconds nil: no end; `waiter.timed_out` tells which it was
function loop.park(waiter, seconds)
  local err = loop.try_park(waiter, seconds)
  if err ~= nil then
    error(err, 0)
  end
end

--- Suspends the caller for a time.
-- @tparam number seconds
function loop.sleep(seconds)
  loop.park({}, seconds)
end

--- When the loop has something to do that no mail brings.
-- @treturn ?number seconds from now; nil: never
function loop.due()
  if first_ready <= last_ready then
    return 0
  end
  local first = timers[1]
  return first and math.max(0, first.due - now())
end

--- Ends a worker where it waits; one that is further down the stack ends at its next wait.
-- @tparam table worker
-- @treturn ?table the waiter that it was parked on
function loop.kill(worker)
  local waiter = worker.waiter
  if waiter then
    waiter.done = true
    heap.remove(timers, waiter)
    parked[waiter], worker.waiter = nil, nil
  end
  workers.close(worker)
  return waiter
end

--- Says where mail comes from.
-- @param box the mailbox
-- @tparam function hand_out `hand_out(limit)` hands out up to `limit` mails and answers whether there were any
-- @tparam function before_wait called once a turn
function loop.attend(box, hand_out, before_wait)
  mailbox, dispatch, settle = box, hand_out, before_wait
end

--- Keeps an object alive while the loop runs.
-- @param object
function loop.hold(object)
  wanted[object] = true
  if pins.strong then
    pins.strong[object] = true
  end
end

--- Ends what `hold` began.
-- @param object
function loop.release(object)
  wanted[object] = nil
  if pins.strong then
    pins.strong[object] = nil
  end
end

run.equip(loop)

return loop
