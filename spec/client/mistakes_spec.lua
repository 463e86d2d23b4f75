-- What a program is told that lets go of what it has posted, or waits for what cannot happen.
local holdfast = require "holdfast"
local process = require "process_probe"
local tree = require "spec.support.tree"

local ADDRESS = "mqtt://127.0.0.1:1" -- where nobody listens

describe("a program that", function()
  local folder

  before_each(function()
    folder = assert(process.temporary_folder())
  end)

  after_each(function()
    holdfast.log(nil)
    process.remove_folder(folder)
  end)

  local function begin(code)
    local file = assert(io.open(folder .. "/program.lua", "w"))
    file:write('local holdfast = require "holdfast"\nlocal client = holdfast.new(', ("{ server = %q }"):format(ADDRESS),
      ")\n", code)
    file:close()
    os.remove(folder .. "/output")
    return assert(process.spawn({ os.getenv "LUA", folder .. "/program.lua" }, folder .. "/output"))
  end

  local function said_by(code)
    assert.are.same({ "exited", 0 }, { process.wait(begin(code), 20000) })
    return tree.read(folder .. "/output")
  end

  local LOSS = "a client that was not closed has ended, and %d of its messages may be lost; client:close(5) gives them "
    .. "up to 5 s"

  it("ends without having closed a client is told how many messages may be lost", function()
    assert.are.equal("holdfast: " .. LOSS:format(2) .. "\n", said_by [[
      client:start()
      client:post("a", "b")
      client:post("a", "b", { qos = 1 })
    ]])
    assert.are.equal("", said_by 'client:post("a", "b") client:close()')
    assert.are.equal("", said_by "client:start()")
    assert.are.equal("holdfast: the function given to holdfast.log throws, so errors come here: unheard\nholdfast: "
      .. LOSS:format(1) .. "\n", said_by [[
        client:post("a", "b")
        holdfast.log(function() error("unheard", 0) end)
      ]])
  end)

  it("lets go of a client is told so in its log", function()
    local heard = {}
    holdfast.log(function(level, message, fields)
      heard[#heard + 1] = { level, message, fields.event, fields.client, fields.messages }
    end)
    local client = holdfast.new { server = ADDRESS, client_id = "kitchen" }
    client:post("a", "b")
    client = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    assert.are.same({ { "error", LOSS:format(1), "loss", "kitchen", 1 } }, heard)
  end)

  it("lets go of a client with a store has lost nothing", function()
    local heard = 0
    holdfast.log(function()
      heard = heard + 1
    end)
    local client = holdfast.new { server = ADDRESS, client_id = "kitchen", queue = { store = folder .. "/queue" } }
    assert(client:post("a", "b", { qos = 1 }))
    client = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    assert.are.equal(0, heard)
  end)

  it("waits without end for a client that was not started is told so, once", function()
    for _, code in ipairs {
      'client:publish("a", "b")',
      'holdfast.run(function() client:subscribe("a"):receive() end)',
      'holdfast.spawn(function() holdfast.sleep(0.05) client:post("a", "b") end) client:wait "ready"',
    } do
      local pid = begin(code)
      local deadline = process.now() + 10000
      repeat
        process.sleep(10)
      until #tree.read(folder .. "/output") > 0 or process.now() > deadline
      process.kill(pid, "KILL")
      process.wait(pid, 5000)
      assert.are.equal("holdfast: a call waits for what cannot happen: no client has been started (client:start, "
        .. "client:connect)\n", tree.read(folder .. "/output"))
    end
    assert.are.equal("", said_by 'client:wait("ready", 0.05) client:start() client:wait("failed")')
  end)
end)
