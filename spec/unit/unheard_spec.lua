-- Errors when nobody listens, to `error` or to the log.
local fake_core = require "spec.support.fake_core"

describe("an error that nobody listens for", function()
  local stderr, warn = io.stderr, rawget(_G, "warn")
  local core, holdfast, client, said, warned

  before_each(function()
    said, warned = {}, {}
    io.stderr = { write = function(_, ...) said[#said + 1] = table.concat { ... } end } -- luacheck: ignore 122
    rawset(_G, "warn", function(words) warned[#warned + 1] = words end)
    core, holdfast = fake_core.install()
  end)

  after_each(function()
    io.stderr = stderr -- luacheck: ignore 122
    rawset(_G, "warn", warn)
    fake_core.remove()
  end)

  local function tell_ready()
    core:mail("event", 1, "ready", { subscriptions = 0, refused = 0, downtime = 0 })
  end

  local function is_ready()
    tell_ready()
    holdfast.sleep(0)
  end

  local function fail()
    client = holdfast.new { server = "localhost" }
    client:on("ready", function()
      error "unheard"
    end)
    is_ready()
  end

  it("is printed as the interpreter would, once, and nothing else is", function()
    fail()
    assert.equal(1, #said)
    assert.matches("^holdfast: [^\n]-unheard_spec.lua:%d+: unheard\nstack traceback:\n.-\n$", said[1])
    assert.same({}, warned)
  end)

  it("is not printed for who listens and does nothing", function()
    holdfast.log(function() end)
    fail()
    holdfast.log(nil)
    client:on("error", function() end)
    is_ready()
    assert.same({}, said)
  end)

  it("may be that a call waits for what cannot happen, once", function()
    client = holdfast.new { server = "localhost" }
    for second = 1, 3 do
      core:at(second, second == 3 and tell_ready or function() end)
    end
    client:wait "ready"
    assert.same({ "holdfast: a call waits for what cannot happen: no client has been started (client:start, "
      .. "client:connect)\n" }, said)
  end)

  it("stops nothing where there is no standard error", function()
    io.stderr = nil -- luacheck: ignore 122
    fail()
    local later = 0
    client:on("ready", function() later = later + 1 end)
    is_ready()
    assert.equal(1, later)
  end)

  it("is heard without the core, which a fork does not have", function()
    core.trace = function() end
    assert.is_true(holdfast.log(function() end))
    assert.equal("forked", select(3, holdfast.log(nil, { trace = "error" })))
  end)

  it("is no warning: that goes to warn", function()
    client = holdfast.new { server = "mqtts://localhost", tls = { verify = false } }
    assert.same({}, said)
    assert.matches("^holdfast: tls.verify = false", warned[1])
  end)
end)
