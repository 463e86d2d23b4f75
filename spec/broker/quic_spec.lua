-- A broker behind QUIC: mosquitto, and in front of it the server of spec/support/quic_server.c.
local certificates = require "spec.support.certificates"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local quic_server = require "spec.support.quic_server"
local revocation = require "spec.support.revocation"

describe("a broker behind QUIC #broker", function()
  local missing = quic_server.missing()
  if missing then
    pending(missing)
    return
  end

  local folder, broker

  setup(function()
    folder = certificates.make()
    certificates.clients(folder, "tenant", 1)
    broker = mosquitto.start { lines = { "max_queued_messages 0" } }
  end)
  teardown(function()
    mosquitto.finish()
    process.remove_folder(folder)
  end)
  after_each(quic_server.finish)

  local function serve(options)
    options = options or {}
    options.upstream, options.folder = broker.port, folder
    return quic_server.start(options)
  end

  local function client_of(server, more)
    local options = { server = "quic://localhost:" .. server.port, transport = "native", connect_timeout = 10,
      tls = { ca = folder .. "/ca.pem" }, backoff = { strategy = "constant", min = 0.1, jitter = "none" },
      policy = { slow = { strategy = "constant", min = 0.2, max = 2, jitter = "none" } } }
    for key, value in pairs(more or {}) do
      options[key] = value
    end
    if more and more.servers then
      options.server = nil
    end
    return holdfast.new(options)
  end

  -- How the first attempt ended: the event, and the phase that it had reached.
  local function failure(server, more)
    local event, phase
    holdfast.run(function()
      local client = client_of(server, more)
      client:start()
      event = assert(client:wait("failed", 30))
      phase = client:history()[1].phase
      client:close()
    end)
    return event, phase
  end

  local function name_of(...)
    return (failure(...)).reason.name
  end

  it("takes and gives what is as large as nothing, and many MB", function()
    local server = serve()
    local sizes = { 0, 1, 1200, 65535, 65536, 2 ^ 22 }
    holdfast.run(function()
      local done = 0
      for index, size in ipairs(sizes) do
        holdfast.spawn(function()
          local topic, payload = "size/" .. index, ("%08d"):format(index):rep(math.ceil(size / 8)):sub(1, size)
          local client = client_of(server, { inbox = { bytes = 2 ^ 24 }, queue = { bytes = 2 ^ 24 } })
          local subscription = client:subscribe(topic, { qos = 1 })
          assert(client:connect(20))
          assert(client:publish(topic, payload, { qos = 1, timeout = 60 }))
          assert.is_true(assert(subscription:receive(60)).payload == payload)
          client:close()
          done = done + 1
        end)
      end
      while done < #sizes do
        holdfast.sleep(0.01)
      end
    end)
    assert.are.equal(#sizes, server:await("closed_by_client", #sizes).handshakes)
  end)

  it("is reached by its addresses of both families, by a small window, after a Retry and in small buffers", function()
    local server = serve { retry = true, window = 2000, ["connection-window"] = 2000, buffer = 4096 }
    holdfast.run(function()
      for _, host in ipairs { "localhost", "127.0.0.1" } do
        local client = client_of(server, { server = ("quic://%s:%d"):format(host, server.port) })
        local subscription = client:subscribe("small", { qos = 2 })
        assert(client:connect(20))
        local payload = ("x"):rep(50000)
        assert(client:publish("small", payload, { qos = 2, timeout = 30 }))
        assert.is_true(assert(subscription:receive(30)).payload == payload)
        client:close()
      end
    end)
    assert.is_true(server:stats().retries >= 2)
  end)

  it("must show a certificate that is trusted and its own, by the names of mqtts", function()
    for certificate, name in pairs { expired = "tls_expired", future = "tls_not_yet_valid", other = "tls_hostname",
      lonely = "tls_self_signed", stranger = "tls_unknown_ca", weak = "tls_certificate" } do
      local server = serve { certificate = certificate }
      local event, phase = failure(server)
      assert.are.same({ name, "tls" }, { event.reason.name, phase })
      server:kill()
    end
  end)

  it("is believed without a look where verify = false, and by a pin alone", function()
    local server = serve { certificate = "expired" }
    holdfast.run(function()
      local client = client_of(server, { tls = { verify = false } })
      assert(client:connect(10))
      client:close()
    end)
    local pin = ("A"):rep(43) .. "="
    assert.are.equal("tls_pin", name_of(server, { tls = { verify = false, pin = { pin } } }))
  end)

  it("is looked up in a list of what is revoked", function()
    revocation.make(folder)
    local server = serve()
    for list, name in pairs { revoked = "tls_revoked", past = "tls_crl", strange = "tls_crl" } do
      local tls = { ca = folder .. "/ca.pem", crl = ("%s/%s.crl"):format(folder, list) }
      assert.are.equal(name, name_of(server, { tls = tls }))
    end
    holdfast.run(function()
      local client = client_of(server, { tls = { ca = folder .. "/ca.pem", crl = folder .. "/none.crl" } })
      assert(client:connect(10))
      client:close()
    end)
  end)

  it("asks for a certificate of the client's, and says which it does not take", function()
    local server = serve { authority = "ca" }
    assert.are.equal("tls_client_certificate", name_of(server))
    holdfast.run(function()
      local client = client_of(server, { tls = { ca = folder .. "/ca.pem", cert = folder .. "/client.pem",
        key = folder .. "/client.key", key_password = "secret" } })
      assert(client:connect(10))
      client:close()
    end)
  end)

  it("that speaks no version of ours, another protocol, or nothing at all is told by name", function()
    local server = serve { versions = "none" }
    assert.are.equal("quic_version", name_of(server))
    server:kill()
    server = serve { alpn = "h3" }
    assert.are.equal("tls_handshake", name_of(server))
    server:kill()
    server = serve { alpn = "" } -- chooses none, and goes on
    assert.are.same({ "tls_handshake", true }, { failure(server).reason.name, server:stats().handshakes == 0 })
    server:kill()
    local event, phase = failure(server)
    assert.are.same({ "quic_refused", "quic" }, { event.reason.name, phase })
  end)

  it("is not asked by a name of a protocol that GnuTLS cannot send", function()
    local server = serve()
    local reason = failure(server, { tls = { ca = folder .. "/ca.pem", alpn = { ("m"):rep(32) } } }).reason
    assert.are.equal("tls_failed", reason.name)
    assert.is_truthy(reason.text:find("tls.alpn", 1, true))
  end)

  it("to which no UDP comes through is told by name within connect_timeout, and the next server is tried", function()
    local server = serve()
    server:tell "silent on"
    holdfast.run(function()
      local client = client_of(server, { connect_timeout = 1,
        servers = { "quic://localhost:" .. server.port, "mqtt://localhost:" .. broker.port } })
      local began = process.now()
      client:start()
      local event = assert(client:wait("failed", 10))
      assert.are.equal("quic_blocked", event.reason.name)
      assert.is_true(process.now() - began >= 900)
      assert(client:ready(10))
      assert.are.equal("mqtt://localhost:" .. broker.port, client:status().server)
      client:close()
    end)
  end)

  -- How connections were lost, in order: what waits for the n-th.
  local function losses_of(client)
    local losses = {}
    client:on("lost", function(event) losses[#losses + 1] = event end)
    return function(count)
      local deadline = process.now() + 20000
      while #losses < count do
        assert(process.now() < deadline, "nothing was lost")
        holdfast.sleep(0.01)
      end
      return losses[count]
    end
  end

  it("that has forgotten the connection resets it, and one that closes it says why", function()
    local server = serve()
    holdfast.run(function()
      local client = client_of(server)
      local lost = losses_of(client)
      assert(client:connect(10))
      server:tell "forget"
      client:publish("forgotten", "", { qos = 0 })
      assert.are.equal("connection_reset", lost(1).reason.name)
      assert(client:ready(10))
      server:tell "close 77"
      assert.are.same({ "quic_closed", true }, { lost(2).reason.name, lost(2).reason.text:find "0x4d" ~= nil })
      client:close()
    end)
  end)

  it("that says that it takes nothing any more is lost at once, though nothing is said to it", function()
    local server = serve()
    holdfast.run(function()
      local client = client_of(server, { keep_alive = 0 })
      local lost = losses_of(client)
      assert(client:connect(10))
      server:tell "stop 5"
      assert.are.equal("connection_reset", lost(1).reason.name)
      assert(client:publish("stopped", "", { qos = 1, timeout = 20 }))
      client:close()
    end)
  end)

  it("with a shut window is asked whether it lives, and lost by detect_within where it does not", function()
    local slow = mosquitto.start {}
    local server = quic_server.start { upstream = slow.port, folder = folder, buffer = 65536,
      window = 65536, ["connection-window"] = 65536 }
    holdfast.run(function()
      local client = client_of(server, { detect_within = 2.5, queue = { bytes = 2 ^ 25 } })
      local lost = losses_of(client)
      assert(client:connect(10))
      local payload = ("x"):rep(2 ^ 12):rep(2 ^ 12) -- seconds byte by byte, where memory is watched
      slow:freeze()
      client:post("shut", payload, { qos = 1 })
      local taken
      repeat
        taken = server:await("stream_bytes_in", 65536).stream_bytes_in
        holdfast.sleep(1)
      until server:stats().stream_bytes_in == taken
      server:await("datagrams_in", server:stats().datagrams_in + 2) -- it is asked whether it lives
      server:freeze()
      assert.are.equal("connection_lost", lost(1).reason.name) -- and not quic_idle_timeout
      server:resume()
      slow:resume()
      client:close()
    end)
  end)

  it("that closes each connection at once is left for the next server", function()
    local server = quic_server.start { upstream = process.free_port(), folder = folder }
    holdfast.run(function()
      local client = client_of(server, { servers = { "quic://localhost:" .. server.port,
        "mqtt://localhost:" .. broker.port } })
      client:start()
      assert.are.equal("quic_closed", assert(client:wait("failed", 30)).reason.name)
      assert(client:ready(30))
      assert.are.equal("mqtt://localhost:" .. broker.port, client:status().server)
      client:close()
    end)
  end)

  it("that falls silent is lost within detect_within, and found again", function()
    local server = serve()
    holdfast.run(function()
      local client = client_of(server, { detect_within = 2.5 })
      local lost = losses_of(client)
      assert(client:connect(10))
      server:tell "silent on"
      assert.are.equal("connection_lost", lost(1).reason.name)
      server:tell "silent off"
      assert(client:ready(15))
      client:close()
    end)
  end)

  it("whose idle timeout is short is lost by that name where it falls silent", function()
    local server = serve { idle = 2000 }
    holdfast.run(function()
      local client = client_of(server)
      local lost = losses_of(client)
      assert(client:connect(10))
      server:tell "silent on"
      assert.are.equal("quic_idle_timeout", lost(1).reason.name)
      client:close()
    end)
  end)

  it("goes on from another socket where the network is said to have changed, and loses nothing", function()
    local server = serve()
    holdfast.run(function()
      local client = client_of(server)
      local losses, came = 0, 0
      client:on("lost", function() losses = losses + 1 end)
      client:subscribe("moving", { qos = 2 }, function(message)
        came = came + 1
        assert.are.equal(tostring(came), message.payload)
      end)
      assert(client:connect(10))
      for round = 1, 5 do
        for number = 1, 20 do
          assert(client:publish("moving", tostring((round - 1) * 20 + number), { qos = 2, timeout = 10 }))
          if number == 10 then client:network_changed() end
        end
        server:await("migrations", round)
      end
      local deadline = process.now() + 10000
      while came < 100 and process.now() < deadline do holdfast.sleep(0.01) end
      assert.are.same({ 100, 0 }, { came, losses })
      client:close()
    end)
  end)

  it("is left at once where it does not answer from there either, and stays where it does not allow that", function()
    local server = serve { ["no-migration"] = true }
    holdfast.run(function()
      local client = client_of(server, { detect_within = 2.5 })
      local lost = losses_of(client)
      assert(client:connect(10))
      client:network_changed()
      assert(client:publish("staying", "", { qos = 1, timeout = 10 }))
      assert.are.equal(0, server:stats().migrations)
      server:tell "silent on"
      client:network_changed()
      assert.is_true(({ probe_timeout = true, connection_lost = true })[lost(1).reason.name])
      client:close()
    end)
  end)
end)
