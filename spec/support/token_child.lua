-- Run by token_spec: `token_child.lua ADDRESS FOLDER`. Prints what becomes of a client with each of these keys.
local holdfast = require "holdfast"

local address, folder = arg[1], arg[2]
local KEY = "pkcs11:token=spec;object=client;type=private"

local cases = {
  { "no PIN", KEY },
  { "another PIN", KEY, "9999" },
  { "another PIN in the URI", KEY .. "?pin-value=9999" },
  { "another PIN within the URI", KEY .. ";pin-value=9999" },
  { "a PIN under another name", KEY .. ";PIN-VALUE=9999" },
  { "no such key", KEY:gsub("client", "nobody"), "4321" },
  { "no such token", KEY:gsub("spec", "other"), "4321" },
  { "another certificate", KEY, "4321", "server" },
  { "the PIN", KEY, "4321" },
  { "the PIN in the URI", KEY .. "?pin-value=4321" },
}

holdfast.run(function()
  for _, case in ipairs(cases) do
    local client = holdfast.new { transport = "native", server = address, client_id = "token", tls = {
      ca = folder .. "/ca.pem", cert = ("%s/%s.pem"):format(folder, case[4] or "client"), key = case[2],
      key_password = case[3] } }
    local seen
    for _, name in ipairs { "ready", "failed", "sleeping" } do
      client:on(name, function(event)
        local reason = event.reason
        seen = seen or ("%s: %s"):format(case[1], reason and reason.name .. ", " .. reason.text or name)
      end)
    end
    client:start()
    repeat holdfast.sleep(0.01) until seen
    print(seen .. (client:status().state == "sleeping" and ", and sleeps" or ""))
    client:close(1)
  end
end)
