-- A child of fork() that goes on by itself must not hold its parent's connection: the broker sees the parent's end, and
-- publishes its will, when the parent ends and not when the child does.
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"

describe("a child that outlives its parent #broker", function()
  local folder

  before_each(function() folder = assert(process.temporary_folder()) end)

  after_each(function()
    mosquitto.finish()
    process.remove_folder(folder)
  end)

  it("does not keep the parent connected", function()
    local broker = mosquitto.start()
    local address = "mqtt://127.0.0.1:" .. broker.port
    local program = assert(io.open(folder .. "/program.lua", "w"))
    program:write(([[
      local process = require "process_probe"
      local holdfast = require "holdfast"
      local client = holdfast.new { server = "%s", transport = "native",
        will = { topic = "wills", payload = "gone" } }
      assert(client:connect(10))
      process.fork(function()
        process.sleep(4000)
        return 0
      end)
      client:post("wills", "forked", { qos = 1 })
      holdfast.sleep(10)
    ]]):format(address))
    program:close()
    holdfast.run(function()
      local watcher = holdfast.new { server = address }
      local wills = watcher:subscribe "wills"
      assert(watcher:connect(10))
      local parent = assert(process.spawn({ os.getenv "LUA" or arg[-1], folder .. "/program.lua" }, folder .. "/said"))
      assert.equal("forked", assert(wills:receive(10), io.open(folder .. "/said"):read "*a").payload)
      local killed = process.now()
      process.kill(parent, "KILL")
      process.wait(parent, 5000)
      assert.equal("gone", assert(wills:receive(10)).payload)
      assert.is_true(process.now() - killed < 2000)
      watcher:close(1)
    end)
  end)
end)
