-- One request for memory that fails, the n-th, for every n through the life of a stream, with enough afterwards: it
-- cannot be made, or it ends for that and says so, or all it carries arrives; nothing is left open.
local certificates = require "spec.support.certificates"
local loops = require "loop_probe"
local probe = require "stream_probe"
local process = require "process_probe"
local sockets = require "socket_probe"
local streams = require "spec.support.streams"
local tls_server = require "spec.support.tls_server"
local websocket = require "spec.support.websocket"

local ENOUGH = 1000
local BINARY, PING, PONG = 2, 9, 10 -- opcodes of frames, RFC 6455 section 5.2
local LINE = ("x"):rep(10000) .. "\n"
local ALL = LINE:rep(400) -- more than the sockets between have room for

describe("a stream that finds no memory", function()
  local folder, world

  setup(function() folder = certificates.make() end)
  teardown(function() process.remove_folder(folder) end)
  before_each(function() world = streams.new() end)
  after_each(function()
    probe.starve(0)
    world:finish()
    tls_server.finish()
  end)

  -- Answers whether one was refused, and how it went. `act` is what the other end does, a bit at a time.
  local function life(point, target, talk, size_wanted, act)
    probe.starve(point)
    local fine, how = pcall(function()
      local made = target()
      if not made then return "not made" end
      local one = world:open(made)
      local function wait(fn)
        return world:wait(function()
          act()
          return fn()
        end)
      end
      assert(wait(function() return one.stream:state() ~= "opening" end), "neither opened nor ended")
      talk(one, wait)
      local size, seen = 0, 0
      wait(function()
        for index = seen + 1, #one.got do size, seen = size + #one.got[index], index end
        return one.state == "ended" or size >= size_wanted
      end)
      if size == size_wanted then return "all" end
      local reason = world:ending(one)
      return reason
    end)
    local refused = probe.starve(0)
    world:finish()
    world = streams.new() -- whose loop has no room yet, either
    collectgarbage()
    return refused, fine and how or "threw: " .. tostring(how)
  end

  local function nothing() end

  local function each_point(target, talk, size_wanted, act, leave)
    local seen, points = {}, 0
    local before
    for point = 1, ENOUGH do
      local refused, how = life(point, target, talk, size_wanted or #ALL, act or nothing);
      (leave or nothing)()
      assert.is_truthy(how == "all" or refused and (how == "not made" or how == "out_of_memory"
        or how == "connect_failed" or how:find "^threw: .*memory"), point .. ": " .. tostring(how))
      seen[how] = true
      before = before or loops.descriptors()
      assert.equal(before, (loops.descriptors()), point .. ": descriptors")
      if not refused then return seen, points end
      points = point
    end
    error "there is no end of points"
  end

  local function write_all(one, wait)
    local from = 1
    wait(function()
      if one.stream:state() ~= "open" then return true end
      from = from + one.stream:write(ALL, from)
      return from > #ALL
    end)
  end

  it("over TLS: is not made, ends by that name, or carries all", function()
    local server = tls_server.start { folder = folder, certificate = "server" }
    -- Each life asks in the same order, however fast the server is: it gives its tickets before its first answer, and
    -- stands still then until a write is not taken as a whole, the rest of which must be kept.
    local function write_to_one_that_stands(one, wait)
      one.stream:write("?\n", 1)
      wait(function() return one.got[1] or one.state == "ended" end)
      process.kill(server.pid, "STOP")
      local from = 1
      wait(function()
        if one.stream:state() == "open" then from = from + one.stream:write(ALL, from) end
        process.kill(server.pid, "CONT")
        return from > #ALL or one.stream:state() ~= "open"
      end)
    end
    local seen, points = each_point(function()
      -- with a key of its own, so that it is made anew each time
      local context, reason = probe.context { ca = folder .. "/ca.pem", cert = folder .. "/rsa.pem",
        key = folder .. "/rsa.key" }
      assert(context or reason == "out_of_memory", reason)
      return context and { host = "localhost", port = server.port, tls = context }
    end, write_to_one_that_stands, #"?\n" + #ALL)
    assert.is_true(seen.all and seen["not made"] and seen.connect_failed and seen.out_of_memory and points > 14, points)
  end)

  it("is not made, or ends, whatever it is made of, and leaves no descriptor", function()
    local context = assert(probe.context { ca = folder .. "/ca.pem" })
    local listener, port = sockets.listen(0)
    for road, parts in pairs { tcp = 2, tls = 4 } do -- what is asked for before it is there
      collectgarbage()
      local before = loops.descriptors()
      local refused, reason, text = 0, nil, nil
      for point = 1, parts + 1 do
        probe.starve(point)
        local target = { host = "localhost", port = port, tls = road == "tls" and context or nil }
        local fine, one = pcall(world.open, world, target)
        assert.is_true(probe.starve(0), road .. point)
        if fine then -- the loop has no room for its socket
          reason, text = world:ending(one)
        else
          assert.matches("no memory", one)
          refused = refused + 1
        end
        world:finish()
        world = streams.new()
        collectgarbage()
        assert.equal(before, (loops.descriptors()), road .. point)
      end
      assert.same({ parts, "connect_failed", "127.0.0.1: Cannot allocate memory" }, { refused, reason, text }, road)
    end
    listener:close()
  end)

  -- A server of WebSockets behind a SOCKS proxy, both in one: it reads slowly, asks for a pong, and says "back" once it
  -- has that and all bytes.
  it("within a WebSocket through a proxy: likewise", function()
    local listener, port = assert(sockets.listen(0))
    local peer, heard, step
    local steps = {
      { "^\5\2%z\2", "\5\2" },
      { "^\1\4user\4pass", "\1\0" },
      { "^\5\1%z\3\1b%z\80", "\5\0\0\1\0\0\0\0\0\0" },
      { "\r\n\r\n$", function()
        local fields = { ["sec-websocket-key"] = heard:match "Key: ([^\r]+)" }
        return websocket.welcome(fields) .. websocket.frame { opcode = PING, payload = "?" }
      end },
    }
    local frame, left, carried, has_pong -- the one that comes, what is missing of it
    -- Goes by the headers of masked frames.
    local function count()
      while true do
        local used = math.min(left, #heard)
        heard, left, carried = heard:sub(used + 1), left - used, carried + (frame == BINARY and used or 0)
        local length = (heard:byte(2) or 0) % 128
        local more = length == 126 and 2 or length == 127 and 8 or 0
        if left > 0 or #heard < 2 + more + 4 then return end
        for place = 3, 2 + more do length = (place > 3 and length * 256 or 0) + heard:byte(place) end
        frame, left, heard = heard:byte(1) % 16, length, heard:sub(2 + more + 4 + 1)
        has_pong = has_pong or frame == PONG
      end
    end
    local function act()
      if not peer then
        peer, heard, step = listener:accept(0), "", 1
        frame, left, carried, has_pong = BINARY, 0, 0, false
      end
      local some = peer and peer:some(100000, 0)
      if not some then return end
      heard = heard .. some
      if step > #steps then
        count()
        if carried == #ALL and has_pong then
          peer:send(websocket.frame { payload = "back" })
          has_pong = false
        end
      elseif heard:find(steps[step][1]) then
        local answer = steps[step][2]
        peer:send(type(answer) == "function" and answer() or answer)
        heard, step = "", step + 1
      end
    end
    local seen, points = each_point(function()
      return { host = "b", port = 80, road = "websocket", path = "/mqtt", headers = "A: b\r\n",
        proxy = { to = "socks5h://user:pass@p:" .. port, addresses = { "127.0.0.1" } } }
    end, write_all, 4, act, function()
      if peer then peer:close() end
      peer = nil
      while true do
        local late = listener:accept(0)
        if not late then break end
        late:close()
      end
    end)
    listener:close()
    local threw = false
    for how in pairs(seen) do threw = threw or how:find "^threw" ~= nil end
    assert.is_true(seen.all and threw and seen.out_of_memory and points > 9, points)
  end)
end)
