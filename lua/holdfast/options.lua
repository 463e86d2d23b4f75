--- Options as users write them: checked against the schema, with defaults.
-- Nothing here throws: a problem is returned as a sentence that names the key, what was wanted and what came, so that
-- the caller decides at whose line it is raised. Secrets are never shown.
-- @module holdfast.options
local check = require "holdfast.check"
local late = require "holdfast.late"
local walk = require "holdfast.walk"

local presets = late.module "holdfast.presets"
local rules = late.module "holdfast.rules"
local text = late.module "holdfast.text"

local options = {}

local function ms(seconds)
  return seconds and math.floor(seconds * 1000 + 0.5)
end

-- A window this much wider than the broker needs keeps its queue short where chance brings more clients than usual.
local AIR = 1.05

--- A backoff in the core's own terms.
-- @tparam table spec as @{backoff} returned it
-- @treturn table
function options.milliseconds(spec)
  if spec.preset then
    return presets.core(spec.preset)
  end
  local window = spec.strategy == "spread" and math.max(1, ms(AIR * spec.clients / spec.rate)) or nil
  local fraction = type(spec.jitter) == "number" and spec.jitter or nil
  return {
    strategy = spec.strategy,
    jitter = fraction and "fraction" or spec.jitter,
    fraction = fraction,
    factor = spec.factor,
    min = spec.min == 0 and 1 or ms(spec.min), -- 1 ms is the core's nothing
    max = window and ms(spec.min) or ms(spec.max),
    step = ms(spec.step),
    window = window,
  }
end

--- Checks one backoff by itself.
-- @tparam table given `strategy`, `min`, `max`, `factor`, `step`, `jitter`
-- @tparam string name how messages call it
-- @tparam[opt] table defaults in place of the schema's
-- @treturn ?table with defaults, or nil and what is wrong
function options.backoff(given, name, defaults)
  return rules.backoff(given, name, defaults)
end

-- What no rule says anything about, as long as it is MQTT 5 over TCP.
local PLAIN = {}
for _, name in ipairs { "server", "servers", "client_id", "transport", "keep_alive", "clean_start", "session_expiry",
  "connect_timeout", "stable_after", "max_attempts", "window", "inbox", "loop", "defaults", "watch_network" } do
  PLAIN[name] = true
end

local function is_plain(given)
  for key in pairs(given) do
    if not PLAIN[key] then
      return false
    end
  end
  return getmetatable(given) == nil
end

local function is_usual(values)
  if values.protocol ~= 5 then
    return false
  end
  for _, server in ipairs(values.servers) do
    if server.road ~= "tcp" or server.tls or server.service then
      return false
    end
  end
  return true
end

-- What a client waits at least where the broker says that it is busy.
local SLOW = { min = 30, max = 300 }

local function address_problem(given)
  if (given.server == nil) == (given.servers == nil) then
    return given.server and "server and servers exclude each other; keep one" or
      'server is missing: say server = "mqtt://..." or servers = { ... }'
  end
end

--- Checks the options of a client.
-- @tparam table given
-- @treturn ?table values with defaults, times in seconds; nil and what is wrong
function options.check(given)
  if type(given) ~= "table" then
    return nil, "options must be a table, got " .. text.describe(given)
  end
  local plain = is_plain(given)
  local values, problem = nil, not plain and rules.proxy_problem(given)
  if not problem then
    values, problem = walk.all(given)
  end
  problem = problem or address_problem(given)
  if problem then
    return nil, problem
  end
  if values.server and check.is_callable(values.server) then
    values.ask_server, values.server, values.servers, plain = values.server, nil, {}, false
  end
  values.servers = values.servers or { values.server }
  if plain and is_usual(values) then
    values.slow = walk.nested("backoff", {}, "policy.slow.", SLOW)
  else
    problem = rules.problem(given, values)
  end
  if problem then
    return nil, problem
  end
  local preset = values.backoff.preset
  for name, value in pairs(preset and presets.around(preset) or {}) do
    if given[name] == nil then
      values[name] = value
    end
  end
  if values.detect_within and values.transport == "paho" then
    -- The link is found dead at the latest after one and a half keep alives and the wait for the answer to a probe.
    values.keep_alive = math.max(1, math.floor(values.detect_within / 2.5))
  elseif values.detect_within then
    -- What the broker is told is not what we ask by: a pause of ours must not cost the connection.
    values.keep_alive = math.min(65535, math.ceil(values.detect_within))
  end
  return values
end

return options
