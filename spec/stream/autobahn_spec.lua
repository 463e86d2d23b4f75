-- The cases of Autobahn's suite for WebSocket clients, by its numbers, as far as they concern a client of MQTT. It
-- echoes nothing, so that what has to come back there has to come out of the stream here; and a message of text is an
-- end with 1003 (MQTT 5 section 6), so that a case with text in it is done with binary messages.
--
--   1.1      text: with 1003, of any length and kind (below)
--   1.2      binary, 0 to 65,536 bytes: spec/stream/websocket_spec.lua; 128, and in pieces of 997: below
--   2        ping and pong: below. Of pings that come at once the last is answered (RFC 6455 section 5.5.3), not
--            each; one by one, as in 2.10 and 2.11, each is
--   3        reserved bits: below
--   4        reserved opcodes: below
--   5        fragments: below, 5.18 in websocket_spec.lua
--   6        UTF-8: no text; what a Close says, as 7.5.1
--   7        Close: below; its codes, 7.7, 7.9, 7.13 and 7.5.1, in websocket_spec.lua
--   9.1, 9.3, 9.5, 9.7  large messages of text: not taken
--   9.2, 9.4, 9.6, 9.8  large messages, in fragments, in pieces of TCP, many: below
--   10       cut by the client itself: "frames of at most 64 KiB" in websocket_spec.lua
--   12, 13   compression: not offered; an answer that has it is no handshake, in websocket_spec.lua
local streams = require "spec.support.streams"
local websocket = require "spec.support.websocket"

local frame = websocket.frame

describe("Autobahn's case", function()
  local world, listener, port

  before_each(function()
    world = streams.new()
    listener, port = world:listen()
  end)
  after_each(function() world:finish() end)

  local function open()
    local one = world:open { port = port, road = "websocket", host = "broker.example" }
    local peer
    assert(world:wait(function()
      peer = peer or listener:accept(0)
      return peer and one.stream:phase() == "websocket"
    end))
    local _, fields = websocket.request(peer)
    peer:send(websocket.welcome(fields))
    assert(world:wait(function() return one.stream:state() == "open" end), "it does not open")
    return one, peer
  end

  local function hear(one, text)
    assert(world:wait(function() return streams.text(one) == text end), #streams.text(one))
  end

  -- Sends it in pieces of so many bytes, each of them read before the next one goes.
  local function chop(peer, bytes, length)
    for at = 1, #bytes, length do
      peer:send(bytes:sub(at, at + length - 1))
      world.loop:turn(0)
    end
  end

  local function bytes_of(size)
    return ("0123456789abcdef"):rep(math.ceil(size / 16)):sub(1, size)
  end

  local function two(code) return string.char(math.floor(code / 256), code % 256) end

  -- What the server gets until the client, which has ended, has gone.
  local function all_from(one, peer)
    local list = {}
    one.stream:finish(5000)
    while true do
      local fine, got = pcall(websocket.read, peer)
      if not fine then
        assert.matches("closed", got)
        return list
      end
      list[#list + 1] = got
    end
  end

  -- It takes what stands in front, and leaves with the code.
  local function left(bytes, before, problem, code, length)
    local one, peer = open()
    if length then chop(peer, bytes, length) else peer:send(bytes) end
    local reason, text = world:ending(one)
    assert.are.same({ before, "websocket_violation", problem }, { streams.text(one), reason, text })
    local got = all_from(one, peer)
    local close = table.remove(got)
    assert.are.same({ 8, two(code or 1002) }, { close.opcode, close.payload })
    peer:close()
    return got
  end

  it("1.1: text, also without a byte of it, in fragments, and within a message", function()
    for _, text in ipairs { frame { opcode = 1 }, frame { opcode = 1, payload = "text", fin = false },
      frame { opcode = 1, payload = "\206\186\255" }, frame { opcode = 1, payload = bytes_of(65536) } } do
      left(text, "", "a frame of text", 1003)
    end
    left(frame { payload = "a", fin = false } .. frame { opcode = 1, payload = "b" }, "a", "a frame of text", 1003)
  end)

  it("1.2: messages of 128 bytes, and of 65,536 in pieces of 997", function()
    local one, peer = open()
    peer:send(frame { payload = bytes_of(128) })
    hear(one, bytes_of(128))
    chop(peer, frame { payload = bytes_of(65536) }, 997)
    hear(one, bytes_of(128) .. bytes_of(65536))
    peer:close()
  end)

  it("2: pings without a byte, of binary ones, of 125 in pieces of one; pongs that nobody asked for", function()
    local one, peer = open()
    for _, payload in ipairs { "", "Hello, world!", "\0\255\254\253\252\251\0\255", ("\254"):rep(125) } do
      for _, length in ipairs { 1, 200 } do
        peer:send(frame { opcode = 10 } .. frame { opcode = 10, payload = "unasked" })
        chop(peer, frame { opcode = 9, payload = payload }, length)
        world:rest(5)
        local pong = websocket.read(peer)
        assert.are.same({ 10, true, 0, payload }, { pong.opcode, pong.fin, pong.reserved, pong.payload })
      end
    end
    for index = 1, 10 do -- one by one, each has its own
      peer:send(frame { opcode = 9, payload = "payload-" .. index })
      world:rest(5)
      assert.are.equal("payload-" .. index, websocket.read(peer).payload)
    end
    assert.are.equal("", streams.text(one))
    peer:close()
  end)

  it("2.5: a ping of 126 bytes", function()
    left(frame { opcode = 9, payload = ("\254"):rep(126) }, "", "a frame that cannot be one")
  end)

  for reserved = 1, 7 do
    it(("3: reserved bits %d, of a message, a ping, a pong, a Close; in pieces of one"):format(reserved), function()
      for _, opcode in ipairs { 2, 8, 9, 10 } do
        left(frame { payload = "one" } .. frame { opcode = opcode, reserved = reserved, payload = "\3\232" }
          .. frame { opcode = 9 }, "one", "a reserved bit is set", 1002, reserved % 2 == 0 and 1 or nil)
      end
    end)
  end

  it("4: each reserved opcode, with a payload and without, whole and in pieces of one", function()
    for _, opcode in ipairs { 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 } do
      local problem = opcode < 8 and "a frame of an unknown kind" or "a control frame of an unknown kind"
      left(frame { opcode = opcode }, "", problem)
      local bytes = frame { payload = "one" } .. frame { opcode = opcode, payload = "two" } .. frame { opcode = 9 }
      left(bytes, "one", problem)
      left(bytes, "one", problem, 1002, 1)
    end
  end)

  it("5.1, 5.2: a ping and a pong in fragments", function()
    for _, opcode in ipairs { 9, 10 } do
      left(frame { opcode = opcode, payload = "one", fin = false } .. frame { opcode = 0, payload = "two" }, "",
        "a frame that cannot be one")
    end
  end)

  it("5.3 to 5.8: two fragments, with a ping between and without, whole and in pieces", function()
    local one, peer = open()
    local text = ""
    for _, between in ipairs { "", frame { opcode = 9, payload = "ping" } } do
      local bytes = frame { payload = "one", fin = false } .. between .. frame { opcode = 0, payload = "two" }
      for _, length in ipairs { 1, 5, 100 } do
        chop(peer, bytes, length)
        text = text .. "onetwo"
        hear(one, text)
        if between ~= "" then assert.are.equal("ping", websocket.read(peer).payload) end
      end
    end
    peer:close()
  end)

  it("5.9 to 5.17: going on with what has not begun, or is over", function()
    local GOES_ON = "a message that goes on without having begun"
    for _, fin in ipairs { true, false } do
      local on = frame { opcode = 0, payload = "on", fin = fin }
      for _, length in ipairs { 1, 1000 } do
        left(on .. frame { payload = "two" }, "", GOES_ON, 1002, length)
        left(frame { payload = "one", fin = false } .. frame { opcode = 0, payload = "two" } .. on, "onetwo", GOES_ON,
          1002, length)
      end
    end
  end)

  it("5.19, 5.20: five fragments, two pings among them, at once and with a rest", function()
    for _, length in ipairs { 1, 1000 } do
      local one, peer = open()
      chop(peer, frame { payload = "1", fin = false } .. frame { opcode = 0, payload = "2", fin = false }
        .. frame { opcode = 9, payload = "first" }, length)
      hear(one, "12")
      assert.are.equal("first", websocket.read(peer).payload)
      chop(peer, frame { opcode = 0, payload = "3", fin = false } .. frame { opcode = 0, payload = "4", fin = false }
        .. frame { opcode = 9, payload = "second" } .. frame { opcode = 0, payload = "5" }, length)
      hear(one, "12345")
      assert.are.equal("second", websocket.read(peer).payload)
      peer:close()
    end
  end)

  it("6.1: fragments without a byte", function()
    local one, peer = open()
    local nothing = frame { fin = false } .. frame { opcode = 0, fin = false } .. frame { opcode = 0 }
    peer:send(nothing .. frame { fin = false } .. frame { opcode = 0, payload = "middle", fin = false }
      .. frame { opcode = 0 } .. nothing .. frame { payload = "." })
    hear(one, "middle.")
    peer:close()
  end)

  it("7.1: a second Close, a ping, a message, the rest of one behind a Close are nothing", function()
    local close = frame { opcode = 8, payload = "\3\232" }
    for _, behind in ipairs { close, frame { opcode = 8, payload = "\3" }, frame { opcode = 9, payload = "ping" },
      frame { payload = "late" }, frame { opcode = 0, payload = "late" }, frame { reserved = 7 } } do
      for _, length in ipairs { 1, 1000 } do
        local one, peer = open()
        chop(peer, frame { payload = bytes_of(1000), fin = false } .. close .. behind, length)
        assert.is_nil((world:ending(one)))
        assert.are.equal(bytes_of(1000), streams.text(one))
        local got = all_from(one, peer)
        assert.are.same({ 1, 8, "\3\232" }, { #got, got[1].opcode, got[1].payload })
        peer:close()
      end
    end
  end)

  it("7.3: a Close without a code, with half of one, with words of 123 bytes and of 124", function()
    for words, expected in pairs { [""] = { n = 0 }, [("*"):rep(123)] = { n = 2 } } do
      local one, peer = open()
      peer:send(frame { opcode = 8, payload = words == "" and "" or two(1001) .. words })
      local reason, text = world:ending(one)
      assert.are.equal(words ~= "" and "websocket_going_away" or nil, reason)
      if words ~= "" then assert.are.equal(words, text) end
      assert.are.equal(expected.n, #websocket.read(peer).payload)
      peer:close()
    end
    left(frame { opcode = 8, payload = "\3" }, "", "a Close with a code that there is not")
    left(frame { opcode = 8, payload = two(1001) .. ("*"):rep(124) }, "", "a frame that cannot be one")
  end)

  -- Sends it as there is room; what came is counted and compared, and let go.
  local function pour(one, peer, bytes, expected)
    one.got = {}
    local sent, got = 0, 0
    assert(world:wait(function()
      if sent < #bytes then
        peer:send(bytes:sub(sent + 1, sent + 65536))
        sent = sent + 65536
      end
      world.loop:turn(0)
      for _, piece in ipairs(one.got) do
        if piece ~= expected:sub(got + 1, got + #piece) then error("other bytes behind " .. got) end
        got = got + #piece
      end
      one.got = {}
      return got == #expected
    end, 60000), got)
  end

  it("9.2: a message of 16 MiB", function()
    local one, peer = open()
    local payload = bytes_of(2 ^ 24)
    pour(one, peer, frame { payload = payload }, payload)
    peer:close()
  end)

  for _, size in ipairs { 64, 256, 1024, 4096, 16384, 65536, 262144 } do
    it(("9.4: a message in fragments of %d bytes"):format(size), function()
      local one, peer = open()
      local payload, pieces = bytes_of(math.min(2 ^ 22, size * 4096)), {}
      for at = 1, #payload, size do
        pieces[#pieces + 1] = frame { opcode = at == 1 and 2 or 0, payload = payload:sub(at, at + size - 1),
          fin = at + size > #payload }
      end
      pour(one, peer, table.concat(pieces), payload)
      peer:close()
    end)
  end

  it("9.6: a message of 64 KiB in pieces of 64 to 2,048 bytes", function()
    local one, peer = open()
    local payload, text = bytes_of(65536), ""
    for _, length in ipairs { 64, 128, 256, 512, 1024, 2048 } do
      chop(peer, frame { payload = payload }, length)
      text = text .. payload
      hear(one, text)
    end
    peer:close()
  end)

  it("9.8: a thousand messages of each size", function()
    local one, peer = open()
    for _, size in ipairs { 0, 16, 64, 256, 1024, 4096, 16384 } do
      local payload = bytes_of(size)
      pour(one, peer, frame({ payload = payload }):rep(1000), payload:rep(1000))
    end
    peer:close()
  end)
end)
