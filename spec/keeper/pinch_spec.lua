-- A collection at each point where Lua asks for memory: a client's life, told in the same words as without any.
local starve = require "starve_probe"
local whole = require "spec.support.whole"

local holdfast, probe = whole.holdfast, whole.probe

-- Everything a client says and hears in one short life, as lines.
local function life()
  local world = whole.new()
  local client, book = world:client {
    backoff = { strategy = "constant", min = 1, jitter = "none" },
    credentials = function() return "user", "password" end,
    will = { topic = "will", properties = { user = { a = "b" } } },
  }
  local heard = {}
  local function note(message, subscription)
    heard[#heard + 1] = subscription.filter .. " " .. message.payload
  end
  client:subscribe("a/+", { qos = 1, properties = { user = { c = "d" } } }, note)
  local read = client:subscribe("#", { qos = 2 })
  client:on("delivered", function() heard[#heard + 1] = "delivered" end)
  holdfast.run(function()
    assert(client:connect(10))
    for qos = 0, 2 do
      probe.send("a/b", tostring(qos), qos)
      assert(read:receive(1))
      assert(client:publish("a/b", "x", { qos = qos, properties = { user = { e = "f" } } }))
    end
    assert(client:post("a/b", "x", { qos = 1 }))
    probe.drop(1, "disconnect", 0x8B)
    assert(client:wait("ready", 10))
    assert(client:status().server and client:history()[1].server)
    assert(client:close(1))
  end)
  world:pass(1)
  return table.concat(book:lines(), "\n") .. "\n" .. table.concat(heard, "\n")
end

-- That of LuaJIT 2.1 itself does not always survive a refusal.
local function without_compiler(finally)
  if jit then
    jit.off()
    finally(jit.on)
  end
end

describe("a collection at every request for memory", function()
  it("changes nothing that a client says", function()
    without_compiler(finally)
    local plain = life()
    assert.matches("ready.*lost.*ready.*closed.*a/%+ 2", plain)
    local story
    local refused, problem = starve.pinch(function() story = life() end, 1)
    if problem then -- Lua 5.1 and LuaJIT do not ask a second time
      assert.are.equal("not enough memory", problem)
      assert.is_true(_VERSION == "Lua 5.1")
      return
    end
    assert.are.equal(plain, story)
    assert.is_true(refused > 500, refused)
  end)
end)

describe("memory that runs out in the loop", function()
  -- A loop that one failure leaves in disorder is lost for every client of the process.
  it("is the error of whoever waits, and nothing is lost", function()
    local failures, point = 0, 0
    local enough
    without_compiler(finally)
    repeat
      point = point + 1
      local world = whole.new()
      local client, book = world:client()
      local heard = 0
      client:subscribe("a/#", { qos = 1 }, function() heard = heard + 1 end)
      client:start()
      world:pass(1)
      for qos = 0, 2 do
        probe.send("a/b", "x", qos)
      end
      local _, refused, problem = starve.starve(function() holdfast.sleep(0.1) end, point)
      enough = refused == 0
      failures = failures + (problem and 1 or 0)
      world:pass(1)
      assert.are.equal(0, client:status().inbox.messages, "point " .. point)
      assert.are.equal("connecting connected ready", (book:words():gsub(" error", "")))
      local told = #book:all "error" -- of a handler that had no memory to begin
      assert.is_true(heard <= 3 and heard + told >= 3, "point " .. point)
      world:finish()
    until enough or point == 1000
    assert.is_true(point < 1000 and failures > 5, ("%d points, %d failures"):format(point, failures))
  end)

  -- Points that lie apart, or it would take minutes; from another first one each time.
  local function at_points(step, check)
    local failures, point, stride = 0, 0, 1
    local enough
    without_compiler(finally)
    repeat
      point = point + stride
      stride = stride % 7 + 1
      local world = whole.new()
      local client = world:client { inbox = { messages = 1000 } }
      local begun = step(world, client)
      local _, refused, problem = starve.starve(function() holdfast.sleep(0.1) end, point)
      enough = refused == 0
      failures = failures + (problem and 1 or 0)
      world:pass(1)
      check(begun, client, "point " .. point)
      world:finish()
    until enough or point > 5000
    assert.is_true(enough and failures > 5, ("%d points, %d failures"):format(point, failures))
  end

  for name, payload in pairs { ["alike"] = "x", ["of many sizes"] = false } do
    it("loses a reader nothing of a run of messages " .. name .. ", and tells it nothing twice", function()
      at_points(function(world, client)
        local heard = {}
        for n = 1, 200 do
          heard[n] = ""
        end
        local subscription, count = client:subscribe("a/#", { qos = 1 }), 0
        function heard.read()
          repeat
            local fine, message = pcall(subscription.receive, subscription)
            if fine and message then
              count = count + 1
              heard[count] = message.payload
            end
          until not (fine and message)
        end
        holdfast.spawn(heard.read)
        client:start()
        world:pass(1)
        for n = 1, 150 do
          probe.send(payload and "a/b" or "a/" .. n, n .. (payload or ("y"):rep(n)), payload and 1 or n % 3)
        end
        return heard
      end, function(heard, client, point)
        holdfast.spawn(heard.read) -- the first may have ended for want of memory
        holdfast.sleep(0)
        for n = 1, 150 do
          assert.are.equal(n, tonumber(heard[n]:match "^%d+"), point)
        end
        assert.are.equal("", heard[151], point)
        assert.are.equal(0, client:status().inbox.messages, point)
      end)
    end)
  end

  it("answers each of the calls whose outcomes are a row, once", function()
    at_points(function(world, client)
      local answers, problems, qos_1 = {}, {}, { qos = 1 }
      for n = 1, 100 do
        answers[n], problems[n] = 0, false
      end
      client:start()
      world:pass(1)
      probe.script { connect = "accept", hold_publishes = true }
      for n = 1, 100 do
        holdfast.spawn(function()
          local _, fine = holdfast.pcall(client.publish, client, "t", "x", qos_1)
          answers[n] = answers[n] + 1
          problems[n] = fine ~= true and fine
        end)
      end
      world:pass(0)
      assert.are.equal(100, client:status().queued.messages)
      probe.release(1)
      return { answers, problems }
    end, function(begun, client, point)
      local answers, problems = begun[1], begun[2]
      assert.are.equal(("1"):rep(100), table.concat(answers), point)
      for n = 1, 100 do
        assert.is_truthy(not problems[n] or tostring(problems[n]):match "memory", problems[n])
      end
      assert.are.equal(0, client:status().queued.messages, point)
    end)
  end)
end)
