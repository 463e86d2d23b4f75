-- Several servers: one an attempt, the next by class, back to the first after a connection.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("several servers", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  local function client_of(...)
    local servers = {}
    for i = 1, select("#", ...) do
      servers[i] = virtual.server((select(i, ...)))
    end
    return world:client { servers = servers }
  end

  local function opened()
    local hosts = {}
    for i, line in ipairs(world:asked "open") do
      hosts[i] = line:match "^open (%S+):"
    end
    return hosts
  end

  it("are tried in turn while none answers", function()
    local client = client_of("a", "b", "c")
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(4.5)
    assert.same({ "a", "b", "c", "a", "b" }, opened())
    assert.same({
      "0 connecting 1", "1 connecting 2 at b", "2 connecting 3 at c", "3 connecting 4", "4 connecting 5 at b",
    }, world:told(client, "connecting"))
    assert.equal("c", client:status().server) -- of the next attempt
    local history = client:history()
    assert.same({ "a", "b", "c" }, { history[1].server, history[2].server, history[3].server })
  end)

  it("are left for another one when they are silent", function()
    local client = client_of("a", "b")
    probe.script { connect = "silent" }
    client:start()
    world:pass(12)
    assert.same({ "a", "b" }, opened())
  end)

  it("begin with the first again after a connection elsewhere was lost", function()
    local client = client_of("a", "b")
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(0.5)
    probe.script { connect = "accept" }
    world:pass(20)
    assert.equal("b", client:status().server)
    probe.drop(1, "network", 9)
    world:pass(2)
    assert.same({ "a", "b", "a" }, opened())
  end)

  it("are changed at once when the broker is going away, busy, or asks for it", function()
    for _, code in ipairs { 0x8B, 0x89, 0x9C, 0x9D } do
      local client = client_of("a", "b")
      client:start()
      world:pass(20)
      opened()
      probe.drop(1, "disconnect", code)
      world:pass(1) -- the slow wait is for the server that was left
      assert.same({ "b" }, opened(), code)
      client:close(0)
      world:turn()
    end
  end)

  it("are not changed for what every one of them would say", function()
    local client = client_of("a", "b")
    probe.script { connect = "refuse", source = "connack", code = 0x87 }
    client:start()
    world:pass(31)
    assert.same({ "a", "a" }, opened())
    assert.same({ "0 failed not_authorized 1 retry_in=30", "30 failed not_authorized 2 retry_in=30" },
      world:told(client, "failed"))
  end)

  it("that are only one make the client wait long where it would switch", function()
    local client = client_of "a"
    client:start()
    world:pass(20)
    probe.drop(1, "disconnect", 0x9C)
    world:pass(31)
    assert.same({ "20 lost use_another_server uptime=20 retry_in=30" }, world:told(client, "lost"))
    assert.same({ "a", "a" }, opened())
  end)

  it("begin with the first again at reconnect", function()
    local client = client_of("a", "b")
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(0.5)
    probe.script { connect = "accept" }
    world:pass(2)
    assert.equal("b", client:status().server)
    client:reconnect()
    world:turn()
    assert.same({ "a", "b", "a" }, opened())
  end)
end)
