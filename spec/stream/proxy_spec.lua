-- A way through a proxy to a server, with a scripted proxy: what it is asked, every answer to that however it is cut,
-- and what goes through afterwards.
local certificates = require "spec.support.certificates"
local process = require "process_probe"
local probe = require "stream_probe"
local sockets = require "socket_probe"
local streams = require "spec.support.streams"
local tls_server = require "spec.support.tls_server"

describe("a proxy", function()
  local world, listener, port

  before_each(function()
    world = streams.new()
    listener, port = world:listen()
  end)
  after_each(function() world:finish() end)

  -- `to`: with PORT for where it is.
  local function begin(to, more)
    local target = { host = "broker.example", port = 1883, addresses = { "192.0.2.7", "192.0.2.8" },
      proxy = { to = to:gsub("PORT", tostring(port)), addresses = { "127.0.0.1" } } }
    for key, value in pairs(more or {}) do target[key] = value end
    local one, peer = world:open(target), nil
    assert(world:wait(function()
      peer = peer or listener:accept(0)
      return peer
    end))
    return one, peer
  end

  -- Exactly these bytes are what it says next.
  local function says(peer, bytes)
    local got
    assert(world:wait(function()
      got = (got or "") .. (peer:some(65536, 0) or "")
      return #got >= #bytes
    end), got)
    assert.are.equal(bytes, got)
  end

  local function opened(one)
    assert(world:wait(function() return one.stream:state() ~= "opening" end))
    assert.are.equal("open", one.stream:state(), select(2, one.stream:ending()))
  end

  -- Both ways; `more`: what the server has said already.
  local function carries(one, peer, more)
    world:write(one, "to the server")
    says(peer, "to the server")
    peer:send "and back"
    assert(world:wait(function() return streams.text(one) == (more or "") .. "and back" end), streams.text(one))
    peer:close()
    assert.is_nil((world:ending(one)))
  end

  local function cut(peer, answer)
    for index = 1, #answer do
      peer:send(answer:sub(index, index))
      world.loop:turn(0)
    end
  end

  local CONNECT = "CONNECT broker.example:1883 HTTP/1.1\r\nHost: broker.example:1883\r\n"
  local OK = "HTTP/1.1 200 Connection established\r\n\r\n"
  local METHOD, NAMED = "\5\0", "\5\1\0\3\14broker.example\7\91"
  local REPLY = "\5\0\0\1\0\0\0\0\0\0"

  describe("of HTTP", function()
    it("is asked for a way to the server by its name, and carries what follows", function()
      local one, peer = begin "http://p:PORT"
      says(peer, CONNECT .. "\r\n")
      assert.are.same({ "opening", "proxy" }, { one.stream:state(), one.stream:phase() })
      peer:send(OK)
      opened(one)
      carries(one, peer)
    end)

    it("is told user name and password, without their escapes", function()
      local _, peer = begin "http://Aladdin:open%20ses%61me@p:PORT"
      says(peer, CONNECT .. "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n")
      peer:close()
    end)

    it("is told even the longest of them", function()
      local _, peer = begin("http://" .. ("u"):rep(1024) .. ":" .. ("p"):rep(1024) .. "@p:PORT",
        { host = ("h"):rep(63) .. ("." .. ("h"):rep(62)):rep(3) })
      local got = ""
      assert(world:wait(function()
        got = got .. (peer:some(65536, 0) or "")
        return got:find "\r\n\r\n$"
      end), #got)
      assert.are.equal(4 * math.ceil(2049 / 3), #got:match "Basic (%S+)\r\n\r\n$")
      peer:close()
    end)

    it("is asked for an IPv6 address in brackets, without its zone", function()
      local _, peer = begin("http://p:PORT", { host = "fe80::1%lo", port = 99 })
      says(peer, "CONNECT [fe80::1]:99 HTTP/1.1\r\nHost: [fe80::1]:99\r\n\r\n")
      peer:close()
    end)

    it("answers a byte at a time, after another answer, and the server speaks right behind it", function()
      local one, peer = begin "http://p:PORT"
      says(peer, CONNECT .. "\r\n")
      cut(peer, "HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" .. "HTTP/1.0 299 Yes\r\nContent-Length: 5\r\n\n")
      peer:send "early"
      opened(one)
      carries(one, peer, "early")
    end)

    it("answers, and the server speaks, in the same bytes", function()
      local one, peer = begin "http://p:PORT"
      says(peer, CONNECT .. "\r\n")
      peer:send(OK .. ("x"):rep(3000))
      opened(one)
      carries(one, peer, ("x"):rep(3000))
    end)

    local function status(line, ...)
      return "HTTP/1.1 " .. line .. "\r\n" .. table.concat({ ... }, "\r\n") .. (... and "\r\n" or "") .. "\r\n"
    end
    for _, case in ipairs {
      { status "401 No", "proxy_401", "HTTP 401 No", 401 },
      { status("407 Who?", 'Proxy-Authenticate: Basic realm="x"'), "proxy_407", "HTTP 407 Who?", 407 },
      { status "403 Forbidden", "proxy_403", "HTTP 403 Forbidden", 403 },
      { status "404 x", "proxy_4xx", "HTTP 404 x", 404 },
      { status("429 Slow down", "Retry-After: 7"), "proxy_429", "HTTP 429 Slow down", 429, 7 },
      { status "500 Unable to connect", "proxy_5xx", "HTTP 500 Unable to connect", 500 },
      { status "503", "proxy_5xx", "HTTP 503", 503 },
      { status("302 Found", "Location: http://elsewhere/"), "proxy_3xx", "HTTP 302 Found", 302 },
      { status "101 x", "unknown_proxy", "HTTP 101 x", 101 },
      { status "700 x", "unknown_proxy", "HTTP 700 x", 700 },
      { "HTTP/2.0 200 x\r\n\r\n", "proxy_handshake", "it is not HTTP/1.1", 1 },
      { "SSH-2.0-x\r\n\r\n", "proxy_handshake", "it is not HTTP/1.1", 1 },
      { "\5\255\r\n\r\n", "proxy_handshake", "it is not HTTP/1.1", 1 },
      { "HTTP/1.1 200 x\r\nA: " .. ("x"):rep(65536), "proxy_handshake", "its answer is longer than 16 KiB", 1 },
      { ("HTTP/1.1 100 x\r\n\r\n"):rep(4000), "proxy_handshake", "its answer is longer than 16 KiB", 1 },
    } do
      it("that answers " .. case[1]:sub(1, 30):gsub("%c+", " ") .. " is named", function()
        local one, peer = begin "http://p:PORT"
        says(peer, CONNECT .. "\r\n")
        peer:send(case[1])
        local reason, text = world:ending(one)
        local code, wait, where = one.stream:wishes()
        assert.are.same({ case[2], case[3], case[4], case[5] or 0, "" }, { reason, text, code, wait, where })
        assert.are.equal("proxy", one.stream:phase())
        peer:close()
      end)
    end
  end)

  describe("of SOCKS5", function()
    it("is asked for a name, or for an address", function()
      for _, case in ipairs {
        { "socks5h", {}, NAMED },
        { "socks5", {}, "\5\1\0\1\192\0\2\7\7\91" },
        { "socks5", { addresses = { "2001:db8::7" } }, "\5\1\0\4\32\1\13\184" .. ("\0"):rep(11) .. "\7\7\91" },
        { "socks5h", { host = "127.0.0.1", port = 258 }, "\5\1\0\1\127\0\0\1\1\2" },
        { "socks5h", { host = "fe80::1%lo" }, "\5\1\0\4\254\128" .. ("\0"):rep(13) .. "\1\7\91" },
      } do
        local one, peer = begin(case[1] .. "://p:PORT", case[2])
        says(peer, "\5\1\0")
        peer:send(METHOD)
        says(peer, case[3])
        peer:send(REPLY)
        opened(one)
        carries(one, peer)
      end
    end)

    it("is told user name and password if it wants them", function()
      for _, version in ipairs { "\1", "\5" } do
        local one, peer = begin "socks5h://u%73er:%00pass@p:PORT"
        says(peer, "\5\2\0\2")
        peer:send "\5\2"
        says(peer, "\1\4user\5\0pass")
        peer:send(version .. "\0")
        says(peer, NAMED)
        peer:send(REPLY)
        opened(one)
        carries(one, peer)
      end
      local one, peer = begin "socks5h://user:pass@p:PORT"
      says(peer, "\5\2\0\2")
      peer:send(METHOD)
      says(peer, NAMED)
      peer:send(REPLY)
      opened(one)
      carries(one, peer)
    end)

    it("answers a byte at a time, with any kind of address, and the server speaks right behind it", function()
      for _, address in ipairs { "\1\1\2\3\4", "\4" .. ("\9"):rep(16), "\3\0", "\3\255" .. ("n"):rep(255) } do
        local one, peer = begin "socks5h://p:PORT"
        says(peer, "\5\1\0")
        cut(peer, METHOD)
        says(peer, NAMED)
        cut(peer, "\5\0\0" .. address .. "\1\2" .. "early")
        opened(one)
        carries(one, peer, "early")
      end
    end)

    for code, name in ipairs { "socks_failure", "socks_not_allowed", "socks_network_unreachable",
      "socks_host_unreachable", "socks_connection_refused", "socks_ttl_expired", "socks_command_not_supported",
      "socks_address_not_supported", "unknown_socks" } do
      it(("that answers %d is named, however much of it comes"):format(code), function()
        for _, rest in ipairs { "", "\0\1\0\0\0\0\0\0" } do
          local one, peer = begin "socks5h://p:PORT"
          says(peer, "\5\1\0")
          peer:send(METHOD)
          says(peer, NAMED)
          peer:send("\5" .. string.char(code) .. rest)
          assert.are.equal(name, (world:ending(one)))
          assert.are.same({ code, "proxy" }, { (one.stream:wishes()), one.stream:phase() })
          peer:close()
        end
      end)
    end

    local function refused(to, answers, name, text)
      local one, peer = begin(to)
      for _, answer in ipairs(answers) do
        assert(world:wait(function() return peer:some(65536, 0) end))
        peer:send(answer)
      end
      assert.are.same({ name, text }, { world:ending(one) })
      peer:close()
    end

    it("that lets nobody in is named", function()
      refused("socks5://p:PORT", { "\5\255" }, "socks_authentication", "it wants a user name and password")
      refused("socks5://u:p@p:PORT", { "\5\255" }, "socks_authentication",
        "it takes neither a user name and password, nor nothing")
      refused("socks5://u:p@p:PORT", { "\5\2", "\1\1" }, "socks_authentication", "it does not accept them")
    end)

    it("that answers something else is named", function()
      for _, case in ipairs { { "HTTP/1.1 400 Bad Request\r\n" }, { "\4\0" }, { "\5\1" }, { "\5\2" },
        { METHOD, "\4\0\0\1" }, { METHOD, "\5\0\0\2\0" }, { METHOD, "\5\0\0\0\0" } } do
        refused("socks5://p:PORT", case, "proxy_handshake", "it is not SOCKS5")
      end
      refused("socks5://u:p@p:PORT", { "\5\2", "\2\0" }, "proxy_handshake", "it is not SOCKS5")
    end)
  end)

  for _, kind in ipairs { "http", "socks5", "socks5h" } do
    it("of " .. kind .. " that hangs up instead of an answer is named, in good order or not", function()
      for _, how in ipairs { "close", "reset" } do
        local one, peer = begin(kind .. "://p:PORT")
        assert(world:wait(function() return peer:some(65536, 0) end))
        peer[how](peer)
        assert.are.same({ "proxy_closed", "" }, { world:ending(one) })
        assert.are.equal("proxy", one.stream:phase())
      end
    end)
  end

  it("that is not there is named as a server would be, in its own phase", function()
    local one = world:open { host = "b", port = 1, proxy = { to = "http://p:" .. process.free_port(),
      addresses = { "127.0.0.1" } } }
    assert.are.same({ "connection_refused", "127.0.0.1: Connection refused" }, { world:ending(one) })
    assert.are.equal("proxy", one.stream:phase())
  end)

  it("is left at any moment", function()
    for _, how in ipairs { "abort", "finish" } do
      for step = 0, 2 do
        local one, peer = begin "socks5h://p:PORT"
        if step > 0 then
          says(peer, "\5\1\0")
          peer:send(METHOD)
          says(peer, NAMED)
        end
        if step > 1 then
          peer:send(REPLY)
          opened(one)
        end
        local over = how == "abort"
        one.stream[how](one.stream, 500, function() over = true end)
        assert(world:wait(function()
          return select(2, peer:some(65536, 0)) == "closed"
        end), "it stays")
        peer:close()
        assert(world:wait(function() return over end))
      end
    end
  end)

  describe("with TLS", function()
    local folder, server

    setup(function() folder = certificates.make() end)
    teardown(function() process.remove_folder(folder) end)
    before_each(function() server = tls_server.start { folder = folder, certificate = "server" } end)
    after_each(tls_server.finish)

    local function context() return assert(probe.context { ca = folder .. "/ca.pem" }) end

    -- Passes on what is there.
    local function pass(near, far)
      for from, to in pairs { [near] = far, [far] = near } do
        local some = from:some(65536, 0)
        if some then to:send(some) end
      end
    end

    local function through(host)
      local one, near = begin("http://p:PORT", { host = host, tls = context() })
      assert(world:wait(function() return near:some(65536, 0) end))
      near:send(OK)
      local far = sockets.connect(server.port)
      assert(world:wait(function()
        pass(near, far)
        return one.stream:state() ~= "opening"
      end))
      return one, near, far
    end

    it("to the server within it checks the server's name", function()
      local one, near, far = through "localhost"
      assert.are.same({ "open", "tls" }, { one.stream:state(), one.stream:phase() })
      world:write(one, "hello\n")
      assert(world:wait(function()
        pass(near, far)
        return streams.text(one) == "olleh\n"
      end))
      near:close()
      far:close()
      local other = through "other.example"
      assert.are.same({ "tls_hostname", "tls" }, { (world:ending(other)), other.stream:phase() })
    end)

    it("keeps what the proxy says of itself: status and wait", function()
      local one, near = begin("http://p:PORT", { tls = context() })
      assert(world:wait(function() return near:some(65536, 0) end))
      near:send "HTTP/1.1 418 Teapot\r\nRetry-After: 9\r\n\r\n"
      assert.are.same({ "proxy_4xx", "HTTP 418 Teapot" }, { world:ending(one) })
      assert.are.same({ 418, 9, "" }, { one.stream:wishes() })
      assert.are.equal("proxy", one.stream:phase())
      near:close()
    end)

    it("to itself must show a certificate that is trusted, for its own name", function()
      -- a server that turns lines round is no proxy: its answer says so, through TLS
      local function reason(to, ca)
        local one = world:open { host = "broker.example", port = 1883,
          proxy = { to = to .. server.port, addresses = { "127.0.0.1" },
            tls = assert(probe.context { ca = folder .. "/" .. ca }) } }
        local name = world:ending(one)
        return name, one.stream:phase()
      end
      assert.are.same({ "tls_hostname", "proxy" }, { reason("https://other.example:", "ca.pem") })
      assert.are.same({ "tls_unknown_ca", "proxy" }, { reason("https://localhost:", "old.pem") })
      local one = world:open { host = "b", port = 1, proxy = { to = "https://localhost:" .. server.port,
        addresses = { "127.0.0.1" }, tls = context() } }
      assert.are.same({ "proxy_handshake", "it is not HTTP/1.1" }, { world:ending(one) })
    end)
  end)
end)
