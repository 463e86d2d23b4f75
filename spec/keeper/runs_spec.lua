-- Messages in a row for one subscription, which come out of the mailbox at once: each is what it was sent as.
local whole = require "spec.support.whole"

local probe = whole.probe

describe("a run of messages", function()
  local world, client

  before_each(function()
    world = whole.new()
    client = world:client {}
  end)

  after_each(function()
    world:finish()
  end)

  local function sent(list)
    for index, one in ipairs(list) do
      probe.send(one[1], one[2], one[3])
      list[index] = { topic = one[1], payload = one[2], qos = one[3], retain = false, duplicate = false }
    end
    world:pass(0.1)
    return list
  end

  local function alike(count, qos)
    local list = {}
    for n = 1, count do
      list[n] = { "a/b", ("x"):rep(n), qos }
    end
    return list
  end

  local unlike = { { "a/b", "1", 0 }, { "a/b", "2", 1 }, { "a/c", "3", 1 }, { "a/c", "", 2 }, { "a/b", "5", 0 } }

  local function by_reader()
    local heard = {}
    local subscription = client:subscribe("a/#", { qos = 2 })
    whole.holdfast.spawn(function()
      local next_message = subscription:messages() -- called as it is: Lua 5.1 cannot wait inside of a `for`
      local message = next_message()
      while message do
        heard[#heard + 1] = message
        message = next_message()
      end
    end)
    client:start()
    world:pass(1)
    return heard
  end

  local function by_handler()
    local heard = {}
    client:subscribe("a/#", { qos = 2 }, function(message)
      heard[#heard + 1] = message
    end)
    client:start()
    world:pass(1)
    return heard
  end

  for name, listen in pairs { reader = by_reader, handler = by_handler } do
    it("gives a " .. name .. " messages that are alike", function()
      local heard = listen()
      assert.same(sent(alike(200, 1)), heard)
      assert.equal(0, client:status().inbox.messages)
      assert.equal(tostring(heard[1]), tostring(setmetatable({ topic = "a/b", payload = "x", qos = 1 },
        getmetatable(heard[1]))))
    end)

    it("gives a " .. name .. " messages that differ by their QoS alone", function()
      local heard = listen()
      assert.same(sent { { "a/b", "1", 0 }, { "a/b", "2", 1 }, { "a/b", "3", 2 } }, heard)
    end)

    it("gives a " .. name .. " messages that are not", function()
      local heard = listen()
      local copy = {}
      for index, one in ipairs(unlike) do
        copy[index] = { one[1], one[2], one[3] }
      end
      assert.same(sent(copy), heard)
      assert.equal(0, client:status().inbox.messages)
    end)
  end

  it("goes to those who wait for one each", function()
    local heard = {}
    local subscription = client:subscribe("a/#", { qos = 1 })
    for reader = 1, 3 do
      whole.holdfast.spawn(function()
        heard[reader] = subscription:receive().payload
      end)
    end
    client:start()
    world:pass(1)
    sent { { "a", "1", 1 }, { "a", "2", 1 }, { "a", "3", 1 } }
    assert.same({ "1", "2", "3" }, heard)
  end)

  it("ends where its subscription is removed", function()
    local heard = {}
    local subscription
    subscription = client:subscribe("a/#", { qos = 1 }, function(message)
      heard[#heard + 1] = message.payload
      if message.payload == "2" then
        subscription:remove()
      end
    end)
    client:start()
    world:pass(1)
    sent { { "a", "1", 1 }, { "a", "2", 1 }, { "a", "3", 1 }, { "a", "4", 1 } }
    assert.same({ "1", "2" }, heard)
    assert.equal(0, client:status().inbox.messages)
  end)
end)
