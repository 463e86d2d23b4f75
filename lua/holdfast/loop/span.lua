--- How long one of several may go on before the others have their turn: a bound in time, since nobody knows what a
-- message costs.
-- @module holdfast.loop.span
local span = {}

--- Makes one, which is over until it begins.
-- @tparam number seconds
-- @tparam function now
-- @treturn table `begin()`; `is_over()`
function span.new(seconds, now)
  local ends = -math.huge
  return {
    begin = function()
      ends = now() + seconds
    end,
    is_over = function()
      return now() >= ends
    end,
  }
end

return span
