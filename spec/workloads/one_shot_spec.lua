-- 6, a one-shot (cron, a battery): start, connect, publish three at QoS 1, close, exit. The exit code and a sentence
-- tell how it went: with a broker, without one, with one that is frozen in the middle, over TLS, with a slow name
-- server. At its whole size it is timed beside mosquitto_pub. #broker
local accounts = require "spec.support.account"
local certificates = require "spec.support.certificates"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local program = require "spec.support.program"
local tree = require "spec.support.tree"

local ONE_SHOT = [[
local holdfast = require "holdfast"

local client = holdfast.new { server = arg[1], tls = arg[2] and { ca = arg[2] } or nil }
local fine, problem = client:connect(2)
for reading = 1, 3 do
  if fine then
    fine, problem = client:publish("readings", tostring(reading), { qos = 1, timeout = 2 })
    print(fine and "told" or "not told", reading)
  end
end
client:close(1)
if not fine then
  io.stderr:write(problem, "\n")
  os.exit(1)
end
]]

describe("a one-shot #broker", function()
  after_each(function()
    program.finish()
    mosquitto.finish()
  end)

  -- What is told must have arrived.
  local function run(way, address, ca, broker, before)
    local account = accounts.new()
    local world
    if broker then
      world = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port }
      world:subscribe("readings", { qos = 1 }, function(message)
        account:arrived("readings", tonumber(message.payload))
      end)
      assert(world:connect(10))
    end
    local one = account:watch(program.start { code = ONE_SHOT, transport = way.transport,
      protocol = way.protocol, host = way.host, arguments = { address, ca }, before = before })
    local how, seconds = one:ended(10)
    for _, line in ipairs(one:news()) do
      local number = tonumber(line:match "^told\t(%d)$")
      if number then
        account:told("readings", number)
      end
    end
    if world then
      if broker.pid then
        broker:resume()
      end
      account:await("arrived", account:count "told", 3)
      world:close(1)
    end
    account:note("it ended after %s s", seconds or "more than 10")
    account:must { lied = 0 }
    return account, how, one:words()
  end

  program.everywhere(6, function(transport, protocol, host)
    local way = { transport = transport, protocol = protocol, host = host }

    local function case(name, test)
      local is_small = host and name == "has published and says nothing"
        or not host and (transport == "native") == (protocol == 5)
      if program.is_soak or is_small then
        it(name .. ": " .. program.way(transport, protocol, host), function()
          holdfast.run(test)
        end)
      end
    end

    case("has published and says nothing", function()
      local broker = mosquitto.start()
      local account, how = run(way, "mqtt://127.0.0.1:" .. broker.port, nil, broker)
      account:must { told = 3, arrived = 3, doubled = 0, disorder = 0 }
      assert.are.equal("exited 0", how, account:words())
    end)

    case("over TLS too", function()
      local folder = certificates.make()
      finally(function() process.remove_folder(folder) end)
      local port = process.free_port()
      local broker = mosquitto.start { lines = { "listener " .. port .. " 127.0.0.1", "cafile " .. folder .. "/ca.pem",
        "certfile " .. folder .. "/server.pem", "keyfile " .. folder .. "/server.key" } }
      local account, how = run(way, "mqtts://localhost:" .. port, folder .. "/ca.pem", broker)
      account:must { told = 3, arrived = 3 }
      assert.are.equal("exited 0", how, account:words())
    end)

    local function names()
      return { "env", "LD_PRELOAD=" .. package.searchpath("names_probe", os.getenv "LUA_CPATH" or
        os.getenv "LUA_CPATH_5_4") }
    end

    case("with a name server that takes its time has published", function()
      local broker = mosquitto.start()
      local account, how = run(way, "mqtt://brief.example:" .. broker.port, nil, broker, names())
      account:must { told = 3, arrived = 3, doubled = 0, disorder = 0 }
      assert.are.equal("exited 0", how, account:words())
    end)

    if program.is_soak or transport == "native" then
      case("with a name server that takes too long says so, in its time", function()
        local broker = mosquitto.start()
        local account, how, said = run(way, "mqtt://slow.example:" .. broker.port, nil, broker, names())
        account:must { told = 0, arrived = 0 }
        assert.are.equal("exited 1", how, account:words())
        assert.is_truthy(said:find "2 s", said)
      end)
    end

    -- Each start beside one of mosquitto_pub and one of Lua alone: the middle of so many.
    if program.is_soak and transport == "native" and not host then
      case("starts and ends in three times what mosquitto_pub takes, and Lua's own start", function()
        local broker = mosquitto.start { quiet = true }
        local port, lua = broker.port, os.getenv "LUA"
        local folder = process.temporary_folder()
        finally(function() process.remove_folder(folder) end)
        local file = assert(io.open(folder .. "/one_shot.lua", "w"))
        file:write(ONE_SHOT)
        file:close()
        local function script(before, name, address)
          return ("%s %s %s/%s %s"):format(before, lua, folder, name, address)
        end
        local ours = script("env HOLDFAST_SPEC_TRANSPORT=native HOLDFAST_SPEC_PROTOCOL=" .. protocol ..
          " HOLDFAST_SPEC_SCHEMA=lua/holdfast/schema.lua LUA_INIT=@spec/support/default_transport.lua", "one_shot.lua",
          "mqtt://127.0.0.1:" .. port)
        local theirs = ("printf '1\\n2\\n3\\n' | mosquitto_pub -h 127.0.0.1 -p %d -t readings -q 1 -l"):format(port)
        local lists = { {}, {}, {} }
        for _ = 1, 31 do
          for index, command in ipairs { ours, theirs, lua .. " -e ''" } do
            local before = process.now()
            tree.command(command)
            table.insert(lists[index], process.now() - before)
          end
        end
        for _, list in ipairs(lists) do
          table.sort(list)
        end
        local mine, other, alone = lists[1][16], lists[2][16], lists[3][16]
        assert(mine <= 3 * other + alone, ("%d ms, mosquitto_pub %d, Lua alone %d"):format(mine, other, alone))
      end)
    end

    case("without a broker says so by its exit code and a sentence, in its time", function()
      local account, how, said = run(way, "mqtt://127.0.0.1:" .. process.free_port())
      account:must { told = 0 }
      assert.are.equal("exited 1", how, account:words())
      assert.is_truthy(said:find "not .*within 2 s" or said:find "timeout", said)
    end)

    case("with a broker that says nothing more is told of no message that was not acknowledged", function()
      local broker = mosquitto.start()
      broker:freeze()
      local account, how, said = run(way, "mqtt://127.0.0.1:" .. broker.port, nil, nil)
      broker:resume()
      account:must { told = 0 }
      assert.are.equal("exited 1", how, account:words())
      assert.is_truthy(said:find "2 s", said)
    end)

    case("that is answered half way is told of the first half alone", function()
      local port
      local broker = mosquitto.start()
      local proxy
      proxy, port = require("proxy_probe").start(broker.port)
      -- CONNACK and one PUBACK come back, no more: the connection stays cut from then on.
      proxy:cut("down", protocol == 5 and 20 or 8)
      local account = run(way, "mqtt://127.0.0.1:" .. port, nil, broker)
      proxy:close()
      account:must { arrived = { 1, 3 } }
    end)
  end)
end)
