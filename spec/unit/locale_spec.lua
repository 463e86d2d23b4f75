-- A program may set a locale whose decimal sign is a comma; sentences and pictures stay as they are.
if jit then
  return -- LuaJIT formats numbers by itself, with a point
end

local process = require "process_probe"
local tree = require "spec.support.tree"

describe("with a comma as the decimal sign", function()
  local folder

  setup(function()
    folder = process.temporary_folder()
    tree.command("localedef -i de_DE -f UTF-8 " .. folder .. "/de_DE.UTF-8")
  end)

  teardown(function()
    process.remove_folder(folder)
  end)

  local function run(code)
    local file = assert(io.open(folder .. "/program.lua", "w"))
    file:write('assert(os.setlocale "de_DE.UTF-8" and ("%.1f"):format(0.5) == "0,5")\n',
      'local holdfast = require "holdfast"\n', code)
    file:close()
    local lines = tree.command(("LOCPATH=%s %s %s/program.lua"):format(folder, os.getenv "LUA", folder))
    return table.concat(lines, "\n")
  end

  it("messages have a point", function()
    assert.equal([[
holdfast.new: stable_after must be a number of seconds from 0 to 4,294,967, got -0.5
not ready within 0.05 s
no ready within 0.05 s
no room in the queue within 0.05 s
failed: connection_refused, attempt 1, again in 1.5 s]], (run([[
      local function say(...) print((select(2, ...))) end
      say(pcall(holdfast.new, { server = "mqtt://a", stable_after = -1 / 2 }))
      local client = holdfast.new { server = "mqtt://127.0.0.1:1", queue = { messages = 1 },
        backoff = function() return 3 / 2 end }
      local told
      client:once("failed", function(event) told = tostring(event) end)
      client:post("a", "b")
      say(client:connect(1 / 20))
      say(client:wait("ready", 1 / 20))
      say(client:publish("a", "b", { timeout = 1 / 20 }))
      while not told do holdfast.sleep(1 / 100) end
      print(told)
      client:close()]]):gsub("(not ready within 0.05 s)[^\n]*", "%1")))
  end)

  it("metrics have a point", function()
    assert.equal("well", run [[
      local text = holdfast.prometheus()
      print(text:find 'le="0.0001"' and text:find 'le="2.5"' and not text:find "%d,%d" and "well" or text)]])
  end)

  it("a picture of a fleet has a point", function()
    run(([[
      require "holdfast.fleet.command".main { "--quiet", "--clients=50", "--accept-rate=50", "--outage=5",
        "--svg=%s/fleet.svg" }]]):format(folder))
    local svg = tree.read(folder .. "/fleet.svg")
    assert.is_nil(svg:find '="%-?%d+,%d+"')
    assert.is_truthy(svg:find 'x="%d+%.%d"')
    assert.is_nil(svg:find "%d,%d* s ")
  end)
end)
