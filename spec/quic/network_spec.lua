-- Messages over QUIC through networks that are not kind: the client's port changes beneath it, and datagrams are
-- changed, cut, repeated, put in disorder and invented.
local certificates = require "spec.support.certificates"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local quic_noise = require "spec.support.quic_noise"
local quic_server = require "spec.support.quic_server"

-- In all, changed or invented (10^5 take minutes: HOLDFAST_SPEC_DATAGRAMS).
local DATAGRAMS = tonumber(os.getenv "HOLDFAST_SPEC_DATAGRAMS") or 600

describe("over QUIC #broker", function()
  if not quic_server.program() then
    pending "not built: no libngtcp2-dev and libngtcp2-crypto-gnutls-dev"
    return
  end

  local folder, broker, server

  setup(function() folder = certificates.make() end)
  teardown(function() process.remove_folder(folder) end)

  before_each(function()
    broker = mosquitto.start { quiet = true, lines = { "max_queued_messages 0", "max_inflight_messages 0" } }
    server = quic_server.start { upstream = broker.port, folder = folder }
  end)
  after_each(function()
    quic_noise.finish()
    quic_server.finish()
    mosquitto.finish()
  end)

  local function client_of(address, more)
    local options = { server = address, transport = "native",
      tls = address:find "^quic" and { ca = folder .. "/ca.pem" } or nil,
      backoff = { strategy = "constant", min = 0.1, jitter = "none" }, connect_timeout = 20 }
    for key, value in pairs(more or {}) do options[key] = value end
    return holdfast.new(options)
  end

  -- What arrives at somebody who has nothing to do with QUIC, by number.
  local function witness(filter)
    local arrived, client = {}, client_of("mqtt://127.0.0.1:" .. broker.port)
    client:subscribe(filter, { qos = 2 }, function(message)
      local number = tonumber((message.payload:match "^%d+"))
      arrived[number] = (arrived[number] or 0) + 1
    end)
    assert(client:connect(10))
    return arrived, client
  end

  local function await(fine, ...)
    local deadline = process.now() + 60000
    while not fine() do
      assert(process.now() < deadline, ...)
      holdfast.sleep(0.01)
    end
  end

  it("1,000 messages of QoS 2 arrive once, and nothing is lost, while five NATs forget", function()
    local noise = quic_noise.start { TO = server.port }
    holdfast.run(function()
      local arrived, other = witness "moved"
      local client = client_of("quic://127.0.0.1:" .. noise.port)
      local lost, done = 0, 0
      client:on("lost", function() lost = lost + 1 end)
      assert(client:connect(20))
      for number = 1, 1000 do
        holdfast.spawn(function()
          assert(client:publish("moved", ("%d %s"):format(number, ("x"):rep(200)), { qos = 2, timeout = 60 }))
          done = done + 1
        end)
        if number % 200 == 100 then
          await(function() return done >= number - 20 end, "they do not go on")
          noise:move()
        end
      end
      await(function() return done == 1000 end, "they do not come to an end")
      await(function() return #arrived == 1000 end, "they do not arrive")
      for number = 1, 1000 do assert.are.equal(1, arrived[number]) end
      assert.are.equal(0, lost)
      client:close()
      other:close()
    end)
    local counted = server:stats()
    assert.are.same({ 1, 5, 5 }, { counted.connections, counted.rebindings, noise:done().moves })
  end)

  it("a hostile network costs time alone", function()
    local seed = os.time() % 2 ^ 20
    local noise = quic_noise.start { TO = server.port, SEED = seed, MUTATE = 40, TRUNCATE = 20, REPEAT = 60,
      REORDER = 60, INVENT = 60 }
    holdfast.run(function()
      local arrived, other = witness "noisy/there"
      local client = client_of("quic://127.0.0.1:" .. noise.port)
      local back, number, lost = {}, 0, 0
      client:on("lost", function() lost = lost + 1 end)
      client:subscribe("noisy/there", { qos = 2 }, function(message)
        local which = tonumber((message.payload:match "^%d+"))
        back[which] = (back[which] or 0) + 1
      end)
      assert(client:connect(60))
      repeat
        local done = 0
        for _ = 1, 300 do
          number = number + 1
          local payload = ("%d %s"):format(number, ("y"):rep(number * 37 % 3000))
          holdfast.spawn(function()
            assert(client:publish("noisy/there", payload, { qos = 2, timeout = 60 }))
            done = done + 1
          end)
        end
        await(function() return done == 300 end, "seed ", seed)
        local counted = noise:done()
      until counted.MUTATE + counted.TRUNCATE + counted.REPEAT + counted.REORDER + counted.INVENT >= DATAGRAMS
      await(function() return #arrived == number and #back == number end, "seed " .. seed)
      for which = 1, number do assert.are.same({ 1, 1 }, { arrived[which], back[which] }) end
      assert.are.equal(0, lost)
      client:close()
      other:close()
    end)
  end)
end)
