--- Who reads a subscription: what stands for a coroutine or a loop over messages, and whether it goes on.
-- @module holdfast.reader
local loop = require "holdfast.loop"

local reader = {}

local running, status = coroutine.running, coroutine.status

local tokens = setmetatable({}, { __mode = "k" }) -- coroutine -> what stands for it
local kept_weakly = { __mode = "v" }

-- What stands for a coroutine of which the loop knows nothing.
local function token_of(thread)
  local token = tokens[thread]
  if not token then
    token = setmetatable({ thread, is_coroutine = true }, kept_weakly)
    tokens[thread] = token
  end
  return token
end

--- What stands for the caller, and tells how long it lives.
-- @treturn ?table nil: the main program
function reader.caller()
  local task = loop.task()
  if task then
    return task
  end
  local thread = running()
  return thread and token_of(thread)
end

--- Whether who reads goes on: of a loop both it and its caller must.
-- @tparam table who
-- @treturn boolean
function reader.lives(who)
  local caller = who.caller or who
  if who.over or caller.over then
    return false
  elseif caller.is_coroutine then
    return caller[1] ~= nil and status(caller[1]) ~= "dead"
  end
  return true
end

return reader
