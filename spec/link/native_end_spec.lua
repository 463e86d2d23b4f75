-- Leaving with our own link: close, abandon and destroy in each of its states, and a stream that takes its time.
local worlds = require "spec.support.scripted_world"

describe("our own link is left", function()
  local world, link

  before_each(function()
    world = worlds.new { session_expiry = 60 }
    link = world.link
  end)
  after_each(function() world:finish() end)

  local STATES = {
    { "before the stream has opened", function() link:open(world.options) end },
    { "before CONNACK", function()
      link:open(world.options)
      link:opened()
      link:run()
    end },
    { "while CONNECT is on its way", function()
      link:open(world.options)
      link:accept(5)
      link:opened()
      link:run()
    end },
    { "while it is up", function()
      world:connect()
      link:publish(1, "a", "x", 1)
      link:publish(2, "a", "x", 2)
      link:subscribe(1, "s")
      link:probe(2)
      world:get(world:publish(1, 1, "a", "x"))
    end, up = true },
    { "while half a packet has come and half of one has gone", function()
      world:connect()
      link:accept(3)
      link:publish(1, "a", ("x"):rep(30000), 0)
      link:publish(2, "a", "x", 1)
      world:get(world:publish(1, 1, "a", "xxxx"):sub(1, 5))
    end, up = true },
    { "while it leaves", function()
      world:connect()
      link:publish(1, "a", "x", 1)
      link:accept(0)
      link:close(0, -1, 5000)
      link:run()
    end, up = true, leaving = true },
    { "while its stream leaves", function()
      world:connect()
      link:publish(1, "a", "x", 1)
      link:close(0, -1, 5000)
      link:run()
    end, up = true, leaving = true },
  }

  local function lost_only()
    for _, words in ipairs((world:told())) do
      assert.is_truthy(words:match "^delivered %d+ lost", words)
    end
    assert.equal(0, link:lent())
  end

  for _, state in ipairs(STATES) do
    it("by abandon " .. state[1], function()
      state[2]()
      world:told()
      link:abandon()
      link:run(10000)
      lost_only()
      link:abandon()
      assert.same({ "connected again" }, world:connect { present = true })
    end)

    it("by destroy " .. state[1], function()
      state[2]()
      world:told()
      link:destroy()
      lost_only()
    end)

    it("by close " .. state[1] .. ", and told so once", function()
      state[2]()
      world:told()
      link:close(0, -1, 1000)
      link:run(10000)
      local told = world:told()
      assert.equal("closed closed", told[1]:match "^closed %l+")
      for i = 2, #told do assert.is_truthy(told[i]:match "^delivered %d+ lost") end
      assert.equal(0, link:lent())
      link:run(100000)
      assert.same({}, (world:told()))
      assert.same({ "connected again" }, world:connect { present = true })
    end)

    it("by the broker " .. state[1], function()
      state[2]()
      world:told()
      link:finish()
      link:run(10000)
      local told = world:told()
      local kind = state.leaving and "^closed closed" or state.up and "^down connection_lost" or "^failed "
      assert.is_truthy(told[1]:match(kind), told[1])
      assert.equal(0, link:lent())
      assert.same({ "connected again" }, world:connect { present = true })
    end)
  end

  it("with the stream's whole patience, less what DISCONNECT took", function()
    world:connect()
    link:accept(0)
    link:close(0, -1, 1000)
    link:run(400)
    assert.same({ "stays", 0 }, { link:stream() })
    link:accept()
    link:run()
    assert.same({ "leaves", 600 }, { link:stream() })
    assert.same({ "disconnect" }, world:sent())
    link:run(599)
    assert.same({}, (world:told()))
    link:run(1)
    assert.equal(1, #(world:told()))
  end)

  it("when DISCONNECT cannot go out in time", function()
    world:connect()
    link:accept(0)
    link:close(0, -1, 1000)
    link:run(999)
    assert.same({}, (world:told()))
    link:run(1)
    assert.same({ "closed closed: the DISCONNECT could not be sent in time" }, (world:told()))
    assert.equal("aborted", (link:stream()))
  end)

  it("and a stream that leaves on its own tells nothing to the next connection", function()
    world:connect()
    link:close(0, -1, 5000)
    link:run()
    link:abandon()
    world:connect { present = true }
    link:run(10000)
    assert.same({}, (world:told()))
    assert.same({ "left", 5000 }, { link:stream(1) })
    assert.equal("stays", (link:stream(2)))
  end)

  it("with a new session expiry, and what the session then keeps", function()
    world:connect()
    link:publish(1, "a", "x", 1)
    link:run()
    world:sent()
    link:close(4, 0, 1000)
    link:run(1000)
    assert.same({ "disconnect 0x04" }, world:sent())
    local told = world:told()
    assert.equal("delivered 1 lost", told[2])
  end)
end)
