--- What has gone wrong, of `holdfast check`: its name, its exit status, what to do about it.
-- @module holdfast.command.check.verdict
local advice = require "holdfast.command.check.advice"
local exit = require "holdfast.command.exit"
local status = require "holdfast.command.check.status"

local verdict = {}

local BY_SOURCE = {
  connack = "not_let_in", connack_v3 = "not_let_in", disconnect = "unavailable", network = "no_way", tls = "tls",
  proxy = "proxy", socks = "proxy", http = "websocket", websocket = "websocket", quic = "no_way", client = "no_mqtt",
  suback = "no_message", puback = "no_message",
}

local BY_NAME = {
  name_not_found = "no_name", name_server_failing = "no_name", closed_before_connack = "no_mqtt",
  connection_lost = "no_mqtt", unsupported_protocol_version = "version", server_unavailable = "unavailable",
  server_busy = "unavailable", quota_exceeded = "unavailable", connection_rate_exceeded = "unavailable",
  use_another_server = "elsewhere", server_moved = "elsewhere", malformed_packet = "no_mqtt",
  protocol_error = "no_mqtt", unknown_connack = "no_mqtt", quic_version = "no_mqtt", auth_server = "not_let_in",
}

local BY_PHASE = { -- of what takes too long
  none = "no_way", dns = "no_name", tcp = "no_way", proxy = "proxy", quic = "no_way", tls = "tls",
  websocket = "websocket", connack = "no_mqtt",
}

local SYSTEM = { out_of_memory = true, quic_missing = true }

local function status_of(reason, phase)
  if SYSTEM[reason.name] then
    return exit.failed
  elseif reason.name == "connect_timeout" then
    return status[BY_PHASE[phase] or "no_way"]
  end
  return status[BY_NAME[reason.name] or BY_SOURCE[reason.source] or "no_mqtt"]
end

--- Of a reason of the library's.
-- @tparam table reason
-- @tparam[opt] string phase of the attempt
-- @tparam[opt] table more fields of the fault, in place of those that follow from the reason
-- @treturn table fault: `status`, `name`, `class`, `source`, `code`, `text`, `phase`, `advice`
function verdict.of(reason, phase, more)
  local fault = { status = status_of(reason, phase), name = reason.name, class = reason.class, source = reason.source,
    code = reason.code, text = reason.text, phase = phase, advice = advice.of(reason.name, reason.source, phase) }
  for key, value in pairs(more or {}) do
    fault[key] = value
  end
  return fault
end

--- Of an attempt, or of its connection.
-- @tparam table outcome of @{holdfast.command.check.attempt}
-- @treturn table fault, as @{of}
function verdict.of_outcome(outcome)
  if outcome.lost then
    return verdict.of(outcome.lost, "up", { status = status.lost })
  end
  return verdict.of(outcome.reason, outcome.phase, { server_reference = outcome.server_reference })
end

--- Of what only a look at the whole tells.
-- @tparam string name
-- @tparam string kind of @{holdfast.command.check.status}
-- @tparam string text
-- @tparam[opt] table reason that it has shown as
-- @treturn table fault, as @{of}
function verdict.found(name, kind, text, reason)
  reason = reason or {}
  return { status = status[kind], name = name, class = reason.class, source = reason.source or "check",
    code = reason.code, text = text, advice = advice.of(name) }
end

--- A warning.
-- @tparam string name
-- @tparam string text
-- @treturn table
function verdict.warning(name, text)
  return { name = name, text = text, advice = advice.of(name) }
end

local HEX = { connack = true, disconnect = true, suback = true, puback = true }

--- The code of a fault, as it is written where it comes from.
-- @tparam table fault
-- @treturn ?string
function verdict.code(fault)
  return fault.code and (HEX[fault.source] and "0x%02X" or "%d"):format(fault.code)
end

return verdict
