-- SCRAM that is bound to its TLS connection (RFC 9266): what OpenSSL's own server has exported, or GnuTLS's over
-- QUIC, is what we sign.
local certificates = require "spec.support.certificates"
local diary = require "spec.support.diary"
local holdfast = require "holdfast"
local now = require("holdfast.core").now
local process = require "process_probe"
local quic_server = require "spec.support.quic_server"
local scram = require "scram_probe"
local scripted = require "spec.support.scripted_broker"
local streams = require "stream_probe"
local tls_server = require "spec.support.tls_server"

local METHOD, DATA, CONTINUE = 21, 22, 0x18
local NAME = "SCRAM-SHA-256-PLUS"

describe("channel binding #broker", function()
  local folder, server, client

  setup(function() folder = certificates.make() end)
  teardown(function() process.remove_folder(folder) end)

  after_each(function()
    if client then client:close() end
    client = nil
    tls_server.finish()
    quic_server.finish()
  end)

  local function start(...)
    server = tls_server.start { folder = folder, certificate = "server", fed = true, "-keymatexport",
      "EXPORTER-Channel-Binding", "-keymatexportlen", "32", ... }
  end

  local function connect(address)
    client = holdfast.new { server = address, transport = "native", tls = { ca = folder .. "/ca.pem" },
      auth = { method = NAME, username = "user", password = "pencil" }, client_id = "bound" }
    local seen = diary.of(client)
    client:start()
    return seen
  end

  local function secure()
    return connect("mqtts://localhost:" .. server.port)
  end

  -- What the server has said it hears; for as long as a handshake takes here.
  local function hear(pattern)
    local deadline = now() + 20
    local found
    repeat
      holdfast.sleep(0.005)
      found = { server:said():match(pattern) }
    until found[1] or now() > deadline
    return assert(found[1], server:said()), found[2]
  end

  local function await(take)
    local deadline = now() + 20
    local found
    repeat
      holdfast.sleep(0.005)
      found = take()
    until found or now() > deadline
    return assert(found, "nothing has come")
  end

  local function expect(peer, kind)
    local packet = await(function() return peer:packet(0) end)
    assert.equal(kind, packet.type)
    return packet.properties
  end

  local function bytes_of(hex)
    return (hex:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end))
  end

  local function words(data)
    return scripted.text(METHOD, NAME) .. scripted.text(DATA, data)
  end

  it("signs what both ends have exported", function()
    start()
    holdfast.run(function()
      secure()
      local nonce = hear "p=tls%-exporter,,n=user,r=([%w+/]+)"
      local binding = bytes_of((hear "Keying material: (%x+)"))
      local second = "r=" .. nonce .. "server,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
      local answer, last = scram.prove(NAME, "user", "pencil", nonce, second, binding)
      local peer = scripted.over { send = function(_, bytes) server:say(bytes) return #bytes end }
      peer:auth(CONTINUE, words(second))
      assert.equal(answer, (hear "(c=[%w+/=]+,r=[%w+/]+,p=[%w+/=]+)"))
      peer:connack { properties = { words(last .. ",x=an extension, which is none of ours") } }
      assert(client:connect(20))
    end)
  end)

  it("goes through a WebSocket, and with TLS 1.2", function()
    start "-tls1_2"
    holdfast.run(function()
      connect(("wss://localhost:%d/mqtt"):format(server.port))
      local key = hear "Sec%-WebSocket%-Key: (%S+)"
      server:say("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: mqtt\r\n"
        .. "Sec-WebSocket-Accept: " .. streams.websocket_accept(key) .. "\r\n\r\n")
      local payload
      repeat
        local mask, bytes = hear "\130[\128-\253](....)(.*)$"
        payload = streams.unmask(bytes, mask)
      until #payload > 100
      assert.is_truthy(payload:find("p=tls-exporter,,n=user,r=", 1, true))
    end)
  end)

  it("goes over QUIC", function()
    local missing = quic_server.missing()
    if missing then
      pending(missing)
      return
    end
    local broker = scripted.listen()
    finally(function() broker:close() end)
    local front = quic_server.start { upstream = broker.port, folder = folder }
    holdfast.run(function()
      connect("quic://localhost:" .. front.port)
      local peer = await(function() return broker:accept_now() end)
      local nonce = expect(peer, "connect"):match "p=tls%-exporter,,n=user,r=([%w+/]+)"
      local second = "r=" .. nonce .. "server,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
      local answer, last = scram.prove(NAME, "user", "pencil", nonce, second, bytes_of(front:tell "binding"))
      peer:auth(CONTINUE, words(second))
      assert.is_truthy(expect(peer, "auth"):find(answer, 1, true))
      peer:connack { properties = { words(last) } }
      assert(client:connect(20))
      peer:close()
    end)
  end)

  it("is refused by name without TLS, and where TLS 1.2 lacks the extended master secret", function()
    local plain = scripted.listen()
    holdfast.run(function()
      client = holdfast.new { server = function() return "mqtt://127.0.0.1:" .. plain.port end, transport = "native",
        auth = { method = NAME, username = "user", password = "pencil" } }
      local seen = diary.of(client)
      client:start()
      assert.equal("channel_binding", seen:await("failed").event.reason.name)
      client:close()
      plain:close()
    end)
    local configuration = folder .. "/no-ems.cnf"
    local file = assert(io.open(configuration, "w"))
    file:write("openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nOptions = -ExtendedMasterSecret\n")
    file:close()
    server = tls_server.start { folder = folder, certificate = "server", fed = true, config = configuration, "-tls1_2" }
    holdfast.run(function()
      local reason = secure():await("failed").event.reason
      assert.equal("channel_binding", reason.name)
      assert.is_nil(server:said():find("tls%-exporter"))
    end)
  end)
end)
