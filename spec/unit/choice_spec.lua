-- Which loop a Lua state waits on: named, recognised, taken for want of another, refused.
local fake_core = require "spec.support.fake_core"

local LIBRARIES = { "ngx", "cqueues", "cqueues.condition", "copas", "luv" }

describe("the loop of a Lua state", function()
  local core, holdfast, real

  before_each(function()
    core, holdfast = fake_core.install()
    real = {}
    for _, name in ipairs(LIBRARIES) do
      real[name] = package.loaded[name]
      package.loaded[name] = nil
    end
  end)

  after_each(function()
    for _, name in ipairs(LIBRARIES) do
      package.loaded[name] = real[name]
    end
    fake_core.remove()
  end)

  local function caught(fn, ...)
    local fine, err = pcall(fn, ...)
    assert.is_false(fine)
    return err
  end

  -- A loop that writes down what it is asked for.
  local function diary()
    local log = {}
    local loop = { log = log }
    for _, name in ipairs { "park", "unpark", "start", "attend" } do
      loop[name] = function(...)
        log[#log + 1] = { name, ... }
      end
    end
    return loop
  end

  local function adapter(name)
    local loop = diary()
    package.loaded["holdfast.loop." .. name] = loop
    return loop
  end

  it("is the one that runs when the first client is made", function()
    local libraries = {
      openresty = { "ngx", { get_phase = print } },
      cqueues = { "cqueues", { running = function() return "a controller" end } },
      copas = { "copas", { running = true } },
      luv = { "luv", { loop_mode = function() return "default" end } },
    }
    for name, library in pairs(libraries) do
      core, holdfast = fake_core.install()
      package.loaded[library[1]] = library[2]
      local loop = adapter(name)
      holdfast.new { server = "localhost" }
      assert.equal("attend", loop.log[1][1])
      assert.equal(core.box, loop.log[1][2])
      package.loaded[library[1]] = nil
    end
  end)

  it("is none of those that do not run", function()
    package.loaded.cqueues = { running = function() end }
    package.loaded.copas = { running = false }
    package.loaded.luv = { loop_mode = function() end }
    holdfast.new { server = "localhost" }
    holdfast.sleep(1)
    assert.equal(1, core.clock)
  end)

  it("is not chosen before somebody waits, if none runs, and is told then what went before", function()
    local client = holdfast.new { server = "localhost" }
    client:start()
    client:subscribe("a"):messages()
    local loop = adapter "cqueues"
    function loop.hold(object)
      loop.log[#loop.log + 1] = { "hold", object }
    end
    package.loaded.cqueues = { running = function() return "a controller" end }
    holdfast.sleep(1)
    assert.same({ "attend", "hold", "park" }, { loop.log[1][1], loop.log[2][1], loop.log[3][1] })
    assert.equal(client, loop.log[2][2])
    assert.same({ {}, 1 }, { loop.log[3][2], loop.log[3][3] })
  end)

  it("does not hear of a client that has gone before it was chosen", function()
    local client = holdfast.new { server = "localhost" }
    require("holdfast.loop").hold(client)
    require("holdfast.loop").release(client)
    local loop = diary()
    function loop.hold()
      error "held"
    end
    holdfast.new { server = "localhost", loop = loop }
  end)

  it("is the one that is named, as often as it is named", function()
    local loop = adapter "luv"
    holdfast.new { server = "localhost", loop = "luv" }
    holdfast.new { server = "localhost", loop = "luv" }
    holdfast.new { server = "localhost" }
    assert.equal(1, #loop.log)
  end)

  it("cannot be another one then, at the caller's line", function()
    adapter "luv"
    holdfast.new { server = "localhost", loop = "luv" }
    assert.matches('choice_spec.lua:%d+: holdfast.new: loop must be "luv", on which this Lua state waits already, '
      .. 'got "builtin"', caught(function()
      holdfast.new { server = "localhost", loop = "builtin" }
    end))
    assert.matches('got a table', caught(holdfast.new, { server = "localhost", loop = diary() }))
  end)

  it("cannot be named wrongly", function()
    assert.matches('loop must be "builtin", .- or "openresty", got "libuv"',
      caught(holdfast.new, { server = "localhost", loop = "libuv" }))
    assert.matches('did you mean "cqueues"', caught(holdfast.new, { server = "localhost", loop = "cqueue" }))
    assert.matches("loop must have a function start, got nothing",
      caught(holdfast.new, { server = "localhost", loop = { park = print, unpark = print, attend = print } }))
    assert.matches("got 7", caught(holdfast.new, { server = "localhost", loop = 7 }))
  end)

  it("can be a table with four functions, and has the rest by default", function()
    local loop, heard = diary(), {}
    holdfast.log(function(level, words)
      heard[#heard + 1] = level .. " " .. words
    end)
    function loop.start(finish, owner, item, fn, a, b, c)
      fn(a, b, c)
      finish(owner, item, "an error", "its traceback")
    end
    local park = loop.park
    function loop.park(waiter, seconds)
      park(waiter, seconds)
      waiter.done, waiter.timed_out = true, true
    end
    local client = holdfast.new { server = "localhost", loop = loop }
    client:start()
    local arguments
    holdfast.spawn(function(...)
      arguments = { n = select("#", ...), ... }
    end, 1, nil, 3, nil)
    assert.same({ n = 4, 1, nil, 3, nil }, arguments)
    assert.same({ "error error in a spawned coroutine: its traceback" }, heard)
    assert.matches("choice_spec.lua:%d+: run: this Lua state waits on a loop of yours; run that, and start coroutines "
      .. "with holdfast.spawn", caught(function()
      holdfast.run(print)
    end))
    assert.is_nil(client:timeout())
    assert.is_false(client:dirty())
    client:subscribe("a"):receive(5)
    assert.same({ "park", 5 }, { loop.log[2][1], loop.log[2][3] })
  end)

  it("settles at once what comes up in a loop that does not say when", function()
    local loop = diary()
    function loop.start(finish, owner, item, fn, a, b, c)
      fn(a, b, c)
      finish(owner, item)
    end
    local client = holdfast.new { server = "localhost", loop = loop }
    local subscription = client:subscribe("a", function() end)
    core:mail("message", 1, { topic = "a", payload = "1" }, subscription.wish)
    loop.log[1][3](10)
    assert.equal(1, core.clients[1].messages_consumed)
  end)

  it("is refused when its library is missing or too old", function()
    local function try(name, library)
      core, holdfast = fake_core.install()
      package.loaded[name] = library
      return caught(holdfast.new, { server = "localhost", loop = name })
    end
    package.preload.luv = function()
      error("no luv here\nand more", 0)
    end
    assert.matches('loop "luv" cannot be used: [^\n]*no luv here$', try "luv")
    package.preload.luv = nil
    assert.matches('loop "luv" cannot be used: luv 1.44.0 or later is wanted, got 1.43.9$',
      try("luv", { version_string = function() return "1.43.9" end }))
    package.loaded["cqueues.condition"] = {}
    assert.matches('loop "cqueues" cannot be used: cqueues 20161215 or later is wanted, got 20161214$',
      try("cqueues", { VERSION = 20161214 }))
    assert.matches('loop "copas" cannot be used: copas 1.1.7 or later is wanted, got Copas 1.1$',
      try("copas", { _VERSION = "Copas 1.1" }))
    assert.matches("got nil$", try("copas", {}))
  end)

  it("is the built-in one for want of another, which must not hold up one that runs", function()
    holdfast.sleep(1)
    package.loaded.cqueues = { running = function() return "a controller" end }
    local client = holdfast.new { server = "localhost" }
    local messages = client:subscribe "a"
    local problem = caught(messages.receive, messages, 1)
    assert.equal("receive: this Lua state waits on the built-in loop, which would hold up cqueues; say loop = "
      .. '"cqueues" in the first holdfast.new', problem)
    assert.equal(1, core.clock)
    package.loaded.cqueues = nil
    core:message(1, "a", "kept", 1)
    assert.equal("kept", messages:receive(1).payload) -- not lost to the wait that was refused
  end)

  it("is the built-in one inside another one where that is named", function()
    local client = holdfast.new { server = "localhost", loop = "builtin" }
    package.loaded.cqueues = { running = function() return "a controller" end }
    assert.equal("timeout", select(3, client:wait("ready", 2)))
    assert.equal(2, core.clock)
  end)

  it("lets the client be polled by a loop of another kind", function()
    local client = holdfast.new { server = "localhost", loop = "builtin" }
    assert.same({ 0, "r", 0 }, { client:pollfd(), client:events(), client:getfd() })
    assert.is_nil(client:timeout())
    holdfast.spawn(holdfast.sleep, 5)
    assert.equal(0, client:timeout())
    assert.is_true(client:dirty())
    holdfast.sleep(0)
    assert.equal(5, client:timeout())
    assert.is_false(client:dirty())
    core:mail("event", 1, "ready", {})
    assert.equal(0, client:timeout())
  end)
end)
