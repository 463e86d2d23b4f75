--- What `tostring` and `print` make of an event, a message and a reason.
--
--     client:on("lost", print) --> lost: connection_lost, again in 1.7 s
-- @module holdfast.printing
local text = require "holdfast.text"

local printing = {}

local following = setmetatable({}, { __mode = "k" }) -- event without `retry_in` -> what the client does now

local function again(event)
  if event.retry_in then
    return (", again in %s s"):format(text.format("%.1f", event.retry_in))
  end
  return following[event] and ", " .. following[event] or ""
end

local function plural(count, word)
  return ("%d %s%s"):format(count, word, count == 1 and "" or "s")
end

local function named(event)
  return event.reason and event.reason.name or "no reason given"
end

-- Name of an event -> the words after it.
local words = {}

function words.connecting(event)
  return ("%s, attempt %d"):format(event.server or "a server that is asked for", event.attempt)
end

function words.connected(event)
  return ("%s, session %s"):format(event.server, event.session_present and "present" or "new")
end

function words.ready(event)
  local refused = event.refused > 0 and (", %d refused"):format(event.refused) or ""
  return ("%s%s, after %s s"):format(plural(event.subscriptions, "subscription"), refused,
    text.format("%.1f", event.downtime or 0))
end

function words.failed(event)
  return ("%s, attempt %d%s"):format(named(event), event.attempt, again(event))
end

function words.lost(event)
  return named(event) .. again(event)
end

function words.sleeping(event)
  return named(event) .. (event.wake_in and (", for %s s"):format(text.format("%g", event.wake_in)) or ", until woken")
end

function words.closed(event)
  return event.reason and event.reason.name
end

function words.delivered(event)
  return ("message %d"):format(event.id)
end

function words.dropped(event)
  return ("message %d, %s%s"):format(event.id, event.why, event.reason and (" (%s)"):format(event.reason.name) or "")
end

function words.parked(event)
  return ("a message for %s, after %s: %s"):format(event.message.topic, plural(event.attempts, "attempt"), event.error)
end

words["error"] = function(event)
  return event.message
end

local metatables = {}
for name, of in pairs(words) do
  metatables[name] = { __tostring = function(event)
    local fine, told = pcall(of, event) -- a handler may have changed it
    return fine and told and name .. ": " .. told or name
  end }
end

-- What a client does that neither has a time to try again nor is asleep for a reason that a time ends.
local function what_follows(client, event)
  local reason = event.reason
  if client.closing then
    return nil
  elseif reason and reason.name == "slow_consumer" then
    return "away until its messages are handled"
  elseif reason and reason.name == "reconnect" then
    return "again at once"
  elseif client.sleep_for and event.attempt and event.attempt >= client.max_attempts and reason.class ~= "stop" then
    return ("asleep for %s s"):format(text.format("%g", client.sleep_for))
  end
  return "asleep until woken"
end

--- Has an event print itself.
-- @tparam table client
-- @tparam string name
-- @param event
function printing.teach(client, name, event)
  local metatable = metatables[name]
  if metatable and getmetatable(event) == nil then
    setmetatable(event, metatable)
    if not event.retry_in and (name == "lost" or name == "failed") then
      following[event] = what_follows(client, event)
    end
  end
end

--- A handler that gets no more than the event. A function of C, as `print` is, counts its arguments.
-- @param fn
-- @return fn, or what calls it with its first argument alone
function printing.alone(fn)
  if type(fn) == "function" and debug.getinfo(fn, "S").what == "C" then
    return function(event)
      return fn(event)
    end
  end
  return fn
end

--- What `tostring` makes of a message.
-- @tparam table message
-- @treturn string
function printing.message(message)
  return ("%s: %s"):format(tostring(message.topic), tostring(message.payload))
end

--- What it makes of a reason.
-- @tparam table reason
-- @treturn string
function printing.reason(reason)
  return ("%s: %s"):format(tostring(reason.name), tostring(reason.text))
end

return printing
