-- A service whose servers a name server has: which of them each attempt goes to.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("the servers of a service", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  local function start(changes)
    local client = world:client(changes or { servers = { { host = "a", port = 0, text = "a", service = true } } })
    client:start()
    return client
  end

  local function opened()
    local list = {}
    for i, line in ipairs(world:asked "open") do
      list[i] = line:match "place=(%S+)" .. line:match "^open %a+(%S+)"
    end
    return list
  end

  local function refuse()
    probe.script { connect = "refuse", source = "network", code = 2 }
  end

  it("are tried one an attempt, the next where one fails, and from the first again at the next outage", function()
    probe.script { service = "1 0 1885 c 100, 0 0 1884 b 100, 2 0 1886 d 100" }
    refuse()
    start()
    world:pass(0.5)
    probe.script { connect = "accept" }
    world:pass(1)
    probe.drop(1, "network", 6)
    world:pass(1)
    assert.same({ "b:1884", "c:1885", "b:1884" }, opened())
    assert.equal(1, probe.services())
  end)

  it("begin anew after the last of them", function()
    probe.script { service = "0 0 1884 b 100, 1 0 1885 c 100" }
    refuse()
    start()
    world:pass(3.5)
    assert.same({ "b:1884", "c:1885", "b:1884", "c:1885" }, opened())
  end)

  it("are asked for again when their time is over, and who has been tried is not tried before the others", function()
    probe.script { service = "0 0 1884 b 0, 1 0 1885 c 0" } -- as old as their answer is
    refuse()
    start()
    world:pass(0.5)
    probe.script { service = "0 0 1884 b 0, 1 0 1885 c 0, 1 0 1886 d 0" }
    world:pass(3)
    local tried = opened()
    table.sort(tried, function(one, other) return one < other end)
    assert.same({ "b:1884", "b:1884", "c:1885", "d:1886" }, tried)
    assert.equal(4, probe.services())
  end)

  it("have names that are looked up, and the phase is that of names until then", function()
    probe.script { service = "0 0 1884 b 100", names = "fail" }
    local client = start()
    world:turn()
    assert.same({}, opened())
    local failed = world:newest_of(client, "event")
    assert.same({ "failed", "name_not_found", "dns" }, { failed[1], failed[2].reason.name, client:history()[1].phase })
    assert.matches("b$", failed[2].reason.text)
  end)

  it("that nobody knows fail the attempt, and the reason says whose they are", function()
    probe.script { service = "" }
    local client = start()
    world:turn()
    local failed = world:newest_of(client, "event")
    assert.same({ "failed", "name_not_found" }, { failed[1], failed[2].reason.name })
    assert.matches("the name of a$", failed[2].reason.text)
  end)

  it("of two services do not get into each other's way", function()
    probe.script { service = "0 0 1884 b 100, 1 0 1885 c 100" }
    refuse()
    start { servers = { { host = "a", port = 0, text = "a", service = true },
      { host = "z", port = 0, text = "z", service = true } } }
    world:pass(3.5)
    assert.same({ "b:1884", "b:1884", "c:1885", "c:1885" }, opened())
    assert.equal(2, probe.services())
  end)
end)
