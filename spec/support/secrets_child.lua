-- Run by secrets_spec: `secrets_child.lua mqtt-address mqtts-address mqtts-address-with-keys folder ws-address
-- HTTP-proxy's-port SOCKS-proxy's-port`. Lives through
-- connections with every kind of secret, each with "planted" in it, and says everything that anybody can be shown.
local holdfast = require "holdfast"
local scram = require "scram_probe"
local scripted = require "spec.support.scripted_broker"

local plain, secure, keyed, folder, framed, http, socks = arg[1], arg[2], arg[3], arg[4], arg[5], arg[6], arg[7]

local function hex(text)
  return (text:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

local shown = {}

-- Keys and values of anything, however deep.
local function show(value, depth)
  if type(value) == "table" and (depth or 0) < 6 then
    for key, inner in pairs(value) do
      show(key, (depth or 0) + 1)
      show(inner, (depth or 0) + 1)
    end
  else
    shown[#shown + 1] = tostring(value)
  end
end

local function listen(trace) holdfast.log(function(...) show { ... } end, { trace = trace }) end

listen "maximum"

local function live(options, wanted)
  options.backoff = { min = 0.05, max = 0.1 }
  options.policy = { slow = { min = 0.05, max = 0.1 } }
  local client = holdfast.new(options)
  for _, name in ipairs { "connecting", "connected", "ready", "failed", "lost", "sleeping", "closed", "error",
    "delivered", "dropped", "message" } do
    client:on(name, show)
  end
  client:subscribe "a"
  client:start()
  show(assert(client:wait(wanted, 10)))
  if wanted == "ready" then
    client:publish("a", "planted payload", { qos = 1, timeout = 5 })
  end
  show { client:status(), client:history(), tostring(client), holdfast.metrics() }
  client:close(1)
  show { client:status(), tostring(client) }
  return client
end

holdfast.run(function()
  local given = { server = plain, username = "planted-user", password = "planted-password",
    will = { topic = "gone", payload = "planted-will" }, properties = { user = { token = "planted-token" } } }
  live(given, "ready")
  listen "minimum" -- the rest would be a line for each call of each function, half a million of them
  given.protocol, given.properties = 4, nil
  live(given, "ready")
  live({ server = plain, credentials = function()
    holdfast.sleep(0.01)
    return "planted-user", "planted-password"
  end }, "ready")
  live({ server = plain, username = "planted-nobody", password = "planted-wrong" }, "failed")
  live({ server = plain, credentials = function() return "planted\0", "planted" end }, "failed")
  live({ server = plain, credentials = function() return "user", { "planted" } end }, "failed")
  live({ server = "mqtt://127.0.0.1:1", username = "planted-user", password = "planted-password" }, "failed")
  local tls = { ca = folder .. "/ca.pem", cert = folder .. "/client.pem", key = folder .. "/client.key" }
  for index, phrase in ipairs { "planted-phrase", "planted-wrong", function() return "planted-phrase" end } do
    tls.key_password = phrase
    live({ server = secure, tls = tls, username = "planted-user", password = "planted-password" },
      index == 2 and "failed" or "ready")
  end
  for index, key in ipairs { "planted-key-of-16", "planted-wrong-key" } do
    live({ server = keyed, tls = { psk_identity = "planted-identity", psk_key = hex(key) },
      username = "planted-user", password = "planted-password" }, index == 1 and "ready" or "failed")
  end
  local login, us = { username = "planted-user", password = "planted-password" }, "planted:planted-proxy@127.0.0.1:"
  local function by(proxy, wanted)
    live({ server = plain, transport = "native", proxy = proxy, username = login.username, password = login.password },
      wanted)
  end
  by("http://" .. us .. http, "ready")
  by("socks5h://" .. us .. socks, "ready")
  by("http://planted:planted-wrong@127.0.0.1:" .. http, "failed")
  by("socks5://planted:planted-wrong@127.0.0.1:" .. socks, "failed")
  by("https://" .. us .. "1", "failed")
  by("http://" .. us .. socks, "failed") -- which does not like it
  by(function() return "socks5://" .. us .. socks end, "ready")
  by(function() return "planted://" .. us .. socks end, "failed")
  by(function() return nil, "planted payload, as the user's function has it" end, "failed")
  local function asked_with(headers, wanted)
    live({ server = framed, transport = "native", headers = headers, username = login.username,
      password = login.password }, wanted)
  end
  asked_with({ Authorization = "Bearer planted-header" }, "ready")
  asked_with(function() return { ["X-Token"] = "planted-header" } end, "ready")
  asked_with(function() return { ["X-Token"] = "planted-header\n" } end, "failed")

  -- A broker that lets in whoever says it so: its answers to the words of an exchange, in turn; the last is CONNACK's.
  local function let_in_by(auth, wanted, ...)
    local broker, answers = scripted.listen(), { ... }
    local task = holdfast.spawn(function()
      local peer
      repeat
        holdfast.sleep(0.002)
        peer = broker:accept_now()
      until peer
      for turn = 1, #answers do
        local packet
        repeat
          holdfast.sleep(0.002)
          packet = peer:packet(0)
        until packet
        local answer = answers[turn](packet.properties)
        local properties = scripted.text(21, auth.method) .. scripted.text(22, answer)
        if turn < #answers then
          peer:auth(0x18, properties)
        else
          peer:connack { properties = { properties } }
        end
      end
      return peer
    end)
    live({ server = "mqtt://127.0.0.1:" .. broker.port, transport = "native", auth = auth }, wanted)
    local peer = task:join(10)
    peer:close()
    broker:close()
  end
  local name, last = "SCRAM-SHA-256", nil
  local login_of_scram = { method = name, username = "planted-user", password = "planted-scram" }
  local function second(first)
    local nonce = first:match "r=([%w+/]+)"
    local said = "r=" .. nonce .. "server,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,x=planted-extension"
    last = select(2, scram.prove(name, login_of_scram.username, login_of_scram.password, nonce, said))
    return said
  end
  let_in_by(login_of_scram, "connected", second, function() return last end)
  let_in_by(login_of_scram, "failed", second, function() return "e=invalid-proof" end)
  local functions = { method = "token", start = function() return "planted-first" end,
    continue = function(said) return "planted-answer to " .. said, "planted-last" end }
  let_in_by(functions, "connected", function() return "planted-asked" end, function() return "planted-last" end)
  let_in_by(functions, "failed", function() return "planted-asked" end, function() return "planted-wrong" end)

  -- PEM itself, with a note of the same secrecy in front of the key.
  local function pem(path)
    local file = assert(io.open(folder .. "/" .. path))
    local text = file:read "*a"
    file:close()
    return text
  end
  for index, key in ipairs { pem "client.key", pem "other.key" } do
    live({ server = secure, transport = "native", username = login.username, password = login.password,
      tls = { ca = pem "ca.pem", cert = pem "client.pem", key = "planted-key\n" .. key,
        key_password = "planted-phrase" } }, index == 1 and "ready" or "failed")
  end
end)

-- What nobody may see in it.
local all = table.concat(shown, "\n")
for line in all:gmatch "[^\n]+" do
  if line:find("planted", 1, true) and not line:find("planted payload", 1, true) then
    print("shown: " .. line)
  end
end
print(all:find("PUBLISH msgid", 1, true) and "traced" or "nothing traced")
print(all:find "payload len%(%d+%)\n" and "length of a payload" or "no length")
print(all:find "payload len%(%d+%)[^\n]" and "payload in the trace" or "no payload")
