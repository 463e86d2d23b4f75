--- A shared dict of nginx as the taker of a subscription: it holds the newest payload of each topic.
-- @module resty.holdfast.dict
local log = require "holdfast.log"

local dict = {}

-- The first of its kind is told, and that there will be more of it.
local function tell_once(told, kind, level, words)
  if not told[kind] then
    told[kind] = true
    log.write(level, words)
  end
end

-- An empty payload is how MQTT takes a retained message back (MQTT 5 section 3.3.1.3).
local function keep_in(shared)
  local told = {}
  return function(message)
    if message.payload == "" then
      return shared:delete(message.topic)
    end
    local fine, problem, has_dropped = shared:set(message.topic, message.payload)
    if not fine then
      tell_once(told, problem, "warning", ("the shared dict does not take %s: %s; others that it does not take will "
        .. "go unnoticed"):format(message.topic, problem))
    elseif has_dropped then
      tell_once(told, "dropped", "warning", ("the shared dict is full: it has dropped what was used least recently to "
        .. "take %s, and will go on doing so unnoticed"):format(message.topic))
    end
  end
end

--- Makes a handler of a shared dict.
-- @param value anything
-- @return a function, or the value if it is no shared dict
function dict.handler(value)
  if type(value) == "table" and type(value.safe_set) == "function" then
    return keep_in(value)
  end
  return value
end

return dict
