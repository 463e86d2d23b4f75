-- Our client and a server that is neither ours nor ngtcp2's: quinn, with a broker behind.
local certificates = require "spec.support.certificates"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local quic_noise = require "spec.support.quic_noise"
local quic_server = require "spec.support.quic_server"
local quinn = require "spec.support.quinn"

describe("quinn's server #broker", function()
  if not quinn.program() or not quic_server.program() then
    pending(quinn.MISSING)
    return
  end

  local folder, server

  setup(function() folder = certificates.make() end)
  teardown(function() process.remove_folder(folder) end)
  before_each(function()
    local broker = mosquitto.start { quiet = true }
    server = quinn.start("server", broker.port, folder .. "/server.pem", folder .. "/server.key")
  end)
  after_each(function()
    quic_noise.finish()
    quinn.finish()
    mosquitto.finish()
  end)

  local function client_of(port, more)
    local options = { server = "quic://127.0.0.1:" .. port, transport = "native", connect_timeout = 20,
      tls = { ca = folder .. "/ca.pem" }, backoff = { strategy = "constant", min = 0.05, jitter = "none" } }
    for key, value in pairs(more or {}) do options[key] = value end
    return holdfast.new(options)
  end

  it("takes and gives messages of any size, time and again", function()
    holdfast.run(function()
      local client = client_of(server.port, { inbox = { bytes = 2 ^ 24 }, queue = { bytes = 2 ^ 24 } })
      local subscription = client:subscribe("quinn", { qos = 2 })
      assert(client:connect(20))
      for round, size in ipairs { 0, 1, 1200, 65536, 2 ^ 22 } do
        local payload = ("%08d"):format(round):rep(math.ceil(size / 8)):sub(1, size)
        assert(client:publish("quinn", payload, { qos = 2, timeout = 60 }))
        assert.is_true(assert(subscription:receive(60)).payload == payload)
        client:reconnect()
        assert(client:wait("ready", 20))
      end
      client:close()
    end)
  end)

  it("follows where a NAT forgets, and nothing is lost", function()
    local noise = quic_noise.start { TO = server.port }
    holdfast.run(function()
      local client, lost = client_of(noise.port), 0
      client:on("lost", function() lost = lost + 1 end)
      local subscription = client:subscribe("quinn", { qos = 2 })
      assert(client:connect(20))
      for round = 1, 5 do
        noise:move()
        assert(client:publish("quinn", tostring(round), { qos = 2, timeout = 60 }))
        assert.are.equal(tostring(round), assert(subscription:receive(60)).payload)
      end
      assert.are.equal(0, lost)
      client:close()
    end)
    assert.are.equal(5, noise:done().moves)
  end)

  it("takes CONNECT early by its tickets, and not without", function()
    holdfast.run(function()
      for _, early in ipairs { false, true } do
        local client = client_of(server.port, { zero_rtt = early, tls = { ca = folder .. "/ca.pem",
          alpn = { "mqtt", early and "early" or nil } } }) -- tickets of its own
        assert(client:connect(20))
        for _ = 1, 3 do
          assert(client:publish("settle", "", { qos = 1, timeout = 10 }))
          client:reconnect()
          assert(client:wait("ready", 20))
        end
        client:close()
      end
    end)
    local early, late = 0, 0
    for word in server:said():gmatch "stream: (%a+)" do
      early, late = early + (word == "early" and 1 or 0), late + (word == "late" and 1 or 0)
    end
    assert.are.same({ 3, 5 }, { early, late })
  end)

  it("has a certificate that is looked at", function()
    local other = quinn.start("server", 1, folder .. "/expired.pem", folder .. "/expired.key")
    holdfast.run(function()
      local client = client_of(other.port)
      client:start()
      assert.are.equal("tls_expired", assert(client:wait("failed", 20)).reason.name)
      client:close()
    end)
  end)
end)
