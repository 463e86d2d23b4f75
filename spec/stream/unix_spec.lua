-- Bytes over a unix socket: both ways, what can be wrong with a path by its name, a line that is full, and a leave that
-- loses nothing.
local files = require "spec.support.files"
local process = require "process_probe"
local sockets = require "socket_probe"
local streams = require "spec.support.streams"

describe("a stream over a unix socket", function()
  local world, folder, listener, path

  before_each(function()
    world = streams.new()
    folder = assert(process.temporary_folder())
    path = folder .. "/socket"
    listener = assert(sockets.listen_path(path))
  end)
  after_each(function()
    world:finish()
    listener:close()
    process.remove_folder(folder)
  end)

  local function target(more)
    local all = { addresses = { path }, port = 0, road = "unix" }
    for key, value in pairs(more or {}) do all[key] = value end
    return all
  end

  local function open(more)
    local one = world:opened(target(more))
    assert.are.equal("open", one.stream:state())
    return one, assert(listener:accept(1000))
  end

  it("carries bytes both ways, and ends as its peer does", function()
    local one, peer = open()
    assert.are.equal("tcp", one.stream:phase())
    assert.are.equal(5, one.stream:write "there")
    assert.are.equal("there", peer:receive(5, 1000))
    peer:send "back"
    assert.is_truthy(world:wait(function() return streams.text(one) == "back" end))
    peer:close()
    assert.is_nil((world:ending(one)))
  end)

  it("takes what fits, and tells when there is room again", function()
    local one, peer = open { idle = true }
    local bytes = ("0123456789abcdef"):rep(2 ^ 17)
    local taken = one.stream:write(bytes)
    assert.is_true(taken > 0 and taken < #bytes)
    local changes = one.changes
    assert.are.equal(bytes, world:carry(one, peer, bytes, taken))
    assert.is_true(one.changes > changes)
  end)

  it("counts what our own system has taken as confirmed", function()
    local one, peer = open()
    one.stream:write(("x"):rep(1000))
    assert.are.same({ received = 0, accepted = 1000, acknowledged = 1000, quiet_for = 0, unacknowledged = false,
      probing = false }, one.stream:progress())
    peer:close()
  end)

  describe("names what is wrong:", function()
    local function fails(where)
      return world:ending(world:open(target { addresses = { where } }))
    end

    it("nothing there", function()
      local reason, text = fails(folder .. "/nothing")
      assert.are.same({ "socket_not_found", folder .. "/nothing: No such file or directory" }, { reason, text })
    end)

    it("no folder on the way", function()
      files.write(folder .. "/file", "")
      assert.are.equal("socket_not_found", (fails(folder .. "/file/socket")))
    end)

    it("a file that is no socket", function()
      files.write(folder .. "/file", "")
      assert.are.equal("connection_refused", (fails(folder .. "/file")))
    end)

    it("a socket that nobody listens at any more", function()
      listener:close()
      assert.are.equal("connection_refused", (fails(path)))
    end)

    it("a path that no address has room for", function()
      local reason, text = fails("/" .. ("x"):rep(200))
      assert.are.equal("connect_failed", reason)
      assert.is_truthy(text:find("File name too long", 1, true), text)
    end)

    it("a socket that is not for us", function()
      assert(os.execute("chmod 0 " .. path .. " && chmod 755 " .. folder))
      local script = folder .. "/other.lua"
      files.write(script, ([[
        local streams = require "spec.support.streams"
        local world = streams.new()
        print((world:ending(world:open { addresses = { %q }, port = 0, road = "unix" })))
        world:finish()
      ]]):format(path))
      local log = folder .. "/log"
      local words = { os.getenv "LUA", script }
      if files.read("/proc/self/status"):match "\nUid:%s+0%s" then -- whom no mode keeps away
        words = { "setpriv", "--reuid=65534", "--clear-groups", words[1], script }
      end
      local pid = assert(process.spawn(words, log))
      assert(process.wait(pid, 10000))
      assert.are.equal("permission_denied\n", files.read(log))
    end)
  end)

  it("waits in line where the line is full", function()
    listener:close()
    os.remove(path)
    listener = assert(sockets.listen_path(path, 0))
    local first, second = world:opened(target()), world:open(target())
    world:rest(60)
    assert.are.same({ "open", "opening" }, { first.stream:state(), second.stream:state() })
    local peer = assert(listener:accept(1000))
    assert.is_truthy(world:wait(function() return second.stream:state() == "open" end))
    peer:close()
  end)

  it("loses nothing in its leave, whatever is still on its way here", function()
    local one, peer = open { idle = true }
    peer:send(("y"):rep(50000)) -- which nobody reads
    local done = false
    one.stream:write "goodbye"
    one.stream:finish(5000, function() done = true end)
    world:rest(20)
    assert.is_false(done)
    assert.are.equal("goodbye", peer:receive(7, 1000))
    assert.are.same({ n = 2, nil, "closed" }, { n = 2, peer:some(1, 1000) })
    peer:send "more"
    world:rest(20)
    assert.is_false(done)
    peer:close()
    assert.is_truthy(world:wait(function() return done end))
  end)
end)
