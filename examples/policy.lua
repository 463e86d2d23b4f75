-- A policy of one's own: lua5.4 examples/policy.lua mqtt://localhost [seconds]
local holdfast = require "holdfast"

local uri, seconds = arg[1] or "mqtt://localhost", tonumber(arg[2] or 10)

-- Stands for whatever issues tokens; it may wait, on whatever the loop can wait for.
local function fetch_token(attempt)
  holdfast.sleep(0.1)
  print(("token for attempt %d"):format(attempt))
  return "device-17", ("token-%d"):format(attempt)
end

-- Ask a coordinator before hammering a broker that is busy; the built-in delay (nil) will do for everything else.
local function delay(failure)
  if failure.reason.name == "server_busy" then
    holdfast.sleep(0.1)
    return failure.attempt * 30 + math.random() * 30
  elseif failure.attempt > 20 then
    return false -- no more: asleep until client:wake()
  end
end

local client = holdfast.new {
  server = uri,
  credentials = fetch_token,
  backoff = delay,
  policy = {
    not_authorized = "stop", -- our tokens are right: then it is the device that is wrong
    [0x97] = { class = "slow", later = "stop", after = 5 }, -- quota exceeded
    slow = { min = 60, max = 900 },
  },
  max_attempts = 100,
  sleep_for = 3600,
}

client:on("failed", function(event)
  local next_one = event.retry_in and ("again in %.1f s"):format(event.retry_in) or "asleep" -- nil: it has given up
  print(("failed: %s (%s), %s"):format(event.reason.name, event.reason.class, next_one))
end)
client:on("ready", function(event)
  print(("ready after %.1f s"):format(event.downtime))
end)
client:on("sleeping", function(event)
  print("asleep: " .. event.reason.text)
end)

holdfast.run(function()
  client:start()
  client:ready(seconds)
  client:close(1)
  for _, attempt in ipairs(client:history()) do
    print(("%s, got as far as %s%s"):format(attempt.server, attempt.phase, attempt.name and ": " .. attempt.name or ""))
  end
end)
