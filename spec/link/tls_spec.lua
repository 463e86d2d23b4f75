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
    assert.are.equal("connect_failed", failed.reason)
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

  it("fails where nobody speaks TLS, and plain where only TLS is spoken", function()
    start "server"
    assert.are.equal("failed", fails({}, broker.port).kind)
    link:open { port = port }
    assert.are.equal("closed_before_connack", link:wait("failed").reason)
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
