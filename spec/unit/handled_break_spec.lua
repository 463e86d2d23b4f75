-- Messages that are acknowledged when they have been handled, and a loop that ends by break, on a virtual clock.
local fake_core = require "spec.support.fake_core"

describe("acknowledge = handled", function()
  local core, holdfast, client

  before_each(function()
    core, holdfast = fake_core.install()
    holdfast.log(function() end)
    client = holdfast.new { server = "mqtt://localhost", transport = "native", acknowledge = "handled" }
  end)

  after_each(fake_core.remove)

  local function arrive(payload)
    core:message(core.clients[core.made].number, "t", payload, 1).qos = 1
  end

  local function unacknowledged()
    local count = 0
    for _ in pairs(core.receipts) do
      count = count + 1
    end
    return count
  end

  it("by a reader whose loop was left by break is done with when that is said, though it has been collected", function()
    local subscription = client:subscribe "t"
    local function read(payload)
      for message in subscription:messages() do
        if message.payload == payload then
          break
        end
      end
      collectgarbage()
      collectgarbage()
    end
    arrive "a"
    arrive "b"
    read "a"
    subscription:leave()
    holdfast.sleep(0)
    assert.equal(1, unacknowledged())
    holdfast.run(function()
      read "b"
      subscription:leave()
    end)
    assert.is_nil(subscription:receive(0))
    assert.equal(0, unacknowledged())
  end)

  for how, ordered in pairs { ["in order"] = true, ["beside others"] = false } do
    it("by a handler that throws: its message is parked though parking it is interrupted, " .. how, function()
      local events, parked = require "holdfast.events", 0
      client:on("parked", function() parked = parked + 1 end)
      client:subscribe("t", { ordered = ordered, handle_attempts = 1 }, function() error "no" end)
      local words_of = events.words_of
      function events.words_of()
        events.words_of = words_of
        error("interrupted", 0)
      end
      core:message(core.clients[core.made].number, "t", "a", 1).qos = 1
      for _ = 1, 3 do
        pcall(holdfast.sleep, 0)
      end
      assert.equal(words_of, events.words_of)
      assert.equal(1, parked)
      assert.is_nil(next(core.receipts))
    end)
  end
end)
