-- One connection out of many addresses (RFC 8305).
local loops = require "loop_probe"
local process = require "process_probe"
local sockets = require "socket_probe"
local streams = require "spec.support.streams"

describe("a stream towards many addresses", function()
  local world, open, port

  before_each(function()
    world, open = streams.new(), {}
    port = process.free_port()
  end)
  after_each(function()
    world:finish()
    for _, socket in ipairs(open) do socket:close() end
  end)

  local function listen(address, backlog)
    local listener = assert(sockets.listen(port, backlog or 16, address))
    open[#open + 1] = listener
    return listener
  end

  -- What the collector has not closed yet does not count.
  local function descriptors()
    collectgarbage()
    collectgarbage()
    return (loops.descriptors())
  end

  -- Nobody answers there: a queue of one place that is taken.
  local function hole(address)
    local listener = listen(address, 0)
    local one = world:open { addresses = { address }, port = port }
    assert.is_truthy(world:wait(function() return one.stream:state() == "open" end))
    return listener
  end

  local function fails(...)
    local one = world:open { addresses = { ... }, port = port }
    return world:ending(one)
  end

  it("tries them in turns of the two families, beginning with the first's", function()
    local reason, text = fails("127.0.0.2", "127.0.0.3", "127.0.0.4", "::1", "127.0.0.5")
    assert.are.equal("connection_refused", reason)
    assert.are.same({ "127.0.0.2", "::1", "127.0.0.3", "127.0.0.4", "127.0.0.5" },
      { text:match "^([%d.]+): Connection refused; (::1): [^;]+; ([%d.]+): [^;]+; ([%d.]+): [^;]+; ([%d.]+): " })
    reason, text = fails("::1", "127.0.0.2", "127.0.0.3")
    assert.are.equal("connection_refused", reason)
    assert.is_truthy(text:find "^::1: .*; 127.0.0.2: .*; 127.0.0.3: ")
  end)

  it("names what got furthest", function()
    assert.are.equal("connection_refused", (fails("fe80::1%nowhere", "127.0.0.1", "fe80::2%nowhere", "none")))
    assert.are.equal("unreachable", (fails("none", "fe80::1%nowhere")))
  end)

  it("goes on at once where it is refused", function()
    local listener = listen "127.0.0.9"
    local began = process.now()
    local one = world:opened { addresses = { "127.0.0.2", "::1", "127.0.0.3", "127.0.0.4", "127.0.0.9" }, port = port }
    assert.are.equal("open", one.stream:state())
    assert.is_truthy(listener:accept(1000))
    assert.is_true(process.now() - began < 1000) -- four times 250 ms, if each had been waited for
  end)

  it("does not wait for one that does not answer, and closes it when another has won", function()
    local dead, alive = hole "127.0.0.2", listen "127.0.0.3"
    local before = descriptors()
    local began = process.now()
    world.loop:turn(0) -- its time is that of its last turn
    local one = world:opened { addresses = { "127.0.0.2", "127.0.0.3" }, port = port }
    assert.are.equal("open", one.stream:state())
    assert.is_true(process.now() - began >= 250)
    open[#open + 1] = assert(alive:accept(1000))
    assert.are.equal(before + 2, descriptors()) -- the stream's, and the one just accepted
    assert.is_truthy(dead:accept(1000)) -- of `hole`
    one.stream:write "x"
    assert.are.equal("open", one.stream:state())
  end)

  it("goes on at once where it is refused, while another does not answer", function()
    hole "127.0.0.2"
    listen "127.0.0.20"
    local addresses = { "127.0.0.2" }
    for i = 3, 9 do addresses[#addresses + 1] = "127.0.0." .. i end
    addresses[#addresses + 1] = "127.0.0.20"
    local began = process.now()
    local one = world:opened { addresses = addresses, port = port }
    assert.are.equal("open", one.stream:state())
    assert.is_true(process.now() - began < 1500) -- 250 ms, and not eight times that
  end)

  it("waits on for one that is slow, when all others have failed", function()
    local slow = hole "127.0.0.2"
    local one = world:open { addresses = { "127.0.0.2", "127.0.0.3", "127.0.0.4" }, port = port }
    world:rest(400)
    assert.are.equal("opening", one.stream:state())
    assert.is_truthy(slow:accept(1000)) -- there is room: its next SYN is heard
    assert.is_truthy(world:wait(function() return one.stream:state() == "open" end, 10000))
  end)

  it("leaves nothing behind when it is ended in between", function()
    hole "127.0.0.2"
    local before = descriptors()
    for _, how in ipairs { "abort", "finish" } do
      local one = world:open { addresses = { "127.0.0.2", "127.0.0.2", "::1" }, port = port }
      world:rest(300)
      local gone = how == "abort"
      if gone then
        one.stream:abort()
      else
        one.stream:finish(1000, function() gone = true end)
      end
      assert.is_truthy(world:wait(function() return gone end))
      assert.are.equal(before, descriptors())
      world:rest(300)
    end
  end)
end)
