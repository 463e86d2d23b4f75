-- The service of docs/operations.md, through the death of its broker, and told to stop as systemd does it: #broker.
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local tree = require "spec.support.tree"

describe("examples/service.lua #broker", function()
  local broker, folder, pid

  before_each(function()
    broker = mosquitto.start()
    folder = process.temporary_folder()
  end)

  after_each(function()
    if pid then
      process.kill(pid, "KILL")
      process.wait(pid, 5000)
      pid = nil
    end
    mosquitto.finish()
    process.remove_folder(folder)
  end)

  local function log_has(pattern, from)
    local deadline = process.now() + 15000
    while not broker:log():find(pattern, from) do
      assert(process.now() < deadline, "no '" .. pattern .. "' in " .. broker:log() .. tree.read(folder .. "/output"))
      process.sleep(20)
    end
  end

  it("outlives its broker, and says goodbye when it is told to stop, with what is still to be said", function()
    if not pcall(require, "luv") then
      pending("luv is not there for this Lua")
      return
    end
    pid = process.spawn({ os.getenv "LUA", "examples/service.lua", "mqtt://127.0.0.1:" .. broker.port,
      folder .. "/queue", "0.05" }, folder .. "/output")
    log_has "Received PUBLISH from kitchen [^\n]*'kitchen/temperature'"
    log_has "Received PUBLISH from kitchen [^\n]*'kitchen/presence'"
    broker:kill()
    local before = #broker:log()
    broker:restart()
    log_has("Received PUBLISH from kitchen [^\n]*'kitchen/temperature'", before)
    log_has("Received PUBLISH from kitchen [^\n]*'kitchen/presence'", before)
    process.kill(pid, "TERM")
    local how, status = process.wait(pid, 15000)
    pid = nil
    assert.same({ "exited", 0 }, { how, status }, tree.read(folder .. "/output"))
    log_has "'kitchen/presence', %.%.%. %(4 bytes%).*Received DISCONNECT from kitchen" -- "gone"
  end)
end)
