-- Paho from 1.3.15 on has the code of a refused CONNACK elsewhere: its name and class must not depend on that
-- (issue 12, point 6). #broker
local files = require "spec.support.files"
local process = require "process_probe"
local scripted = require "spec.support.scripted_broker"

local PROGRAM = [[
  local holdfast = require "holdfast"
  holdfast.log(function() end)
  local client = holdfast.new { server = "mqtt://127.0.0.1:" .. arg[1], transport = "paho" }
  client:start()
  local reason = client:wait("failed", 10).reason
  print(reason.name, reason.class, reason.code)
  client:close()
]]

describe("a newer Paho #broker", function()
  for code, expected in pairs { [0x87] = "not_authorized\tslow\t135\n", [0x8A] = "banned\tstop\t138\n",
    [0x88] = "server_unavailable\tretry\t136\n" } do
    it(("has a refusal told by its name: 0x%02X"):format(code), function()
      local broker, folder = scripted.listen(), assert(process.temporary_folder())
      finally(function()
        broker:close()
        process.remove_folder(folder)
      end)
      files.write(folder .. "/program.lua", PROGRAM)
      local pid = assert(process.spawn({ "env",
        "LD_PRELOAD=" .. assert(package.searchpath("newer_paho_probe", package.cpath)), os.getenv "LUA" or "lua5.4",
        folder .. "/program.lua", tostring(broker.port) }, folder .. "/output"))
      local connection = broker:accept(10000)
      connection:expect "connect"
      connection:connack { code = code }
      assert(process.wait(pid, 10000), "it hangs")
      assert.equal(expected, assert(io.open(folder .. "/output")):read "*a")
    end)
  end
end)
