-- A broker that sends its clients elsewhere: followed within the user's bounds, reported in any case.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

local unpack = table.unpack or unpack -- luacheck: globals unpack

local ANOTHER, MOVED = 0x9C, 0x9D
local REFUSED = 2 -- hf_network_code

describe("a server reference", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  local function client(changes)
    local settings = { redirect_allow = { "b.example", "*.c.example" }, redirect_hops = 3 }
    for key, value in pairs(changes or {}) do
      settings[key] = value
    end
    local made = world:client(settings)
    made:start()
    world:pass(0)
    world:asked()
    return made
  end

  local function opened()
    local hosts = {}
    for _, line in ipairs(world:asked "open") do
      hosts[#hosts + 1] = line:match "^open (%S+)"
    end
    return table.concat(hosts, " ")
  end

  -- The connection ends with a code and a reference; what is asked for within the next two seconds.
  local function sent(code, reference)
    probe.script { server_reference = reference }
    probe.drop(1, "disconnect", code)
    probe.script { server_reference = false }
    world:pass(2)
    return opened()
  end

  it("is followed when its host is on the list, after the usual wait and not the slow one", function()
    client()
    assert.are.equal("b.example:1884", sent(ANOTHER, "b.example:1884"))
    assert.are.equal("x.c.example:1883", sent(ANOTHER, "x.c.example"))
    assert.are.equal("B.EXAMPLE:1883", sent(MOVED, "B.EXAMPLE"))
  end)

  it("is one of several: the first that is allowed", function()
    client()
    assert.are.equal("y.c.example:1885", sent(ANOTHER, "evil.example:1 c.example y.c.example:1885 b.example"))
  end)

  it("is reported and not followed when it is not allowed", function()
    for _, reference in ipairs { "evil.example", "c.example", "xb.example", "b.example.evil", "b.example:99999", "" } do
      local made = client()
      assert.are.equal("", sent(ANOTHER, reference), reference)
      local name, event = unpack(world:newest_of(made, "event"), 1, 2)
      assert.are.equal("lost", name)
      assert.are.equal(reference, event.server_reference)
      assert.is_false(event.followed)
      assert.are.equal("slow", event.reason.class)
      made:close()
      world:pass(0)
      world:asked()
    end
  end)

  it("is not followed without a list, nor with another code", function()
    local made = client { redirect_allow = false, redirect_hops = 0 }
    assert.are.equal("", sent(ANOTHER, "b.example"))
    made:close()
    world:pass(0)
    world:asked()
    client()
    assert.are.equal("a:1883", sent(0x80, "b.example"))
  end)

  it("is followed so often in a row, and again after a stable connection", function()
    client()
    assert.are.equal("b.example:1883", sent(ANOTHER, "b.example"))
    assert.are.equal("x.c.example:1883", sent(ANOTHER, "x.c.example"))
    assert.are.equal("b.example:1883", sent(ANOTHER, "b.example"))
    assert.are.equal("", sent(ANOTHER, "x.c.example"))
    world:pass(60) -- the slow wait, then 10 s of a connection
    assert.are.equal("a:1883", opened())
    assert.are.equal("x.c.example:1883", sent(ANOTHER, "x.c.example"))
  end)

  it("holds for one connection when it is temporary", function()
    client()
    assert.are.equal("b.example:1883", sent(ANOTHER, "b.example"))
    probe.drop(1, "network", 9)
    world:pass(2)
    assert.are.equal("a:1883", opened())
    sent(ANOTHER, "b.example")
    probe.script { connect = "refuse", source = "network", code = REFUSED }
    probe.drop(1, "disconnect", 0x80)
    world:pass(1.5)
    assert.are.equal("a:1883", opened())
  end)

  it("that fails once is left for the list", function()
    client()
    probe.script { connect = "refuse", source = "network", code = REFUSED }
    assert.are.equal("b.example:1883 a:1883", sent(ANOTHER, "b.example"))
  end)

  it("holds for good when the server has moved, with the old address as the way back", function()
    local made = client()
    assert.are.equal("b.example:1883", sent(MOVED, "b.example"))
    assert.are.equal("mqtt://b.example", made:status().server)
    probe.drop(1, "network", 9)
    world:pass(1)
    assert.are.equal("b.example:1883", opened())
    probe.script { connect = "refuse", source = "network", code = REFUSED }
    probe.drop(1, "network", 9)
    world:pass(4.5)
    assert.are.equal("b.example:1883 a:1883 b.example:1883 a:1883", opened())
  end)

  it("that takes the place of one server leaves the others of the list alone", function()
    client { servers = { virtual.server "a", virtual.server "z" } }
    assert.are.equal("b.example:1883", sent(MOVED, "b.example"))
    probe.script { connect = "refuse", source = "network", code = REFUSED }
    probe.drop(1, "network", 9)
    world:pass(4.5)
    assert.are.equal("b.example:1883 z:1883 a:1883 z:1883", opened())
  end)

  it("keeps what the user said of TLS", function()
    local server = virtual.server "a"
    server.tls = true
    local made = client { servers = { server } }
    assert.are.equal("b.example:8883", sent(ANOTHER, "b.example"))
    assert.are.equal("mqtts://b.example", made:status().server)
  end)

  it("is told in the history, too", function()
    local made = client()
    sent(ANOTHER, "b.example:1884")
    local history = made:history()
    assert.are.equal("mqtt://b.example:1884", history[#history].server)
    assert.are.equal("use_another_server", history[#history - 1].name)
  end)
end)
