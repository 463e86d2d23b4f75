--- In copas, the old one (1.x) and the new one.
-- A wait in any coroutine is one in a coroutine of copas; a wait in the main program, while copas does not run, steps
-- it until the wait is over. Handlers are coroutines of copas, so that what it keeps by coroutine is there for them.
-- @module holdfast.loop.copas
local copas = require "copas"
local guest = require "holdfast.loop.guest"
local protect = require "holdfast.loop.protect"
local workers = require "holdfast.loop.workers"

guest.require_version("copas", copas._VERSION, "1.1.7") -- the oldest tried; the release 1.2.0 says so of itself

local create, resume, status, yield = coroutine.create, coroutine.resume, coroutine.status, coroutine.yield

local host = {}

local function nothing() end

-- For a server copas keeps no coroutine, which it would lose where there is no memory for its queue: the mailbox is one
-- that accepts nobody, but has a turn taken.
local server = setmetatable({ dirty = nothing, settimeout = nothing }, { __tostring = function()
  return "tcp{holdfast}"
end })
local watched -- the mailbox, as long as it is
local take -- what takes a turn
local taker -- the coroutine in which it does
local is_resting = false -- it has nothing to do but turns
local trouble -- the error of a turn that is still to be told

local rest -- yields what has copas leave a coroutine alone
local hear -- `hear(fail)`: the coroutine that calls has `fail(err, thread)` told of the error by which it ends

local function serve()
  while true do
    is_resting = false
    local fine, problem = pcall(take)
    if not fine then
      trouble = problem == nil and "nil" or problem
    end
    is_resting = true
    rest()
  end
end

local function tell()
  local problem = trouble
  copas.addthread(function()
    error(problem, 0)
  end)
  trouble = nil
end

function server.getfd()
  return watched and is_resting and watched:pollfd() or -1 -- copas before 2.0 knows no end of a server
end

function server.close()
  watched = nil
end

-- An error is told by a coroutine that ends with it, as soon as there is memory for one. What a turn calls may wait for
-- something in copas, where it can: the function of `holdfast.log`.
function server.accept()
  if status(taker) == "dead" then
    taker = create(serve)
  end
  local alive, what, queue = resume(taker)
  if alive and queue and not is_resting then
    queue:insert(what)
    queue:push(what, taker)
  else
    is_resting = true
  end
  if not alive then
    trouble = what == nil and "nil" or what
  end
  if trouble ~= nil then
    pcall(tell)
  end
end

function host.attach(mailbox, turn)
  if not watched then
    take = turn
    if not taker then
      taker, is_resting = create(serve), true
    end
    copas.addserver(server, nothing)
    watched = mailbox
  end
end

function host.detach()
  watched = nil
  if copas.removeserver then
    copas.removeserver(server, true)
  end
end

function host.relay()
  return true -- whoever takes the turns goes on
end

if copas.wakeup then
  function rest()
    copas.sleep(-1)
  end
  function hear(fail)
    while not pcall(copas.setErrorHandler, fail) do -- whoever has begun with it has gone on, and cannot do so again
      copas.sleep(0)
    end
  end
  function host.suspend(waiter)
    waiter.host = protect.running()
    rest()
  end
  function host.wake(waiter)
    copas.wakeup(waiter.host)
  end
else -- before 2.0 it puts no coroutine to sleep, but takes for a queue whatever has these functions
  local shelf = { insert = nothing, push = function(_, waiter, thread)
    waiter.host = thread
  end }
  local void = { insert = nothing, push = nothing }
  function rest()
    yield(void, void)
  end
  function hear(fail)
    copas.setErrorHandler(fail)
  end
  function host.suspend(waiter)
    waiter.host = protect.running() -- should copas be interrupted before it comes to the shelf
    yield(waiter, shelf)
  end
  function host.wake(waiter)
    copas.addthread(waiter.host)
  end
end

function host.is_running()
  return copas.running or guest.in_coroutine() -- which old ones do not tell from theirs
end

function host.step()
  copas.step()
end

function host.begin(run, fail)
  return copas.addthread(function()
    workers.make_room()
    hear(fail)
    run()
  end)
end

return guest.of("copas", host)
