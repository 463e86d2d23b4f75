-- A DISCONNECT does not say which message it was for: the one that is in flight twice is held back, the rest arrives.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

local TOO_LARGE, INVALID, UNSPECIFIED = 0x95, 0x90, 0x80

describe("a message that ends connections", function()
  local world, client

  before_each(function()
    world = virtual.new()
    client = world:client()
    client:start()
    world:pass(0)
    probe.script { hold_publishes = true }
  end)

  after_each(function()
    world:finish()
  end)

  local function post(count)
    local ids = {}
    for index = 1, count do
      ids[index] = assert(client:post("t", tostring(index), 1, false, nil, true))
    end
    world:pass(0)
    return ids
  end

  local function published()
    local payloads = {}
    for _, line in ipairs(world:asked "publish") do
      payloads[#payloads + 1] = line:match "id=(%d+)"
    end
    return table.concat(payloads, " ")
  end

  it("is found among those in flight with it, and they are not blamed", function()
    local ids = post(4)
    assert.are.equal("1 2 3 4", published())
    probe.drop(1, "disconnect", TOO_LARGE)
    world:pass(1)
    assert.are.equal("1", published(), "suspects go one at a time")
    probe.release(1)
    probe.script { hold_publishes = true }
    world:pass(0)
    assert.are.equal("2", published())
    probe.drop(1, "disconnect", TOO_LARGE) -- it was number two
    probe.script { hold_publishes = false }
    world:pass(1)
    assert.are.equal("3 4", published())
    local outcomes = world:told(client, "delivered", "dropped")
    assert.are.equal(4, #outcomes)
    assert.are.same({ "1 dropped " .. ids[2] .. " disconnected packet_too_large" },
      (function()
        local dropped = {}
        for _, line in ipairs(outcomes) do
          dropped[#dropped + 1] = line:match "^.* dropped .*$"
        end
        return dropped
      end)())
  end)

  it("is given a second chance: one such disconnect costs nothing", function()
    post(1)
    probe.drop(1, "disconnect", INVALID)
    probe.script { hold_publishes = false }
    world:pass(1)
    assert.are.equal("1 1", published())
    assert.are.same({ "1 delivered 1" }, world:told(client, "delivered", "dropped"))
  end)

  it("is not looked for when the broker had another reason", function()
    post(3)
    for _ = 1, 3 do
      probe.drop(1, "disconnect", UNSPECIFIED)
      world:pass(1)
    end
    assert.are.equal("1 2 3 1 2 3 1 2 3 1 2 3", published())
  end)

  it("lets those wait that were posted after it, until it is known", function()
    post(1)
    probe.drop(1, "disconnect", TOO_LARGE)
    world:pass(1)
    world:asked()
    post(2)
    assert.are.equal("", published())
    probe.release(1)
    world:pass(0)
    assert.are.equal("2 3", published())
  end)
end)
