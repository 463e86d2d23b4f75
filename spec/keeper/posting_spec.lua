-- Messages that are posted in a row cross to the keeper together, and yet one by one.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("posts in a row", function()
  local POSTS = 4000
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  it("are taken once, in their order and in that of what else is asked for, while more are added", function()
    local together = 0
    for _ = 1, 50 do -- until the threads have met
      local client = world:client { queue = { messages = 1000, bytes = 1000000 } }
      local fine, astray, mails, shared = probe.post_race(client, POSTS)
      assert.same({ POSTS, 0, POSTS }, { fine, astray, mails + shared })
      together = together + shared
      if together > 200 then
        break
      end
    end
    assert.is_true(together > 0)
  end)
end)
