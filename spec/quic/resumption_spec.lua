-- Coming back over QUIC: sessions that are taken up again, and CONNECT that goes before the handshake is complete.
local certificates = require "spec.support.certificates"
local files = require "spec.support.files"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local quic_server = require "spec.support.quic_server"
local revocation = require "spec.support.revocation"
local shim = require "spec.support.shim"
local store_probe = require "store_probe"

-- Of its two addresses the first has nobody who listens.
local TWICE = [[
local holdfast = require "holdfast"
holdfast.run(function()
  local client = assert(holdfast.new { server = "quic://twice.host:%d", transport = "native", zero_rtt = true,
    tls = { verify = false }, backoff = { strategy = "constant", min = 0.05, jitter = "none" } })
  client:on("failed", function(event) print(event.reason.name) end)
  assert(client:connect(10))
  for _ = 1, 3 do
    assert(client:publish("settle", "", { qos = 1, timeout = 10 }))
    client:reconnect()
    assert(client:wait("ready", 20))
  end
  print "fine"
  client:close()
end)
]]

describe("coming back over QUIC #broker", function()
  local missing = quic_server.missing()
  if missing then
    pending(missing)
    return
  end

  local folder, broker, server

  setup(function()
    folder = certificates.make()
    revocation.make(folder)
  end)
  teardown(function() process.remove_folder(folder) end)
  before_each(function() broker = mosquitto.start {} end)
  after_each(function()
    quic_server.finish()
    mosquitto.finish()
  end)

  local function serve(options)
    options = options or {}
    options.upstream, options.folder = broker.port, folder
    server = quic_server.start(options)
  end

  local function client_of(more)
    local options = { server = "quic://localhost:" .. server.port, transport = "native", connect_timeout = 10,
      tls = { ca = folder .. "/ca.pem" }, backoff = { strategy = "constant", min = 0.05, jitter = "none" },
      policy = { slow = { strategy = "constant", min = 0.05, max = 1, jitter = "none" } } }
    for key, value in pairs(more or {}) do options[key] = value end
    return holdfast.new(options)
  end

  -- What was given to a connection comes after its handshake: a word of MQTT behind it has been answered.
  local function settle(client)
    assert(client:publish("settle", "", { qos = 1, timeout = 10 }))
  end

  local function again(client)
    client:reconnect()
    assert(client:wait("ready", 20))
    settle(client)
  end

  local function connected(more)
    local client = client_of(more)
    assert(client:connect(20))
    settle(client)
    return client
  end

  -- { handshakes, sessions taken up again, early data accepted } since the server was started
  local function counted()
    local stats = server:stats()
    assert.are.same({ 0, stats.handshakes }, { stats.early_foreign, stats.streams })
    return { stats.handshakes, stats.resumed, stats.early }
  end

  local function connects()
    local count = 0
    for _ in broker:log():gmatch "New client connected" do count = count + 1 end
    return count
  end

  it("takes the session up again, and nothing goes early unless it may", function()
    serve()
    holdfast.run(function()
      local client = connected()
      for _ = 1, 3 do again(client) end
      client:close()
    end)
    assert.are.same({ 4, 3, 0 }, counted())
  end)

  it("has CONNECT alone go first where it may, whatever waits", function()
    serve()
    holdfast.run(function()
      local client = connected { zero_rtt = true, will = { topic = "gone", payload = ("x"):rep(3000) } }
      local came = 0
      client:subscribe("waits/#", { qos = 1 }, function() came = came + 1 end)
      for round = 1, 3 do
        client:reconnect()
        for number = 1, 20 do client:post("waits/" .. number, ("y"):rep(100), { qos = 1 }) end
        assert(client:wait("ready", 20))
        settle(client)
        local deadline = process.now() + 10000
        while came < 20 * round and process.now() < deadline do holdfast.sleep(0.01) end
      end
      assert.are.equal(60, came)
      client:close()
    end)
    assert.are.same({ 4, 3, 3 }, counted())
    assert.is_true(server:stats().early_bytes >= 3 * 3000)
    assert.are.equal(4, connects())
  end)

  it("says CONNECT once more, and the broker hears it once, where the server does not take it early", function()
    serve()
    holdfast.run(function()
      local client = connected { zero_rtt = true, client_id = "once" }
      server:tell "early refuse"
      for _ = 1, 3 do again(client) end
      client:close()
    end)
    assert.are.same({ 4, 3, 0 }, counted())
    assert.are.equal(4, connects())
    holdfast.run(function() -- nor where GnuTLS itself does not, as after a restart
      local client = connected { zero_rtt = true, client_id = "once" }
      server:restart()
      again(client)
      client:close()
    end)
    assert.are.same({ 1, 1, 0 }, counted())
  end)

  it("makes a whole handshake where the server does not know the ticket any more, or it is too old", function()
    serve { ["ticket-life"] = 1 }
    holdfast.run(function()
      local client = connected { zero_rtt = true }
      server:tell "tickets forget"
      again(client)
      assert.are.same({ 2, 0, 0 }, counted())
      again(client)
      assert.are.same({ 3, 1, 1 }, counted())
      holdfast.sleep(1.1)
      again(client)
      client:close()
    end)
    assert.are.same({ 4, 1, 1 }, counted())
  end)

  it("leaves a server that accepts what goes early and allows less than it had said, and comes back", function()
    serve()
    holdfast.run(function()
      local client = connected { zero_rtt = true }
      server:tell "window 300000"
      again(client)
      assert.are.same({ 2, 1, 1 }, counted())
      server:tell "window 5000"
      client:reconnect()
      local event = assert(client:wait("failed", 20))
      assert.are.same({ "quic_failed", true }, { event.reason.name, event.reason.text:find "allows less" ~= nil })
      assert(client:ready(20))
      again(client)
      client:close()
    end)
    assert.are.same({ 4, 2 }, { server:stats().handshakes, server:stats().resumed }) -- one was not completed
  end)

  it("goes early by a server that has the address proved, and by one that loses datagrams", function()
    serve { retry = true }
    holdfast.run(function()
      local client = connected { zero_rtt = true }
      again(client)
      client:close()
    end)
    assert.are.same({ 2, 1, 1 }, counted())
    server:kill()
    serve()
    holdfast.run(function()
      local client = connected { zero_rtt = true }
      server:tell "drop 20 in"
      server:tell "drop 20 out"
      for _ = 1, 5 do again(client) end
      server:tell "drop 0 in"
      server:tell "drop 0 out"
      client:close()
    end)
    assert.are.equal(5, counted()[2])
  end)

  it("is said to one address early, and late to the one that answers", function()
    serve()
    assert.matches("fine\n$", shim.run("names_probe", TWICE:format(server.port)))
    assert.are.same({ 4, 3, 0 }, counted())
    assert.are.equal(4, connects())
  end)

  it("is of one identity: who has another certificate, or another look at the server's, has other sessions", function()
    serve()
    local function failure(tls)
      local client = client_of { tls = tls, zero_rtt = true }
      client:start()
      local event = assert(client:wait("failed", 20))
      client:close()
      return event.reason.name
    end
    holdfast.run(function()
      connected({ tls = { verify = false } }):close()
      assert.are.equal("tls_unknown_ca", failure { ca = folder .. "/strange.pem" })
      assert.are.equal("tls_pin", failure { ca = folder .. "/ca.pem", pin = { ("A"):rep(43) .. "=" } })
      assert.are.equal("tls_revoked", failure { ca = folder .. "/ca.pem", crl = folder .. "/revoked.crl" })
      connected({ zero_rtt = true }):close()
    end)
    assert.are.same({ 2, 0, 0 }, counted())
    server:kill()
    serve { authority = "ca" }
    holdfast.run(function()
      local tls = { ca = folder .. "/ca.pem", cert = folder .. "/client.pem", key = folder .. "/client.key",
        key_password = "secret" }
      local client = connected { tls = tls, zero_rtt = true }
      again(client)
      assert.are.same({ 2, 1, 1 }, counted())
      assert.are.equal("tls_client_certificate", failure { ca = folder .. "/ca.pem" })
      client:close()
    end)
  end)

  it("looks anew where the files of its trust have changed, and at the chain of then by the lists of now", function()
    serve()
    local ca, crl = folder .. "/mine.pem", folder .. "/mine.crl"
    local function copy(from, to) files.write(to, files.read(folder .. "/" .. from)) end
    copy("ca.pem", ca)
    copy("none.crl", crl)
    holdfast.run(function()
      local client = connected { zero_rtt = true, tls = { ca = ca, crl = crl } }
      again(client)
      assert.are.same({ 2, 1, 1 }, counted())
      copy("revoked.crl", crl)
      holdfast.sleep(1.1) -- it looks at its files once a second
      client:reconnect()
      assert.are.equal("tls_revoked", assert(client:wait("failed", 20)).reason.name)
      copy("none.crl", crl)
      assert(client:ready(20))
      settle(client)
      assert.are.same({ 3, 1, 1 }, counted())
      copy("strange.pem", ca)
      holdfast.sleep(1.1)
      client:reconnect()
      assert.are.equal("tls_unknown_ca", assert(client:wait("failed", 20)).reason.name)
      client:close()
    end)
  end)

  describe("in another process, by what a store has kept,", function()
    local ca, store

    before_each(function()
      local place = folder .. "/" .. process.now()
      ca, store = place .. ".pem", place
      files.write(ca, files.read(folder .. "/ca.pem"))
      serve()
    end)

    local function spawn(stay, beside, preload)
      os.remove(store .. ".log")
      local words = { "env", "LD_PRELOAD=" .. (preload or os.getenv "LD_PRELOAD" or ""), os.getenv "LUA" or "lua5.4",
        "spec/support/comeback_child.lua", ("quic://localhost:%d%s"):format(server.port, beside or ""), ca, store,
        stay }
      return assert(process.spawn(words, store .. ".log"))
    end

    local function said()
      return files.read(store .. ".log")
    end

    local function run(beside, preload)
      local pid = spawn(nil, beside, preload)
      assert.are.equal("exited", (process.wait(pid, 30000)), said())
      return said()
    end

    local function await(fine)
      local deadline = process.now() + 20000
      while not fine() do
        assert(process.now() < deadline, said())
        process.sleep(5)
      end
    end

    it("takes it up again, though the one before was killed", function()
      local pid = spawn "stay"
      await(function() return (files.read(store .. "-wal") or ""):find("HFQ2", 1, true) end)
      process.kill(pid, "KILL")
      process.wait(pid, 5000)
      assert.are.equal("ready\n", run())
      assert.are.same({ 2, 1, 1 }, counted())
      assert.are.equal("ready\n", run())
      assert.are.same({ 3, 2, 2 }, counted())
      assert.are.equal("600", store_probe.mode(store))
    end)

    it("does not, where what it finds is cut, changed, empty or another's", function()
      run()
      for number, change in ipairs { "substr(secret, 1, length(secret) / 2)", "substr(secret, 2)", "x'00'",
        "substr(secret, 1, 200) || x'ff' || substr(secret, 202)", "zeroblob(length(secret))" } do
        store_probe.sql(store, "UPDATE ticket SET secret = " .. change)
        assert.are.equal("ready\n", run())
        assert.are.same({ number + 1, 0, 0 }, counted())
      end
      server:tell "tickets forget"
      assert.are.equal("ready\n", run())
      assert.are.same({ 7, 0, 0 }, counted())
      assert.are.equal("ready\n", run())
      assert.are.same({ 8, 1, 1 }, counted())
    end)

    it("does not, where GnuTLS does not know its own any more, as of another version", function()
      run()
      store_probe.sql(store, "INSERT INTO ticket SELECT 7, zeroblob(32), secret, 0 FROM ticket")
      local opened = assert(store_probe.open(store, "comeback"))
      local packed = opened:ticket(("\0"):rep(32))
      opened:free()
      local at = 4 + 1 + 8 + 8 + 7 * 8 -- mark, flags, times, limits; and the protocol before the session
      at = at + 4 + packed:byte(at + 4) + 4
      local other = packed:sub(1, at) .. string.char((packed:byte(at + 1) + 1) % 256) .. packed:sub(at + 2, -33)
      files.write(store .. ".ticket", other)
      local pipe = assert(io.popen(("openssl dgst -sha256 -r %q"):format(store .. ".ticket")))
      local sum = pipe:read(64)
      pipe:close()
      local hex = other:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
      store_probe.sql(store, "DELETE FROM ticket WHERE place = 7; UPDATE ticket SET secret = x'" .. hex .. sum .. "'")
      assert.are.equal("ready\n", run())
      assert.are.same({ 2, 0, 0 }, counted())
      assert.are.equal("ready\n", run())
      assert.are.same({ 3, 1, 1 }, counted())
    end)

    it("does not, where the clock has been set back behind it", function()
      ca = "-" -- which has not begun to be good
      run()
      local behind = assert(package.searchpath("wall_probe", package.cpath)) -- by an hour
      assert.are.equal("ready\n", run(nil, behind))
      assert.are.same({ 2, 0, 0 }, counted())
      assert.are.equal("ready\n", run(nil, behind))
      assert.are.same({ 3, 1, 1 }, counted())
    end)

    it("takes it up again beside TCP, too", function()
      local beside = ",mqtts://localhost:" .. process.free_port()
      assert.are.equal("ready\n", run(beside))
      assert.are.equal("ready\n", run(beside))
      assert.are.same({ 2, 1, 0 }, counted())
    end)

    it("looks at the chain of then by the trust of now", function()
      run()
      files.write(ca, files.read(folder .. "/strange.pem"))
      assert.are.equal("tls_unknown_ca\n", run())
      assert.are.same({ 1, 0, 0 }, counted())
      files.write(ca, files.read(folder .. "/ca.pem"))
      assert.are.equal("ready\n", run())
      assert.are.same({ 2, 0, 0 }, counted())
    end)
  end)
end)
