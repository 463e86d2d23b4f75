-- The Paho link over TLS: what is verified, and how precisely a failure is told.
local certificates = require "spec.support.certificates"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local sockets = require "socket_probe"
local worlds = require "spec.support.worlds"

local world = worlds.alone

describe("TLS of the Paho link #broker", function()
  local folder, broker, link, port

  setup(function() folder = certificates.make() end)
  teardown(function() process.remove_folder(folder) end)

  local function start(certificate, ...)
    port = process.free_port()
    local lines = { "listener " .. port .. " 127.0.0.1", "cafile " .. folder .. "/ca.pem",
      "certfile " .. folder .. "/" .. certificate .. ".pem", "keyfile " .. folder .. "/" .. certificate .. ".key", ... }
    broker = mosquitto.start { lines = lines }
    link = world:link()
  end

  after_each(function()
    world:finish()
    mosquitto.finish()
  end)

  local function tls(fields)
    local options = { verify = true, ca = folder .. "/ca.pem" }
    for key, value in pairs(fields or {}) do options[key] = value or nil end
    return options
  end

  local function open(fields, where)
    link:forget()
    link:open { port = where or port, host = fields and fields.host, tls = tls(fields) }
  end

  local function connects(fields)
    open(fields)
    assert(link:wait "connected", link.seen[1] and link.seen[1].text or link:story())
  end

  local function fails(fields, where)
    open(fields, where)
    local failed = assert(link:wait "failed", link:story())
    assert.is_nil((failed.text or ""):find("secret", 1, true))
    return failed
  end

  it("verifies chain and host, by name and by address", function()
    start "server"
    connects()
    connects { host = "localhost" }
    connects { ca = folder .. "/cas" }
  end)

  it("carries messages of every QoS and size", function()
    start "server"
    connects()
    link:subscribe(1, "a", 2)
    link:wait "subscribed"
    local payload = ("0123456789"):rep(3e5)
    for qos = 0, 2 do
      assert.is_true(link:publish(qos + 1, "a", payload, qos))
      assert.are.equal(payload, link:wait("message").payload)
    end
    link:rest(100)
    assert.are.same({ 1, 1, 1 }, (link:outcomes()))
  end)

  it("is not taken in by an authority it does not know", function()
    start "server"
    local failed = fails { ca = false }
    assert.are.same({ "tls", "tls" }, { failed.source, failed.phase })
    assert.is_truthy(failed.text:find "certificate verify failed")
    connects { ca = false, verify = false }
  end)

  it("is not taken in by a certificate for another host", function()
    start "other"
    local failed = fails()
    assert.are.same({ "tls_handshake", "tls" }, { failed.reason, failed.phase })
    assert.is_truthy(failed.text:find "another host")
    connects { verify = false }
  end)

  it("shows a client certificate when it has one", function()
    start("server", "require_certificate true")
    assert.is_truthy(fails())
    connects { cert = folder .. "/client.pem", key = folder .. "/client.key", key_password = "secret" }
  end)

  it("tells a file that cannot be read", function()
    start "server"
    for _, fields in ipairs { { ca = folder .. "/nothing.pem" }, { cert = folder .. "/nothing.pem" },
      { cert = folder .. "/client.pem", key = folder .. "/client.key", key_password = "not secret" } } do
      local failed = fails(fields)
      assert.are.same({ "tls", "tls_file" }, { failed.source, failed.reason })
    end
  end)

  -- Paho 1.3.12 blames a socket's error on the next socket that gets its number: one in ten, on a busy machine.
  it("tells each failure by its own reason, however soon the next attempt follows", function()
    start "server"
    for _ = 1, 500 do assert.are.equal("tls_file", fails({ ca = folder .. "/nothing.pem" }).reason) end
  end)

  it("tells a closed port from a handshake that broke off", function()
    start "server"
    local failed = fails({}, process.free_port())
    assert.are.same({ "connect_failed", "tcp" }, { failed.reason, failed.phase })
  end)

  local function output(command)
    local path = folder .. "/output"
    os.remove(path)
    assert(process.wait(assert(process.spawn(command, path)), 20000))
    local file = assert(io.open(path))
    local text = file:read "*a"
    file:close()
    return text
  end

  -- What becomes of a link in a process of its own, with that in its environment.
  local function elsewhere(environment, options)
    local path = folder .. "/child.lua"
    local file = assert(io.open(path, "w"))
    file:write(([[
      local link = require "link_probe".create "paho"
      link:open { port = %d, tls = %s }
      local mail = link:take(5000)
      print(mail.kind, mail.reason, mail.phase)
    ]]):format(port, options))
    file:close()
    return output { "env", environment, arg[-1], path }
  end

  it("takes a silent failure for one of TLS where the system forbids TLS 1.3, and has no sign", function()
    start "other"
    local file = assert(io.open(folder .. "/openssl.cnf", "w"))
    file:write("openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = limits\n[limits]\n",
      "MaxProtocol = TLSv1.2\n")
    file:close()
    assert.equal("failed\ttls_handshake\ttls\n", elsewhere("OPENSSL_CONF=" .. folder .. "/openssl.cnf",
      ("{ verify = true, ca = '%s/ca.pem' }"):format(folder)))
  end)

  it("believes no certificate when it has a key that both sides share, were it one that the system trusts", function()
    start "server"
    local system = "SSL_CERT_FILE=" .. folder .. "/ca.pem"
    assert.equal("connected\tnil\tnil\n", elsewhere(system, "{ verify = true }"))
    assert.equal("failed\ttls_certificate\ttls\n",
      elsewhere(system, "{ verify = true, psk_identity = 'kitchen', psk_key = 'key' }"))
  end)

  it("fails where nobody speaks TLS, and plain where only TLS is spoken", function()
    start "server"
    assert.are.equal("failed", fails({}, broker.port).kind)
    link:open { port = port }
    assert.are.equal("closed_before_connack", link:wait("failed").reason)
  end)

  -- What OpenSSL lists as of TLS 1.2 or later, by their numbers.
  it("offers no cipher suite that a TLS before 1.2 could use", function()
    link = world:link()
    local listener, where = sockets.listen()
    open({}, where)
    local _, _, hello = listener:accept(2000):receive(4000, 300)
    local at = 5 + 4 + 2 + 32 + 1 -- record, handshake, version, random, length of the session's id
    at = at + hello:byte(at)
    local modern = { ["0x00,0xFF"] = true } -- renegotiation is secure: no suite
    for line in output({ "openssl", "ciphers", "-V", "ALL:@SECLEVEL=0" }):gmatch "[^\n]+" do
      local number, version = line:match "^%s*(0x%x+,0x%x+) %- %S+%s+(%S+)"
      modern[number] = version == "TLSv1.2" or version == "TLSv1.3" or nil
    end
    local count = (hello:byte(at + 1) * 256 + hello:byte(at + 2)) / 2
    assert.is_true(count > 10 and count < 100)
    for index = 1, count do
      local suite = ("0x%02X,0x%02X"):format(hello:byte(at + 1 + 2 * index, at + 2 + 2 * index))
      assert.is_true(modern[suite], suite)
    end
  end)

  it("tells that a server chose what is older than TLS, though it sends no alert", function()
    link = world:link()
    local listener, where = sockets.listen()
    open({}, where)
    local server = listener:accept(2000)
    server:receive(4000, 300)
    -- ServerHello of SSL 3.0: random, no session id, TLS_RSA_WITH_AES_128_CBC_SHA, no compression
    server:send("\22\3\0\0\42\2\0\0\38\3\0" .. ("r"):rep(32) .. "\0\0\47\0")
    local failed = assert(link:wait "failed", link:story())
    assert.are.equal("tls_version", failed.reason, failed.text)
  end)

  it("offers the protocols it was given", function()
    link = world:link()
    local listener, where = sockets.listen()
    open({ alpn = "x-amzn-mqtt-ca" }, where)
    local client = listener:accept(2000)
    local _, _, hello = client:receive(4000, 300)
    assert.is_truthy(hello:find("\15\14x-amzn-mqtt-ca", 1, true))
  end)
end)
