-- The stream in place of the descriptor, for hosts that wait only on what they have opened themselves.
local process = require "process_probe"
local sockets = require "socket_probe"
local tree = require "spec.support.tree"
local virtual = require "spec.support.virtual"

describe("the bridge to the mailbox", function()
  local mailbox, world

  before_each(function()
    mailbox = virtual.core.mailbox()
    world = virtual.new()
  end)

  after_each(function()
    mailbox:hang_up()
    world:finish()
  end)

  local function bridge()
    local path = assert(mailbox:listen())
    local socket = assert(sockets.connect(path))
    assert(mailbox:accept())
    return socket, path
  end

  -- How many bytes there are to read.
  local function bytes(socket)
    local _, _, got = socket:receive(1000, 0)
    return #got
  end

  local function drain()
    repeat until not mailbox:take()
  end

  it("is a byte however much mail there is, and another one after the mail is taken", function()
    local socket = bridge()
    local client = world:client {}
    assert.are.equal(0, bytes(socket))
    client:start()
    virtual.probe.turn()
    assert.are.equal(1, bytes(socket))
    client:network_changed()
    virtual.probe.turn()
    assert.are.equal(0, bytes(socket))
    drain()
    client:reconnect()
    virtual.probe.turn()
    assert.are.equal(1, bytes(socket))
    drain()
  end)

  it("is a byte after a knock, too, once until somebody looks", function()
    local socket = bridge()
    mailbox:knock()
    mailbox:knock()
    assert.are.equal(1, bytes(socket))
    drain()
    mailbox:knock()
    assert.are.equal(1, bytes(socket))
    drain()
  end)

  it("tells of mail that was there before it", function()
    world:client({}):start()
    virtual.probe.turn()
    local socket = bridge()
    assert.are.equal(1, bytes(socket))
    drain()
  end)

  it("is replaced by the next one, and ended by hang_up, after which the descriptor tells again", function()
    local first = bridge()
    local second = bridge()
    assert.are.equal("closed", select(2, first:receive(1, 1000)))
    local client = world:client {}
    client:start()
    virtual.probe.turn()
    assert.are.equal(1, bytes(second))
    mailbox:hang_up()
    assert.are.equal("closed", select(2, second:receive(1, 1000)))
    assert.is_true(mailbox:wait(0))
    drain()
    assert.is_false(mailbox:wait(0))
  end)

  it("leaves nothing of its path, and lies where only its user may go", function()
    local path = assert(mailbox:listen())
    assert.are.same({ "700" }, (tree.command("stat -c %a " .. path:match "(.*)/")))
    assert.is_nil(mailbox:accept())
    assert.are.same({ "gone" }, (tree.command("test -e " .. path:match "(.*)/" .. " || echo gone")))
    local _, second = bridge()
    assert.are.same({ "gone" }, (tree.command("test -e " .. second:match "(.*)/" .. " || echo gone")))
  end)

  it("turns another process away", function()
    local path = assert(mailbox:listen())
    local pid = process.spawn { os.getenv "LUA", "-e", ([[
      local socket = require "socket_probe".connect %q
      require "process_probe".sleep(60000)
    ]]):format(path) }
    local fine, problem
    for _ = 1, 500 do -- accept ends the listening, so it is not asked before somebody is there
      process.sleep(10)
      if tree.command("grep -c " .. path .. "$ /proc/net/unix")[1] ~= "1" then
        fine, problem = mailbox:accept()
        break
      end
    end
    process.kill(pid, "KILL")
    process.wait(pid, 5000)
    assert.are.same({ nil, "Permission denied" }, { fine, problem })
  end)
end)
