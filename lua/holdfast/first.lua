--- `holdfast.first`: waits for the first of several things, and takes nothing.
-- What can be waited for is an object with three methods:
--
-- - `is_ready()`: whether what there is to take can be taken now, or never
-- - `watch(waiter)`: from now on `loop.unpark(waiter)` is called when that may have changed; may set `waiter.done` and
--   `waiter.code` where it never will. Keeps the waiter in its field `watchers`, a set with weak keys
-- - `unwatch(waiter)`
-- @module holdfast.first
local check = require "holdfast.check"
local loop = require "holdfast.loop"

local text = require("holdfast.late").module "holdfast.text"

local first = {}

--- Lets those look who watch an object.
-- @tparam table object
function first.tell(object)
  local waiters = {}
  for waiter in pairs(object.watchers) do
    waiters[#waiters + 1] = waiter
  end
  for _, waiter in ipairs(waiters) do
    loop.unpark(waiter)
  end
end

--- Whether anybody watches an object who has not been ended meanwhile.
-- @tparam table object
-- @treturn boolean
function first.is_watched(object)
  for waiter in pairs(object.watchers) do
    if not waiter.gone and (waiter.done or not loop.is_gone(waiter)) then
      return true
    end
  end
  return false
end

-- A hole in a list must not hide what comes after it.
local function last_of(objects)
  local last = #objects
  for key in pairs(objects) do
    last = type(key) == "number" and key > last and key or last
  end
  return last
end

--- Checks what is to be waited for.
-- @param objects
-- @treturn ?string what is wrong with it
function first.problem(objects)
  if type(objects) ~= "table" or objects[1] == nil then
    return "a list of what to wait for is wanted, got " .. text.describe(objects)
  end
  for index = 1, last_of(objects) do
    local object = objects[index]
    if type(object) ~= "table" or type(object.watch) ~= "function" then
      return ("[%d] must be a subscription, a task or what client:event returns, got %s"):format(index,
        text.describe(object))
    end
  end
end

local function find(objects)
  for index, object in ipairs(objects) do
    if object:is_ready() then
      return object, index
    end
  end
end

local function wait(objects, seconds)
  local waiter = {}
  for _, object in ipairs(objects) do
    object:watch(waiter)
  end
  if not waiter.done then
    loop.park(waiter, seconds)
  end
  for _, object in ipairs(objects) do
    object:unwatch(waiter)
  end
  return waiter
end

--- Waits until one of several has something to take, and says which. Nothing is taken: that is the caller's, with the
-- call of the object that takes (and a timeout of 0, where others take from it too).
-- @tparam {table,...} objects subscriptions, tasks, and what `client:event` returns
-- @tparam[opt] number timeout seconds; default: no end
-- @treturn ?table the first in the list that is ready, or nil
-- @treturn number|string its place in the list; or message, why not
-- @treturn ?string code: "timeout", "forked", "credentials", "backoff", "auth"
-- @raise when there is no list, or something else in it, or the timeout is no time
-- @usage
-- local stop, lost = client:subscribe "stop", client:event "lost"
-- local which = holdfast.first({ stop, lost }, 60)
-- if which == lost then
--   print(lost:wait(0).reason.name)
-- end
function first.of(objects, timeout)
  local problem = first.problem(objects) or check.timeout_problem(timeout)
  if problem then
    error("first: " .. problem, 2)
  end
  local object, index = find(objects)
  local left, since = timeout, timeout and loop.now()
  while not object do
    local waiter = wait(objects, left)
    object, index = find(objects)
    if not object and waiter.timed_out then
      return nil, text.format("nothing within %g s", timeout), "timeout"
    elseif not object and waiter.code then
      return nil, waiter.message, waiter.code
    end
    left = timeout and math.max(0, timeout - (loop.now() - since))
  end
  return object, index
end

return first
