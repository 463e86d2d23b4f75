--- The event loops of other libraries in which holdfast is a guest, each with a timer that ticks every 10 ms.
--
--     hosts.missing "copas"                -- why this Lua has none, or nil
--     hosts.run("copas", main, tick)       -- main() in a coroutine of it; tick() about every 10 ms until main is over
--                                          -- and tick answers nothing
--
-- `run` returns when the loop has nothing left to do. copas before 4.0 has no timer and never ends: there the time that
-- a step may take is the timer, and the end of main the end.
local hosts = { names = { "cqueues", "copas", "luv" }, TICK = 0.01 }

local TICK = hosts.TICK

local LIBRARIES = { cqueues = "lua-cqueues", copas = "lua-copas", luv = "lua-luv" }

--- Why a host cannot be had on this Lua, or nil.
function hosts.missing(name)
  if not pcall(require, name) then
    return ("Debian's %s has no %s for %s"):format(LIBRARIES[name], name, jit and "LuaJIT" or _VERSION)
  end
end

local run = {}

function run.cqueues(main, tick)
  local cqueues = require "cqueues"
  local controller, is_over = cqueues.new(), false
  controller:wrap(function()
    repeat
      cqueues.sleep(TICK)
    until not tick() and is_over
  end)
  controller:wrap(function()
    main()
    is_over = true
  end)
  assert(controller:loop())
end

function run.luv(main, tick)
  local luv = require "luv"
  local timer, first, is_over = luv.new_timer(), luv.new_timer(), false
  timer:start(TICK * 1000, TICK * 1000, function()
    if not tick() and is_over then
      timer:close()
    end
  end)
  first:start(0, 0, coroutine.wrap(function()
    first:close()
    main()
    is_over = true
  end))
  luv.run()
end

function run.copas(main, tick)
  local copas = require "copas"
  local is_over
  copas.addthread(function()
    main()
    is_over = true
  end)
  if copas.pause then
    copas.addthread(function()
      repeat
        copas.pause(TICK)
      until not tick() and is_over
    end)
    return copas.loop()
  end
  local now = require("socket").gettime
  local last, goes_on = now(), nil
  repeat
    copas.step(math.max(0, last + TICK - now()))
    if now() >= last + TICK then
      last = now()
      goes_on = tick()
    end
  until is_over and not goes_on
end

--- Runs `main` in a host, with `tick` beside it.
function hosts.run(name, main, tick)
  return run[name](main, tick)
end

return hosts
