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
end)
