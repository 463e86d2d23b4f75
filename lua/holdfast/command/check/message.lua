--- A message there and back, for `holdfast check`.
-- @module holdfast.command.check.message
local core = require "holdfast.core"
local verdict = require "holdfast.command.check.verdict"

local message = {}

local PAYLOAD = "holdfast check"

-- Why it did not come back; what the connection was lost for is the reason for all else.
local function fault_of(outcome, reason, words)
  if outcome.lost then
    return verdict.of_outcome(outcome)
  elseif reason and reason.name then
    return verdict.of(reason, "up")
  end
  return verdict.found("message_not_returned", "no_message", words)
end

local function is_own(received, sent)
  return received.topic == sent.topic and received.payload == PAYLOAD
end

-- The next message of ours; a wildcard in somebody's rules may bring others.
local function await(subscription, sent, deadline)
  repeat
    local received = subscription:receive(math.max(0, deadline - core.now()))
    if received and is_own(received, sent) then
      return received
    end
  until not received
end

--- Subscribes, publishes, and waits. To be called where it may wait.
-- @tparam table outcome of @{holdfast.command.check.attempt}
-- @tparam table given `topic`, `qos`, `timeout`
-- @tparam function tell called with a label, a line and the seconds since the attempt began
-- @treturn table `topic`, `qos`, `seconds`, or `fault`
function message.send(outcome, given, tell)
  local client, sent = outcome.client, { topic = given.topic, qos = given.qos }
  local deadline = core.now() + given.timeout
  local function say(label, line)
    tell(label, line, core.now() - outcome.began)
  end
  local subscription, problem, code = client:subscribe(given.topic, { qos = given.qos })
  if not subscription then -- it is lost already
    sent.fault = fault_of(outcome, { name = code, source = "client", text = problem })
    return sent
  end
  local granted, words, _, reason = subscription:granted(given.timeout)
  if not granted then
    sent.fault = fault_of(outcome, reason, words)
    return sent
  end
  say("subscribed", ("%s, QoS %d granted"):format(given.topic, granted))
  local began = core.now()
  local taken, why
  taken, problem, code, why = client:publish(given.topic, PAYLOAD,
    { qos = given.qos, timeout = math.max(0, deadline - began) })
  if not taken then
    sent.fault = fault_of(outcome, type(why) == "table" and why or { name = code, source = "puback", text = problem })
    if code == "timeout" then
      sent.fault = fault_of(outcome, nil, "the broker does not acknowledge the message")
    end
    return sent
  end
  if not await(subscription, sent, deadline) then
    sent.fault = fault_of(outcome, nil, ("the message did not come back within %g s"):format(given.timeout))
    return sent
  end
  sent.seconds = core.now() - began
  say("message", ("there and back at QoS %d in %.1f ms"):format(given.qos, sent.seconds * 1000))
  return sent
end

return message
