--- Which proxies a client goes by: one that the options name, those of the environment, or what a function answers.
-- @module holdfast.proxy
local check = require "holdfast.check"

local proxy = {}

-- The name in lower case is the older one and goes first, as with curl.
local function variable(name)
  for _, spelled in ipairs { name, name:upper() } do
    local value = os.getenv(spelled)
    if value and value ~= "" then
      return value
    end
  end
end

local function named(name)
  local value = variable(name)
  if not value then
    return nil
  end
  local address = value:find("://", 1, true) and value or "http://" .. value
  local fine, problem = check.proxy(address, { secret = true })
  if not fine then
    return nil, ("proxy: what the environment has as %s %s"):format(name, problem)
  end
  return address
end

local function environment()
  local all, problem = named "all_proxy"
  local secure, other = named "https_proxy"
  if problem or other then
    return nil, problem or other
  elseif not all and not secure then
    return nil
  end
  return { plain = all, secure = secure or all, except = variable "no_proxy" }
end

--- What `proxy` means.
-- @param value as `check.proxy` has it
-- @treturn ?table `plain` and `secure` (addresses, for servers without TLS and with it), `except` (a list as in
-- no_proxy), or `ask` (a function); nil: none, or nil and what is wrong
function proxy.resolve(value)
  if value == "environment" then
    return environment()
  elseif type(value) == "string" then
    return { plain = value, secure = value }
  end
  return { ask = value }
end

--- Whether one of them may be reached by TLS, so that options of TLS mean something.
-- @tparam table proxies as `resolve` gives them
-- @treturn boolean
function proxy.may_be_secure(proxies)
  local both = ((proxies.plain or "") .. " " .. (proxies.secure or "")):lower()
  return proxies.ask ~= nil or both:find("https://", 1, true) ~= nil
end

return proxy
