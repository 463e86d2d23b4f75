-- QUIC and TLS over TCP of one host in one attempt: whichever has shaken hands first is taken, and said to be.
local certificates = require "spec.support.certificates"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local quic_server = require "spec.support.quic_server"
local sockets = require "socket_probe"

describe("QUIC beside TCP #broker", function()
  local missing = quic_server.missing()
  if missing then
    pending(missing)
    return
  end

  local folder, broker, port

  setup(function() folder = certificates.make() end)
  teardown(function() process.remove_folder(folder) end)
  after_each(function()
    quic_server.finish()
    mosquitto.finish()
  end)

  local function start(options)
    port = process.free_port()
    broker = mosquitto.start { lines = { "max_queued_messages 0", "listener " .. port .. " 127.0.0.1",
      "cafile " .. folder .. "/ca.pem", "certfile " .. folder .. "/server.pem",
      "keyfile " .. folder .. "/server.key" } }
    options = options or {}
    options.upstream, options.folder = broker.port, folder
    return quic_server.start(options)
  end

  local function client_of(server, more)
    local options = { transport = "native", connect_timeout = 20, tls = { ca = folder .. "/ca.pem" },
      servers = { "quic://localhost:" .. server.port, "mqtts://localhost:" .. port },
      backoff = { strategy = "constant", min = 0.05, jitter = "none" } }
    for key, value in pairs(more or {}) do options[key] = value end
    return holdfast.new(options)
  end

  local function failures_of(client)
    local failures = {}
    client:on("failed", function(event) failures[#failures + 1] = event end)
    return failures
  end

  local function connects()
    local _, count = broker:log():gsub("New client connected", "")
    local _, twice = broker:log():gsub("already connected", "")
    return count - twice * 1000
  end

  local function latest(client)
    local history = client:history()
    return history[#history], #history
  end

  it("wins where it is there, and TCP is not even begun, or left", function()
    local server = start()
    holdfast.run(function()
      local client = client_of(server)
      assert(client:connect(20))
      if not client:status().server:find "^quic" then -- it had not shaken hands after 250 ms
        assert.are.equal("quic://localhost:" .. server.port, latest(client).beside.server)
      else
        assert.are.equal("quic://localhost:" .. server.port, latest(client).server)
        assert.is_true(not latest(client).beside or latest(client).beside.server == "mqtts://localhost:" .. port)
      end
      assert.are.equal(1, connects())
      client:close()
    end)
  end)

  it("is left for TCP where nothing comes back, without a failure; which is remembered, and forgotten", function()
    local server = start()
    server:tell "silent on"
    holdfast.run(function()
      local client = client_of(server)
      local failures = failures_of(client)
      assert(client:connect(20))
      assert.are.equal("mqtts://localhost:" .. port, client:status().server)
      assert.are.equal("tcp", client:status().path.road)
      assert.are.same({ server = "quic://localhost:" .. server.port, phase = "quic" }, latest(client).beside)
      assert.are.equal("mqtts://localhost:" .. port, latest(client).server)
      assert.are.same({ 0, 1 }, { #failures, connects() })
      local deadline, more = process.now() + 60000, 0
      repeat -- TCP begins now, and QUIC only where it takes longer than 250 ms
        assert(process.now() < deadline, "QUIC begins each time")
        client:reconnect()
        assert(client:wait("ready", 20))
        more = more + 1
      until not latest(client).beside
      assert.are.equal(1 + more, connects())
      client:network_changed()
      client:reconnect()
      assert(client:wait("ready", 20))
      assert.are.equal("quic://localhost:" .. server.port, latest(client).beside.server)
      client:close()
    end)
  end)

  it("is left where it says no, and what it said is in the history", function()
    local server = start { certificate = "expired" }
    holdfast.run(function()
      local client = client_of(server)
      local failures = failures_of(client)
      assert(client:connect(20))
      local beside = latest(client).beside
      assert.are.same({ "quic://localhost:" .. server.port, "tls_expired", "tls", "tls" },
        { beside.server, beside.name, beside.source, beside.phase })
      assert.are.same({ 0, 1 }, { #failures, connects() })
      client:close()
    end)
  end)

  it("is waited for where it is slow, and TCP leads nowhere", function()
    local server = start()
    local deaf, deaf_port = assert(sockets.listen()) -- whose system accepts, and nobody answers
    server:freeze()
    holdfast.run(function()
      local client = client_of(server, { servers = { "quic://localhost:" .. server.port,
        "mqtts://localhost:" .. deaf_port } })
      local failures = failures_of(client)
      client:start()
      assert(deaf:accept(20000)):close() -- so that both have begun; and TCP fails
      server:resume()
      assert(client:ready(20))
      assert.are.equal("quic://localhost:" .. server.port, client:status().server)
      assert.are.equal("mqtts://localhost:" .. deaf_port, latest(client).beside.server)
      assert.are.same({ 0, 1 }, { #failures, connects() })
      client:close()
    end)
    deaf:close()
  end)

  it("that answers when TCP has been taken is closed: nobody is sent a second CONNECT", function()
    local server = start()
    server:freeze()
    holdfast.run(function()
      local client, lost = client_of(server), 0
      client:on("lost", function() lost = lost + 1 end)
      assert(client:connect(20))
      assert.are.equal("mqtts://localhost:" .. port, client:status().server)
      server:resume()
      server:await("datagrams_in", 1)
      assert(client:publish("late", "", { qos = 2, timeout = 20 }))
      local deadline = process.now() + 20000
      while server:stats().open > 0 and process.now() < deadline do holdfast.sleep(0.02) end
      assert.are.same({ 0, 0, 1 }, { lost, server:stats().open, connects() })
      client:close()
    end)
  end)

  it("fails with TCP as one attempt, for the reason that says more", function()
    local server = start()
    server:kill()
    broker:kill()
    holdfast.run(function()
      local client = client_of(server)
      local failures = failures_of(client)
      client:start()
      for attempt = 1, 2 do
        local deadline = process.now() + 20000
        while #failures < attempt and process.now() < deadline do holdfast.sleep(0.01) end
        local event = failures[attempt]
        assert.are.same({ "connection_refused", attempt, true, true }, { event.reason.name, event.attempt,
          event.reason.text:find("refused", 1, true) ~= nil, event.reason.text:find("over QUIC", 1, true) ~= nil })
        local record = client:history()[attempt]
        assert.are.same({ "mqtts://localhost:" .. port, "quic_refused", "quic://localhost:" .. server.port },
          { record.server, record.beside.name, record.beside.server })
      end
      client:close()
    end)
  end)

  it("has each of 200 clients say CONNECT once, whichever road is faster", function()
    local server = start()
    server:tell "drop 40 in"
    holdfast.run(function()
      local left, by = 200, { quic = 0, tcp = 0 }
      for _ = 1, 25 do
        holdfast.spawn(function()
          while left > 0 do
            left = left - 1
            local client = client_of(server, { connect_timeout = 60 })
            assert(client:connect(60))
            local road = client:status().path.road
            by[road] = by[road] + 1
            client:close()
          end
        end)
      end
      local deadline = process.now() + 120000
      while by.quic + by.tcp < 200 and process.now() < deadline do holdfast.sleep(0.02) end
      assert.are.equal(200, by.quic + by.tcp)
      assert.is_true(by.quic > 0 and by.tcp > 0, ("%d, %d"):format(by.quic, by.tcp))
    end)
    assert.are.equal(200, connects())
  end)
end)
