--- One attempt to connect, in the open: its steps as they happen, and what came of it.
-- Always by the native transport, which alone shows its steps.
-- @module holdfast.command.check.attempt
local core = require "holdfast.core"
local options = require "holdfast.command.options"

local attempt = {}

local function settings(made, more)
  local given = { transport = "native", inspect = true, max_attempts = 1, clean_start = true, session_expiry = 0 }
  for key, value in pairs(made) do
    given[key] = value
  end
  for key, value in pairs(more) do
    given[key] = value
  end
  return given
end

-- Handlers start in order of happening, so with this one all before it have run.
local function until_over(holdfast, outcome)
  while not outcome.over do
    holdfast.sleep(0.001)
  end
end

--- Makes it. To be called where it may wait.
-- @tparam table holdfast
-- @tparam table made of `options.client`
-- @tparam table more options in place of those
-- @tparam[opt] function tell called with each step and the seconds since the attempt began
-- @treturn ?table outcome: `client`, while it is connected; `steps`, `reason`, `phase`, `server_reference`; nil, what
-- is wrong and the exit status where there can be none. A connection that is lost afterwards has `lost`, the reason
function attempt.make(holdfast, made, more, tell)
  local outcome = { steps = {} }
  local client, problem, status = options.new(holdfast, settings(made, more))
  if not client then
    return nil, problem, status
  end
  client:on("step", function(step)
    outcome.began = outcome.began or step.at
    outcome.steps[#outcome.steps + 1], outcome.steps[step.step] = step, step
    step.after = step.at - outcome.began
    if tell then
      tell(step, step.after)
    end
  end)
  client:on("failed", function(event)
    outcome.reason, outcome.server_reference = event.reason, event.server_reference
    outcome.took = core.now() - (outcome.began or core.now())
  end)
  client:on("lost", function(event)
    outcome.lost = event.reason
    client:close() -- so that nobody waits for what will not come
  end)
  for _, name in ipairs { "ready", "sleeping", "closed" } do
    client:on(name, function()
      outcome.over = true
    end)
  end
  local ready = client:connect()
  until_over(holdfast, outcome)
  if ready then
    outcome.client = client
    return outcome
  end
  local history = client:history()
  outcome.phase = history[#history] and history[#history].phase
  client:close()
  return outcome
end

local OTHER = { mqtt = "mqtts", mqtts = "mqtt", ws = "wss", wss = "ws" }

--- The same server and port, with TLS in place of none, or without.
-- @tparam string address
-- @treturn ?string nil: there is none
function attempt.other_address(address)
  local parsed = core.parse_server(address)
  if not parsed or parsed.service or (parsed.road ~= "tcp" and parsed.road ~= "websocket") then
    return nil
  end
  local scheme = parsed.road == "websocket" and "ws" or "mqtt"
  local other = OTHER[parsed.tls and scheme .. "s" or scheme]
  local host = parsed.ipv6 and "[" .. parsed.host:gsub("%%", "%%25") .. "]" or parsed.host
  return ("%s://%s:%d%s"):format(other, host, parsed.port, parsed.path or "")
end

return attempt
