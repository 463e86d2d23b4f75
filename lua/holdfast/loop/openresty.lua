--- The loop of an nginx worker (OpenResty, or nginx with its Lua module 0.10.16 or later).
--
-- nginx cannot watch a descriptor that it has not opened, so the mailbox is reached through a cosocket that connects to
-- a path in the same worker. It belongs to one light thread, the reader; all others wait on semaphores that the reader
-- posts. Reader and handlers live in a timer of their own, which ends when the last client is closed, or when the
-- worker is told to leave and nobody waits any more; whoever waits later begins another.
-- @module holdfast.loop.openresty
local core = require "holdfast.core"
local log = require "holdfast.log"

local OLDEST = 10016 -- 0.10.16: the first that cannot be without lua-resty-core, whose semaphores are used

if ngx.config.ngx_lua_version < OLDEST then
  error(("nginx's Lua module must be 0.10.16 or later for holdfast, this is %d"):format(ngx.config.ngx_lua_version), 0)
end

local crew = require "holdfast.loop.crew"
local semaphore = require "ngx.semaphore"

local now = core.now

local loop = { now = now }

log.fall_back(function(message)
  ngx.log(ngx.ERR, "holdfast: ", message)
end)

local BATCH = 128 -- mails handed out at once
local BATCHES = 8 -- in a row, and then nginx has a turn; a wait of 0 needs a patch that plain nginx does not have
local FOREVER = 2147483647 -- ms
local LONGEST = 86400 -- seconds that a semaphore is waited for at a time
local SHORTEST = 0.001 -- seconds: nginx's own grain, below which a wait would not be one
local KEPT = 256 -- idle semaphores
local YEAR = 86400 * 365
local GLANCE = 0.02 -- seconds between two looks whether a worker that leaves is still waited in
local AGAIN = 1 -- seconds after which the reader tries once more to reach the mailbox

-- Phases in which nginx suspends nobody, and what to do there instead.
local POST = "use post, which does not wait, or ngx.timer.at"
local unsuspendable = {
  init_worker = "use start, which does not wait, or ngx.timer.at",
  exit_worker = "the worker has left already",
  set = POST, balancer = POST, header_filter = POST, body_filter = POST, log = POST,
}

local mailbox, dispatch, settle
local handing_out = false
local held = {} -- keeps clients alive
local parked = setmetatable({}, { __mode = "k" }) -- waiters
local bells, spare = {}, 0 -- semaphores that nobody waits on
local reader -- { crew, over }
local watching = false
local before_exit = function() end

local function complain(words)
  log.write("error", words)
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

local function hand_out()
  handing_out = true
  local fine, busy = xpcall(dispatch, debug.traceback, BATCH)
  handing_out = false
  if not fine then
    complain(busy)
  end
  settle()
  return busy
end

local function attend(me, socket)
  repeat
    local batches = 0
    while hand_out() do
      batches = batches + 1
      if batches % BATCHES == 0 then
        ngx.sleep(SHORTEST)
      end
    end
    local bytes = not me.over and socket:receiveany(64)
  until not bytes
  socket:close()
end

local function read(_, me)
  me.crew:begin()
  while not me.over do
    local socket, problem = connect()
    if socket then
      attend(me, socket)
    else
      complain("the mailbox cannot be reached, so nothing is heard: " .. problem)
      ngx.sleep(AGAIN)
    end
  end
  me.crew:finish()
end

local function stop()
  if reader then
    reader.over, reader = true, nil
    mailbox:hang_up()
  end
end

-- A thread that nginx has killed (its request is gone) waits no more, though it never came back.
local function is_waited()
  for waiter in pairs(parked) do
    if not waiter.done and waiter.host:count() < 0 then
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
  watching = ngx.timer.at(YEAR, function(premature)
    if not premature then
      return watch_exit()
    end
    local fine, trace = xpcall(before_exit, debug.traceback)
    if not fine then
      complain(trace)
    end
    return wind_up()
  end)
end

local function is_lost()
  if not reader.crew:is_lost() then
    return false
  end
  complain "nginx has ended the timer in which handlers run; one of them has called ngx.exit"
  return true
end

local function ensure_reader()
  if reader and not is_lost() then
    return
  end
  reader = { crew = crew.new(complain) }
  local fine, problem = ngx.timer.at(0, read, reader)
  if not fine then
    reader = nil
    error("nginx gives no timer for holdfast: " .. problem, 0)
  end
  if ngx.worker.exiting() then
    ngx.timer.at(0, wind_up)
  elseif not watching then
    watch_exit()
  end
end

-- What a loop has to be able to do ------------------------------------------------------------------------------------

--- Why the caller cannot wait where it stands.
-- @treturn ?string nil: it can
function loop.problem()
  local phase = ngx.get_phase()
  local instead = unsuspendable[phase]
  return instead and ("nothing can wait in %s_by_lua; %s"):format(phase, instead)
end

local function wait(waiter, seconds)
  local due = seconds and now() + seconds
  local bell = waiter.host
  while not waiter.done do
    local left = due and due - now() or LONGEST
    if left <= 0 then
      waiter.done, waiter.timed_out = true, true
    else
      bell:wait(math.max(SHORTEST, math.min(left, LONGEST)))
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
  ensure_reader()
  local bell = bells[spare]
  if bell then
    bells[spare] = nil
    spare = spare - 1
  else
    bell = semaphore.new(0)
  end
  waiter.host, parked[waiter] = bell, true
  wait(waiter, seconds)
  waiter.host, parked[waiter] = nil, nil
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
    if waiter.host:count() >= 0 then
      return false
    end
    waiter.host:post(1)
  end
end

--- Runs `fn(a, b, c)` in a light thread, soon, and `finish` after it.
-- @tparam function finish called as `finish(owner, item)`, or `finish(owner, item, err, traceback)` when `fn` threw
-- @param owner for `finish`
-- @param item for `finish`
-- @tparam function fn
-- @param a
-- @param b
-- @param c
function loop.start(finish, owner, item, fn, a, b, c)
  ensure_reader()
  reader.crew:add(finish, owner, item, fn, a, b, c)
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
  ensure_reader()
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
