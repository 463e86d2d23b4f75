--- `client.defaults`: what a client's calls take that are not given it.
--
--     client.defaults.publish = { qos = 1, timeout = 5 }
--     client.defaults.receive = { timeout = 30 }
--
-- A table of options by the name of the call, those of the schema; all times are seconds. It is checked where it is
-- set, and again where it is used, since what lies in it may change.
-- @module holdfast.defaults
local walk = require "holdfast.walk"

local defaults = {}

local Defaults = {}

function Defaults:__newindex(call, given)
  local problem = walk.defaults_problem(call, given)
  if problem then
    error("client.defaults: " .. problem, 2)
  end
  rawset(self, call, given)
end

--- The defaults of a client.
-- @tparam ?table given by call; each is kept as it is, not copied
-- @treturn ?table nil and what is wrong
-- @treturn ?string
function defaults.new(given)
  local made = {}
  for call in pairs(given or made) do
    local problem = walk.defaults_problem(call, given[call])
    if problem then
      return nil, problem
    end
  end
  for _, call in ipairs(walk.calls) do
    made[call] = given and given[call]
  end
  return setmetatable(made, Defaults)
end

--- The timeout of a call that takes it as an argument.
-- @tparam holdfast.client client
-- @tparam string call
-- @param given what the call was given
-- @return that, or the client's default
function defaults.timeout(client, call, given)
  if given ~= nil then
    return given
  end
  local fallback = client.defaults and client.defaults[call]
  return fallback and fallback.timeout
end

return defaults
