-- Over TLS, with a file that holds the one authority we trust, and our own certificate if there is one; the log on
-- stderr: lua5.4 examples/tls.lua mqtts://localhost ca.pem [client.pem client.key]
-- The pass phrase of the key is taken from the environment, KEY_PASSWORD. With TRANSPORT=native a proxy that the
-- environment names, https_proxy=http://user:password@proxy:3128, is gone by.
local holdfast = require "holdfast"

local address, ca, cert, key = arg[1] or "mqtts://localhost", arg[2], arg[3], arg[4]

holdfast.log(function(level, message)
  if level ~= "debug" then
    io.stderr:write(("%-7s %s\n"):format(level, message))
  end
end)

local client = holdfast.new {
  server = address,
  transport = os.getenv "TRANSPORT", -- nothing: the default
  proxy = os.getenv "TRANSPORT" == "native" and "environment" or nil,
  tls = {
    ca = ca, -- one certificate: the system's hundred and more take six times as long to read, at each connect
    cert = cert,
    key = key,
    key_password = key and os.getenv "KEY_PASSWORD" and function()
      return os.getenv "KEY_PASSWORD"
    end,
  },
  policy = { tls_hostname = "stop", tls_unknown_ca = "stop", tls_file = "stop" }, -- time will not heal these here
}

holdfast.run(function()
  local ready, message, code, reason = client:connect(10)
  if ready then
    print("ready at " .. address)
  else
    print(("%s: %s"):format(reason and reason.name or code, message))
  end
  client:close(1)
  os.exit(ready and 0 or 1, true)
end)
