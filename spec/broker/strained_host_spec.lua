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
  local function trouble(number, step, topic)
    for n = 1, 3 do
      heard[number .. " " .. n] = 0
      assert(client:post(topic or "a/b", number .. " " .. n, { qos = 1 }))
    end
    process.sleep(5)
    local is_fine = step()
    local deadline = process.now() + 10000
    for n = 1, 3 do
      while heard[number .. " " .. n] == 0 do
        assert(process.now() < deadline, ("%d %d is never handled"):format(number, n))
        is_fine = controller:step(0.01) and is_fine
      end
    end
    for _ = 1, 3 do -- with nobody standing by yet an error is told later
      is_fine = controller:step(0.01) and is_fine
    end
    for n = 1, 3 do
      assert.equal(1, heard[number .. " " .. n])
    end
    return is_fine
  end

  it("has no memory for a step, from each request on", function()
    if _VERSION < "Lua 5.3" then
      pending "cqueues before Lua 5.4 steps no controller again in which memory has run out"
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

  -- Nobody stands by for a second turn that ends for want of memory.
  it("has no memory for several steps", function()
    if _VERSION < "Lua 5.4" then
      pending "before Lua 5.4 the coroutine that takes the turns may end where it waits, once memory has run out twice"
      return
    end
    for number = 1, 5 do
      trouble(number, function()
        starve.starve(function()
          for _ = 1, 3 do
            controller:step(0.01)
          end
        end, 1)
      end)
    end
  end)

  -- With nothing on the way any more that would ring.
  it("has a turn that ends by an error anywhere, with handlers that wait", function()
    local turn = require "holdfast.loop.turn"
    local take = turn.take
    client:subscribe("w/#", { qos = 1, ordered = true }, function(message)
      local payload = message.payload
      heard[payload] = heard[payload] + 1
      holdfast.sleep(0)
    end)
    local point = 0
    local is_struck
    repeat
      point = point + 1
      is_struck = false
      trouble(point, function()
        local left, thread = point, nil
        local function strike()
          if coroutine.running() == thread then
            left = left - 1
            if left == 0 then
              debug.sethook()
              is_struck = true
              error("interrupted", 0)
            end
          end
        end
        function turn.take()
          turn.take, thread = take, coroutine.running()
          debug.sethook(strike, "l")
          take()
          debug.sethook()
        end
        repeat
          controller:step(1)
        until turn.take == take
        debug.sethook()
      end, "w/b")
    until not is_struck
    assert.is_true(point > 50, point)
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
