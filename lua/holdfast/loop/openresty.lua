--- The loop of an nginx worker (OpenResty, or nginx with its Lua module 0.10.16 or later).
--
-- nginx cannot watch a descriptor that it has not opened, so the mailbox is reached through a cosocket that connects to
-- a path in the same worker. It belongs to one light thread, the reader; all others wait on semaphores that the reader
-- posts. Reader and handlers live in a timer each, so that a handler which has nginx end its timer leaves the reader.
-- Both end when the last client is closed, or when the worker is told to leave and nobody waits any more; whoever waits
-- later begins others.
-- @module holdfast.loop.openresty
local core = require "holdfast.core"
local log = require "holdfast.log"
local losses = require "holdfast.losses"

local OLDEST = 10016 -- 0.10.16: the first that cannot be without lua-resty-core, whose semaphores are used

if ngx.config.ngx_lua_version < OLDEST then
  error(("nginx's Lua module must be 0.10.16 or later for holdfast, this is %d"):format(ngx.config.ngx_lua_version), 0)
end

local crew = require "holdfast.loop.crew"
local semaphore = require "ngx.semaphore"
local span = require "holdfast.loop.span"

local now = core.now

local loop = { now = now }

log.fall_back(function(message)
  ngx.log(ngx.ERR, "holdfast: ", message)
end)

losses.watch(false) -- when nginx closes a Lua state, there is nothing left that could be written to

local LENGTH = 0.002 -- seconds until nginx has its turn, and what the last mail or handler takes beyond
local PORTION = 1000 -- mails, at most, likewise
local FOREVER = 2147483647 -- ms
local LONGEST = 86400 -- seconds that a semaphore is waited for at a time
local SHORTEST = 0.001 -- seconds: nginx's own grain, below which a wait would not be one
local KEPT = 256 -- idle semaphores
local YEAR = 86400 * 365
local GLANCE = 0.02 -- seconds between two looks whether a worker that leaves is still waited in
local AGAIN = 1 -- seconds after which what nginx has not done is asked for once more
local LOOK = 1 -- seconds between two looks whether the timer of the handlers has been ended, while any are under way

-- Phases in which nginx suspends nobody, and what to do there instead.
local POST = "use post, which does not wait, or ngx.timer.at"
local unsuspendable = {
  init_worker = "use start, which does not wait, or ngx.timer.at",
  exit_worker = "the worker has left already",
  set = POST, balancer = POST, header_filter = POST, body_filter = POST, log = POST,
  ssl_session_store = POST,
}

local reading, handling = span.new(LENGTH, now), span.new(LENGTH, now)
local mailbox, dispatch, settle
local handing_out = false
local held = {} -- keeps clients alive
local parked = setmetatable({}, { __mode = "k" }) -- waiters
local bells, spare = {}, 0 -- semaphores that nobody waits on
local reader -- { asked, begun, over, bell, is_idle, is_attending }
local hands -- the crew that runs the handlers
local watching = false
local before_exit = function() end

local function complain(words)
  log.write("error", words)
end

-- Timers --------------------------------------------------------------------------------------------------------------

local function stop()
  if reader then
    local bell = reader.bell
    reader.over, reader = true, nil
    mailbox:hang_up()
    if bell then
      bell:post(1)
    end
  end
  if hands then
    hands:finish()
    hands = nil
  end
end

-- Whether nginx has ended who was parked: nothing of it comes back to say so.
local function is_gone(waiter)
  return waiter.host ~= nil and waiter.host:count() >= 0
end

local function is_waited()
  for waiter in pairs(parked) do
    if not waiter.done and not is_gone(waiter) then
      return true
    end
  end
  return false
end

local function wind_up()
  while is_waited() do
    ngx.sleep(GLANCE)
  end
  stop()
end

-- nginx lets every timer fire at once when a worker is told to leave, and waits for those that run.
local function watch_exit()
  local problem
  watching, problem = ngx.timer.at(YEAR, function(premature)
    if not premature then
      return watch_exit()
    end
    local fine, trace = xpcall(before_exit, debug.traceback)
    if not fine then
      complain(trace)
    end
    return wind_up()
  end)
  return watching, problem
end

-- Has `fn(what)` run in a timer of its own, and somebody watch for the end of the worker, which an idle timer would
-- hold up. With lua_max_running_timers reached nginx drops a timer without a word to Lua: who has not begun for a while
-- is asked for again.
local function ask_timer(what, fn)
  if what.begun or what.asked and now() - what.asked < AGAIN then
    return nil
  end
  what.asked = now()
  local fine, problem
  if ngx.worker.exiting() then
    fine, problem = ngx.timer.at(0, wind_up)
  else
    fine, problem = watching, nil
    if not fine then
      fine, problem = watch_exit()
    end
  end
  if fine then
    fine, problem = ngx.timer.at(0, fn, what)
  end
  return not fine and ("nginx gives no timer for holdfast, which needs three: %s; see lua_max_pending_timers"):format(
    problem) or nil
end

local function begin_hands(_, which)
  which:begin()
end

local function go_on()
  handling.begin()
  if hands then
    hands:go_on()
  end
end

-- A byte of one's own in the reader's stream is found by the next look at the sockets, as what came meanwhile is.
local function yield(who)
  if reader and reader.is_attending and who == hands then
    return mailbox:knock()
  end
  ngx.sleep(SHORTEST)
  handling.begin()
  return who:go_on()
end

local function failed()
  if settle then
    loop.owing()
  end
end

-- What is to be run waits where there cannot be a timer.
local function ensure_hands()
  if hands and hands:is_lost() then
    complain "nginx has ended the timer in which handlers run; one of them has called ngx.exit"
    local lost = hands
    hands = crew.new(complain, handling, yield, failed)
    hands:inherit(lost)
  end
  hands = hands or crew.new(complain, handling, yield, failed)
  hands:remind()
  local problem = ask_timer(hands, begin_hands)
  if problem then
    complain(problem)
  end
end

-- The reader ----------------------------------------------------------------------------------------------------------

local function connect()
  local path, problem = mailbox:listen()
  if not path then
    return nil, problem
  end
  local socket = ngx.socket.tcp()
  socket:settimeouts(1000, 1000, FOREVER)
  local fine
  fine, problem = socket:connect("unix:" .. path)
  local accepted, why = mailbox:accept() -- also when there is nothing to accept: nothing must be left of the path
  if not fine or not accepted then
    return nil, problem or why
  end
  return socket
end

local function some()
  return dispatch(PORTION, reading.is_over)
end

local function hand_out()
  reading.begin()
  handing_out = true
  local fine, busy = xpcall(some, debug.traceback)
  handing_out = false
  if not fine then
    complain(busy)
  end
  settle()
  return busy
end

-- Until the worker hangs up, or the connection breaks.
local function attend(me, socket)
  local bytes, problem
  me.is_attending = true
  repeat
    go_on() -- nginx has just had its turn
    while hand_out() do
      ngx.sleep(SHORTEST) -- the next byte may be there already, and nginx would not look
      go_on()
    end
    if hands then
      ensure_hands()
    end
    if me.over then
      return
    end
    bytes, problem = socket:receiveany(64)
  until not bytes and problem ~= "timeout"
end

-- A light thread beside the reader, which cannot look for itself: nginx logs an error for each read that times out.
local function look_out(me)
  while not me.over do
    local is_busy = hands and hands:is_busy()
    me.is_idle = not is_busy
    me.bell:wait(is_busy and LOOK or LONGEST)
    me.is_idle = false
    if hands and not me.over then
      ensure_hands()
    end
  end
end

local function read(_, me)
  if me.begun then
    return
  end
  me.begun = true
  me.bell = semaphore.new(0)
  ngx.thread.spawn(look_out, me)
  while not me.over do
    local socket, problem = connect()
    if socket then
      local fine, trace = xpcall(attend, debug.traceback, me, socket)
      me.is_attending = false
      go_on()
      socket:close()
      problem = not fine and trace
    end
    if problem then
      complain("the mailbox cannot be read, so nothing is heard: " .. problem)
      ngx.sleep(AGAIN)
    end
  end
end

-- Answers what is wrong when there cannot be one.
local function ensure_reader()
  if not mailbox or reader and reader.begun then
    return nil
  end
  reader = reader or {}
  local problem = ask_timer(reader, read)
  if problem then
    reader = nil
  end
  return problem
end

-- What a loop has to be able to do ------------------------------------------------------------------------------------

--- Why the caller cannot wait where it stands.
-- @treturn ?string nil: it can
function loop.problem()
  local phase = ngx.get_phase()
  local instead = unsuspendable[phase]
  if instead then
    return ("nothing can wait in %s_by_lua; %s"):format(phase, instead)
  end
  return ensure_reader()
end

-- Returns what nginx says when it cannot suspend the caller.
local function wait(waiter, seconds)
  local due = seconds and now() + seconds
  local bell = waiter.host
  while not waiter.done do
    local left, longest = due and due - now() or LONGEST, LONGEST
    if left <= 0 then
      waiter.done, waiter.timed_out = true, true
      return nil
    elseif reader and not reader.begun then
      ensure_reader()
      longest = AGAIN
    end
    local rung, problem = bell:wait(math.max(SHORTEST, math.min(left, longest)))
    if not rung and problem ~= "timeout" then
      return problem
    end
  end
end

--- Suspends the caller until the waiter is done or the time is over.
-- @tparam table waiter
-- @tparam ?number seconds nil: no end
function loop.park(waiter, seconds)
  if waiter.done then
    return
  end
  local problem = loop.problem()
  if problem then
    waiter.done = true
    error(problem, 0)
  end
  local bell = bells[spare]
  if bell then
    bells[spare] = nil
    spare = spare - 1
  else
    bell = semaphore.new(0)
  end
  waiter.host, parked[waiter] = bell, true
  problem = wait(waiter, seconds)
  waiter.host, parked[waiter] = nil, nil
  if problem then
    waiter.done = true
    error(problem, 0)
  end
  if spare < KEPT and bell:count() == 0 then -- 1: it was posted while the time ran out
    spare = spare + 1
    bells[spare] = bell
  end
end

--- Lets go on who is parked on the waiter; a second call means nothing.
-- @tparam table waiter
-- @treturn ?boolean false when nginx has ended who was parked there: the request was given up by whoever made it
function loop.unpark(waiter)
  if waiter.done then
    return nil
  end
  waiter.done = true
  if waiter.host then
    if is_gone(waiter) then
      waiter.gone = true
      return false
    end
    waiter.host:post(1)
  end
end

--- Whether nginx has ended the light thread that is parked on the waiter: whoever made its request has gone, or
-- `ngx.thread.kill` was called.
-- @tparam table waiter that is not done
-- @treturn boolean
-- @function loop.is_gone
loop.is_gone = is_gone

--- Whether what runs has had its time, and nginx should have its turn.
-- @treturn boolean
-- @function loop.is_late
loop.is_late = handling.is_over

--- Runs `fn(a, b, c)` in a light thread, soon, and `finish` after it.
-- @tparam function finish called as `finish(owner, item)`, or `finish(owner, item, err, traceback)` when `fn` threw
-- @param owner for `finish`
-- @param item for `finish`
-- @tparam function fn
-- @param a
-- @param b
-- @param c
function loop.start(finish, owner, item, fn, a, b, c)
  ensure_hands()
  hands:add(finish, owner, item, fn, a, b, c)
  if reader and reader.is_idle then
    reader.is_idle = false
    reader.bell:post(1)
  end
end

--- What stands for the task, request or timer in which the caller runs.
-- @treturn table of a task its `over` tells when it has ended, of the others its collection
function loop.task()
  local task = crew.task()
  if not task then
    local context = ngx.ctx
    task = context.holdfast_task or {}
    context.holdfast_task = task
  end
  return task
end

--- Says where mail comes from.
-- @param box the mailbox
-- @tparam function hand_out_mails `hand_out_mails(limit)` hands out up to `limit` mails, answers whether there were any
-- @tparam function before_wait called before each wait for more
function loop.attend(box, hand_out_mails, before_wait)
  mailbox, dispatch, settle = box, hand_out_mails, before_wait
end

--- Something has come up that is to be settled: at once, since nobody knows when the reader will look again.
function loop.owing()
  if not handing_out then
    settle()
  end
end

--- Keeps an object alive, and the reader at work.
-- @param object
function loop.hold(object)
  held[object] = true
  local problem = ensure_reader()
  if problem then
    error(problem, 0)
  end
end

--- Ends what `hold` began.
-- @param object
function loop.release(object)
  held[object] = nil
  if next(held) == nil then
    stop()
  end
end

--- Says what is to be done when the worker is told to leave, before the reader does.
-- @tparam function fn may wait
function loop.on_exit(fn)
  before_exit = fn
end

return loop
