-- The first program of the README, run as it stands against a broker that dies and comes back: #broker.
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local tree = require "spec.support.tree"

describe("examples/hello.lua #broker", function()
  local folder, pid

  after_each(function()
    if pid then
      process.kill(pid, "KILL")
      process.wait(pid, 5000)
    end
    mosquitto.finish()
    process.remove_folder(folder)
  end)

  local function expect(pattern)
    local deadline = process.now() + 15000
    local output
    repeat
      process.sleep(20)
      output = tree.read(folder .. "/output")
    until output:find(pattern) or process.now() > deadline
    assert.truthy(output:find(pattern), "wanted " .. pattern .. " in:\n" .. output)
  end

  it("says what the README says it does", function()
    local broker = mosquitto.start()
    folder = process.temporary_folder()
    local source = tree.read "examples/hello.lua"
    local program, count = source:gsub("mqtt://localhost", "mqtt://127.0.0.1:" .. broker.port)
    assert.equal(1, count)
    local file = assert(io.open(folder .. "/hello.lua", "w"))
    file:write("io.stdout:setvbuf 'line'\n", program)
    file:close()
    pid = process.spawn({ os.getenv "LUA", folder .. "/hello.lua" }, folder .. "/output")

    expect "^ready: 1 subscription, after [%d.]+ s\n"
    expect "meters/kitchen/power\t42\n"
    broker:kill()
    expect "\nlost: connection_lost, again in [%d.]+ s\n"
    broker:restart()
    expect "\nready: 1 subscription, after [%d.]+ s\n"
  end)
end)
