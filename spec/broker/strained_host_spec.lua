-- A host in which our coroutines end: for want of memory, or by an error that comes out of a turn (that of a hook). A
-- program that has handlers alone, and steps its loop on, handles each message once all the same. #broker
local holdfast = require "holdfast"
local hosts = require "spec.support.hosts"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local starve = require "starve_probe"

local missing = hosts.missing "cqueues"

describe("cqueues #broker", function()
  if missing then
    pending("is not stepped: " .. missing)
    return
  end
  local cqueues = require "cqueues"
  local broker, controller, client, heard

  before_each(function()
    broker, controller, heard = mosquitto.start(), cqueues.new(), {}
    client = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, transport = "native", loop = "cqueues" }
    client:subscribe("a/#", { qos = 1 }, function(message)
      local payload = message.payload
      heard[payload] = heard[payload] + 1
    end)
    local is_connected
    controller:wrap(function()
      is_connected = client:connect(10)
    end)
    repeat
      assert(controller:step(10))
    until is_connected
  end)

  after_each(function()
    controller:wrap(client.close, client)
    assert(controller:loop(10))
    mosquitto.finish()
  end)

  -- Posts three messages, and has one step end as it may once they are here; all are handled by the steps after it.
  local function trouble(number, step)
    for n = 1, 3 do
      heard[number .. " " .. n] = 0
      assert(client:post("a/b", number .. " " .. n, { qos = 1 }))
    end
    process.sleep(5)
    local is_fine = step()
    local deadline = process.now() + 10000
    for n = 1, 3 do
      while heard[number .. " " .. n] == 0 do
        assert(process.now() < deadline, ("%d %d is never handled"):format(number, n))
        controller:step(0.01)
      end
    end
    for n = 1, 3 do
      assert.equal(1, heard[number .. " " .. n])
    end
    return is_fine
  end

  it("has no memory for a step, from each request on", function()
    if _VERSION < "Lua 5.3" then
      pending "cqueues before Lua 5.3 steps no controller again in which memory has run out"
      return
    end
    local failures = 0
    for point = 1, 40 do
      local fine = trouble(point, function()
        local is_fine
        starve.starve(function() is_fine = controller:step(0.01) end, point)
        return is_fine
      end)
      failures = failures + (fine and 0 or 1)
    end
    assert.is_true(failures > 0)
  end)

  it("has steps that an error in our turn ends", function()
    local turn = require "holdfast.loop.turn"
    local take = turn.take
    for number = 1, 3 do
      local fine = trouble(number, function()
        function turn.take()
          turn.take = take
          error("interrupted", 0)
        end
        local is_fine
        repeat
          is_fine = controller:step(1)
        until turn.take == take
        return is_fine
      end)
      assert.is_falsy(fine)
    end
  end)
end)
