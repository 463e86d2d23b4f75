--- `pcall` in which a call can wait, which Lua 5.1 alone has not: there the function runs in a coroutine of its own,
-- and what it yields is passed on. Elsewhere it is Lua's own.
-- @module holdfast.loop.protect
local stack = require "holdfast.loop.stack"
local workers = require "holdfast.loop.workers"

local create, resume, running, status, yield =
  coroutine.create, coroutine.resume, coroutine.running, coroutine.status, coroutine.yield

local protect = {}

if _VERSION ~= "Lua 5.1" or rawget(_G, "jit") then
  protect.pcall, protect.running = pcall, running
  return protect
end

local carriers = setmetatable({}, { __mode = "k" }) -- coroutine of a protected call -> the one that a scheduler resumes

local function hear(thread, fine, ...)
  if not fine or status(thread) == "dead" then
    return fine, ...
  end
  return hear(thread, resume(thread, yield(...)))
end

--- As Lua's `pcall`, in a coroutine that can be suspended where this is called.
-- @tparam function fn
-- @param ... its arguments
-- @treturn boolean true, or false
-- @return ... what `fn` returns; or what it has thrown
-- @usage
-- local fine, problem = holdfast.pcall(function()
--   assert(client:publish("meters/kitchen/power", "42", { qos = 1 }))
-- end)
function protect.pcall(fn, ...)
  local caller = running()
  if not caller or not stack.can_yield() then
    return pcall(fn, ...)
  end
  local thread = create(function(...)
    return fn(...)
  end)
  carriers[thread] = carriers[caller] or caller
  workers.adopt(thread)
  return hear(thread, resume(thread, ...))
end

--- The coroutine that a scheduler has resumed.
-- @treturn ?thread nil in the main program
function protect.running()
  local thread = running()
  return carriers[thread or 0] or thread
end

return protect
