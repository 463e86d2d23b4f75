-- return_to_primary where the first server is one of QUIC: it is knocked at by UDP.
local certificates = require "spec.support.certificates"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local quic_server = require "spec.support.quic_server"

describe("a first server of QUIC #broker", function()
  local missing = quic_server.missing()
  if missing then
    pending(missing)
    return
  end

  local folder, broker

  setup(function()
    folder = certificates.make()
    broker = mosquitto.start { quiet = true }
  end)
  teardown(function()
    mosquitto.finish()
    process.remove_folder(folder)
  end)
  after_each(quic_server.finish)

  it("is gone back to once it answers by QUIC, in a version that we speak", function()
    local server = quic_server.start { upstream = broker.port, folder = folder }
    server:kill()
    holdfast.run(function()
      local there = "mqtt://localhost:" .. broker.port
      local client = holdfast.new { transport = "native", tls = { ca = folder .. "/ca.pem" }, connect_timeout = 20,
        servers = { "quic://localhost:" .. server.port, there }, return_to_primary = 0.05, stable_after = 0.05,
        backoff = { strategy = "constant", min = 0.05, jitter = "none" } }
      client:start()
      assert(client:ready(20))
      server:restart { versions = "none" }
      server:await("negotiations", 4)
      assert.are.equal(there, client:status().server) -- it has not been tried
      assert.are.equal(0, server:stats().connections)
      server:restart { versions = false }
      local deadline = process.now() + 30000
      while client:status().server == there and process.now() < deadline do holdfast.sleep(0.02) end
      assert(client:ready(20))
      assert.are.equal("quic://localhost:" .. server.port, client:status().server)
      assert.is_true(server:stats().negotiations >= 2)
      client:close()
    end)
  end)

  it("is gone back to from TCP that had been faster, which then has no head start any more", function()
    local port = process.free_port()
    local secure = mosquitto.start { quiet = true, lines = { "listener " .. port .. " 127.0.0.1",
      "cafile " .. folder .. "/ca.pem", "certfile " .. folder .. "/server.pem",
      "keyfile " .. folder .. "/server.key" } }
    local server = quic_server.start { upstream = secure.port, folder = folder }
    server:tell "silent on"
    holdfast.run(function()
      local client = holdfast.new { transport = "native", tls = { ca = folder .. "/ca.pem" }, connect_timeout = 20,
        servers = { "quic://localhost:" .. server.port, "mqtts://localhost:" .. port }, return_to_primary = 0.05,
        stable_after = 0.05, backoff = { strategy = "constant", min = 0.05, jitter = "none" } }
      client:start()
      assert(client:ready(20))
      assert.are.equal("mqtts://localhost:" .. port, client:status().server)
      server:tell "silent off"
      local deadline = process.now() + 60000
      while client:status().server:find "^mqtts" and process.now() < deadline do holdfast.sleep(0.02) end
      assert(client:ready(20))
      assert.are.equal("quic://localhost:" .. server.port, client:status().server)
      client:close()
    end)
  end)
end)
