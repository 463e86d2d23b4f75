-- The short way of publish leads past nobody who stands in line for room, and not into a wait for an answer that is the
-- caller's to give.
local holdfast = require "holdfast"

local NOWHERE = "mqtt://127.0.0.1:1"

describe("the short way of publish", function()
  it("leads past no one in the moment between room and those who wait for it", function()
    local one, other
    holdfast.run(function()
      local client = holdfast.new { server = NOWHERE, queue = { messages = 1 } }
      client:start()
      assert(client:post("t", "first", { ttl = 0.3 }))
      holdfast.spawn(function() other = { client:publish("t", "second") } end)
      while client.line.last == 0 do holdfast.sleep(0) end
      while client:status().queued.messages > 0 do end -- the mail that there is room is not taken meanwhile
      one = { client:publish("t", "third", { timeout = 0.05 }) }
      client:close(0)
      while not other do holdfast.sleep(0.001) end
    end)
    assert.same({ nil, "no room in the queue within 0.05 s", "timeout", "withdrawn" }, one)
    assert.equal("closed", other[3])
  end)

  it("is open again once nobody stands in line", function()
    holdfast.run(function()
      local client = holdfast.new { server = NOWHERE, queue = { messages = 1 } }
      assert(client:post("t", "first", { ttl = 0.02 }))
      assert.equal("expired", select(3, client:publish("t", "second", { ttl = 0.02 })))
      for _ = 1, 3 do
        assert.equal("timeout", select(3, client:publish("t", "third", { timeout = 0.001 })))
        assert.is_nil(next(client.outcomes))
      end
      client:close(0)
    end)
  end)

  for _, way in ipairs { "credentials", "auth" } do
    it("does not wait in the function of " .. way, function()
      local code, queued
      holdfast.run(function()
        local client
        local function ask()
          code = select(3, client:publish("t", "x", { timeout = 0.05 }))
          queued = client:status().queued.messages
          return "name"
        end
        client = holdfast.new { server = NOWHERE, transport = "native",
          credentials = way == "credentials" and ask or nil,
          auth = way == "auth" and { method = "m", start = ask, continue = ask } or nil }
        client:start()
        while not queued do holdfast.sleep(0.001) end
        client:close(0)
      end)
      assert.same({ "credentials", 0 }, { code, queued })
    end)
  end
end)
