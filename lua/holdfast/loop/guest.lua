--- The loop that is a guest in the event loop of another library, the *host*.
--
-- The host is given one descriptor. When it is readable there is mail, somebody to resume, or a time has come, and the
-- guest takes a turn. It asks for the descriptor to be watched as long as a client is started or anybody waits, and
-- then no longer, so that nothing of it keeps the host's loop running. A started client lives until it is closed.
--
-- A host is a table of functions:
--
-- - `attach(mailbox, turn)`: watch `mailbox:pollfd()`, call `turn()` when it is readable, and keep the loop running.
--   Called again whenever somebody begins to wait, for hosts with several loops, or that can lose what they watch
-- - `detach(mailbox)`: watch it no longer
-- - `relay()`, if there is one: a turn was left by an error, which may end the coroutine that called it; sees to it,
--   without asking for memory, that turns are taken from now on, and answers whether it has
-- - `suspend(waiter)` sets `waiter.host` to what is not nil, and suspends the coroutine of the host that calls until
--   `wake(waiter)`, which may come at once or from the host's next step
-- - `is_running()`: whether the caller is inside the loop, so that it cannot be driven
-- - `step()` does what there is to do, or waits for it; answers what is wrong, nil if nothing is
-- - `can_suspend()`, if not every coroutine is one of the host: whether that which calls is
-- - `begin(run, fail)`, if handlers must run in coroutines that the host makes: calls `run()` in one, and
--   `fail(err, thread)` if that throws; may answer which. There is no `run` then
--
-- @module holdfast.loop.guest
local core = require "holdfast.core"
local run = require "holdfast.loop.run"
local stack = require "holdfast.loop.stack"
local turn = require "holdfast.loop.turn"
local workers = require "holdfast.loop.workers"

local guest = {}

local now = core.now
local can_yield, current_worker, running = stack.can_yield, workers.current, coroutine.running

local host
local mailbox
local held, count = {}, 0 -- started clients
local attached, taking = false, false
local armed -- when the descriptor becomes readable by itself; nil: never

local function set_alarm(seconds)
  armed = nil -- until it is known that it is set
  mailbox:alarm(seconds)
  armed = seconds and now() + seconds
end

local function is_idle()
  return count == 0 and not turn.is_awaited()
end

local take

local function attach()
  host.attach(mailbox, take)
  attached = true
  local seconds = not armed and not taking and turn.due() -- of a wait that had no memory to set it
  if seconds then
    set_alarm(seconds)
  end
end

local function detach()
  attached = false
  host.detach(mailbox)
end

-- An error anywhere in here leaves `taking` to who called.
local function go_round()
  taking = true
  turn.take()
  taking = false
  local seconds = mailbox:timeout() or turn.due() -- mail that has been taken out does not show on the descriptor
  if not seconds and is_idle() then
    detach()
  elseif armed and armed <= now() or seconds and (not armed or now() + seconds < armed) then
    set_alarm(seconds)
  end
end

function take()
  local below = workers.innermost()
  local fine, problem = pcall(go_round)
  if not fine then -- it ends the coroutine of the host that called, and with it the watch
    taking = false
    pcall(set_alarm, 0) -- what it has left of the mail and of those who are ready does not show on the descriptor
    pcall(workers.unwind, below, false)
    if not (host.relay and host.relay()) then
      detach()
      pcall(attach)
    end
    error(problem, 0)
  end
end

local function changed()
  if not taking then
    if not attached then
      attach()
    end
    local seconds = turn.due()
    if seconds and (not armed or now() + seconds < armed) then
      set_alarm(seconds)
    end
  end
end

local function refusal()
  return ("%s runs already and cannot be driven from here; wait in a coroutine of its own, such as one of "
    .. "holdfast.spawn (on Lua 5.1 neither inside pcall, in place of which there is holdfast.pcall, nor in a `for` "
    .. "over messages; use receive)"):format(host.name)
end

--- Whether the caller runs in a coroutine.
-- @treturn boolean
function guest.in_coroutine()
  local thread, is_main = running()
  return thread ~= nil and not is_main
end

-- Where coroutines go on after the turn that let them, it cannot tell that the last wait is over.
local function leave(waiter)
  turn.keep(waiter)
  if attached and not taking and is_idle() then
    set_alarm(0) -- for a host that sees only then that it shall not watch any more
    detach()
  end
end

-- From here on its coroutine is the host's to resume: it may be one that nobody resumes any more, such as that of a
-- controller which is no longer stepped, and must not keep the host's loop running.
local function wake(waiter)
  if not turn.is_gone(waiter) then
    host.wake(waiter)
  end
end

-- Suspends a coroutine of the host.
local function suspend(waiter)
  waiter.thread = running()
  turn.keep(waiter, true)
  repeat
    host.suspend(waiter)
  until waiter.done
  leave(waiter)
end

local function drive(waiter)
  turn.keep(waiter, true)
  local fine, problem
  repeat
    fine, problem = pcall(host.step)
  until waiter.done or not fine or problem
  leave(waiter)
  if not waiter.done then
    turn.abandon(waiter)
    return problem == nil and "nil" or problem
  end
end

local loop = {
  start = workers.start, serve = workers.serve, unpark = turn.unpark, due = turn.due, is_gone = turn.is_gone,
  is_late = turn.is_late,
}

-- Whether the caller can be suspended, in which worker, and what forbids to wait here at all.
local function stance()
  local worker = current_worker()
  local suspendable = guest.in_coroutine() and can_yield()
    and (worker ~= nil or not host.can_suspend or host.can_suspend() ~= nil)
  local problem = run.problem(worker)
  if problem then
    turn.retire(worker)
    return suspendable, worker, problem
  end
  return suspendable, worker, not suspendable and host.is_running() and refusal() or nil
end

--- Why the caller cannot wait where it stands.
-- @treturn ?string nil: it can
function loop.problem()
  local _, _, problem = stance()
  return problem
end

-- As `park`, but what goes wrong is returned, not raised.
function loop.try_park(waiter, seconds)
  if waiter.done then
    return nil
  end
  local suspendable, worker, problem = stance()
  if problem then
    turn.abandon(waiter)
    return problem
  end
  taking = taking and suspendable -- nobody drives the host in a turn, but one may have been interrupted
  attach()
  turn.limit(waiter, seconds)
  if not suspendable then
    return drive(waiter)
  elseif not worker then
    return suspend(waiter)
  end
  return turn.suspend(worker, waiter)
end

function loop.park(waiter, seconds)
  local problem = loop.try_park(waiter, seconds)
  if problem ~= nil then
    error(problem, 0)
  end
end

function loop.attend(_, dispatch, settle)
  turn.attend(dispatch, settle)
end

-- Where coroutines go on after the turn that let them, none may come before the core must know.
function loop.owing()
  if not taking then
    turn.pay()
  end
end

function loop.hold(object)
  count = count + 1
  held[object] = true
  attach()
end

function loop.release(object)
  count = count - (held[object] and 1 or 0)
  held[object] = nil
end

--- Makes the loop that lives in a host; one a Lua state.
-- @tparam string name how messages call the host
-- @tparam table which the host
-- @treturn table the functions of @{holdfast.loop}
function guest.of(name, which)
  host = which
  host.name = name
  mailbox = core.mailbox()
  mailbox:alarm(nil) -- the descriptor stays the same from here on
  turn.changed, turn.wake, workers.changed = changed, wake, changed
  if host.begin then
    workers.borrow(host.begin)
  else
    loop.starts_at_once = workers.starts_at_once
    loop.task = workers.current
    run.equip(loop)
  end
  return loop
end

--- Refuses a library that is older than the oldest with which its adapter has been tried.
-- @tparam string name
-- @tparam string|number found its version, as it says itself; nil when it does not
-- @tparam string|number wanted
-- @raise naming both
function guest.require_version(name, found, wanted)
  local next_found, next_wanted = tostring(found):gmatch "%d+", tostring(wanted):gmatch "%d+"
  local have, need = next_found(), next_wanted()
  while have == need and need do
    have, need = next_found(), next_wanted()
  end
  if need and (tonumber(have) or 0) < tonumber(need) then
    error(("%s %s or later is wanted, got %s"):format(name, wanted, tostring(found)), 0)
  end
end

return guest
