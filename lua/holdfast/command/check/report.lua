--- What `holdfast check` says: lines as things happen, or one JSON object at the end.
-- @module holdfast.command.check.report
local json = require "holdfast.command.json"
local status = require "holdfast.command.check.status"
local verdict = require "holdfast.command.check.verdict"
local words = require "holdfast.command.check.words"

local report = {}

local Report = {}
Report.__index = Report

--- Makes one.
-- @tparam file out
-- @tparam table look `address`, `now`, `unseen`
-- @tparam table arguments `json`, `quiet`
-- @treturn table
function report.new(out, look, arguments)
  return setmetatable({ out = out, look = look, json = arguments.json, quiet = arguments.quiet, steps = {},
    warnings = {} }, Report)
end

function Report:write(...)
  if not self.json and not self.quiet then
    self.out:write(...)
    self.out:flush()
  end
end

local function begin(self, protocol)
  if self.protocol then
    self:write(("once more, with MQTT %s\n"):format(protocol == 5 and "5" or "3.1.1"))
  else
    self:write(words.safe(self.look.address), ", by the native transport\n")
  end
  self.protocol = protocol
end

--- Something has happened.
-- @tparam number after seconds since the attempt began
-- @tparam string label
-- @tparam table lines
function Report:say(after, label, lines)
  self:write(words.entry(after, label, lines))
end

--- A step of an attempt.
-- @tparam number protocol that it speaks
-- @tparam table step event
-- @tparam number after
function Report:step(protocol, step, after)
  if step.step == "begun" then
    begin(self, protocol)
  end
  self.steps[#self.steps + 1] = step
  local label, lines = words.step(step, self.look.now, self.look.unseen)
  if label then
    self:say(after, label, lines)
  end
end

--- The attempt has failed.
-- @tparam table outcome of @{holdfast.command.check.attempt}
function Report:failed(outcome)
  self:say(outcome.took, "failed", { ("%s: %s"):format(outcome.reason.name, words.safe(outcome.reason.text)) })
end

--- The message has been sent.
-- @tparam table sent of @{holdfast.command.check.message}
function Report:message(sent)
  self.sent = sent
end

--- A warning.
-- @tparam table warning
function Report:warn(warning)
  self.warnings[#self.warnings + 1] = warning
end

-- ---- JSON ----

local function names_of(fields, first)
  local names, is_first = {}, {}
  for place, name in ipairs(first) do
    names[place], is_first[name] = name, true
  end
  local rest = {}
  for name in pairs(fields) do
    if not is_first[name] then
      rest[#rest + 1] = name
    end
  end
  table.sort(rest)
  for _, name in ipairs(rest) do
    names[#names + 1] = name
  end
  return names
end

local CERTIFICATE = { "subject", "issuer", "names", "not_before", "not_after", "days_left" }

local function certificate_json(certificate, now)
  local fields = { days_left = certificate.not_after and words.days(certificate.not_after, now) }
  for key, value in pairs(certificate) do
    fields[key] = value
  end
  return json.object(CERTIFICATE, fields)
end

local function step_json(step, now)
  local fields = {}
  for key, value in pairs(step) do
    fields[key] = value
  end
  fields.at = nil
  if step.chain then
    fields.chain = {}
    for index, certificate in ipairs(step.chain) do
      fields.chain[index] = certificate_json(certificate, now)
    end
  end
  return json.object(names_of(fields, { "step", "after" }), fields)
end

local FAULT = { "name", "source", "code", "class", "phase", "text", "server_reference", "advice" }
local WARNING = { "name", "text", "advice" }
local MESSAGE = { "topic", "qos", "seconds" }
local ALL = { "server", "transport", "protocol", "ok", "status", "fault", "warnings", "message", "steps" }

local function list_of(items, make)
  local list = {}
  for index, item in ipairs(items) do
    list[index] = make(item)
  end
  return list
end

-- JSON is UTF-8; what an HTTP server or a proxy says need not be.
local function in_utf8(value)
  if type(value) == "string" and not json.is_text(value) then
    return (value:gsub("[\128-\255]", "?"))
  elseif type(value) ~= "table" or value.json then
    return value
  end
  local made = {}
  for key, item in pairs(value) do
    made[key] = in_utf8(item)
  end
  return made
end

local function whole_json(self, fault, code)
  return json.object(ALL, {
    server = self.look.address, transport = "native", protocol = self.protocol, ok = fault == nil, status = code,
    fault = fault and json.object(FAULT, in_utf8(fault)),
    warnings = list_of(self.warnings, function(warning)
      return json.object(WARNING, warning)
    end),
    message = self.sent and not self.sent.fault and json.object(MESSAGE, self.sent) or nil,
    steps = list_of(self.steps, function(step)
      return step_json(in_utf8(step), self.look.now)
    end),
  })
end

-- ---- the end ----

local function describe(fault)
  local parts = {}
  for _, part in ipairs { fault.source or false, verdict.code(fault) or false, fault.class and "class " .. fault.class
    or false, fault.phase and "phase " .. fault.phase or false } do
    parts[#parts + 1] = part or nil
  end
  return table.concat(parts, ", ")
end

local function conclude(self, fault)
  for _, warning in ipairs(self.warnings) do
    self.out:write("warning: ", warning.name, ": ", words.safe(warning.text), "\n  ", warning.advice, "\n")
  end
  if fault then
    self.out:write("wrong: ", fault.name, " (", describe(fault), "): ", words.safe(fault.text), "\n")
    if fault.server_reference then
      self.out:write("  it names ", words.safe(fault.server_reference), "\n")
    end
    self.out:write("  ", fault.advice, "\n")
  elseif not self.quiet then
    self.out:write(self.warnings[1] and "all else is well\n" or "all is well\n")
  end
end

--- Says what has come of it.
-- @tparam ?table fault of @{holdfast.command.check.verdict}; nil: none
-- @treturn number the exit status
function Report:finish(fault)
  local code = fault and fault.status or self.warnings[1] and status.warned or 0
  if self.json then
    self.out:write(json.value(whole_json(self, fault, code)), "\n")
  else
    conclude(self, fault)
  end
  return code
end

return report
