--- The event loop in use: one a Lua state, and the only way in which anything in holdfast waits.
--
-- It is chosen once: by the `loop` option of the first client that has one, or by the loop that is running when the
-- first client is made or when somebody waits for the first time; the built-in one if none is. (A running OpenResty,
-- cqueues, luv and copas 2.0.2 or later are recognised; an older copas cannot tell that it runs.) Another choice after
-- that is refused. Until then what a loop has to know is kept here and handed to it.
--
-- The functions of this table are those of the loop in use, so call them as `loop.park(...)`; a captured one would be
-- that of the time before the choice. A loop is a table of functions: one of `holdfast.loop.NAME`, or one that a user
-- gives as the `loop` option. Four are its own matter:
--
-- - `park(waiter, seconds)` suspends the caller until `unpark(waiter)`, or until `seconds` (nil: no end) have passed,
--   and sets `waiter.done`, and in the second case `waiter.timed_out` too. Returns at once if the waiter is done
--   already. Where the caller cannot be suspended it drives the loop until then, or raises a sentence that says what
--   to do instead
-- - `unpark(waiter)`, from anywhere in the same Lua state: sets `waiter.done` and lets go on who is parked on it; a
--   second call means nothing. The parked go on in the order in which they were unparked. Answers false when the
--   coroutine that is parked has been ended: what was meant for it can go to another
-- - `start(finish, owner, item, fn, a, b, c)` runs `fn(a, b, c)`, which may wait, in a coroutine of its own; then calls
--   `finish(owner, item)`, or `finish(owner, item, err, traceback)` when `fn` threw (`err` is never nil then).
--   Coroutines begin in the order of the calls, at once or soon; one that `finish` starts not before it has returned
-- - `attend(mailbox, dispatch, settle)`, called once, says where mail comes from. Whenever the mailbox wants it
--   (`pollfd()` is readable, or `timeout()` is 0) the loop calls `dispatch(limit)`, which hands out up to `limit` mails
--   and answers whether there were any; `settle()` comes before each wait for more
--
-- and seventeen may be left out:
--
-- - `hold(object)`, `release(object)`: a client has been started, has ended. From one to the other the loop keeps the
--   object alive while it runs, goes on running and attends to the mailbox; afterwards nothing of ours keeps it
--   running. Default: nothing
-- - `now()`: seconds on a monotonic clock. Default: that of the core
-- - `sleep(seconds)`. Default: `park`
-- - `serve`, as `start`, for what somebody who waits may be waiting for. Default: `start`
-- - `starts_at_once()`: whether what is given to `start` now has run when that returns, until it waits for the first
--   time. Default: false
-- - `is_late()`: whether what runs has had its share of time, and others should have theirs. Default: false
-- - `spawn(fn, ...)` as @{holdfast.spawn}. Default: `start`, an error goes to `holdfast.log`
-- - `run(fn, ...)` as @{holdfast.run}. Without it `holdfast.run` is an error that says to run the loop itself
-- - `task()`: a table that stands for the `fn` of `start` in which the caller runs, nil if there is none; its `over`
--   becomes true when that ends. Default: nil
-- - `is_gone(waiter)`: whether the coroutine that is parked on a waiter which is not done has been ended. Default:
--   false
-- - `problem()`: why the caller cannot wait where it stands, nil if it can; calls that act before they wait ask first.
--   Default: nil
-- - `owing()`: the first of what `settle` is for has come up. A loop whose coroutines all run between two settlements
--   has nothing to do. Default: `settle`, at once
-- - `poised()`, `suspend(worker, waiter, seconds)`: what the caller can be suspended in, nil if there is need for a
--   closer look, which `park` takes; and `park` without that look. Default: nil
-- - `unpark_all(waiters, from, to)`: has each of `waiters[from]` to `waiters[to]` that there is have the `value` true,
--   unparks it and takes it out of the table. Default: by `unpark`
-- - `due()`: seconds until the loop has something to do that no mail brings, nil if never. Default: nil
--
-- `waiter` is a table of the caller's; the loop owns its fields `done`, `timed_out`, `gone` (nobody comes back from
-- it), `due`, `serial`, `place`, `worker`, `thread` and `host`, and must not touch others. What it is given is not
-- copied.
-- @module holdfast.loop
local core = require "holdfast.core"
local late = require "holdfast.late"

local text = late.module "holdfast.text"

late.expect "holdfast.loop.spawn"

local loop = {}

local FUNCTIONS = {
  "park", "unpark", "start", "attend", "hold", "release", "now", "sleep", "spawn", "run", "task", "due", "owing",
  "is_gone", "problem", "serve", "is_late", "poised", "suspend", "starts_at_once", "unpark_all",
}

local chosen -- a name, or a user's table
local attention -- the arguments of `attend`
local held = setmetatable({}, { __mode = "k" })

-- Defaults ------------------------------------------------------------------------------------------------------------

local default = { now = core.now }

function default.hold() end
function default.release() end
function default.task() end
function default.due() end
function default.problem() end
function default.poised() end

function default.is_gone()
  return false
end

function default.owing()
  attention[3]()
end

function default.sleep(seconds)
  loop.park({}, seconds)
end

function default.is_late()
  return false
end

function default.starts_at_once()
  return false
end

function default.serve(...)
  return loop.start(...)
end

function default.unpark_all(waiters, from, to)
  for place = from, to do
    local waiter = waiters[place]
    if waiter then
      waiter.value = true
      loop.unpark(waiter)
      waiters[place] = nil
    end
  end
end

-- The choice ----------------------------------------------------------------------------------------------------------

local running = {
  { "openresty", "ngx", function(ngx)
    return ngx.get_phase
  end },
  { "cqueues", "cqueues", function(cqueues)
    return cqueues.running()
  end },
  { "copas", "copas", function(copas)
    return copas.running
  end },
  { "luv", "luv", function(luv)
    return luv.loop_mode and luv.loop_mode()
  end },
}

--- Which loop of another library runs around the caller.
-- @treturn ?string nil: none that can tell
local function detect()
  for _, host in ipairs(running) do
    local library = package.loaded[host[2]]
    if type(library) == "table" and host[3](library) then
      return host[1]
    end
  end
end

-- luv keeps the Lua thread in which it is first required, and calls back in that one even when it is gone.
local function luv_problem()
  local thread, is_main = coroutine.running()
  if thread and not is_main and not package.loaded.luv then
    return 'loop "luv" cannot be loaded in a coroutine; luv must be required in the main program first'
  end
end

local function install(what)
  local found = what
  local problem = what == "luv" and luv_problem()
  if problem then
    return problem
  end
  if type(what) == "string" then
    local module, why = late.fetch("holdfast.loop." .. what)
    if not module then
      return ("loop %s cannot be used: %s"):format(text.describe(what), tostring(why):match "^[^\n]*")
    end
    found = module
  end
  chosen = what
  loop.spawn = nil
  for _, name in ipairs(FUNCTIONS) do
    loop[name] = found[name] or default[name]
  end
  if not loop.spawn then
    late.load("holdfast.loop.spawn").equip(loop)
  end
  function loop.attend(mailbox, dispatch, settle)
    attention = { mailbox, dispatch, settle }
    return found.attend(mailbox, dispatch, settle)
  end
  if attention then
    loop.attend(attention[1], attention[2], attention[3])
  end
  for object in pairs(held) do
    loop.hold(object)
  end
end

--- Chooses the loop. Without a wish it is the one that runs; if none does, nothing is chosen yet.
-- @param wanted nil, the name of a loop, or a table with its functions
-- @treturn ?string what is wrong
function loop.choose(wanted)
  local what = wanted or chosen or detect()
  if not what or what == chosen then
    return nil
  elseif chosen then
    return ("loop must be %s, on which this Lua state waits already, got %s"):format(text.describe(chosen),
      text.describe(what))
  end
  return install(what)
end

-- The built-in loop, taken for want of another, must not hold up one that is started later.
local function elsewhere()
  local name = detect()
  return name and ('this Lua state waits on the built-in loop, which would hold up %s; say loop = "%s" in the first '
    .. "holdfast.new"):format(name, name)
end

local function decide()
  local problem = loop.choose()
  if not problem and not chosen then
    problem = install "builtin"
    late.load("holdfast.loop.builtin").elsewhere = elsewhere
  end
  if problem then
    error(problem, 0)
  end
end

-- Until then ----------------------------------------------------------------------------------------------------------

--- What `holdfast.run` does.
-- @treturn ?function nil and why there is none
function loop.runner()
  decide()
  if loop.run then
    return loop.run
  end
  local name = type(chosen) == "string" and chosen or "a loop of yours"
  return nil, ("this Lua state waits on %s; run that, and start coroutines with holdfast.spawn"):format(name)
end

for _, name in ipairs { "park", "unpark", "start", "sleep", "spawn", "problem" } do
  loop[name] = function(...)
    decide()
    return loop[name](...)
  end
end

loop.now, loop.task, loop.due, loop.owing = default.now, default.task, default.due, default.owing
loop.is_gone, loop.is_late, loop.serve = default.is_gone, default.is_late, default.serve
loop.starts_at_once = default.starts_at_once
loop.poised, loop.unpark_all = default.poised, default.unpark_all

function loop.attend(mailbox, dispatch, settle)
  attention = { mailbox, dispatch, settle }
end

function loop.hold(object)
  held[object] = true
end

function loop.release(object)
  held[object] = nil
end

return loop
