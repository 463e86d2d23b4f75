-- What is known of the way to a broker, by each road: client:status().path.
local certificates = require "spec.support.certificates"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local quic_server = require "spec.support.quic_server"

describe("the way to a broker #broker", function()
  local folder

  setup(function() folder = certificates.make() end)
  teardown(function() process.remove_folder(folder) end)
  after_each(function()
    quic_server.finish()
    mosquitto.finish()
  end)

  local function client_of(address)
    return holdfast.new { server = address, transport = "native", connect_timeout = 20,
      tls = address:find "^quic" and { ca = folder .. "/ca.pem" } or nil }
  end

  -- Asked for until it is what is wanted: it is looked at once a second at most.
  local function await(client, fine)
    local deadline = process.now() + 30000
    repeat
      local path = client:status().path
      if path and fine(path) then return path end
      holdfast.sleep(0.02)
    until process.now() > deadline
    error "it does not come to be so"
  end

  it("over QUIC has round trips, what was sent and sent again, and moves", function()
    local missing = quic_server.missing()
    if missing then
      pending(missing)
      return
    end
    local broker = mosquitto.start { quiet = true }
    local server = quic_server.start { upstream = broker.port, folder = folder }
    holdfast.run(function()
      local client = client_of("quic://localhost:" .. server.port)
      assert.is_nil(client:status().path)
      assert(client:connect(20))
      local path = client:status().path
      assert.are.same({ "quic", 0, false, "none" }, { path.road, path.migrations, path.resumed, path.early })
      assert.is_true(path.rtt >= path.rtt_min and path.rtt_min > 0 and path.rtt < 10 and path.rtt_variance > 0)
      assert.is_true(path.sent >= 3 and path.sent < 100, path.sent)
      for _ = 1, 200 do client:post("path", ("x"):rep(500), { qos = 0 }) end
      assert(client:publish("path", "", { qos = 1, timeout = 20 }))
      local calm = await(client, function(now) return now.sent >= path.sent + 70 end)
      server:tell "drop 20 in"
      client:post("path", ("x"):rep(100000), { qos = 0 })
      assert(client:publish("path", "", { qos = 1, timeout = 60 }))
      server:tell "drop 0 in"
      local lossy = await(client, function(now) return now.retransmitted >= calm.retransmitted + 5 end)
      assert.is_true(lossy.retransmitted < lossy.sent)
      client:network_changed()
      path = await(client, function(now) return now.migrations == 1 end)
      assert.is_true(path.age < 10)
      server:tell "close 77"
      assert(client:wait("lost", 20))
      assert.is_nil(client:status().path)
      assert(client:ready(20))
      assert.is_true(client:status().path.resumed)
      client:close()
    end)
  end)

  it("over TCP has what the system counts of it", function()
    local broker = mosquitto.start { quiet = true }
    holdfast.run(function()
      local client = client_of("mqtt://127.0.0.1:" .. broker.port)
      assert(client:connect(20))
      local first = client:status().path
      assert.are.same({ "tcp", 0 }, { first.road, first.retransmitted })
      assert.is_true(first.rtt >= first.rtt_min and first.rtt_min > 0 and first.rtt < 10)
      assert.are.same({}, { first.migrations, first.resumed, first.early })
      for _ = 1, 20 do assert(client:publish("path", "x", { qos = 1, timeout = 20 })) end
      await(client, function(now) return now.sent >= first.sent + 20 end)
      client:close()
      assert.is_nil(client:status().path)
    end)
  end)
end)
