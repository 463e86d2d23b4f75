-- 16, a year: a program that connects again and again and sends all the while, and each tenth day makes a new client of
-- the same session. What it needs of the machine must not grow. At its whole size the packet ids go round many times.
-- #broker
local accounts = require "spec.support.account"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local program = require "spec.support.program"

local YEAR = [[
local holdfast = require "holdfast"

local client

local function begin()
  client = holdfast.new { server = arg[1], client_id = "year" }
  client:subscribe("year/#", { qos = 2 }, function(message)
    print(message.topic, message.payload)
  end)
  assert(client:connect(10))
end

holdfast.run(function()
  begin()
  local number = 0
  for day = 1, tonumber(arg[2]) do
    for qos = 1, 2 do
      for _ = 1, tonumber(arg[3]) do
        number = number + 1
        assert(client:publish("year/" .. qos, tostring(number), { qos = qos, timeout = 30 }))
      end
    end
    collectgarbage()
    print("day", day)
    if day % 10 == 0 then
      client:close(10)
      begin()
    else
      assert(client:reconnect())
      assert(client:wait("ready", 10))
    end
  end
  print "over"
  holdfast.sleep(60)
end)
]]

local DAYS = program.size(300, 10000)
local A_DAY = program.size(10, 50) -- messages of each QoS

describe("a year #broker", function()
  after_each(function()
    program.finish()
    mosquitto.finish()
  end)

  local function year(transport, protocol, host)
    local broker = mosquitto.start { quiet = true, lines = { "max_inflight_messages 0" } }
    local account = accounts.new()
    local one = program.start { code = YEAR, transport = transport, protocol = protocol, host = host,
      arguments = { "mqtt://127.0.0.1:" .. broker.port, DAYS, A_DAY } }
    local patience = program.size(60, 3600)
    one:await(("^day\t%d$"):format(math.floor(DAYS / 4)), patience)
    account:weigh(one.pid)
    one:await("^over", patience)
    account:weigh(one.pid)
    for number = 1, DAYS * A_DAY * 2 do
      local qos = (number - 1) % (2 * A_DAY) < A_DAY and 1 or 2
      account:posted("year/" .. qos, number)
    end
    for _, line in ipairs(one:news()) do
      local stream, number = line:match "^(year/%d)\t(%d+)$"
      if stream then
        account:arrived(stream, tonumber(number))
      end
    end
    return account
  end

  program.everywhere(16, function(transport, protocol, host)
    if program.is_soak or host or (transport == "native") == (protocol == 5) then
      it("costs no more at its end than at its beginning: " .. program.way(transport, protocol, host), function()
        holdfast.run(function()
          local account = year(transport, protocol, host)
          -- Over Paho and 3.1.1 what was not released when a client was closed is lost: docs/transports/paho.md.
          account:close { descriptors = { -2, 1 }, memory = { -math.huge, 1000 }, gap = { 0, 60 },
            lost = transport == "paho" and protocol == 4 and { 0, DAYS / 10 } or 0 }
        end)
      end)
    end
  end)
end)
