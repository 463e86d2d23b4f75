-- What a later Paho does otherwise: the code of a refused CONNACK is elsewhere (1.3.15), and a message that is queued
-- but could not be made persistent is told as an error (1.3.14). #broker
local files = require "spec.support.files"
local mosquitto = require "spec.support.mosquitto"
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

local ONCE = [[
  local holdfast = require "holdfast"
  holdfast.log(function() end)
  local client = holdfast.new { server = "mqtt://127.0.0.1:" .. arg[1], transport = "paho" }
  holdfast.run(function()
    local sub = client:subscribe("once", { qos = 2 })
    assert(client:connect(10) and sub:granted(10))
    for number = 1, 9 do
      assert(client:publish("once", tostring(number), { qos = number % 3, timeout = 10 }))
    end
    assert(client:publish("once", "end", { timeout = 10 }))
    local came = {}
    for message in sub:messages(10) do
      came[#came + 1] = message.payload
      if message.payload == "end" then break end
    end
    print(table.concat(came, " "))
    client:close(10)
  end)
]]

local function program(code, port)
  local folder = assert(process.temporary_folder())
  finally(function() process.remove_folder(folder) end)
  files.write(folder .. "/program.lua", code)
  local pid = assert(process.spawn({ "env",
    "LD_PRELOAD=" .. assert(package.searchpath("newer_paho_probe", package.cpath)), os.getenv "LUA" or "lua5.4",
    folder .. "/program.lua", tostring(port) }, folder .. "/output"))
  return function()
    assert(process.wait(pid, 30000), "it hangs")
    return files.read(folder .. "/output")
  end
end

describe("a newer Paho #broker", function()
  after_each(mosquitto.finish)

  it("has each message sent once that it has queued, whatever it says of its persistence", function()
    assert.equal("1 2 3 4 5 6 7 8 9 end\n", program(ONCE, mosquitto.start().port)())
  end)

  for code, expected in pairs { [0x87] = "not_authorized\tslow\t135\n", [0x8A] = "banned\tstop\t138\n",
    [0x88] = "server_unavailable\tretry\t136\n" } do
    it(("has a refusal told by its name: 0x%02X"):format(code), function()
      local broker = scripted.listen()
      finally(function() broker:close() end)
      local said = program(PROGRAM, broker.port)
      local connection = broker:accept(10000)
      connection:expect "connect"
      connection:connack { code = code }
      assert.equal(expected, said())
    end)
  end
end)
