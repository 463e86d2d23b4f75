-- The steps of an attempt, one by one, for who inspects it: from the name that is looked up to what CONNACK says.
local certificates = require "spec.support.certificates"
local files = require "spec.support.files"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local proxies = require "spec.support.proxies"
local quic_server = require "spec.support.quic_server"
local scripted = require "spec.support.scripted_broker"

describe("an attempt that is inspected #broker", function()
  local folder, listener

  setup(function() folder = certificates.make() end)
  teardown(function() process.remove_folder(folder) end)
  after_each(function()
    quic_server.finish()
    proxies.finish()
    mosquitto.finish()
    if listener then listener:close() end
    listener = nil
  end)

  -- All steps until it is ready or has failed, also by name, and the reason why it has.
  local function steps_of(server, more, meanwhile)
    local options = { server = server, transport = "native", inspect = true, max_attempts = 1, connect_timeout = 5 }
    for key, value in pairs(more or {}) do options[key] = value end
    local steps, reason, over = { names = {} }, nil, false
    local client = holdfast.new(options)
    client:on("step", function(event)
      steps[#steps + 1], steps[event.step], steps.names[#steps + 1] = event, event, event.step
    end)
    client:on("failed", function(event) reason = event.reason end)
    client:on("closed", function() over = true end) -- the last to start
    client:start()
    if meanwhile then meanwhile() end
    holdfast.run(function()
      client:connect(5)
      client:close()
      while not over do holdfast.sleep(0.001) end
    end)
    return steps, reason
  end

  local function secured(name)
    return mosquitto.start { lines = { "certfile " .. folder .. "/" .. name .. ".pem", "keyfile " .. folder .. "/"
      .. name:gsub("^long$", "server") .. ".key" } }.port
  end

  it("tells them in order, each after the one before", function()
    local port = mosquitto.start { lines = { "max_inflight_messages 7" } }.port
    local steps = steps_of("mqtt://localhost:" .. port)
    assert.same({ "begun", "name", "tcp", "tcp", "connack" }, steps.names)
    for place = 2, #steps do
      assert.is_true(steps[place].at >= steps[place - 1].at)
    end
    assert.equal("localhost", steps.name.host)
    assert.equal("127.0.0.1", steps.name.addresses[#steps.name.addresses])
    assert.same({ step = "tcp", at = steps[3].at, state = "tried", address = steps.name.addresses[1], port = port },
      steps[3])
    assert.equal("connected", steps[4].state)
    local connack = steps.connack
    assert.same({ 5, 0, false, 7, 2, true, 10 }, { connack.protocol, connack.code, connack.session_present,
      connack.receive_maximum, connack.maximum_qos, connack.retain_available, connack.topic_alias_maximum })
  end)

  it("tells of each address that leads nowhere", function()
    local port = process.free_port()
    local steps, reason = steps_of("mqtt://127.0.0.1:" .. port)
    assert.equal("connection_refused", reason.name)
    assert.same({ "begun", "tcp", "tcp" }, steps.names)
    assert.same({ "tried", "failed", "Connection refused" }, { steps[2].state, steps[3].state, steps[3].problem })
  end)

  it("tells no more than is looked at", function()
    local client = holdfast.new { server = "mqtt://127.0.0.1:" .. process.free_port(), transport = "native",
      inspect = true, backoff = { strategy = "constant", min = 0.001, jitter = "none" } }
    local count, deadline = 0, process.now() + 20000
    client:on("step", function() count = count + 1 end)
    client:start()
    repeat
      process.sleep(5)
      assert.is_true(process.now() < deadline)
    until client:status().counters.attempts >= 500 -- with three steps each
    client:close()
    holdfast.run(function() client:wait("closed", 10) end)
    assert.is_true(count > 100 and count < 1024, count)
  end)

  it("is told by nobody who does not ask", function()
    local port = mosquitto.start().port
    assert.same({}, steps_of("mqtt://localhost:" .. port, { inspect = false }).names)
  end)

  it("shows who the server is, and how it is talked to", function()
    local steps = steps_of("mqtts://localhost:" .. secured "server", { tls = { ca = folder .. "/ca.pem" } })
    assert.same({ "begun", "name", "tcp", "tcp", "certificates", "tls", "connack" }, steps.names)
    assert.same({ step = "certificates", at = steps.certificates.at, host = "localhost", chain = {
      { subject = "/CN=server", issuer = "/CN=holdfast spec", not_before = 1577836800, not_after = 4102358400,
        names = { "localhost", "127.0.0.1", "::1" } },
    } }, steps.certificates)
    assert.equal("TLSv1.3", steps.tls.version)
    assert.matches("^TLS_%w+", steps.tls.cipher)
    assert.is_false(steps.tls.resumed)
  end)

  it("shows who is not trusted, and why", function()
    for name, code in pairs { expired = "tls_expired", other = "tls_hostname", lonely = "tls_self_signed" } do
      local steps, reason = steps_of("mqtts://localhost:" .. secured(name), { tls = { ca = folder .. "/ca.pem" } })
      assert.equal(code, reason.name)
      assert.same({ "begun", "name", "tcp", "tcp", "certificates" }, steps.names)
      assert.equal("/CN=" .. name, steps.certificates.chain[1].subject)
      assert.equal(reason.text, steps.certificates.problem)
    end
  end)

  it("shows what is wrong with whom nobody verifies", function()
    local steps = steps_of("mqtts://localhost:" .. secured "lonely", { tls = { verify = false } })
    assert.matches("self.signed", steps.certificates.problem)
    assert.truthy(steps.connack)
  end)

  it("shows so many certificates of a chain, and that there are more", function()
    local chain = files.read(folder .. "/server.pem") .. files.read(folder .. "/ca.pem"):rep(9)
    files.write(folder .. "/long.pem", chain)
    local steps = steps_of("mqtts://localhost:" .. secured "long", { tls = { ca = folder .. "/ca.pem" } })
    assert.equal(8, #steps.certificates.chain)
    assert.is_true(steps.certificates.cut)
    assert.equal("/CN=holdfast spec", steps.certificates.chain[8].subject)
  end)

  it("shows all that CONNACK says, also where it refuses", function()
    listener = scripted.listen()
    local said = { scripted.two(33, 3), scripted.one(36, 1), scripted.one(37, 0), scripted.four(39, 1000),
      scripted.text(18, "you"), scripted.two(34, 4), scripted.text(31, "not now"), scripted.pair(38, "a", "1"),
      scripted.pair(38, "a", ""), scripted.one(40, 0), scripted.one(41, 0), scripted.one(42, 0), scripted.two(19, 30),
      scripted.four(17, 60), scripted.text(26, "answers/"), scripted.text(28, "other.example") }
    local steps, reason = steps_of("mqtt://127.0.0.1:" .. listener.port, nil, function()
      listener:welcome { code = 0x97, properties = said }
    end)
    assert.equal("quota_exceeded", reason.name)
    assert.same({ step = "connack", at = steps.connack.at, protocol = 5, code = 0x97, session_present = false,
      receive_maximum = 3, maximum_qos = 1, retain_available = false, maximum_packet_size = 1000,
      assigned_client_id = "you", topic_alias_maximum = 4, reason_string = "not now",
      user = { { "a", "1" }, { "a", "" } }, wildcard_available = false, identifiers_available = false,
      shared_available = false, server_keep_alive = 30, session_expiry = 60, response_information = "answers/",
      server_reference = "other.example" }, steps.connack)
  end)

  it("keeps no more of it than there is room for", function()
    listener = scripted.listen()
    local pairs_of = {}
    for place = 1, 20 do
      pairs_of[place] = scripted.pair(38, "name", (("%d"):format(place % 10)):rep(4000))
    end
    local steps = steps_of("mqtt://127.0.0.1:" .. listener.port, nil, function()
      listener:welcome { properties = pairs_of }
    end)
    assert.is_true(steps.connack.cut)
    assert.same({ 8, "name", ("8"):rep(4000) }, { #steps.connack.user, steps.connack.user[8][1],
      steps.connack.user[8][2] })
  end)

  it("shows the way through a proxy, and that of a WebSocket", function()
    local broker = mosquitto.start { websocket = true }
    local proxy = proxies.socks()
    local steps = steps_of("ws://127.0.0.1:" .. broker.port .. "/mqtt",
      { proxy = "socks5://127.0.0.1:" .. proxy.port })
    assert.same({ "begun", "tcp", "tcp", "proxy", "websocket", "connack" }, steps.names)
    assert.equal(proxy.port, steps.tcp.port)
    assert.same({ step = "proxy", at = steps.proxy.at, proxy = "127.0.0.1", proxy_port = proxy.port, host = "127.0.0.1",
      port = broker.port }, steps.proxy)
    assert.same({ "mqtt", "/mqtt" }, { steps.websocket.subprotocol, steps.websocket.path })
  end)

  it("shows who a server of QUIC is, and why it is not trusted", function()
    local missing = quic_server.missing()
    if missing then
      pending(missing)
      return
    end
    local broker = mosquitto.start()
    for name, code in pairs { server = false, expired = "tls_expired" } do
      local server = quic_server.start { upstream = broker.port, folder = folder, certificate = name }
      local steps, reason = steps_of("quic://127.0.0.1:" .. server.port, { tls = { ca = folder .. "/ca.pem" } })
      assert.equal("/CN=" .. name, steps.certificates.chain[1].subject)
      if code then
        assert.same({ "begun", "tcp", "certificates", "tcp" }, steps.names)
        assert.same({ code, reason.text }, { reason.name, steps.certificates.problem })
      else
        assert.same({ "begun", "tcp", "certificates", "tcp", "tls", "connack" }, steps.names)
        assert.same({ true, "TLS1.3", "mqtt" }, { steps.tls.quic, steps.tls.version, steps.tls.alpn })
      end
    end
  end)

  it("shows both roads of a race", function()
    local missing = quic_server.missing()
    if missing then
      pending(missing)
      return
    end
    local server = quic_server.start { upstream = mosquitto.start().port, folder = folder, certificate = "server" }
    local port = secured("server")
    server:kill() -- so that TLS over TCP wins
    local steps = steps_of(nil, { servers = { "quic://localhost:" .. server.port, "mqtts://localhost:" .. port },
      tls = { ca = folder .. "/ca.pem" } })
    local tried = {}
    for _, step in ipairs(steps) do
      if step.step == "tcp" and step.state == "tried" then tried[#tried + 1] = { step.port, step.quic } end
    end
    assert.same({ { server.port, true }, { port } }, tried)
    assert.same({ "TLSv1.3", port }, { steps.tls.version, steps.tcp.port })
    assert.truthy(steps.connack)
  end)

  it("names a server that speaks TLS where it should not", function()
    listener = scripted.listen()
    local _, reason = steps_of("mqtt://127.0.0.1:" .. listener.port, nil, function()
      local client = listener:accept()
      client:expect "connect"
      client.socket:send "\21\3\1\0\2\2\70" -- an alert: protocol_version
    end)
    assert.same({ "protocol_error", "who answered speaks TLS, as it seems" }, { reason.name, reason.text })
  end)
end)
