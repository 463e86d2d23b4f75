--- In the default loop of luv (libuv).
-- A wait in any coroutine suspends it by a plain yield; what resumes it is a callback of the loop. A wait in the main
-- program, while the loop does not run, runs it until the wait is over. A wait in a callback, which luv calls outside
-- of every coroutine, is an error.
-- @module holdfast.loop.luv
local guest = require "holdfast.loop.guest"
local log = require "holdfast.log"
local luv = require "luv"
local protect = require "holdfast.loop.protect"

guest.require_version("luv", luv.version_string(), "1.44.0") -- the oldest that has been tried

local host = { is_running = luv.loop_mode }

local handle, watching

-- A program may close every handle that `walk` shows it, ours too.
function host.attach(mailbox, turn)
  local is_lost = not handle or handle:is_closing()
  if is_lost or not watching then
    if is_lost then
      handle = assert(luv.new_poll(mailbox:pollfd()))
    end
    assert(handle:start("r", function()
      turn()
    end))
    watching = true
  end
end

-- Stopped and kept: luv 1.44 crashes if the Lua state is closed while a handle is closing, that is before the loop has
-- run again.
function host.detach()
  if watching then
    watching = false
    if not handle:is_closing() then
      handle:stop()
    end
  end
end

function host.suspend(waiter)
  waiter.host = protect.running()
  coroutine.yield()
end

-- Whoever began the coroutine has returned long ago: nobody but the log is left to hear an error.
function host.wake(waiter)
  local fine, err = coroutine.resume(waiter.host)
  if not fine then
    log.write("error", debug.traceback(waiter.host, "error in a coroutine: " .. log.words_of(err)))
  end
end

function host.step()
  luv.run "once"
end

return guest.of("luv", host)
