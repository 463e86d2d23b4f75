--- What `holdfast check` prints of each step.
-- @module holdfast.command.check.words
local text = require "holdfast.text"

local words = {}

local DAY = 86400

--- Whole days until a time; below 0: it is past.
-- @tparam number time seconds since 1970
-- @tparam number now likewise
-- @treturn number
function words.days(time, now)
  return math.floor((time - now) / DAY)
end

local function day(time)
  return time and os.date("!%Y-%m-%d", time) or "?"
end

words.safe = text.safe

local safe = words.safe

local function place(address, port)
  if not port then
    return address
  end
  return ("%s port %d"):format(address, port)
end

local function left_of(certificate, now)
  local days = certificate.not_after and words.days(certificate.not_after, now)
  if not days then
    return "no end that can be read"
  elseif days < 0 then
    return ("over for %d day%s"):format(-days, days == -1 and "" or "s")
  end
  return ("%d day%s left"):format(days, days == 1 and "" or "s")
end

local function certificate_lines(certificate, index, now)
  local names = certificate.names or {}
  local lines = { ("%d  %s"):format(index, safe(certificate.subject or "no certificate at all")) }
  if names[1] then
    lines[2] = "   for " .. safe(table.concat(names, ", "))
  end
  lines[#lines + 1] = "   by " .. safe(certificate.issuer or "?")
  lines[#lines + 1] = ("   valid from %s to %s, %s"):format(day(certificate.not_before), day(certificate.not_after),
    left_of(certificate, now))
  return lines
end

local function yes(flag)
  return flag and "yes" or "no"
end

-- The properties of CONNACK, in the order in which they are shown: field, words, how it is shown.
local PROPERTIES = {
  { "receive_maximum", "receive maximum" },
  { "maximum_packet_size", "maximum packet size", otherwise = "no limit" },
  { "topic_alias_maximum", "topic alias maximum" },
  { "maximum_qos", "maximum QoS" },
  { "server_keep_alive", "server keep alive", unit = " s", otherwise = "ours" },
  { "session_expiry", "session expiry", unit = " s", otherwise = "ours" },
  { "assigned_client_id", "assigned client identifier", otherwise = "none" },
  { "retain_available", "retain available", yes },
  { "wildcard_available", "wildcard subscriptions", yes },
  { "shared_available", "shared subscriptions", yes },
  { "identifiers_available", "subscription identifiers", yes },
  { "response_information", "response information" },
  { "authentication_method", "authentication method" },
  { "reason_string", "reason string" },
  { "server_reference", "server reference" },
}

local function property(row, value)
  if value == nil then
    return row.otherwise
  elseif row[3] then
    return row[3](value)
  elseif type(value) == "number" then
    return text.number(value) .. (row.unit or "")
  end
  return safe(value)
end

local function connack_lines(step)
  local answer = step.code == 0 and "accepted"
    or ("refused, code " .. (step.protocol == 5 and "0x%02X" or "%d")):format(step.code)
  local lines = { ("MQTT %s, %s%s"):format(step.protocol == 5 and "5" or "3.1.1", answer,
    step.code == 0 and (step.session_present and ", with a session" or ", without a session") or "") }
  if step.protocol ~= 5 then
    return lines
  end
  for _, row in ipairs(PROPERTIES) do
    local shown = property(row, step[row[1]])
    if shown then
      lines[#lines + 1] = ("  %-28s%s"):format(row[2], shown)
    end
  end
  for _, pair in ipairs(step.user or {}) do
    lines[#lines + 1] = ("  %-28s%s = %s"):format("user property", safe(pair[1]), safe(pair[2]))
  end
  return lines
end

local steps = {}

function steps.name(step)
  if step.service then
    local servers = table.concat(step.servers or {}, ", ")
    return "service", { ("%s is served by %s"):format(safe(step.service), safe(servers)) }
  end
  return "name", { ("%s is %s"):format(safe(step.host), table.concat(step.addresses or {}, ", ")) }
end

function steps.tcp(step)
  local to = place(step.address, step.port) .. (step.quic and " by QUIC" or "")
  if step.state == "failed" then
    return "address", { ("%s: %s"):format(to, safe(step.problem)) }
  end
  return step.state == "tried" and "address" or "connected", { step.state == "tried" and to .. " ..." or to }
end

function steps.proxy(step)
  return "proxy", { ("%s opens the way to %s"):format(place(step.proxy, step.proxy_port),
    place(safe(step.host), step.port)) }
end

function steps.certificates(step, now, unseen)
  local lines = {}
  for index, certificate in ipairs(step.chain or {}) do
    for _, line in ipairs(certificate_lines(certificate, index, now)) do
      lines[#lines + 1] = line
    end
  end
  if step.cut then
    lines[#lines + 1] = "and more, or larger ones, than are shown"
  end
  lines[#lines + 1] = step.problem and "not trusted: " .. safe(step.problem) or unseen and "not checked"
    or "trusted, and for " .. safe(step.host)
  return "certificate", lines
end

function steps.tls(step)
  return "TLS", { ("%s, %s, %s%s%s"):format(step.version, step.cipher, step.alpn and "ALPN " .. safe(step.alpn)
    or "no ALPN", step.resumed and ", resumed" or "", step.quic and ", within QUIC" or "") }
end

function steps.websocket(step)
  return "WebSocket", { ("%s is taken up, as %s"):format(safe(step.path), step.subprotocol) }
end

function steps.connack(step)
  return "CONNACK", connack_lines(step)
end

--- A label and lines for a step; nil: nothing is to be said of it.
-- @tparam table step event
-- @tparam number now seconds since 1970
-- @tparam ?boolean unseen nobody has looked whether a certificate is trusted
-- @treturn ?string
-- @treturn ?table
function words.step(step, now, unseen)
  local make = steps[step.step]
  if make then
    return make(step, now, unseen)
  end
end

--- The lines of one thing that happened.
-- @tparam ?number after seconds since the attempt began
-- @tparam string label
-- @tparam table lines
-- @treturn string
function words.entry(after, label, lines)
  local made = {}
  for index, line in ipairs(lines) do
    local head = index == 1 and text.format("%9.3f s  ", after) .. ("%-13s"):format(label) or (" "):rep(25)
    made[index] = head .. line .. "\n"
  end
  return table.concat(made)
end

return words
