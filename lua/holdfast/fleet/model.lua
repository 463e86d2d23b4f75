--- The options of a simulated fleet, checked, and what the core makes of them.
-- @module holdfast.fleet.model
local options = require "holdfast.options"
local settings = require "holdfast.settings"
local text = require "holdfast.text"
local walk = require "holdfast.walk"

local model = {}

local LONGEST = 65536 -- seconds, 18 hours: as far as the core's clock of a simulation goes

-- What one broker is like. In `servers` each may have its own.
local server_rows = {
  accept_rate = { type = "number", from = 0.001, to = 1e6, default = 1000 },
  accept_queue = { type = "whole", from = 1, to = 1e9, default = 1000 },
  outage_at = { type = "seconds", to = LONGEST, default = 0 },
  outage = { type = "seconds", to = LONGEST, default = 60 },
  while_down = { type = "choice", choices = { "refused", "silent" }, default = "refused" },
  drop_for = { type = "seconds", to = LONGEST, default = 0 },
  drop_after = { type = "seconds", to = LONGEST, default = 1 },
  busy_above = { type = "number", from = 0, to = 1e9, default = 0 },
  busy_code = { type = "choice", choices = { 0x88, 0x89, 0x9F }, default = 0x89 },
}

local fleet_rows = {
  clients = { type = "whole", from = 1, to = 1e7, default = 100000 },
  seed = { type = "whole", from = 0, to = 2 ^ 53, default = 1 },
  latency = { type = "seconds", to = 60, default = 0 },
  stagger = { type = "seconds", to = LONGEST, default = 0 },
  resend = { type = "boolean", default = false },
  horizon = { type = "seconds", above = 0, to = LONGEST },
  restart_share = { type = "number", from = 0, to = 1, default = 0 },
  restart_within = { type = "seconds", to = LONGEST },
  attempts_per_second = { type = "number", from = 0.001, to = 1e6 },
  burst = { type = "whole", from = 1, to = 1e6, default = 1 },
  clients_per_process = { type = "whole", from = 1, to = 1e7, default = 1 },
  progress = { type = "callback" },
}

-- Options of a client, with its defaults and its checks.
local client_names = { "backoff", "policy", "connect_timeout", "stable_after", "max_attempts", "sleep_for" }
local of_client = {}
for _, name in ipairs(client_names) do
  of_client[name] = true
end

local function sorted(...)
  local names = {}
  for _, rows in ipairs { ... } do
    for name in pairs(rows) do
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

local server_names, fleet_names = sorted(server_rows), sorted(fleet_rows)
local all_names = sorted(server_rows, fleet_rows, of_client, { servers = true })

--- Whether a name is an option of a fleet.
-- @treturn ?string what is wrong
function model.unknown(name)
  for _, known in ipairs(all_names) do
    if name == known then
      return nil
    end
  end
  return text.unknown("option", name, all_names)
end

local function with_defaults(rows, values)
  for name, row in pairs(rows) do
    if values[name] == nil then
      values[name] = row.default
    end
  end
  return values
end

-- The given options in three parts: those of the fleet, of the brokers, of every client.
local function sort_out(given)
  local fleet, server, client = {}, {}, { server = "mqtt://localhost" }
  for name in pairs(given) do
    local problem = model.unknown(name)
    if problem then
      return nil, problem
    end
  end
  for _, name in ipairs(all_names) do
    local value = given[name]
    if fleet_rows[name] then
      fleet[name] = value
    elseif server_rows[name] then
      server[name] = value
    elseif of_client[name] then
      client[name] = value
    end
  end
  return fleet, server, client
end

local function check_servers(list, common)
  if list == nil then
    return { common }
  elseif type(list) ~= "table" or #list == 0 or #list > 1000 then
    return nil, "servers must be a list of 1 to 1,000 tables, got " .. text.describe(list)
  end
  local servers = {}
  for place, own in ipairs(list) do
    local values, problem = walk.rows(own, server_rows, server_names)
    if not values then
      return nil, ("servers: in place %d %s"):format(place, problem)
    end
    for name, value in pairs(common) do
      if values[name] == nil then
        values[name] = value
      end
    end
    servers[place] = values
  end
  return servers
end

local function ms(seconds)
  return math.floor(seconds * 1000 + 0.5)
end

local function server_settings(server)
  return {
    accept_rate = server.accept_rate,
    accept_queue = server.accept_queue,
    down_at = ms(server.outage_at),
    outage = ms(server.outage),
    silent = server.while_down == "silent",
    drop_for = ms(server.drop_for),
    drop_after = ms(server.drop_after),
    busy_above = server.busy_above,
    busy_code = server.busy_code,
  }
end

-- Long enough for every policy that gets there at all: a generous number of times what the broker needs.
local function default_horizon(fleet, servers, ideal)
  local last = 0
  for _, server in ipairs(servers) do
    last = math.max(last, server.outage_at + server.outage)
  end
  return math.min(LONGEST, math.max(last + 20 * ideal, last + 3600, fleet.stagger + 3600))
end

local function client_problem(client)
  if type(client.backoff) == "function" then
    return "backoff must be a table: a function cannot be simulated"
  elseif type(client.policy) == "function" then
    return "policy must be a table"
  end
end

--- Checks the options of a run.
-- @tparam table given see @{holdfast.fleet}
-- @treturn ?table values: `fleet`, `servers`, `client` (all with defaults), `ideal` (s), `back` (s)
-- @treturn ?string what is wrong
function model.check(given)
  if type(given) ~= "table" then
    return nil, "options must be a table, got " .. text.describe(given)
  end
  local fleet, server, client = sort_out(given)
  if not fleet then
    return nil, server
  end
  local problem
  fleet, problem = walk.rows(fleet, fleet_rows, fleet_names)
  if not fleet then
    return nil, problem
  end
  server, problem = walk.rows(server, server_rows, server_names)
  if not server then
    return nil, problem
  end
  local servers
  servers, problem = check_servers(given.servers, with_defaults(server_rows, server))
  problem = problem or client_problem(client)
  if problem then
    return nil, problem
  end
  client, problem = options.check(client)
  if not client then
    return nil, problem
  end
  with_defaults(fleet_rows, fleet)
  local rate = 0
  for _, each in ipairs(servers) do
    rate = rate + each.accept_rate
  end
  local ideal = fleet.clients / rate
  local first = servers[1]
  fleet.horizon = fleet.horizon or default_horizon(fleet, servers, ideal)
  fleet.restart_within = fleet.restart_within or first.outage
  return { fleet = fleet, servers = servers, client = client, ideal = ideal, rate = rate,
    back = first.outage_at + first.outage }
end

--- Checked options as `core.fleet` wants them.
-- @tparam table values of @{check}
-- @treturn table
function model.settings(values)
  local fleet, client = values.fleet, settings.build(values.client)
  local servers = {}
  for place, server in ipairs(values.servers) do
    servers[place] = server_settings(server)
  end
  local from = servers[1].down_at
  return {
    servers = servers,
    backoff = client.backoff,
    slow = client.slow,
    rules = client.rules,
    connect_timeout = client.connect_timeout,
    stable_after = client.stable_after,
    max_attempts = client.max_attempts,
    sleep_for = client.sleep_for,
    clients = fleet.clients,
    latency = ms(fleet.latency),
    stagger = ms(fleet.stagger),
    resend = fleet.resend,
    horizon = ms(fleet.horizon),
    restart_share = fleet.restart_share,
    restart_from = from,
    restart_to = from + ms(fleet.restart_within),
    budget_rate = fleet.attempts_per_second or 0,
    budget_burst = fleet.burst,
    per_process = fleet.clients_per_process,
  }
end

return model
