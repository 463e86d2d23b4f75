--- The built-in loop: coroutines, timers and the mailbox, on nothing but poll(2).
--
-- It runs only while somebody waits: inside `holdfast.run`, or inside any call that waits outside of it. Such a call
-- drives the loop on its own stack until it is answered, and so does one in a coroutine that is not the loop's, or in
-- a place where Lua cannot suspend (a sort comparator; on Lua 5.1 also `pcall` and the iterator of a `for`).
--
-- Such drives stand on one another. While one holds up a handler no other handler begins, except for the one `for` that
-- may wait so; and in those that stand too high for the C stack nobody but their own caller goes on.
-- @module holdfast.loop.builtin
local core = require "holdfast.core"
local log = require "holdfast.log"
local run = require "holdfast.loop.run"
local stack = require "holdfast.loop.stack"
local turn = require "holdfast.loop.turn"
local workers = require "holdfast.loop.workers"

local can_yield, current_worker = stack.can_yield, workers.current
local take, is_ready = turn.take, turn.is_ready

local loop = {
  start = workers.start,
  serve = workers.serve,
  starts_at_once = workers.starts_at_once,
  task = workers.current,
  is_late = turn.is_late,
  unpark = turn.unpark,
  unpark_all = turn.unpark_all,
  poised = workers.poised,
  suspend = turn.suspend,
  due = turn.due,
  is_gone = turn.is_gone,
  elsewhere = nil, -- `elsewhere()` answers why the loop must not be driven here, nil if it may
}

function loop.owing() end

local ONE_LOOP = "this `for` loop over messages cannot be suspended (Lua 5.1, or a coroutine that is not the loop's), "
  .. "and another one waits in the same way; use receive() in a coroutine of the loop"

local ENDLESS = "a call waits for what cannot happen: no client has been started (client:start, client:connect)"

local DEEPEST = 8 -- drives on one another in which others go on, too
local STRAY = "a coroutine of holdfast has called coroutine.yield by itself, and goes on only if somebody resumes it; "
  .. "holdfast.sleep and the calls of a client wait"

local driving -- the waiter of the innermost drive
local iterating -- the waiter of the `for` loop that drives
local mailbox
local wanted = setmetatable({}, { __mode = "k" }) -- what `hold` was given
local pins = setmetatable({}, { __mode = "v" }) -- pins.strong: the same, held by the drives alone

local is_told = false -- of ENDLESS
local is_stray_told = false -- of STRAY

-- In the loops of other libraries it may well be one of their callbacks that resumes it.
function workers.stray(worker)
  if not is_stray_told then
    is_stray_told = true
    log.write("error", debug.traceback(worker.coroutine, STRAY))
  end
end

-- Waits for mail, or until a time has come.
local function rest(alone)
  local due = turn.due(alone)
  if not due and next(wanted) == nil and not is_told then
    is_told = true
    log.write("error", ENDLESS)
  end
  mailbox:wait(due)
end

-- A run further down the stack whose function has returned while this drive was on top of it must be let through.
local function check_below(waiter)
  local below = waiter.below
  while below do
    if below.group and below.done then
      error(run.ENDED, 0)
    end
    below = below.below
  end
end

local function turns(waiter, worker, barred)
  local strong = pins.strong
  if not strong then
    strong = {}
    pins.strong = strong
    for object in pairs(wanted) do
      strong[object] = true
    end
  end
  local alone = waiter.depth > DEEPEST
  while strong and not waiter.done do
    workers.unwind(worker, barred)
    local busy = take(alone)
    check_below(waiter)
    if not busy and not waiter.done and (alone or not is_ready()) then
      rest(alone)
    end
  end
end

-- Runs the loop until the waiter is done. Ctrl-C arrives as an error in here.
local function drive(waiter)
  mailbox = mailbox or core.mailbox()
  local worker, barred = workers.innermost()
  local outer = driving
  waiter.depth = worker and outer and outer.depth + 1 or 1
  waiter.below = worker and outer or nil -- below that of the main program is none, though an interruption has left one
  driving = waiter
  local fine, err = pcall(turns, waiter, worker, barred or worker and not worker.group and not waiter.iterator or false)
  driving, waiter.below = outer, nil
  workers.unwind(worker, barred)
  if not fine then
    turn.abandon(waiter)
    return err == nil and "nil" or err
  end
end

local function refuse(waiter, problem)
  turn.abandon(waiter)
  return problem
end

-- The worker that can be suspended, nil if the loop is to be driven; and what forbids both.
local function stance()
  local worker = current_worker()
  local problem = run.problem(worker)
  if problem then
    turn.retire(worker)
    return nil, problem
  elseif worker and can_yield() then
    return worker
  end
  return nil, loop.elsewhere and loop.elsewhere()
end

--- Why the caller cannot wait where it stands.
-- @treturn ?string nil: it can
function loop.problem()
  local _, problem = stance()
  return problem
end

--- As `park`, but what goes wrong in the loop meanwhile is returned, not raised.
-- @tparam table waiter
-- @tparam ?number seconds
-- @return nil, or the error
function loop.try_park(waiter, seconds)
  if waiter.done then
    return nil
  end
  local worker, problem = stance()
  if problem then
    return refuse(waiter, problem)
  elseif worker then
    return turn.suspend(worker, waiter, seconds)
  end
  if waiter.iterator then
    if workers.innermost() and iterating and not iterating.done then
      return refuse(waiter, ONE_LOOP)
    end
    iterating = waiter
  end
  turn.limit(waiter, seconds)
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

--- Says where mail comes from.
-- @param box the mailbox
-- @tparam function dispatch `dispatch(limit)` hands out up to `limit` mails and answers whether there were any
-- @tparam function settle called once a turn
function loop.attend(box, dispatch, settle)
  mailbox = box
  turn.attend(dispatch, settle)
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
