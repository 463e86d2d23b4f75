-- TLS over TCP: what is checked, and each failure by its name.
local certificates = require "spec.support.certificates"
local process = require "process_probe"
local probe = require "stream_probe"
local sockets = require "socket_probe"
local streams = require "spec.support.streams"
local tls_server = require "spec.support.tls_server"

describe("a TLS stream", function()
  local folder, world, server

  setup(function() folder = certificates.make() end)
  teardown(function() process.remove_folder(folder) end)

  before_each(function() world = streams.new() end)
  after_each(function()
    world:finish()
    tls_server.finish()
    collectgarbage()
  end)

  local function start(certificate, ...)
    server = tls_server.start { folder = folder, certificate = certificate, ... }
  end

  local function options(fields)
    local all = { ca = folder .. "/ca.pem" }
    for key, value in pairs(fields or {}) do
      if value == false and key ~= "verify" then value = nil end
      all[key] = value
    end
    return all
  end

  local function client(name)
    return { cert = ("%s/%s.pem"):format(folder, name), key = ("%s/%s.key"):format(folder, name),
      key_password = "secret" }
  end

  local function open(fields, host, port)
    return world:opened { host = host or "localhost", port = port or server.port,
      tls = assert(probe.context(options(fields))) }
  end

  -- Says a line and hears it turned round.
  local function talks(one)
    assert.are.same({ "open", "tls" }, { one.stream:state(), one.stream:phase() }, (select(2, one.stream:ending())))
    world:write(one, "hello\n")
    assert.is_truthy(world:wait(function() return streams.text(one) == "olleh\n" end), (one.stream:ending()))
    return one
  end

  -- A man in the middle who hears nothing: both sockets of his, once it is open, and what makes him pass on what is
  -- there.
  local function open_through(listener, one)
    local near, far = nil, sockets.connect(server.port)
    local function pass()
      for from, to in pairs { [near] = far, [far] = near } do
        local some = from:some(65536, 0)
        if some then to:send(some) end
      end
    end
    assert.is_truthy(world:wait(function()
      near = near or listener:accept(0)
      if near then pass() end
      return one.stream:state() == "open"
    end))
    return near, far, pass
  end

  local function leave(one)
    local gone = false
    one.stream:finish(2000, function() gone = true end)
    assert.is_truthy(world:wait(function() return gone end))
  end

  local function connects(fields, host)
    leave(talks(open(fields, host)))
  end

  -- Every failure in the handshake, or, of TLS 1.3, right after it.
  local function fails(fields, host, port)
    local one = open(fields, host, port)
    if one.stream:state() == "open" then one.stream:write "hello\n" end
    local reason, text = world:ending(one)
    assert.are.equal("tls", one.stream:phase())
    assert.is_false(one.stream:read())
    assert.are.equal(0, one.stream:write "x")
    assert.is_true(#text > 0)
    assert.is_nil(text:find("secret", 1, true))
    return reason, text
  end

  for _, version in ipairs { "-tls1_2", "-tls1_3" } do
    describe(version, function()
      it("verifies chain and host, by name and by address", function()
        start("server", version)
        connects()
        connects({}, "127.0.0.1")
        connects({}, "::1")
        connects({}, "LOCALHOST")
        connects({}, "localhost.")
        connects { ca = folder .. "/cas" }
      end)

      it("names what is wrong with the server's certificate", function()
        local wanted = { other = "tls_hostname", expired = "tls_expired", future = "tls_not_yet_valid",
          stranger = "tls_unknown_ca", absent = "tls_unknown_ca", lonely = "tls_self_signed",
          weak = "tls_certificate" }
        for certificate, reason in pairs(wanted) do
          start(certificate, version, "-cipher", "DEFAULT:@SECLEVEL=0")
          local found, text = fails()
          assert.are.equal(reason, found, certificate .. ": " .. text)
          assert.are.equal(0, server:count "CONNECTION ESTABLISHED")
          if certificate ~= "weak" then connects { verify = false } end
          server:stop()
        end
      end)

      it("is not taken in by an address that the certificate does not have", function()
        start("server", version)
        local reason, text = fails({}, "127.0.0.2")
        assert.are.same({ "tls_hostname", "the certificate is not for 127.0.0.2: /CN=server" }, { reason, text })
        assert.are.equal("tls_hostname", (fails({}, "other.example")))
      end)

      it("trusts the system's authorities if none is named, and them only", function()
        start("server", version)
        assert.are.equal("tls_unknown_ca", (fails { ca = false }))
      end)

      it("shows a client certificate, and names its refusal", function()
        start("server", version, "-Verify", "1", "-verify_return_error", "-CAfile", folder .. "/ca.pem")
        connects(client "client")
        assert.are.equal("client", server:seen())
        assert.are.equal("tls_client_certificate", (fails()))
        assert.are.equal("tls_client_certificate", (fails(client "late")))
        assert.are.equal("tls_client_certificate", (fails(client "intruder")))
      end)

      it("uses a key that both sides share, and takes nothing else for it", function()
        start(false, version, "-psk", "00112233445566778899aabbccddeeff", "-psk_identity", "meter")
        local key = ("\0\17\34\51\68\85\102\119\136\153\170\187\204\221\238\255")
        local shared = { ca = false, psk_identity = "meter", psk_key = key }
        connects(shared)
        connects(shared)
        assert.are.equal("tls_handshake", (fails { ca = false, psk_identity = "meter", psk_key = "another key" }))
        server:stop()
        start("server", version)
        for _, verify in ipairs { true, false } do
          shared.verify = verify
          local reason, text = fails(shared)
          assert.are.equal("tls_handshake", reason)
          if version == "-tls1_3" then assert.is_truthy(text:find "shows a certificate") end
        end
        assert.are.equal(0, server:count "CONNECTION ESTABLISHED") -- nor has it heard the end of a handshake
      end)

      it("carries what is larger than anything in between, both ways", function()
        start("server", version)
        local one = open()
        local line = ("0123456789"):rep(1600) .. "\n"
        for i = 1, 60 do
          world:write(one, line)
          if i % 20 == 0 then world:wait(function() return #streams.text(one) >= i * #line end) end
        end
        assert.is_truthy(world:wait(function() return #streams.text(one) == 60 * #line end))
        assert.are.equal((line:sub(1, -2):reverse() .. "\n"):rep(60), streams.text(one))
        local seen = one.stream:progress()
        assert.is_true(seen.received > 60 * #line and seen.accepted > 60 * #line)
        assert.is_true(seen.acknowledged > 0)
      end)

      it("reads what came last before an end in good order", function()
        start("server", version)
        local one = talks(open())
        world:write(one, "CLOSE\n") -- s_server hangs up
        assert.are.same({ n = 2, nil, "" }, { n = 2, world:ending(one) })
      end)
    end)
  end

  it("offers protocols, and a name where there is one", function()
    start("server", "-alpn", "mqtt", "-tlsextdebug", "-servername", "localhost", "-cert2", folder .. "/server.pem",
      "-key2", folder .. "/server.key")
    connects { alpn = { "other", "mqtt" } }
    assert.are.equal(1, server:count 'TLS client extension "server name"')
    assert.are.equal(1, server:count 'TLS client extension "application layer protocol negotiation"')
    connects({}, "127.0.0.1")
    assert.are.equal(1, server:count 'TLS client extension "server name"')
    assert.are.equal(1, server:count 'TLS client extension "application layer protocol negotiation"')
  end)

  it("names a server that speaks nothing from TLS 1.2 on", function()
    start("server", "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0")
    assert.are.equal("tls_version", (fails()))
  end)

  describe("towards who is no TLS server", function()
    local listener, port

    before_each(function() listener, port = sockets.listen(0) end)
    after_each(function() listener:close() end)

    -- What becomes of it when the other side does this once ClientHello is there.
    local function meets(fn)
      local one = world:open { host = "localhost", port = port, tls = assert(probe.context(options())) }
      local peer
      world:wait(function() peer = peer or listener:accept(0) return peer end)
      local hello
      world:wait(function() hello = hello or peer:some(4096, 0) return hello end)
      assert.are.equal("\22\3", hello:sub(1, 2))
      fn(peer)
      local reason, text = world:ending(one)
      peer:close()
      assert.are.equal("tls", one.stream:phase())
      return reason, text
    end

    it("is one that hangs up", function()
      local reason, text = meets(function(peer) peer:close() end)
      assert.are.same({ "tls_handshake", "the server closed the connection during the TLS handshake" },
        { reason, text })
    end)

    it("is one that resets", function()
      local reason, text = meets(function(peer) peer:reset() end)
      assert.are.same({ "tls_handshake", "the server reset the connection during the TLS handshake" },
        { reason, text })
    end)

    it("is one that speaks something else", function()
      local reason, text = meets(function(peer) peer:send "HTTP/1.1 400 Bad Request\r\n\r\n" end)
      assert.are.same({ "tls_handshake", "wrong version number" }, { reason, text })
    end)

    it("is nobody, which is TCP's affair", function()
      local one = world:open { host = "localhost", port = process.free_port(),
        tls = assert(probe.context(options())) }
      local reason, text = world:ending(one)
      assert.are.same({ "connection_refused", "127.0.0.1: Connection refused", "tcp" },
        { reason, text, one.stream:phase() })
    end)
  end)

  it("is lost when TCP is, by TCP's name, and by none when the server goes without a word", function()
    local listener, port = sockets.listen(0)
    start "server"
    local one = world:open { host = "localhost", port = port, tls = assert(probe.context(options())) }
    local near, far = open_through(listener, one)
    near:reset()
    assert.are.equal("connection_reset", (world:ending(one)))
    listener:close()
    far:close()
  end)

  it("does not shake hands when the turn has spent its time on others", function()
    start "server"
    local busy = true
    local spender
    spender = world.loop:task(function()
      if busy then world.loop:spend(5000) end
      spender:later()
    end)
    spender:later()
    local one = world:open { host = "localhost", port = server.port, tls = assert(probe.context(options())) }
    world:rest(100)
    assert.are.equal("opening", one.stream:state())
    assert.are.equal("tls", one.stream:phase())
    busy = false
    assert.is_truthy(world:wait(function() return one.stream:state() == "open" end))
  end)

  it("tells when there is room again", function()
    local listener, port = sockets.listen(0, 16, nil, 4096)
    start "server"
    local one = world:open { host = "localhost", port = port, tls = assert(probe.context(options())), idle = true }
    local _, _, pass = open_through(listener, one)
    streams.read(one)
    local line = ("0123456789"):rep(1000) .. "\n"
    local all = line:rep(60)
    local taken = one.stream:write(all)
    assert.is_true(taken > 0 and taken < #all)
    assert.are.equal(0, one.stream:write(all, taken + 1))
    local changes = one.changes
    world:rest(30)
    assert.are.equal(changes, one.changes)
    assert.is_truthy(world:wait(function()
      pass()
      if taken < #all then taken = taken + one.stream:write(all, taken + 1) end
      streams.read(one)
      return #streams.text(one) == #all
    end, 20000))
    assert.are.equal((line:sub(1, -2):reverse() .. "\n"):rep(60), streams.text(one))
    assert.is_true(one.changes > changes)
    listener:close()
  end)

  it("says goodbye after all that it has accepted, though there was no room for it at once", function()
    local listener, port = sockets.listen(0, 16, nil, 4096)
    start "server"
    local near, far = nil, sockets.connect(server.port)
    local one = world:open { host = "localhost", port = port, tls = assert(probe.context(options())), idle = true }
    local heard = {}
    local function pass()
      local some = near:some(65536, 0)
      if some then
        heard[#heard + 1] = some
        far:send(some)
      end
    end
    world:wait(function()
      near = near or listener:accept(0)
      if near then
        pass()
        local some = far:some(65536, 0)
        if some then near:send(some) end
      end
      return one.stream:state() == "open"
    end)
    local taken = one.stream:write(("x"):rep(2 ^ 22))
    local gone = false
    one.stream:finish(10000, function() gone = true end)
    world:rest(20)
    assert.is_false(gone)
    local closed
    assert.is_truthy(world:wait(function()
      if closed then return gone end
      local some, why = near:some(65536, 0)
      if some then
        heard[#heard + 1] = some
      elseif why == "closed" then
        closed = true
        near:close()
      end
      return gone
    end, 20000))
    assert.is_true(#table.concat(heard) > taken) -- and with close_notify, which is a record of 24 bytes, at its end
    assert.are.equal("\23\3\3\0\19", table.concat(heard):sub(-24, -20))
    listener:close()
    far:close()
  end)

  it("may be ended while it opens, at any step", function()
    start "server"
    for turns = 0, 6 do
      for _, how in ipairs { "abort", "finish" } do
        local one = world:open { host = "localhost", port = server.port, tls = assert(probe.context(options())) }
        for _ = 1, turns do world.loop:turn(5) end
        local gone = how == "abort"
        if how == "abort" then
          one.stream:abort()
        else
          one.stream:finish(50, function() gone = true end)
        end
        assert.is_truthy(world:wait(function() return gone end))
      end
    end
  end)
end)
