--- An error that comes out of any step of ours, as one of a hook does: one step after the other, until all were seen.
local strike = {}

--- Has the coroutine that calls struck once, in its n-th step within a part of holdfast.
-- @tparam number point n
-- @tparam string where what the name of the part's file has in it: "/holdfast/"
-- @param ... mask and count for debug.sethook
-- @treturn table whose `is_struck` becomes true with it; if it has not by then, debug.sethook() takes it away
function strike.at(point, where, ...)
  local it, thread = { is_struck = false }, coroutine.running()
  debug.sethook(function()
    local is_ours = coroutine.running() == thread and debug.getinfo(2, "S").source:find(where, 1, true)
    point = point - (is_ours and 1 or 0)
    if is_ours and point == 0 then
      it.is_struck = true
      debug.sethook()
      error("interrupted", 0)
    end
  end, ...)
  return it
end

return strike
