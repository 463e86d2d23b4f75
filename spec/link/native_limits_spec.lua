-- What our own link does right and Paho does not: a session expiry of 32 bits, requests behind a full Receive Maximum.
local bytes = require "spec.support.bytes"
local worlds = require "spec.support.scripted_world"

local FOUR = "\255\255\255\255"

describe("our own link", function()
  local world

  after_each(function() world:finish() end)

  it("says a session expiry without end", function()
    world = worlds.new { session_expiry = 4294967295 }
    world.link:open(world.options)
    world.link:opened()
    world.link:run()
    assert.truthy(world.link:written():find("\17" .. FOUR, 1, true))
  end)

  for _, protocol in ipairs { 5, 4 } do
    it("sends SUBSCRIBE and UNSUBSCRIBE though nothing else may go out, version " .. protocol, function()
      world = worlds.new { protocol = protocol, session_expiry = 60 }
      world:connect { properties = "\33" .. bytes.two(1) }
      assert.is_true(world.link:publish(1, "a", "x", 1))
      world.link:subscribe(1, "s")
      world.link:unsubscribe(2, "t")
      world.link:run()
      local kinds = {}
      for i, words in ipairs(world:sent()) do
        kinds[i] = words:match "%l+"
      end
      assert.same({ "publish", "subscribe", "unsubscribe" }, kinds)
    end)
  end
end)
