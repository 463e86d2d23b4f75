--- What waits in a call of a client: where it may, and that `close` and a fork end it.
-- @module holdfast.waiting
local late = require "holdfast.late"
local loop = require "holdfast.loop"

local protect = late.module "holdfast.loop.protect"

local waiting = {
  LEAVING = "the worker is leaving, and nobody waits in it without end",
}

--- Before a call that acts and then waits: where it cannot wait, nothing must have happened.
-- @tparam string name of the call
-- @tparam[opt=3] number level of its caller
-- @raise why not, at the line that called it
function waiting.must_wait(name, level)
  local problem = loop.problem()
  if problem then
    error(name .. ": " .. problem, level or 3)
  end
end

--- Before a call that acts and then waits: one in the client's own credentials or backoff function would wait for the
-- connection that waits for that function.
-- @tparam holdfast.client client
-- @treturn ?boolean true, or nil
-- @treturn ?string message
-- @treturn ?string "credentials" or "backoff"
function waiting.must_not_answer(client)
  if next(client.answering) == nil then
    return true
  end
  local me = protect.running()
  for kind, thread in pairs(client.answering) do
    if thread == me then
      return nil, ("the %s function of this client cannot wait for the connection that waits for it"):format(kind), kind
    end
  end
  return true
end

-- From now on `close` knows of a waiter. In a fork of the process nothing ever comes: there it is done already.
local function enter(client, waiter)
  local _, message, code = client.handle:consumed(0, 0)
  if not code then
    _, message, code = waiting.must_not_answer(client)
  end
  if code then
    waiter.done, waiter.message, waiter.code = true, message, code
    return
  end
  client.waiters[waiter] = true
end

--- Parks the caller on a waiter that `close` knows of.
-- @tparam holdfast.client client
-- @tparam table waiter
-- @tparam ?number timeout seconds
function waiting.park(client, waiter, timeout)
  enter(client, waiter)
  loop.park(waiter, timeout)
  client.waiters[waiter] = nil
end

--- A waiter of `holdfast.first` watches something of a client.
-- @tparam table object with `client` and `watchers`
-- @tparam table waiter
function waiting.watch(object, waiter)
  enter(object.client, waiter)
  object.watchers[waiter] = true
end

--- It does so no more.
-- @tparam table object
-- @tparam table waiter
function waiting.unwatch(object, waiter)
  object.watchers[waiter] = nil
  object.client.waiters[waiter] = nil
end

return waiting
