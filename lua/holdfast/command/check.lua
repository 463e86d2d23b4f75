--- `holdfast check`: one attempt to connect, in the open, and what is wrong with it.
-- Each step is told as it happens: names, addresses, TCP, proxy, certificates, TLS, WebSocket, CONNACK, and a message
-- there and back. Where an attempt ends in what has two explanations, such as a port that expects TLS, one more that
-- carries no secrets tells them apart.
-- @module holdfast.command.check
local attempt = require "holdfast.command.check.attempt"
local core = require "holdfast.core"
local exit = require "holdfast.command.exit"
local message = require "holdfast.command.check.message"
local options = require "holdfast.command.options"
local report = require "holdfast.command.check.report"
local status = require "holdfast.command.check.status"
local topic = require "holdfast.topic"
local values = require "holdfast.command.values"
local verdict = require "holdfast.command.check.verdict"
local words = require "holdfast.command.check.words"

local check = {
  name = "check",
  summary = "Look at a broker, and name what is wrong with it.",
  synopsis = "URL",
  examples = {
    { "All there is to know of a broker", "holdfast check mqtts://broker.example" },
    { "In a cron job: a mail once the certificate has less than three weeks left",
      "holdfast check --warn-days 21 --quiet mqtts://broker.example" },
  },
}

local DAYS, TIMEOUT, PREFIX = 30, 10, "holdfast/check"
local LOOK = 3 -- seconds, at most, for an attempt that tells explanations apart

function check.declare(command)
  options.declare(command)
  command:group("What is looked at",
    command:option "--timeout":argname "SECONDS":description(
      ("For the connection, and again for the message (%d)."):format(TIMEOUT)):convert(
      values.number("--timeout", "a number of seconds", 0.001, 86400)),
    command:option "--warn-days":argname "DAYS":description(
      ("Warn of a certificate that is valid for less (%d)."):format(DAYS)):convert(
      values.whole("--warn-days", 0, 100000)),
    command:flag "--no-message":description "Do not send a message.",
    command:option "--topic-prefix":argname "TOPIC":description(
      ("The message goes to a random topic below (%s)."):format(PREFIX)),
    command:option "-q --qos":argname "QOS":description(
      "Of the message (1, or less if the broker has less)."):convert(values.qos "--qos"),
    command:flag "--json":description "One JSON object on the standard output, at the end.")
  options.declare_url(command, true)
end

-- ---- what is wrong ----

local function is_at(reason, phase, names)
  return names[reason.name] == true or names[reason.name] == phase
end

-- What a port that expects TLS does with a CONNECT.
local MAYBE_TLS = { closed_before_connack = true, connect_timeout = "connack", protocol_error = true,
  malformed_packet = true }
-- And one without TLS with a ClientHello.
local MAYBE_PLAIN = { tls_handshake = true, tls_failed = true, connect_timeout = "tls" }
-- How a broker of 3.1.1 alone, or of 5 alone, may answer the other.
local MAYBE_VERSION = { unsupported_protocol_version = true, closed_before_connack = true, protocol_error = true,
  malformed_packet = true }

local function bare(look, address, more)
  local given = { server = address, proxy = look.made.proxy, connect_timeout = math.min(LOOK, look.timeout) }
  return attempt.make(look.holdfast, given, more)
end

-- An attempt over TLS, or without it, at the same port: whether that is what it is made for.
local function expects(look, step, more)
  local other = attempt.other_address(look.address)
  local outcome = other and bare(look, other, more)
  if outcome and outcome.client then
    outcome.client:close()
  end
  return outcome ~= nil and outcome.steps[step] ~= nil
end

local function is_secure(address)
  return (core.parse_server(address) or {}).tls
end

-- What only another attempt tells.
local function find_fault(look, outcome)
  local reason, phase = outcome.reason, outcome.phase
  if not is_secure(look.address) and is_at(reason, phase, MAYBE_TLS)
    and expects(look, "certificates", { tls = { verify = false } }) then
    return verdict.found("tls_expected", "tls", "the port expects TLS, and the address has none", reason)
  elseif is_secure(look.address) and is_at(reason, phase, MAYBE_PLAIN) and expects(look, "connack", {}) then
    return verdict.found("tls_not_spoken", "tls", "the port speaks MQTT without TLS", reason)
  end
end

-- ---- warnings ----

local function warn_of_certificates(look, step)
  for _, certificate in ipairs(step and step.chain or {}) do
    local days = certificate.not_after and words.days(certificate.not_after, look.now)
    if days and days < look.warn_days then
      look.report:warn(verdict.warning("certificate_ends", ("the certificate %s ends in %d day%s"):format(
        words.safe(certificate.subject), days, days == 1 and "" or "s")))
    end
  end
end

local function warn(look, outcome)
  local step = outcome.steps.certificates
  warn_of_certificates(look, step)
  if step and (look.made.tls or {}).verify == false then
    look.report:warn(verdict.warning("not_verified", step.problem
      and "the certificate is not trusted, and taken all the same: " .. words.safe(step.problem)
      or "the certificate is not checked"))
  end
end

-- ---- the look ----

local function connect(look, protocol)
  local outcome, problem, code = attempt.make(look.holdfast, look.made,
    { protocol = protocol, connect_timeout = look.timeout }, function(step, after)
      look.report:step(protocol, step, after)
    end)
  if outcome and outcome.reason and not outcome.client then
    look.report:failed(outcome)
  end
  return outcome, problem, code
end

-- 3.1.1, where MQTT 5 may be why it fails, unless a version was asked for.
local function try_other_version(look, outcome)
  if look.protocol or outcome.phase ~= "connack" or not MAYBE_VERSION[(outcome.reason or outcome.lost).name] then
    return outcome
  end
  local second = connect(look, 4)
  if second and second.client then
    look.report:warn(verdict.warning("only_mqtt_3", "the broker speaks MQTT 3.1.1 and not 5"))
    return second
  end
  return second and outcome.reason.name == "unsupported_protocol_version" and second or outcome
end

local function send(look, outcome)
  local qos, connack = look.qos, outcome.steps.connack or {}
  if not qos then
    qos = math.min(1, connack.maximum_qos or 1)
  end
  local sent = message.send(outcome, { topic = look.prefix .. "/" .. core.random_id(), qos = qos,
    timeout = look.timeout }, function(label, line, after)
      look.report:say(after, label, { line })
    end)
  look.report:message(sent)
  return sent.fault
end

local function examine(look)
  local outcome, problem, code = connect(look, look.protocol or 5)
  if not outcome then
    return nil, problem, code
  end
  local fault = outcome.reason and find_fault(look, outcome) or nil
  if not fault and not outcome.client then
    outcome = try_other_version(look, outcome)
    fault = not outcome.client and verdict.of_outcome(outcome) or nil
  end
  if fault then
    return look.report:finish(fault)
  end
  warn(look, outcome)
  fault = look.wants_message and send(look, outcome) or outcome.lost and verdict.of_outcome(outcome) or nil
  outcome.client:close(1)
  return look.report:finish(fault)
end

local function complain(problem)
  io.stderr:write("holdfast check: ", problem, "\n")
end

--- Runs it.
-- @tparam table arguments
-- @treturn number the exit status
function check.run(arguments)
  local holdfast = require "holdfast"
  if arguments.debug or arguments.log_level then
    options.listen(holdfast, arguments, "check")
  end
  if arguments.transport == "paho" then
    complain "--transport paho does not go with check: only the native transport shows its steps"
    return exit.wrong
  end
  local made, problem = options.client(arguments)
  local fine, why_not = topic.check(arguments.topic_prefix or PREFIX)
  if not made or not fine then
    complain(problem or "--topic-prefix: " .. why_not)
    return exit.wrong
  end
  made.transport, made.fallback, made.server, made.servers = "native", nil, made.servers[1], nil
  local look = { holdfast = holdfast, made = made, address = made.server, protocol = arguments.protocol,
    timeout = arguments.timeout or arguments.connect_timeout or TIMEOUT, warn_days = arguments.warn_days or DAYS,
    wants_message = not arguments.no_message, prefix = arguments.topic_prefix or PREFIX, qos = arguments.qos,
    now = os.time() }
  -- Over TCP OpenSSL has its verdict all the same.
  look.unseen = (made.tls or {}).verify == false and (core.parse_server(made.server) or {}).road == "quic"
  look.report = report.new(io.stdout, look, arguments)
  local found, why, code = holdfast.run(examine, look)
  if not found then
    complain(why)
    return code
  end
  return found
end

check.statuses = status

return check
