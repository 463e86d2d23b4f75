--- In copas, the old one (1.x) and the new one.
-- A wait in any coroutine is one in a coroutine of copas; a wait in the main program, while copas does not run, steps
-- it until the wait is over. Handlers are coroutines of copas, so that what it keeps by coroutine is there for them.
-- @module holdfast.loop.copas
local copas = require "copas"
local guest = require "holdfast.loop.guest"
local protect = require "holdfast.loop.protect"

guest.require_version("copas", copas._VERSION, "1.1.7") -- the oldest tried; the release 1.2.0 says so of itself

local host = {}

local reading -- the socket on which the coroutine that takes the turns waits

local function nothing() end

function host.attach(mailbox, turn)
  if not reading then
    local asked = false -- a socket has nothing to read when copas asks first, something once select(2) has said so
    local socket = { dirty = nothing, settimeout = nothing, close = nothing }
    function socket.getfd()
      return mailbox:pollfd()
    end
    function socket.receive()
      asked = not asked
      return not asked or nil, "timeout"
    end
    reading = socket
    copas.addthread(function()
      while reading == socket and copas.receive(socket, 1) and reading == socket do
        turn()
      end
    end)
  end
end

function host.detach()
  reading = nil
end

if copas.wakeup then
  function host.suspend(waiter)
    waiter.host = protect.running()
    copas.sleep(-1)
  end
  function host.wake(waiter)
    copas.wakeup(waiter.host)
  end
else -- before 2.0 it puts no coroutine to sleep, but takes for a queue whatever has these functions
  local shelf = { insert = nothing, push = function(_, waiter, thread)
    waiter.host = thread
  end }
  function host.suspend(waiter)
    coroutine.yield(waiter, shelf)
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
  copas.addthread(function()
    copas.setErrorHandler(fail)
    run()
  end)
end

return guest.of("copas", host)
