-- Bytes over TCP: opening, both ways, each end by its name, and a leave that loses nothing.
local loops = require "loop_probe"
local process = require "process_probe"
local sockets = require "socket_probe"
local streams = require "spec.support.streams"

describe("a TCP stream", function()
  local world, listener, port

  before_each(function()
    world = streams.new()
    listener, port = world:listen()
  end)
  after_each(function() world:finish() end)

  local function open(target)
    target = target or {}
    target.port = port
    local one = world:opened(target)
    assert.are.equal("open", one.stream:state())
    return one, assert(listener:accept(1000))
  end

  local function fails(target)
    target.port = target.port or port
    local one = world:open(target)
    local reason, text = world:ending(one)
    assert.are.equal("tcp", one.stream:phase())
    assert.is_false(one.stream:read())
    assert.are.equal(0, one.stream:write "x")
    assert.is_true(one.changes > 0)
    return reason, text
  end

  it("opens, carries bytes both ways, and tells when there is something to read", function()
    local one, peer = open()
    assert.are.equal(1, one.changes)
    assert.are.equal("tcp", one.stream:phase())
    assert.are.equal(5, one.stream:write "hello")
    assert.are.equal("hello", peer:receive(5, 1000))
    peer:send "world"
    assert.is_truthy(world:wait(function() return streams.text(one) == "world" end))
    assert.is_nil(one.stream:read())
    assert.is_false(one.stream:pending())
    assert.is_nil(one.stream:read(0))
    assert.are.equal("open", one.stream:state())
  end)

  it("sends small packets at once", function()
    open()
    local all, at_once = sockets.connected_to(port)
    assert.are.same({ 1, 1 }, { all, at_once })
  end)

  it("leaves no descriptor to a program that this one becomes", function()
    collectgarbage() -- what it has not closed yet may be closed in between
    collectgarbage()
    local _, inherited = loops.descriptors()
    local one = world:open { port = port }
    local _, opening = loops.descriptors()
    world:wait(function() return one.stream:state() == "open" end)
    local _, now = loops.descriptors()
    assert.are.same({ inherited, inherited }, { opening, now })
  end)

  it("takes nothing and gives nothing while it opens", function()
    local one = world:open { port = port }
    assert.are.equal("opening", one.stream:state())
    assert.are.equal(0, one.stream:write "early")
    assert.is_nil(one.stream:read())
    assert.are.equal(0, one.changes)
    assert.is_truthy(world:wait(function() return one.stream:state() == "open" end))
    assert.are.equal(6, one.stream:write "timely")
    assert.are.equal("timely", assert(listener:accept(1000)):receive(6, 1000))
  end)

  it("names a port where nobody listens, and says which address it was", function()
    local reason, text = fails { port = process.free_port() }
    assert.are.same({ "connection_refused", "127.0.0.1: Connection refused" }, { reason, text })
  end)

  it("names an address to which no way leads, and one that is none", function()
    assert.are.equal("unreachable", (fails { addresses = { "fe80::1%nowhere" } }))
    assert.are.equal("connect_failed", (fails { addresses = { "localhost" } }))
    assert.are.equal("connect_failed", (fails { addresses = { "255.255.255.255.255" } }))
  end)

  it("has a local address with its zone for one", function()
    local reason, text = fails { addresses = { "fe80::1%lo" }, port = process.free_port() }
    assert.is_truthy(reason == "unreachable" or reason == "connection_refused", text)
  end)

  it("ends in good order when the peer closes, once everything before has been read", function()
    local one, peer = open { idle = true }
    peer:send "last words"
    peer:close()
    assert.is_truthy(world:wait(function() return one.changes > 1 end))
    assert.are.equal("open", one.stream:state())
    assert.are.equal("last words", one.stream:read())
    assert.is_false(one.stream:read())
    assert.are.same({ "ended" }, { one.stream:state() })
    assert.are.same({ n = 2, nil, "" }, { n = 2, one.stream:ending() })
    local changes = one.changes
    world:rest(30)
    assert.are.equal(changes, one.changes)
  end)

  it("takes half a close for an end", function()
    local one, peer = open()
    peer:half_close()
    assert.is_nil((world:ending(one)))
    peer:close()
  end)

  it("names a reset", function()
    local one, peer = open()
    peer:reset()
    assert.are.equal("connection_reset", (world:ending(one)))
  end)

  it("reads what came before a reset, though a write has failed by then", function()
    local one, peer = open { idle = true }
    peer:send "why I leave"
    world:wait(function() return one.changes > 1 end)
    peer:reset()
    local changes = one.changes
    world:wait(function() return one.stream:write "more" == 0 end) -- the first may be taken
    assert.is_truthy(world:wait(function() return one.changes > changes end))
    assert.are.equal("open", one.stream:state())
    assert.are.equal("why I leave", one.stream:read())
    assert.is_false(one.stream:read())
    assert.are.equal("connection_reset", (one.stream:ending()))
  end)

  it("that was closed in good order before we wrote once more has not been reset", function()
    local one, peer = open { idle = true }
    peer:send "bye"
    peer:close()
    world:wait(function() return one.changes > 1 end)
    world:wait(function() return one.stream:write "more" == 0 end)
    world:rest(20)
    assert.are.equal("bye", one.stream:read())
    assert.is_false(one.stream:read())
    assert.is_nil((one.stream:ending()))
  end)

  it("that is not read says nothing of what comes, and notices its end when it is written to", function()
    local one, peer = open { idle = true }
    one.stream:attend(false)
    local changes = one.changes
    peer:send "news"
    peer:reset()
    world:rest(50)
    assert.are.equal(changes, one.changes)
    assert.are.equal("open", one.stream:state())
    world:wait(function() return one.stream:write "more" == 0 end)
    assert.is_truthy(world:wait(function() return one.changes > changes end))
    assert.are.equal("connection_reset", (world:ending(one)))
    assert.are.equal(changes + 1, one.changes)
    assert.are.equal("news", one.stream:read())
    assert.is_false(one.stream:read())
    assert.are.equal("connection_reset", (one.stream:ending()))
  end)

  it("tells of what waits when it is read again", function()
    local one, peer = open()
    one.stream:attend(false)
    peer:send "news"
    world:rest(30)
    one.stream:attend(true)
    assert.is_truthy(world:wait(function() return streams.text(one) == "news" end))
  end)

  it("takes what fits, and tells when there is room again", function()
    listener, port = world:listen(4096)
    local one, peer = open { idle = true }
    local bytes = ("0123456789abcdef"):rep(2 ^ 18)
    local taken = one.stream:write(bytes)
    assert.is_true(taken > 0 and taken < #bytes)
    assert.are.equal(0, one.stream:write(bytes, taken + 1))
    local changes = one.changes
    world:rest(30)
    assert.are.equal(changes, one.changes)
    assert.are.equal(bytes, world:carry(one, peer, bytes, taken))
    assert.is_true(one.changes > changes)
  end)

  it("knows how far its bytes have got", function()
    local one, peer = open()
    one.stream:write(("x"):rep(1000))
    peer:receive(1000, 1000)
    peer:send "12345"
    world:wait(function() return streams.text(one) == "12345" end)
    local seen = one.stream:progress()
    assert.are.same({ received = 5, accepted = 1000, acknowledged = 1000, quiet_for = 0, unacknowledged = false,
      probing = false }, seen)
  end)

  it("has no figures before it is there", function()
    local one = world:open { port = port }
    assert.are.equal(-1, one.stream:progress().quiet_for)
  end)

  it("may be ended from within what it tells", function()
    local gone = false
    world:open { port = port, changed = function(one)
      one.stream:abort()
      gone = true
    end }
    assert.is_truthy(world:wait(function() return gone end))
    gone = false
    world:open { port = process.free_port(), changed = function(one)
      one.stream:finish(100, function() gone = true end)
    end }
    assert.is_truthy(world:wait(function() return gone end))
  end)

  describe("that leaves", function()
    it("says so and waits for the peer's end", function()
      local one, peer = open()
      local done = false
      one.stream:write "goodbye"
      one.stream:finish(5000, function() done = true end)
      assert.are.equal("goodbye", peer:receive(7, 1000))
      assert.are.same({ n = 2, nil, "closed" }, { n = 2, peer:some(1, 1000) })
      world:rest(20)
      assert.is_false(done)
      peer:close()
      assert.is_truthy(world:wait(function() return done end))
      assert.are.equal(0, (sockets.connected_to(port)))
    end)

    it("does so with its patience at an end", function()
      local one, peer = open()
      local done = false
      one.stream:finish(30, function() done = true end)
      assert.is_truthy(world:wait(function() return done end))
      peer:close()
    end)

    it("loses nothing that it has accepted, whatever is still on its way here", function()
      local one, peer = open { idle = true }
      peer:send(("y"):rep(100000)) -- which nobody reads: `close` alone would send a reset
      local bytes, done = ("0123456789"):rep(30000), false
      local taken = one.stream:write(bytes)
      one.stream:finish(5000, function() done = true end)
      local back = {}
      while true do
        world.loop:turn()
        local some, why = peer:some(65536, 20)
        if why == "closed" then break end
        back[#back + 1] = some
      end
      assert.are.equal(bytes:sub(1, taken), table.concat(back))
      peer:close()
      assert.is_truthy(world:wait(function() return done end))
    end)

    it("is done at once when it has ended already, or never opened", function()
      local one, peer = open()
      local done = 0
      local function count() done = done + 1 end
      peer:reset()
      world:ending(one)
      one.stream:finish(60000, count)
      world:open({ port = port }).stream:finish(60000, count)
      assert.are.equal(0, done)
      world:wait(function() return done == 2 end, 1000)
      assert.are.equal(2, done)
    end)
  end)
end)
