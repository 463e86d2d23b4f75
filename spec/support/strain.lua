--- What a host is put through in which holdfast is a guest: turns that end for want of memory, or by an error that
-- comes out of them (that of a hook). A program that has handlers alone, and steps its loop on, handles each message
-- once all the same.
--
--     strain.begin("copas", host)    -- a broker, and a client that is connected
--     for words, run in pairs(strain.trials) do run() end
--     strain.finish()
--
-- A host is a table of functions: `step(seconds)` answers whether it has gone well, `connect(client)`, `close(client)`.
-- @module spec.support.strain
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local starve = require "starve_probe"
local turn = require "holdfast.loop.turn"

local strain = { trials = {} }

local take = turn.take
local host, client, heard

local function count(message)
  local payload = message.payload
  heard[payload] = heard[payload] + 1
end

--- Begins.
-- @tparam string name the option `loop`
-- @tparam table which host
function strain.begin(name, which)
  local broker = mosquitto.start()
  host, heard = which, {}
  client = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, transport = "native", loop = name }
  client:subscribe("a/#", { qos = 1 }, count)
  host.connect(client)
end

--- Ends.
function strain.finish()
  turn.take = take
  host.close(client)
  mosquitto.finish()
end

--- Posts three messages, and has one step end as it may once they are here; all are handled by the steps after it.
-- @param number of this time
-- @tparam function step answers whether it has gone well
-- @tparam ?string topic
-- @treturn boolean whether all steps have
function strain.go_through(number, step, topic)
  for n = 1, 3 do
    heard[number .. " " .. n] = 0
    assert(client:post(topic or "a/b", number .. " " .. n, { qos = 1 }))
  end
  process.sleep(5)
  local is_fine = step()
  local deadline = process.now() + 10000
  for n = 1, 3 do
    while heard[number .. " " .. n] == 0 do
      assert(process.now() < deadline, ("%s %d is never handled"):format(number, n))
      is_fine = host.step(0.01) and is_fine
    end
  end
  for _ = 1, 3 do -- with nobody standing by yet, or no memory for it, an error is told later
    is_fine = host.step(0.01) and is_fine
  end
  for n = 1, 3 do
    local times = heard[number .. " " .. n]
    assert(times == 1, ("%s %d is handled %d times"):format(number, n, times))
  end
  return is_fine
end

local go_through = strain.go_through

strain.trials["has no memory for a step, from each request on"] = function()
  local failures = 0
  for point = 1, 50 do
    local fine = go_through(point, function()
      local is_fine
      starve.starve(function() is_fine = host.step(0.01) end, point)
      return is_fine
    end)
    failures = failures + (fine and 0 or 1)
  end
  assert(failures > 0)
end

-- What the host itself does with none is its own affair.
strain.trials["has none for our turn, from each request on"] = function()
  local point = 0
  local refused
  repeat
    point = point + 1
    go_through(point, function()
      function turn.take()
        turn.take = take
        local _, count_of_refused, problem = starve.starve(take, point)
        refused = count_of_refused
        if problem ~= nil then
          error(problem, 0)
        end
      end
      repeat
        host.step(1)
      until turn.take == take
    end)
  until refused == 0
  assert(point > 10, point)
end

-- In cqueues nobody stands by for the second turn that ends.
strain.trials["has no memory for several steps"] = function()
  for number = 1, 15 do
    go_through(number, function()
      starve.starve(function()
        for _ = 1, 3 do
          host.step(0.01)
        end
      end, number)
    end)
  end
end

-- With nothing on the way any more that would ring.
strain.trials["has a turn that ends by an error anywhere, with handlers that wait"] = function()
  client:subscribe("w/#", { qos = 1, ordered = true }, function(message)
    count(message)
    holdfast.sleep(0)
  end)
  local point = 0
  local is_struck
  repeat
    point = point + 1
    is_struck = false
    go_through(point, function()
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
        host.step(1)
      until turn.take == take
      debug.sethook()
    end, "w/b")
  until not is_struck
  assert(point > 50, point)
end

strain.trials["has steps that an error in our turn ends"] = function()
  for number = 1, 3 do
    local fine = go_through(number, function()
      function turn.take()
        turn.take = take
        error("interrupted", 0)
      end
      local is_fine
      repeat
        is_fine = host.step(1)
      until turn.take == take
      return is_fine
    end)
    assert(not fine, number)
  end
end

return strain
