-- The server that our QUIC client is tested against (spec/support/quic_server.c), by clients that are not ours:
-- ngtcp2's example, which says a request of HTTP's to whatever it is, and quinn, with a broker behind.
local certificates = require "spec.support.certificates"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local quic_server = require "spec.support.quic_server"
local quinn = require "spec.support.quinn"
local sockets = require "socket_probe"
local tree = require "spec.support.tree"

local GTLSCLIENT = "/usr/bin/gtlsclient"

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

local function random_bytes(count)
  local file = assert(io.open("/dev/urandom", "rb"))
  local bytes = file:read(count)
  file:close()
  return bytes
end

describe("the specs' QUIC server #broker", function()
  if not quic_server.program() then
    pending "not built: no libngtcp2-dev and libngtcp2-crypto-gnutls-dev"
    return
  end

  local folder, certificate_folder

  setup(function() certificate_folder = certificates.make() end)
  teardown(function() process.remove_folder(certificate_folder) end)
  before_each(function() folder = assert(process.temporary_folder()) end)
  after_each(function()
    quinn.finish()
    quic_server.finish()
    mosquitto.finish()
    process.remove_folder(folder)
  end)

  describe("and ngtcp2's client", function()
    if not exists(GTLSCLIENT) then
      pending "no ngtcp2-client"
      return
    end

    local server, sink, sides, clients

    before_each(function() sides, clients = {}, {} end)
    after_each(function()
      for _, side in ipairs(sides) do side:close() end
      for _, pid in ipairs(clients) do
        process.kill(pid, "KILL")
        process.wait(pid, 5000)
      end
      if sink then sink:close() end
    end)

    local function start(options)
      local port
      sink, port = assert(sockets.listen())
      options.upstream, options.folder, options.alpn, options["one-way-streams"] = port, certificate_folder, "h3", 3
      server = quic_server.start(options)
    end

    local function log()
      local file = assert(io.open(folder .. "/client", "rb"))
      local text = file:read "*a"
      file:close()
      return text
    end

    -- One that sends a request with these bytes, and ends as soon as it is told.
    local function client(bytes, ...)
      if bytes then
        local file = assert(io.open(folder .. "/bytes", "wb"))
        file:write(bytes)
        file:close()
      end
      local words = { GTLSCLIENT, "--no-quic-dump", "--no-http-dump", "--data", folder .. "/bytes", "--session-file",
        folder .. "/session", "--tp-file", folder .. "/parameters" }
      for _, word in ipairs { ... } do words[#words + 1] = word end
      for _, word in ipairs { "127.0.0.1", tostring(server.port), "https://localhost/" } do words[#words + 1] = word end
      local pid = assert(process.spawn(words, folder .. "/client"))
      clients[#clients + 1] = pid
      return pid
    end

    -- What the broker's side gets of that client: it is these bytes, behind a few of HTTP's.
    -- @treturn socket that side, which the client waits for an answer of
    local function receive(bytes, pause)
      local side = assert(sink:accept(10000))
      sides[#sides + 1] = side
      if pause then pause() end
      local got = {}
      repeat
        local more = side:some(65536, 10000)
        got[#got + 1] = more
      until not more
      local all = table.concat(got)
      assert(all:sub(-#bytes) == bytes, ("%d bytes came, of %d"):format(#all, #bytes))
      return side
    end

    it("hands on what it sends, however slowly it is taken", function()
      start { window = 100000 }
      local bytes = random_bytes(8000000)
      client(bytes)
      receive(bytes, function()
        local before
        repeat -- until everything is full
          before = server:stats().stream_bytes_in
          process.sleep(50)
        until before > 0 and server:stats().stream_bytes_in == before
        assert.is_true(before < 8000000)
      end)
      local counted = server:stats()
      assert.are.same({ 1, 1, 0, 0 }, { counted.connections, counted.handshakes, counted.resumed, counted.failed })
      assert.is_true(counted.most_buffered <= 100000, counted.most_buffered)
    end)

    it("takes a session up again, and early data where it is to", function()
      start {}
      local function once()
        local before = server:stats().handshakes
        local pid = client "early"
        -- Who is told the end of its stream before its handshake is over goes without it.
        receive("early", function() server:await("handshakes", before + 1) end):close()
        assert.are.equal("exited", (process.wait(pid, 10000)))
        return server:stats()
      end
      once()
      local counted = once()
      assert.are.same({ 2, 1, 1 }, { counted.handshakes, counted.resumed, counted.early })
      assert.is_true(counted.early_bytes > 0)
      server:tell "early refuse"
      counted = once()
      assert.are.same({ 3, 2, 1 }, { counted.handshakes, counted.resumed, counted.early })
      server:restart() -- with the same keys; what is older than a server of GnuTLS's is not early data to it
      counted = once()
      assert.are.same({ 1, 1, 0 }, { counted.handshakes, counted.resumed, counted.early })
      server:restart { tickets = "off" }
      counted = once()
      assert.are.same({ 1, 0, 0 }, { counted.handshakes, counted.resumed, counted.early })
    end)

    it("has its address proved", function()
      start { retry = true }
      client "proved"
      receive "proved"
      local counted = server:stats()
      assert.are.same({ 1, 1, 1 }, { counted.retries, counted.tokens, counted.handshakes })
    end)

    it("is made to speak another version, or none", function()
      start { versions = "v2" }
      local second = table.concat((tree.command(GTLSCLIENT .. " --help"))):find "v2draft" and "v2draft" or "v2"
      client("versed", "--preferred-versions=" .. second .. ",v1", "-v", "v1")
      receive "versed"
      local counted = server:stats()
      assert.are.same({ 1, 1 }, { counted.negotiations, counted.handshakes })
      server:restart { versions = "none" }
      assert.are.equal("exited", (process.wait(client "none", 10000)))
      assert.is_truthy(log():find "ERR_RECV_VERSION_NEGOTIATION")
      counted = server:stats()
      assert.are.same({ 1, 0 }, { counted.negotiations, counted.connections })
    end)

    it("is reset where the server has forgotten it", function()
      start {}
      local file = assert(io.open(folder .. "/bytes", "wb"))
      file:seek("set", 2 ^ 28) -- more than it gets rid of, so that it goes on speaking
      file:write "."
      file:close()
      local pid = client()
      local drain = assert(process.fork(function()
        local side = assert(sink:accept(10000))
        while side:some(65536, 10000) do end
      end))
      clients[#clients + 1] = drain
      server:await("stream_bytes_in", 1)
      server:tell "forget"
      assert.are.equal("exited", (process.wait(pid, 10000)))
      local counted = server:stats()
      assert.is_true(counted.resets >= 1)
      assert.are.equal(0, counted.open)
      assert.is_truthy(log():lower():find "reset")
    end)

    it("is forgotten where it says nothing", function()
      start { idle = 300 }
      local pid = client "idle"
      server:await("handshakes", 1)
      process.kill(pid, "STOP")
      local counted = server:await("idle_closes", 1)
      assert.are.equal(0, counted.open)
      process.kill(pid, "CONT")
    end)

    it("is followed where it goes, on purpose or not", function()
      start {}
      client("moved", "--change-local-addr=50ms", "--delay-stream=200ms")
      receive "moved"
      local counted = server:stats()
      assert.are.same({ 1, 0 }, { counted.migrations, counted.rebindings })
      client("rebound", "--nat-rebinding", "--change-local-addr=50ms", "--delay-stream=200ms", "--disable-early-data")
      receive "rebound"
      counted = server:stats()
      assert.are.same({ 1, 1, 2 }, { counted.migrations, counted.rebindings, counted.handshakes })
    end)

    it("has to show a certificate where one is wanted", function()
      start { authority = "ca" }
      client "nobody"
      local counted = server:await("failed", 1)
      assert.are.same({ 0, 0 }, { counted.handshakes, counted.streams })
      assert.are.equal(116, counted.last_alert) -- certificate_required
      client("somebody", "--cert", certificate_folder .. "/server.pem", "--key", certificate_folder .. "/server.key")
      receive "somebody"
      assert.are.equal(1, server:stats().handshakes)
    end)

    it("says everything where one in five datagrams is lost each way", function()
      start {}
      server:tell "drop 20 in"
      server:tell "drop 20 out"
      local bytes = random_bytes(200000)
      client(bytes)
      receive(bytes)
      local counted = server:stats()
      assert.is_true(counted.dropped_in > 0 and counted.dropped_out > 0)
    end)

    it("is told when it is closed", function()
      start {}
      local pid = client "closed"
      receive "closed"
      server:await("ready", 1)
      server:tell "close 77"
      assert.are.equal("exited", (process.wait(pid, 10000)))
      assert.is_truthy(log():find("0x4d", 1, true) or log():find("(77)", 1, true), log())
    end)
  end)

  describe("and quinn's client", function()
    if not quinn.program() then
      pending(quinn.MISSING)
      return
    end

    local server, client
    local CONNECT = "\16\15\0\4MQTT\5\2\0\60\0\0\2me"

    before_each(function()
      local broker = mosquitto.start { quiet = true }
      server = quic_server.start { upstream = broker.port, folder = certificate_folder }
      client = quinn.start("client", server.port, certificate_folder .. "/ca.pem")
    end)

    local function connect()
      local one = assert(sockets.connect(client.port))
      assert(one:send(CONNECT))
      local head = assert(one:receive(2, 10000))
      assert.are.equal(0x20, head:byte())
      local rest = assert(one:receive(head:byte(2), 10000))
      assert.are.same({ 0, 0 }, { rest:byte(1, 2) })
      return one
    end

    local function length_of(count)
      local text = ""
      repeat
        local digit = count % 128
        count = (count - digit) / 128
        text = text .. string.char(count > 0 and digit + 128 or digit)
      until count == 0
      return text
    end

    it("brings MQTT to a broker and back, 8 MB of it", function()
      local one = connect()
      assert(one:send "\130\7\0\1\0\0\1t\0")
      assert.are.equal("\144\4\0\1\0\0", assert(one:receive(6, 10000)))
      local body = "\0\1t\0" .. random_bytes(8000000)
      local message = "\48" .. length_of(#body) .. body
      assert(one:send(message))
      assert.is_true(one:receive(#message, 60000) == message)
      one:close()
    end)

    it("connects by early data, taken or not", function()
      connect():close()
      client:await "early: none"
      connect():close()
      client:await "early: accepted"
      server:tell "early refuse"
      connect():close()
      client:await "early: rejected"
      local counted = server:stats()
      assert.are.same({ 3, 2, 1, #CONNECT }, { counted.handshakes, counted.resumed, counted.early,
        counted.early_bytes })
    end)

    it("goes on from another port", function()
      local one = connect()
      client:move()
      assert(one:send "\192\0")
      assert.are.equal("\208\0", assert(one:receive(2, 10000)))
      local counted = server:stats()
      assert.are.same({ 1, 1 }, { counted.connections, counted.rebindings + counted.migrations })
      one:close()
    end)
  end)
end)
