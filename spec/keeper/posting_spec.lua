-- Messages that are posted in a row cross to the keeper together, and yet one by one.
local process = require "process_probe"
local virtual = require "spec.support.virtual"
local core, probe = virtual.core, virtual.probe

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

  it("leave nothing of those that are over with the one that stays", function()
    if os.getenv "HOLDFAST_SANITIZE" then
      pending "a sanitizer's allocator is another"
      return
    end
    local client = { handle = world:client(), defaults = {} }
    local post = core.poster(error)
    local function stay(count)
      for _ = 1, count do
        for _ = 1, 40 do
          post(client, "a", "x", { ttl = 1 })
        end
        post(client, "a", "x")
        world:pass(1)
      end
      world:told(client.handle)
      collectgarbage()
      collectgarbage()
      return process.heap()
    end
    local before = stay(50)
    local each = (stay(200) - before) / 200
    assert.equal(250, client.handle:status().queued.messages)
    assert.is_true(each > 100 and each < 1000, each)
  end)
end)
