--- Whether the running coroutine can be suspended where it stands.
-- Lua 5.3, 5.4 and LuaJIT tell. Lua 5.1 and 5.2 do not, but their call stack does: 5.2 cannot yield across a C function
-- other than `pcall`, `xpcall` and `dofile` (its manual, section 4.7), 5.1 across none, nor out of the iterator of a
-- `for` (lvm.c, OP_TFORLOOP).
-- @module holdfast.loop.stack
local stack = {}

local getinfo = debug.getinfo

local function walker(passable, iterators)
  return function()
    local level = 2
    local info = getinfo(level, "Snf")
    while info do
      if (info.what == "C" and not passable[info.func]) or (not iterators and info.name == "(for generator)") then
        return false
      end
      level = level + 1
      info = getinfo(level, "Snf")
    end
    return true
  end
end

--- Looks whether a yield would succeed here.
-- @treturn boolean
-- @function stack.can_yield
if coroutine.isyieldable then
  stack.can_yield = coroutine.isyieldable
elseif _VERSION == "Lua 5.1" then
  stack.can_yield = walker({}, false)
else
  stack.can_yield = walker({ [pcall] = true, [xpcall] = true, [dofile] = true }, true)
end

return stack
