-- Let in by MQTT 5's enhanced authentication. With a name and a password in the environment by SCRAM, which sends
-- neither the password nor anything that could be used again; else by tokens, as a broker of yours may have them, and
-- the next one is shown before the last one ends, on the connection that stands:
--
--     MQTT_USERNAME=kitchen MQTT_PASSWORD=secret lua auth.lua mqtts://localhost
--     lua auth.lua mqtt://localhost [seconds that a token lives]
local holdfast = require "holdfast"

local address, life = arg[1] or "mqtt://localhost", tonumber(arg[2]) or 60
local username, password = os.getenv "MQTT_USERNAME", os.getenv "MQTT_PASSWORD"
local fetched = 0

-- Stands for a request to whoever gives tokens out; it may wait, and so may who calls it.
local function fetch_token()
  holdfast.sleep(0.01)
  fetched = fetched + 1
  return "token " .. fetched
end

local auth
if username then -- over TLS the proof is good for this connection alone
  auth = { method = address:find "^mqtts:" and "SCRAM-SHA-256-PLUS" or "SCRAM-SHA-256", username = username,
    password = password }
else
  auth = { method = "token", start = function(attempt) -- nil: once more, for reauthenticate
    local token = fetch_token()
    print(token .. (attempt and (" for attempt %d"):format(attempt) or " for the connection that stands"))
    return token
  end }
end

local client = holdfast.new { server = address, transport = "native", auth = auth }
client:on("failed", print)
client:on("sleeping", print)

holdfast.run(function()
  assert(client:connect(10))
  print("ready, by " .. auth.method)
  for _ = 1, username and 0 or 2 do -- a program that stays says `while true do`
    holdfast.sleep(life * 0.8)
    local fine, message, code = client:reauthenticate(10)
    if fine then
      print "the broker is content"
    else -- "lost", "not_connected": the next attempt has a token of its own
      print(code .. ": " .. message)
    end
  end
  client:close(1)
end)
