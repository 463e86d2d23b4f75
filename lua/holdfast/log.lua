--- Where the library's own words go: to a function of the user's.
-- Without a listener a warning goes through `warn` on Lua 5.4, which its host switches, and what is less is not even
-- put together. An error, which is nearly always one in the user's own code, goes to the standard error then, as if the
-- interpreter itself had run that code: a handler that fails unseen helps nobody. Nothing that is said has a user name,
-- a password, a key or a payload in it.
-- @module holdfast.log
local log = {}

local listener
local warn = rawget(_G, "warn")

local function to_stderr(message)
  io.stderr:write("holdfast: " .. message .. "\n") -- in one piece, beside what others write there
end

local resort = to_stderr
local is_told -- that the listener throws

-- What LuaLogging calls the levels.
local LOGGER_LEVELS = { debug = "DEBUG", info = "INFO", warning = "WARN", error = "ERROR" }

--- How much of the transport library's own trace there is to hear, least first.
log.traces = { "error", "protocol", "minimum", "medium", "maximum" }

--- Whether a value has the `log` of a LuaLogging logger.
-- @param value anything
-- @treturn boolean
function log.is_logger(value)
  return type(value) == "table" and type(value.log) == "function"
end

--- Makes a listener of a LuaLogging logger. The client a line is about stands at its end.
-- @tparam table logger with `logger:log("INFO", message)`
-- @treturn function
function log.of_logger(logger)
  return function(level, message, fields)
    local client = fields.client and fields.client ~= "" and (" [%s]"):format(fields.client) or ""
    logger:log(LOGGER_LEVELS[level], message .. client)
  end
end

--- Sets the function that listens.
-- @tparam ?function fn called as `fn(level, message, fields)`; nil: nobody listens
function log.listen(fn)
  listener, is_told = fn, false
end

--- Whether anybody listens: what is costly to say need not be said otherwise.
-- @treturn boolean
function log.is_heard()
  return listener ~= nil
end

--- The words of what was thrown, be it something whose `tostring` throws.
-- @param err anything
-- @treturn string
function log.words_of(err)
  local fine, words = pcall(tostring, err)
  return fine and type(words) == "string" and words or type(err)
end

-- An error that the listener does not take is not lost with it, and that the listener throws is said once.
local function not_heard(message, err)
  if not is_told then
    is_told = true
    pcall(resort, "the function given to holdfast.log throws, so errors come here: " .. log.words_of(err))
  end
  pcall(resort, message)
end

--- Says something to the listener, if there is one. Errors that it throws at go where they go without it.
-- @tparam string level "debug", "info", "warning" or "error"
-- @tparam string message
-- @tparam[opt] table fields facts for programs: `client`, `event` ...
function log.tell(level, message, fields)
  if listener then
    local fine, err = pcall(listener, level, message, fields or {})
    if not fine and level == "error" then
      not_heard(message, err)
    end
  end
end

--- Sets where errors go while nobody listens, in a host whose standard error is not where one looks.
-- @tparam function fn called as `fn(message)`
function log.fall_back(fn)
  resort = fn
end

--- Says something that should be heard even where nobody thought of listening. An error in saying it is swallowed, too:
-- a host may have no `io`, or have closed its standard error.
-- @tparam string level "warning" or "error"
-- @tparam string message
-- @tparam[opt] table fields
function log.write(level, message, fields)
  if listener then
    log.tell(level, message, fields)
  elseif level == "error" then
    pcall(resort, message)
  elseif warn then
    warn("holdfast: " .. message)
  end
end

--- A line of a transport's trace.
-- @tparam string line
-- @tparam number level position in `traces`
-- @tparam number dropped lines before it that found no room
-- @tparam string source "paho" or "native"
function log.trace(line, level, dropped, source)
  if dropped > 0 then
    local words = ("%d line%s of trace %s dropped"):format(dropped, dropped == 1 and "" or "s",
      dropped == 1 and "was" or "were")
    log.tell("warning", words, { source = source, dropped = dropped })
  end
  log.tell("debug", line, { source = source, trace = log.traces[level] })
end

return log
