--- A loop of another library on the virtual time of @{spec.support.whole}, in which holdfast is a guest.
--
--     local loop = require("spec.support.virtual_host").new()    -- for the option `loop`; one a holdfast
--
-- It resumes who was woken, one a step, and has a turn taken when the guest's descriptor would be readable: there is
-- mail, or the alarm has rung. A wait of the main program drives it.
local probe = require("spec.support.whole").probe

local virtual_host = {}

local now = probe.core.now
local mailbox = probe.core.mailbox()
local alarm -- when it rings

-- The guest's is a timer of the kernel's, which knows no virtual time.
local methods = getmetatable(mailbox).__index
local real_alarm = methods.alarm

function methods.alarm(self, seconds)
  real_alarm(self, nil)
  alarm = seconds and now() + seconds
end

--- Makes the loop.
function virtual_host.new()
  local host, woken, take = {}, {}, nil

  function host.attach(_, turn)
    take = turn
  end

  function host.detach()
    take = nil
  end

  function host.suspend(waiter)
    waiter.host = coroutine.running()
    coroutine.yield()
  end

  function host.wake(waiter)
    woken[#woken + 1] = waiter.host
  end

  function host.is_running()
    return false
  end

  function host.step()
    local thread = woken[1]
    if thread then
      table.remove(woken, 1)
      assert(coroutine.resume(thread))
    elseif not take then
      error "nothing is watched, and somebody waits"
    else
      local left = alarm and math.max(0, alarm - now())
      if mailbox:wait(left) or alarm and alarm <= now() then
        take()
      end
    end
  end

  return require("holdfast.loop.guest").of("a virtual host", host)
end

return virtual_host
