-- A WebSocket to a scripted server: the handshake and every answer to it, frames however they are cut, control
-- frames, close codes and what is against the protocol. Autobahn's cases are in spec/stream/autobahn_spec.lua.
local process = require "process_probe"
local streams = require "spec.support.streams"
local websocket = require "spec.support.websocket"

local frame = websocket.frame

describe("a WebSocket", function()
  local world, listener, port

  before_each(function()
    world = streams.new()
    listener, port = world:listen()
  end)
  after_each(function() world:finish() end)

  local function begin(more)
    local target = { port = port, road = "websocket", host = "broker.example" }
    for key, value in pairs(more or {}) do target[key] = value end
    local one = world:open(target)
    local peer
    assert(world:wait(function()
      peer = peer or listener:accept(0)
      return peer and one.stream:phase() == "websocket"
    end))
    local line, fields, text = websocket.request(peer)
    return one, peer, fields, line, text
  end

  local function open(more)
    local one, peer, fields = begin(more)
    peer:send(websocket.welcome(fields))
    assert(world:wait(function() return one.stream:state() == "open" end), "it does not open")
    return one, peer
  end

  local function hear(one, text)
    assert(world:wait(function() return streams.text(one) == text end), streams.text(one))
  end

  describe("asks", function()
    it("as RFC 6455 wants it, for the subprotocol mqtt", function()
      local one, peer, fields, line = begin { path = "/mqtt?x=%20y" }
      assert.are.equal("GET /mqtt?x=%20y HTTP/1.1", line)
      assert.are.equal(24, #fields["sec-websocket-key"])
      fields["sec-websocket-key"] = nil
      assert.are.same({ host = "broker.example:" .. port, upgrade = "websocket", connection = "Upgrade",
        ["sec-websocket-version"] = "13", ["sec-websocket-protocol"] = "mqtt" }, fields)
      assert.are.equal("opening", one.stream:state())
      peer:close()
    end)

    it("for the root, or a query of it, where there is no path; with another key each time", function()
      local _, first, fields, line = begin()
      local _, second, other, another = begin { path = "?token=1" }
      assert.are.same({ "GET / HTTP/1.1", "GET /?token=1 HTTP/1.1" }, { line, another })
      assert.are_not.equal(fields["sec-websocket-key"], other["sec-websocket-key"])
      first:close()
      second:close()
    end)

    it("with the headers that it is given", function()
      local _, peer, fields = begin { headers = "Authorization: Bearer x\r\nX-Two: 2\r\n" }
      assert.are.same({ "Bearer x", "2" }, { fields.authorization, fields["x-two"] })
      peer:close()
    end)

    it("an address of IPv6 in brackets, without its zone", function()
      local _, peer, fields = begin { host = "fe80::1%lo" }
      assert.are.equal("[fe80::1]:" .. port, fields.host)
      peer:close()
    end)
  end)

  describe("opens", function()
    it("and is told what comes right behind the answer, even in the same bytes", function()
      local one, peer, fields = begin()
      peer:send(websocket.welcome(fields) .. frame { payload = "early" } .. frame { payload = " bird" })
      hear(one, "early bird")
      peer:close()
    end)

    it("by an answer that comes a byte at a time, in names of any case", function()
      local one, peer, fields = begin()
      local answer = websocket.welcome(fields):gsub("Upgrade: websocket", "uPgrade:WebSocket ")
        :gsub("Connection: Upgrade", "Connection: keep-alive, upgrade")
      for index = 1, #answer do
        assert.are.equal("opening", one.stream:state())
        peer:send(answer:sub(index, index))
        if index % 10 == 0 then world.loop:turn(0) end
      end
      assert(world:wait(function() return one.stream:state() == "open" end))
      peer:close()
    end)
  end)

  -- answer, reason, text, code, seconds to wait, where to go
  local function status(line, ...)
    return "HTTP/1.1 " .. line .. "\r\n" .. table.concat({ ... }, "\r\n") .. (... and "\r\n" or "") .. "\r\n"
  end
  local DATE, LATER = "Date: Sun, 06 Nov 1994 08:49:37 GMT", "Retry-After: Sun, 06 Nov 1994 08:50:07 GMT"
  local cases = {
    { status "401 Unauthorized", "http_401", "HTTP 401 Unauthorized", 401, 0, "" },
    { status "403 Forbidden", "http_403", "HTTP 403 Forbidden", 403, 0, "" },
    { status "404 Not Found", "http_404", "HTTP 404 Not Found", 404, 0, "" },
    { status "418 I'm a teapot", "http_4xx", "HTTP 418 I'm a teapot", 418, 0, "" },
    { status("429 Too Many Requests", "Retry-After: 17"), "http_429", "HTTP 429 Too Many Requests", 429, 17, "" },
    { status("429 Too Many Requests", DATE, LATER), "http_429", "HTTP 429 Too Many Requests", 429, 30, "" },
    { status("429 x", LATER), "http_429", "HTTP 429 x", 429, 0, "" },
    { status("429 x", "Retry-After: soon"), "http_429", "HTTP 429 x", 429, 0, "" },
    { status("429 x", "Retry-After: 99999999999999999999"), "http_429", "HTTP 429 x", 429, 4294967295, "" },
    { status("503 Service Unavailable", "Retry-After: 5"), "http_5xx", "HTTP 503 Service Unavailable", 503, 5, "" },
    { status "599", "http_5xx", "HTTP 599", 599, 0, "" },
    { status "200 OK", "http_2xx", "HTTP 200 OK", 200, 0, "" },
    { status "100 Continue", "unknown_http", "HTTP 100 Continue", 100, 0, "" },
    { status("301 Moved", "Location: wss://b.example/mqtt"), "http_3xx", "HTTP 301 Moved", 301, 0,
      "wss://b.example/mqtt" },
    { status("302 Found", "Location: https://b.example:99/x?y=1"), "http_3xx", "HTTP 302 Found", 302, 0,
      "wss://b.example:99/x?y=1" },
    { status("307 T", "Location: http://b.example/"), "http_3xx", "HTTP 307 T", 307, 0, "ws://b.example/" },
    { status("308 P", "Location: //b.example/m"), "http_3xx", "HTTP 308 P", 308, 0, "ws://b.example/m" },
    { status("302 Found", "Location: /elsewhere"), "http_3xx", "HTTP 302 Found", 302, 0,
      "ws://broker.example:PORT/elsewhere" },
    { status("302 Found", "Location: elsewhere"), "http_3xx", "HTTP 302 Found", 302, 0, "" },
    { status("302 Found", "Location: ftp://b"), "http_3xx", "HTTP 302 Found", 302, 0, "" },
    { status("302 Found", "Location: ws://" .. ("x"):rep(600)), "http_3xx", "HTTP 302 Found", 302, 0, "" },
    { "HTTP/1.0 403 Forbidden\n\n", "http_403", "HTTP 403 Forbidden", 403, 0, "" },
    { "SSH-2.0-OpenSSH\r\n\r\n", "websocket_handshake", "it is not HTTP/1.1", 1, 0, "" },
    { "\32\2\0\0\r\n\r\n", "websocket_handshake", "it is not HTTP/1.1", 1, 0, "" },
    { "HTTP/2.0 101 x\r\n\r\n", "websocket_handshake", "it is not HTTP/1.1", 1, 0, "" },
    { "HTTP/1.1 1o1 x\r\n\r\n", "websocket_handshake", "it is not HTTP/1.1", 1, 0, "" },
    { "HTTP/1.1 099 x\r\n\r\n", "websocket_handshake", "it is not HTTP/1.1", 1, 0, "" },
    { "HTTP/1.1 1011\r\n\r\n", "websocket_handshake", "it is not HTTP/1.1", 1, 0, "" },
    { status("101 x", "no colon"), "websocket_handshake", "it is not HTTP/1.1", 1, 0, "" },
    { status("101 x", " folded: x"), "websocket_handshake", "it is not HTTP/1.1", 1, 0, "" },
    { status("101 x", "a: \0"), "websocket_handshake", "it is not HTTP/1.1", 1, 0, "" },
    { "HTTP/1.1 200 OK\r\nA: " .. ("x"):rep(70000), "websocket_handshake", "its head is longer than 16 KiB", 1, 0, "" },
  }
  for _, case in ipairs(cases) do
    it("calls " .. case[1]:sub(1, 60):gsub("%c+", " ") .. " by its name", function()
      local one, peer = begin()
      peer:send(case[1])
      local reason, text = world:ending(one)
      assert.are.same({ case[2], case[3], case[4], case[5], (case[6]:gsub("PORT", port)) },
        { reason, text, one.stream:wishes() })
      assert.are.equal("websocket", one.stream:phase())
      assert.is_false(one.stream:read())
      peer:close()
    end)
  end

  local answers = {
    { { Upgrade = false }, "websocket_handshake", "HTTP 101, but not for a WebSocket" },
    { { Upgrade = "h2c" }, "websocket_handshake", "HTTP 101, but not for a WebSocket" },
    { { Connection = "close" }, "websocket_handshake", "HTTP 101, but not for a WebSocket" },
    { { ["Sec-WebSocket-Accept"] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" }, "websocket_handshake",
      "its Sec-WebSocket-Accept is for another request" },
    { { ["Sec-WebSocket-Accept"] = false }, "websocket_handshake", "its Sec-WebSocket-Accept is for another request" },
    { { ["Sec-WebSocket-Extensions"] = "permessage-deflate" }, "websocket_handshake",
      "it uses an extension that nobody asked for" },
    { { ["Sec-WebSocket-Protocol"] = false }, "websocket_subprotocol", "it has chosen none" },
    { { ["Sec-WebSocket-Protocol"] = "chat" }, "websocket_subprotocol", "it has chosen 'chat'" },
  }
  for _, case in ipairs(answers) do
    local name, value = next(case[1])
    it(("does not open with %s: %s"):format(name, tostring(value)), function()
      local one, peer, fields = begin()
      peer:send(websocket.welcome(fields, case[1]))
      assert.are.same({ case[2], case[3] }, { world:ending(one) })
      peer:close()
    end)
  end

  it("whose server hangs up instead of an answer says so", function()
    local one, peer = begin()
    peer:close()
    assert.are.same({ "websocket_handshake", "the server closed the connection instead of an answer" },
      { world:ending(one) })
  end)

  it("that nobody takes has the reason of the stream below", function()
    local one = world:open { port = process.free_port(), road = "websocket" }
    assert.are.equal("connection_refused", (world:ending(one)))
    assert.are.equal("tcp", one.stream:phase())
  end)

  describe("that is open", function()
    for _, size in ipairs { 0, 1, 125, 126, 127, 65535, 65536, 65537, 200000 } do
      it(("reads a message of %d bytes, in one frame and in pieces"):format(size), function()
        local one, peer = open()
        local payload = ("0123456789abcdef"):rep(math.ceil(size / 16)):sub(1, size)
        peer:send(frame { payload = payload })
        hear(one, payload)
        local pieces, at = {}, 1
        repeat
          local piece = payload:sub(at, at + math.floor(size / 3))
          at = at + #piece
          pieces[#pieces + 1] = frame { opcode = #pieces == 0 and 2 or 0, payload = piece, fin = at > size }
        until at > size
        peer:send(table.concat(pieces) .. frame { payload = "." })
        hear(one, payload .. payload .. ".")
        peer:close()
      end)
    end

    it("reads frames a byte at a time, with control frames between the pieces", function()
      local one, peer = open()
      local bytes = frame { payload = "", fin = false } .. frame { opcode = 9, payload = "a" }
        .. frame { opcode = 0, payload = "one", fin = false } .. frame { opcode = 10, payload = "unasked" }
        .. frame { opcode = 0, payload = " two" } .. frame { payload = ("x"):rep(200) }
      for index = 1, #bytes do
        peer:send(bytes:sub(index, index))
        world.loop:turn(0)
      end
      hear(one, "one two" .. ("x"):rep(200))
      local pong = websocket.read(peer)
      assert.are.same({ 10, "a" }, { pong.opcode, pong.payload })
      peer:close()
    end)

    it("writes masked binary frames of at most 64 KiB, each with another mask", function()
      local one, peer = open()
      local bytes = ("0123456789abcdef"):rep(10000)
      one.stream:write "first"
      local got = websocket.read(peer)
      assert.are.same({ 2, true, 0, "first" }, { got.opcode, got.fin, got.reserved, got.payload })
      local masks, back = { [got.mask] = true }, {}
      local from, length = 1, 0
      while length < #bytes do
        from = from + one.stream:write(bytes, from)
        got = websocket.read(peer)
        assert.is_true(#got.payload <= 65536)
        assert.is_nil(masks[got.mask])
        masks[got.mask] = true
        back[#back + 1] = got.payload
        length = length + #got.payload
        world.loop:turn(0)
      end
      assert.are.equal(bytes, table.concat(back))
      peer:close()
    end)

    it("takes no more than one frame beyond what the stream below does, and tells when there is room", function()
      listener, port = world:listen(4096)
      local one, peer = open { idle = true }
      local bytes = ("0123456789abcdef"):rep(2 ^ 18)
      local taken = one.stream:write(bytes)
      assert.is_true(taken > 0 and taken < #bytes)
      assert.are.equal(0, one.stream:write(bytes, taken + 1))
      local changes, back, length, raw = one.changes, {}, 0, {}
      local reader = { receive = function(_, count)
        while #(raw.rest or "") < count do
          if taken < #bytes then taken = taken + one.stream:write(bytes, taken + 1) end
          world.loop:turn(0)
          raw.rest = (raw.rest or "") .. (peer:some(262144, 5) or "")
        end
        local text = raw.rest:sub(1, count)
        raw.rest = raw.rest:sub(count + 1)
        return text
      end }
      while length < #bytes do
        back[#back + 1] = websocket.read(reader).payload
        length = length + #back[#back]
      end
      assert.are.equal(bytes, table.concat(back))
      assert.is_true(one.changes > changes)
      peer:close()
    end)

    it("answers each ping, and of many that wait the last one alone", function()
      local one, peer = open()
      peer:send(frame { opcode = 9, payload = ("p"):rep(125) })
      world:rest(20)
      local pong = websocket.read(peer)
      assert.are.same({ 10, true, ("p"):rep(125) }, { pong.opcode, pong.fin, pong.payload })
      local many = {}
      for index = 1, 1000 do
        many[index] = frame { opcode = 9, payload = tostring(index) }
      end
      peer:send(table.concat(many))
      local last
      world:wait(function()
        while true do
          local fine, got = pcall(websocket.read, peer, 0)
          if not fine then return last == "1000" end
          last = got.payload
        end
      end)
      assert.are.equal("1000", last)
      assert.are.equal("open", one.stream:state())
      peer:close()
    end)

    it("knows how far its bytes have got, below", function()
      local one, peer = open()
      local before = one.stream:progress()
      one.stream:write(("x"):rep(100))
      assert.are.equal(before.accepted + 106, one.stream:progress().accepted)
      peer:close()
    end)

    it("is closed by its server in good order: code 1000, or none", function()
      for _, payload in ipairs { "", "\3\232", "\3\232bye" } do
        local one, peer = open()
        peer:send(frame { payload = "last words" } .. frame { opcode = 8, payload = payload })
        hear(one, "last words")
        assert.is_nil((world:ending(one)))
        local close = websocket.read(peer)
        assert.are.same({ 8, payload:sub(1, 2) }, { close.opcode, close.payload })
        peer:close()
      end
    end)

    local codes = {
      [1001] = "websocket_going_away", [1002] = "websocket_closed", [1003] = "websocket_closed",
      [1007] = "websocket_closed", [1008] = "websocket_policy_violation", [1009] = "websocket_closed",
      [1010] = "websocket_closed", [1011] = "websocket_closed", [1012] = "websocket_service_restart",
      [1013] = "websocket_try_again_later", [1014] = "websocket_closed", [3000] = "websocket_closed",
      [3999] = "websocket_closed", [4000] = "websocket_closed", [4999] = "websocket_closed",
    }
    for code, reason in pairs(codes) do
      it(("is closed by its server with %d: %s"):format(code, reason), function()
        local one, peer = open()
        peer:send(frame { opcode = 8, payload = string.char(math.floor(code / 256), code % 256) .. "why\195\164" })
        assert.are.same({ reason, "why\195\164" }, { world:ending(one) })
        assert.are.equal(code, (one.stream:wishes()))
        assert.are.equal(8, websocket.read(peer).opcode)
        peer:close()
      end)
    end

    local function two(code) return string.char(math.floor(code / 256), code % 256) end
    local KIND, CONTROL = "a frame of an unknown kind", "a control frame of an unknown kind"
    local NEVER = "a Close with a code that there is not"
    local wrong = {
      { { mask = "abcd", payload = "x" }, "a masked frame" },
      { { reserved = 4, payload = "x" }, "a reserved bit is set" },
      { { reserved = 1, opcode = 9 }, "a reserved bit is set" },
      { { opcode = 1, payload = "text" }, "a frame of text", 1003 },
      { { opcode = 3 }, KIND }, { { opcode = 7 }, KIND }, { { opcode = 11 }, CONTROL }, { { opcode = 15 }, CONTROL },
      { { opcode = 0, payload = "x" }, "a message that goes on without having begun" },
      { { opcode = 9, fin = false }, true }, { { opcode = 8, fin = false, payload = "\3\232" }, true },
      { { opcode = 9, payload = ("x"):rep(126) }, true }, { { opcode = 8, payload = ("x"):rep(126) }, true },
      { { payload = "x", length = 16 }, true }, { { payload = ("x"):rep(126), length = 64 }, true },
      { { says = 2 ^ 63, length = 64 }, true },
      { { opcode = 8, payload = "\3" }, NEVER },
      { { opcode = 8, payload = "\3\234\255" }, "a Close whose words are no UTF-8" },
    }
    for _, code in ipairs { 0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535 } do
      wrong[#wrong + 1] = { { opcode = 8, payload = two(code) }, NEVER }
    end
    for index, case in ipairs(wrong) do
      it(("is left by %s (%d)"):format(case[2] == true and "a frame that cannot be one" or case[2], index), function()
        local one, peer = open()
        peer:send(frame { payload = "before" } .. frame(case[1]))
        assert(world:wait(function() return one.ended end))
        local reason, text = one.stream:ending()
        assert.are.equal("before", streams.text(one))
        assert.are.equal("websocket_violation", reason)
        if case[2] ~= true then assert.are.equal(case[2], text) end
        local close = websocket.read(peer)
        assert.are.same({ 8, two(case[3] or 1002) }, { close.opcode, close.payload })
        peer:close()
      end)
    end

    it("is left by a message within a message", function()
      local one, peer = open()
      peer:send(frame { payload = "a", fin = false } .. frame { payload = "b" })
      assert.are.same({ "websocket_violation", "a message within a message" }, { world:ending(one) })
      peer:close()
    end)

    it("ends as the stream below does", function()
      local one, peer = open()
      peer:reset()
      assert.are.equal("connection_reset", (world:ending(one)))
      one, peer = open()
      peer:close()
      assert.is_nil((world:ending(one)))
    end)
  end)

  describe("that leaves", function()
    it("says Close, then goes, and what it had accepted arrives", function()
      local one, peer = open()
      local done = false
      one.stream:write "goodbye"
      one.stream:finish(5000, function() done = true end)
      local last, close = websocket.read(peer), websocket.read(peer)
      assert.are.same({ "goodbye", 8, "\3\232" }, { last.payload, close.opcode, close.payload })
      assert.are.same({ n = 2, nil, "closed" }, { n = 2, peer:some(1, 1000) })
      peer:close()
      assert.is_truthy(world:wait(function() return done end))
    end)

    it("is done at once when it has not opened", function()
      local one, peer = begin()
      local done = false
      one.stream:finish(5000, function() done = true end)
      peer:close()
      assert.is_truthy(world:wait(function() return done end))
    end)
  end)
end)
