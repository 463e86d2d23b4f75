-- The look-up of a name, as one more thing that an attempt waits for.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("a name", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  local function opened()
    local hosts = {}
    for i, line in ipairs(world:asked "open") do
      hosts[i] = line:match "^open (%S+)"
    end
    return hosts
  end

  it("is looked up before every attempt, and its addresses take turns", function()
    local client = world:client()
    probe.script { names = "answer", connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(2)
    assert.same({ "10.0.0.1:1883", "10.0.0.2:1883", "10.0.0.1:1883" }, opened())
  end)

  it("is not asked about when it is an address", function()
    local client = world:client { servers = { { host = "127.0.0.1", port = 1, text = "a" } } }
    probe.script { names = "refuse" }
    client:start()
    world:turn()
    assert.same({ "127.0.0.1:1" }, opened())
  end)

  it("goes to the link itself where its certificate must bear it", function()
    local client = world:client { servers = { { host = "a", port = 8883, text = "a", tls = true } } }
    probe.script { names = "answer" }
    client:start()
    world:turn()
    assert.same({ "a:8883" }, opened())
  end)

  it("that nobody knows fails the attempt", function()
    local client = world:client()
    probe.script { names = "fail" }
    client:start()
    world:pass(1)
    assert.same({ "0 connecting 1", "0 failed name_not_found 1 retry_in=30" }, world:told(client))
    assert.same({}, opened())
    assert.same("dns", client:history()[1].phase)
  end)

  it("that cannot even be asked about fails the attempt", function()
    local client = world:client()
    probe.script { names = "refuse" }
    client:start()
    world:turn()
    assert.same({ "0 failed name_server_failing 1 retry_in=1" }, world:told(client, "failed"))
  end)

  it("is waited for until connect_timeout, and a late answer is not used", function()
    local client = world:client()
    probe.script { names = "hold" }
    client:start()
    world:pass(10.5)
    assert.same({ "10 failed connect_timeout 1 retry_in=1" }, world:told(client, "failed"))
    probe.resolved()
    world:turn()
    assert.same({}, opened())
    world:pass(1) -- the second attempt has asked on its own
    probe.resolved()
    world:turn()
    assert.same({ "10.0.0.1:1883" }, opened())
  end)

  it("of an older attempt is not used for the next", function()
    local client = world:client { connect_timeout = 1000 }
    probe.script { names = "hold_fail" }
    client:start()
    world:pass(1.5)
    probe.script { names = "hold" }
    world:pass(1) -- the second attempt began at 2
    probe.resolved() -- the failure of the first comes first
    world:turn()
    assert.same({ "10.0.0.1:1883" }, opened())
    assert.same({ "1 failed connect_timeout 1 retry_in=1" }, world:told(client, "failed"))
  end)

  it("is looked up after the credentials, which are gone with the attempt when it fails", function()
    probe.script { names = "fail" }
    do
      local client = world:client { ask_credentials = true }
      client:start()
      world:turn()
      assert.same({ "0 connecting 1", "0 credentials 1" }, world:told(client))
      client:credentials(world:newest_of(client, "credentials")[1], "u", "p")
      world:pass(30)
      assert.same({ "0 failed name_not_found 1 retry_in=30", "30 connecting 2", "30 credentials 2" },
        world:told(client))
      client:credentials(world:newest_of(client, "credentials")[1], "u", "p")
      world:pass(1)
      assert.same({}, opened())
      world:forget(client)
    end
    collectgarbage() -- in the wait: an address sanitizer would find them
    collectgarbage()
    world:turn()
  end)

  it("that is answered after close opens nothing", function()
    local client = world:client()
    probe.script { names = "hold" }
    client:start()
    world:turn()
    client:close(0)
    world:turn()
    probe.resolved()
    world:pass(3600)
    assert.same({}, opened())
    assert.same({ "0 closed" }, world:told(client, "closed"))
  end)
end)
