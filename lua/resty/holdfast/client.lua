--- What a client has in nginx beyond @{holdfast.client}: default timeouts in milliseconds, a shared dict as the taker
-- of a subscription, and a sentence where nginx cannot suspend the caller.
-- @classmod resty.holdfast.client
local check = require "holdfast.check"
local log = require "holdfast.log"
local openresty = require "holdfast.loop.openresty"

local client = {}

local Client, Subscription = {}, {} -- completed by what they extend, when the first of each is seen

local function extend(class, object)
  local base = getmetatable(object)
  if class.base == nil then
    for name, value in pairs(base) do
      if class[name] == nil then
        class[name] = value
      end
    end
    class.__index, class.base = class, base
  end
  return setmetatable(object, class)
end

-- Of calls that only wait; those that act first ask the loop themselves.
local function check_place(name)
  local problem = openresty.problem()
  if problem then
    error(name .. ": " .. problem, 3)
  end
end

local function seconds(name, milliseconds)
  if milliseconds == nil then
    return nil
  elseif type(milliseconds) ~= "number" or not (milliseconds >= 0 and milliseconds <= 4294967295) then
    error(("set_timeouts: %s must be a number of milliseconds from 0 to 4,294,967,295 or nil, got %s"):format(name,
      tostring(milliseconds)), 3)
  end
  return milliseconds / 1000
end

--- Sets how long calls wait that are not given a time of their own; nil: without end, as at first.
-- @tparam ?number connect milliseconds, for `connect`
-- @tparam ?number publish milliseconds, for `publish`
-- @tparam ?number receive milliseconds, for `receive` and `messages` of its subscriptions
-- @raise when one is no time
function Client:set_timeouts(connect, publish, receive)
  check.method(self, "handle", "client:set_timeouts")
  local for_connect, for_publish, for_receive = seconds("connect", connect), seconds("publish", publish),
    seconds("receive", receive)
  self.connect_timeout, self.publish_timeout, self.receive_timeout = for_connect, for_publish, for_receive
end

function Client:connect(timeout)
  check.method(self, "handle", "client:connect")
  return Client.base.connect(self, timeout == nil and self.connect_timeout or timeout)
end

function Client:wait(name, timeout)
  check.method(self, "handle", "client:wait")
  check_place "wait"
  return Client.base.wait(self, name, timeout)
end

function Client:publish(topic, payload, given)
  check.method(self, "handle", "client:publish")
  if self.publish_timeout and (given == nil or type(given) == "table" and given.timeout == nil) then
    local copy = { timeout = self.publish_timeout }
    for name, value in pairs(given or {}) do
      copy[name] = value
    end
    given = copy
  end
  return Client.base.publish(self, topic, payload, given)
end

local function is_dict(value)
  return type(value) == "table" and type(value.safe_set) == "function"
end

-- The newest payload of each topic; an empty one is how MQTT takes a retained message back (MQTT 5 section 3.3.1.3).
local function keep_in(dict)
  local is_told = false
  return function(message)
    if message.payload == "" then
      return dict:delete(message.topic)
    end
    local fine, problem, has_dropped = dict:set(message.topic, message.payload)
    if not fine then
      log.write("error", ("the shared dict does not take %s: %s"):format(message.topic, problem))
    elseif has_dropped and not is_told then
      is_told = true
      log.write("warning", ("the shared dict is full: it has dropped what was used least recently to take %s, and will "
        .. "go on doing so unnoticed"):format(message.topic))
    end
  end
end

--- As `subscribe` of @{holdfast.client}; in place of a handler it takes a shared dict (`ngx.shared.NAME`), which then
-- holds the newest payload of each topic, without those that are empty.
function Client:subscribe(filter, given, handler)
  check.method(self, "handle", "client:subscribe")
  if is_dict(given) and handler == nil then
    given, handler = nil, given
  end
  if is_dict(handler) then
    handler = keep_in(handler)
  end
  local fine, made, message, code = pcall(Client.base.subscribe, self, filter, given, handler)
  if not fine then
    error(made, 2) -- at the caller's line: what `pcall` calls knows none
  elseif not made then
    return nil, message, code
  end
  return extend(Subscription, made)
end

function Subscription:receive(timeout)
  check.method(self, "wish", "subscription:receive")
  check_place "receive"
  return Subscription.base.receive(self, timeout == nil and self.client.receive_timeout or timeout)
end

function Subscription:messages(timeout)
  check.method(self, "wish", "subscription:messages")
  check_place "messages"
  return Subscription.base.messages(self, timeout == nil and self.client.receive_timeout or timeout)
end

function Subscription:granted(timeout)
  check.method(self, "wish", "subscription:granted")
  check_place "granted"
  return Subscription.base.granted(self, timeout)
end

--- Makes a client of @{holdfast.client} one of these.
-- @tparam holdfast.client made
-- @treturn resty.holdfast.client
-- @local
function client.adopt(made)
  return extend(Client, made)
end

return client
