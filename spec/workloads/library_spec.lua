-- 15, a library in a library: the program starts children all the while, by `os.execute` and `io.popen`, and the
-- broker is restarted in the middle. No child has a socket or a store of the client's, and none disturbs it. #broker
local accounts = require "spec.support.account"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local program = require "spec.support.program"

local PROGRAM = [[
local holdfast = require "holdfast"

local client = assert(holdfast.new { server = arg[1], client_id = "library", queue = { store = arg[2] } })
client:on("ready", print)
client:start()
holdfast.run(function()
  local number = 0
  while true do
    os.execute "true"
    -- what a child has open beside its standard streams
    local pipe = io.popen "ls -l /proc/self/fd"
    for line in pipe:lines() do
      if line:find "socket:" or line:find "eventfd" or line:find "queue" then
        print("leak", line)
      end
    end
    pipe:close()
    number = number + 1
    print("child", number)
    client:post("children", tostring(number), { qos = 2 })
    holdfast.sleep(0.02)
  end
end)
]]

local CHILDREN = program.size(60, 3000)

describe("a program with children #broker", function()
  local folder

  before_each(function()
    folder = process.temporary_folder()
  end)

  after_each(function()
    program.finish()
    mosquitto.finish()
    process.remove_folder(folder)
  end)

  local function children(transport, protocol)
    local broker = mosquitto.start { persistent = true, lines = { "max_inflight_messages 0" } }
    local address = "mqtt://127.0.0.1:" .. broker.port
    local account = accounts.new()
    local world = holdfast.new { server = address, client_id = "world", stable_after = 0,
      backoff = { strategy = "constant", min = 0.05, max = 0.05, jitter = "none" } }
    world:subscribe("children", { qos = 2, ordered = true }, function(message)
      account:arrived("children", tonumber(message.payload))
    end)
    assert(world:connect(10))
    local one = account:watch(program.start { code = PROGRAM, transport = transport, protocol = protocol,
      arguments = { address, folder .. "/queue" } }):await "^ready"
    account:weigh(one.pid)
    account:await("arrived", CHILDREN / 2, program.size(20, 200))
    broker:stop()
    holdfast.sleep(0.2)
    broker:restart()
    one:await("^ready", 10, 2)
    account:await("arrived", CHILDREN, program.size(20, 200))
    account:weigh(one.pid)
    account:must { disorder = 0, doubled = 0, threads = 0, descriptors = { -2, 2 } }
    assert(account:highest "children" == account:count "arrived", account:words())
    -- Paho's socket is closed in children only from CONNACK on: README, limits of Paho.
    assert(transport == "paho" or one:count "^leak" == 0, account:words())
    world:close(1)
  end

  program.each(function(transport, protocol)
    if program.is_soak or (transport == "native") == (protocol == 4) then
      it(("neither disturbs them nor is disturbed: protocol %d, %s"):format(protocol, transport), function()
        holdfast.run(children, transport, protocol)
      end)
    end
  end)
end)
