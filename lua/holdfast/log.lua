--- Where the library's own warnings go: to a function of the user's, and nowhere else.
-- Nothing is ever printed. On Lua 5.4 a warning without a listener goes through `warn`, which its host switches.
-- @module holdfast.log
local log = {}

local listener
local warn = rawget(_G, "warn")

--- Sets the function that hears warnings.
-- @tparam ?function fn called as `fn(level, text)`, level "warning" or "error"; nil: nobody listens
function log.listen(fn)
  listener = fn
end

--- Says something. An error in the listener is swallowed: there is nobody left to tell.
-- @tparam string level "warning" or "error"
-- @tparam string words
function log.write(level, words)
  if listener then
    pcall(listener, level, words)
  elseif warn then
    warn("holdfast: " .. words)
  end
end

return log
