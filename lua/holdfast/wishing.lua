--- `client:subscribe`: checks a wish and hands it to the core.
-- @module holdfast.wishing
local check = require "holdfast.check"
local printing = require "holdfast.printing"
local subscription = require "holdfast.subscription"
local text = require "holdfast.text"
local walk = require "holdfast.walk"

local rules = require("holdfast.late").module "holdfast.rules"

local wishing = {}

local only_5 = { "no_local", "retain_as_published", "retain_handling", "identifier", "properties" }
local retain_handling = { always = 0, new = 1, never = 2 } -- MQTT 5 section 3.8.3.1

local HIGHEST = 2147483647 -- an integer in every Lua

-- A wish's number tells its mail from that of another: the next one that none has.
local function unused_number(client)
  local wish = client.last_wish
  repeat
    wish = wish < HIGHEST and wish + 1 or 1
  until not client.wishes[wish]
  return wish
end

local adapt = function(value)
  return value
end

--- Sets what makes a handler of something that is none.
-- @tparam function fn `fn(value)` answers a function, or the value itself
function wishing.adapt(fn)
  adapt = fn
end

local function checked(client, filter, given, handler)
  local fine, problem = check.filter(filter, {})
  if not fine then
    return nil, "filter " .. problem
  elseif handler ~= nil and not check.is_callable(handler) then
    return nil, "handler must be a function, got " .. text.describe(handler)
  end
  local values
  values, problem = walk.call("subscribe", given, client.defaults)
  if not values then
    return nil, problem
  end
  local preset = client.defaults and client.defaults.subscribe or {}
  for _, name in ipairs(only_5) do
    local place = given and given[name] ~= nil and "" or preset[name] ~= nil and "defaults.subscribe."
    if client.protocol == 4 and place then
      return nil, place .. name .. " needs protocol = 5"
    end
  end
  if values.no_local and filter:match "^%$share/" then
    return nil, "no_local is not allowed with a shared subscription [MQTT-3.8.3-4]"
  elseif given and given.ordered ~= nil and not handler then
    return nil, "ordered is about handlers, and there is none"
  elseif values.acknowledge == "handled" and not client.holds_back then
    return nil, rules.HANDLED_NATIVELY
  end
  return values
end

--- What is wrong with the arguments of `subscribe`.
-- @treturn ?string
-- @local
function wishing.problem(...)
  local _, problem = checked(...)
  return problem
end

--- Wishes for messages, before the start, in an outage, at any time; kept through every reconnect.
-- @tparam holdfast.client client
-- @tparam string filter topic filter, also "$share/group/filter" (MQTT 5 sections 4.7 and 4.8.2)
-- @tparam[opt] holdfast.options.subscribe given
-- @tparam[opt] function handler `handler(message, subscription)`; may wait, and may take the place of `given`
-- @treturn ?holdfast.subscription or nil
-- @treturn ?string message
-- @treturn ?string code: "closed", "forked", "out_of_memory"
-- @raise when an argument is wrong
-- @usage
-- client:subscribe("meters/+/power", { qos = 1 }, function(message)
--   print(message.topic, message.payload)
-- end)
function wishing.subscribe(client, filter, given, handler)
  check.method(client, "handle", "client:subscribe")
  given, handler = adapt(given), adapt(handler)
  if handler == nil and check.is_callable(given) then
    given, handler = nil, given
  end
  local values, problem = checked(client, filter, given, handler)
  if not values then
    error("subscribe: " .. problem, 2)
  elseif client.closing then
    return nil, "the client is closed", "closed"
  end
  local wish = unused_number(client)
  local retained = values.retain_handling
  -- Ours first: what the keeper has been told is not taken back when Lua runs out of memory.
  local made = subscription.new(client, wish, filter, values, printing.alone(handler))
  client.last_wish = wish
  client.wishes[wish] = made
  local fine, message, code = client.handle:subscribe(wish, filter, values.qos, values.no_local,
    values.retain_as_published, retain_handling[retained] or retained, values.identifier, values.properties)
  if not fine then
    client.wishes[wish] = nil
    return nil, message, code
  end
  return made
end

--- A subscription has been removed.
-- @tparam holdfast.client client
-- @tparam holdfast.subscription which
-- @local
function wishing.forget_wish(client, which)
  client.wishes[which.wish] = nil
  if not client.closing then
    client.handle:unsubscribe(which.wish)
  end
end

return wishing
