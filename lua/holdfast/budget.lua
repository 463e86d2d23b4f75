--- Whom the keeper asks when an attempt may begin, where several processes share one budget of attempts.
-- @module holdfast.budget
local core = require "holdfast.core"

local budget = {}

local take = function() end

--- Shares a budget.
-- @tparam function fn answers the seconds until the attempt may begin, 0 for at once, nil when it cannot tell; may wait
-- @tparam number attempts_per_second what holds for this process alone while there is no answer
-- @tparam number burst likewise
-- @treturn ?boolean true, or nil, message, code
function budget.share(fn, attempts_per_second, burst)
  take = fn
  return core.limit(attempts_per_second, burst, true)
end

--- Answers the keeper.
-- @tparam holdfast.client client
-- @tparam number ticket
function budget.answer(client, ticket)
  local seconds = take()
  client.handle:turn(ticket, seconds and math.ceil(seconds * 1000))
end

return budget
