--- The command `holdfast-fleet`.
-- @module holdfast.fleet.command
local fleet = require "holdfast.fleet"
local advise = require "holdfast.fleet.advise"
local core = require "holdfast.core"
local model = require "holdfast.fleet.model"
local picture = require "holdfast.fleet.picture"
local presets = require "holdfast.presets"
local table_of = require "holdfast.fleet.table"
local text = require "holdfast.text"

local command = {}

local HELP = [[
usage: holdfast-fleet [--OPTION VALUE ...] [FILE]

Simulates a fleet of clients that lose their broker, and shows what the reconnect policy does to both.

  --clients 100000         how many there are
  --accept-rate 1000       handshakes a second that the broker can take
  --accept-queue 1000      how many may wait; a SYN beyond them is lost
  --outage 60              seconds
  --while-down refused     or silent
  --connect-timeout 10     of the clients
  --latency 0.02           seconds, one way
  --seed 1                 the same seed gives the same result
  ... and every other plain option of holdfast.fleet.run, underscores written as hyphens

  --compare NAME,NAME      policies side by side: holdfast (the default), spread, or another client's own:
                           PRESETS
  --svg FILE               draw attempts a second and connected clients over time, one panel a policy
  --advise                 search min, max, factor and jitter for this fleet, and say what was found and why
  --quiet                  no progress bar (there is none either where stderr is no terminal)
  --help                   this text
  --version                the version of holdfast

FILE is Lua and returns a table of the same options, in which `backoff` and `policy` may be tables, as in

  return { clients = 50000, accept_rate = 400, outage = 120, backoff = { min = 2, max = 90 } }

and, for a comparison of your own, policies = { { name = "short", backoff = { max = 20 } }, ... }.
]]

local function help()
  return (HELP:gsub("PRESETS", table.concat(presets.names, " "):gsub("(mqttjs) ", "%1\n" .. (" "):rep(27))))
end

local FLAGS = { advise = true, quiet = true, help = true, version = true }
local OWN = { compare = true, svg = true }

local function value_of(word)
  if word == "true" or word == "false" then
    return word == "true"
  end
  return tonumber(word) or word
end

-- "--name=value", "--name value" and files; what is wrong as the third value.
local function parse(words)
  local given, files, own = {}, {}, {}
  local place = 1
  while words[place] do
    local word = words[place]
    local name, value = word:match "^%-%-([%w-]+)=(.*)$"
    name = name or word:match "^%-%-([%w-]+)$"
    if not name then
      if word:sub(1, 1) == "-" then
        return nil, nil, "unknown option " .. word
      end
      files[#files + 1] = word
    elseif FLAGS[name] then
      own[name] = true
    else
      if value == nil then
        place = place + 1
        value = words[place]
      end
      if value == nil then
        return nil, nil, ("--%s wants a value"):format(name)
      elseif OWN[name] then
        own[name] = value
      else
        local key = name:gsub("%-", "_")
        local problem = model.unknown(key)
        if problem then
          return nil, nil, problem
        end
        given[key] = value_of(value)
      end
    end
    place = place + 1
  end
  if #files > 1 then
    return nil, nil, "one file at most, got " .. #files
  end
  own.file = files[1]
  return given, own
end

local function load_file(name)
  local chunk, problem = loadfile(name)
  if not chunk then
    return nil, problem
  end
  local ok, found = pcall(chunk)
  if not ok then
    return nil, tostring(found)
  elseif type(found) ~= "table" then
    return nil, ("%s must return a table of options, got %s"):format(name, text.describe(found))
  end
  return found
end

local function policy_named(name, options)
  if name == "holdfast" then
    return { name = name }
  elseif name == "spread" then
    return { name = name, backoff = { strategy = "spread", clients = options.clients, rate = options.accept_rate } }
  end
  for _, known in ipairs(presets.names) do
    if name == known then
      return { name = name, backoff = { preset = name } }
    end
  end
  local known = { "holdfast", "spread" }
  for _, preset in ipairs(presets.names) do
    known[#known + 1] = preset
  end
  return nil, text.unknown("policy", name, known)
end

local function policies_of(options, list, compare)
  if list ~= nil and (type(list) ~= "table" or #list == 0) then
    return nil, "policies must be a list of tables, got " .. text.describe(list)
  end
  local policies = {}
  for place, policy in ipairs(list or {}) do
    if type(policy) ~= "table" then
      return nil, ("policies: in place %d there must be a table, got %s"):format(place, text.describe(policy))
    end
    policies[place] = policy
  end
  if options.backoff ~= nil and not list then
    policies[1] = { name = "yours", backoff = options.backoff }
  end
  for name in (compare or ""):gmatch "[^,%s]+" do
    local policy, problem = policy_named(name, options)
    if not policy then
      return nil, problem
    end
    policies[#policies + 1] = policy
  end
  return #policies > 0 and policies or { { name = "holdfast" } }
end

local function bar(out, name, share)
  local WIDTH = 30
  local done = math.floor(WIDTH * share + 0.5)
  out:write(("\r%-22s [%s%s] %3d %%"):format(name, ("#"):rep(done), (" "):rep(WIDTH - done), math.floor(100 * share)))
  out:flush()
end

-- Half of the bar is the outage, the other half the way back.
local function watch(out, name, back)
  local last = -1
  return function(now, connected)
    local share = now < back and now / back / 2 or 0.5 + connected / 2
    if math.floor(100 * share) ~= last then
      last = math.floor(100 * share)
      bar(out, name, share)
    end
  end
end

local function merged(options, policy, progress)
  local made = {}
  for key, value in pairs(options) do
    made[key] = value
  end
  for key, value in pairs(policy) do
    made[key] = value
  end
  made.name, made.progress = nil, progress
  if policy.backoff == nil then
    made.backoff = nil
  end
  return made
end

local function simulate(options, policies, err, show)
  local found = {}
  for place, policy in ipairs(policies) do
    local name = tostring(policy.name or place)
    local progress = show and watch(err, name, options.outage) or nil
    local ok, result, problem = pcall(fleet.run, merged(options, policy, progress))
    if not ok or not result then
      return nil, name .. ": " .. tostring(ok and problem or result):gsub("^.-fleet%.run: ", "")
    end
    found[place] = { name = name, result = result }
  end
  if show then
    err:write("\r", (" "):rep(62), "\r")
  end
  return found
end

-- As long as the slowest takes, but not so long that the others cannot be told apart.
local function span_of(found)
  local longest, shortest = 0, math.huge
  for _, each in ipairs(found) do
    longest = math.max(longest, each.result.duration)
    shortest = math.min(shortest, each.result.duration)
  end
  return math.max(10, math.min(longest, 3 * shortest))
end

local function draw(found, options)
  local panels = {}
  for place, each in ipairs(found) do
    local result = each.result
    local note = result.t99 and text.format("99 %% after %.1f s (%.2f x ideal), %.2f attempts a client", result.t99,
      result.ratio, result.attempts_per_client) or "99 % are never back"
    panels[place] = { name = each.name, note = note, series = result.series, clients = result.clients,
      rate = result.clients / result.ideal, away = result.back - options.outage, back = result.back }
  end
  local title = text.format("%s clients, %s handshakes a second, away for %g s", text.number(options.clients),
    text.number(options.accept_rate), options.outage)
  return picture.draw(title, panels, span_of(found))
end

local function write_file(name, content)
  local file, problem = io.open(name, "w")
  if not file then
    return nil, problem
  end
  file:write(content)
  file:close()
  return true
end

local defaults = { clients = 100000, accept_rate = 1000, accept_queue = 1000, outage = 60, latency = 0.02 }

-- What is wrong with the first policy that is; one of the user's own list is called by its name or place.
local function policies_problem(options, policies, listed)
  for place, policy in ipairs(policies) do
    local _, problem = model.check(merged(options, policy))
    if problem then
      return place <= listed and ("policies: %s: %s"):format(tostring(policy.name or place), problem) or problem
    end
  end
end

local function gather(words)
  local given, own, problem = parse(words)
  if problem or own.help or own.version then
    return nil, own, problem
  elseif own.advise and (own.compare or own.svg) then
    return nil, own, ("--advise compares by itself and draws nothing; leave --%s out"):format(own.compare and "compare"
      or "svg")
  end
  local options = {}
  for key, value in pairs(defaults) do
    options[key] = value
  end
  local file = {}
  if own.file then
    file, problem = load_file(own.file)
    if not file then
      return nil, own, problem
    end
  end
  for _, part in ipairs { file, given } do
    for key, value in pairs(part) do
      options[key] = value
    end
  end
  local list = options.policies
  options.policies = nil
  own.policies, problem = policies_of(options, list, own.compare)
  problem = problem or select(2, model.check(merged(options, {})))
    or policies_problem(options, own.policies, list and #list or 0)
  return options, own, problem
end

local function is_terminal()
  local ok = os.execute "test -t 2"
  return ok == true or ok == 0
end

local function act(options, own, out, err)
  local show = not own.quiet and is_terminal()
  if own.advise then
    local runs = 0
    local found = advise.search(options, show and function()
      runs = runs + 1
      bar(err, "searching", math.min(1, runs / 36))
    end or nil)
    if show then
      err:write("\r", (" "):rep(62), "\r")
    end
    out:write(advise.explain(found, options), "\n")
    return true
  end
  local found, problem = simulate(options, own.policies, err, show)
  if not found then
    return nil, problem
  end
  out:write(table_of.format(found), "\n\n", table_of.legend, "\n")
  if own.svg then
    return write_file(own.svg, draw(found, options))
  end
  return true
end

--- Runs the command.
-- @tparam table words its arguments
-- @tparam[opt] file out where the result goes; default: the standard output
-- @tparam[opt] file err where progress and complaints go; default: the standard error
-- @treturn number the exit status: 0, or 1 when something failed, 2 when an argument is wrong
function command.main(words, out, err)
  out, err = out or io.stdout, err or io.stderr
  local options, own, problem = gather(words)
  if problem then
    err:write("holdfast-fleet: ", problem, "\nholdfast-fleet --help tells more\n")
    return 2
  elseif own.help then
    out:write(help())
    return 0
  elseif own.version then
    out:write("holdfast-fleet ", core.VERSION, "\n")
    return 0
  end
  local ok, failure = act(options, own, out, err)
  if not ok then
    err:write("holdfast-fleet: ", tostring(failure), "\n")
    return 1
  end
  return 0
end

return command
