-- holdfast.limit: all clients of a process stand in one line for their attempts.
local virtual = require "spec.support.virtual"
local core, probe = virtual.core, virtual.probe

describe("the budget of attempts", function()
  local world, opens

  before_each(function()
    world = virtual.new()
    opens = 0
  end)

  after_each(function()
    core.limit(nil)
    probe.turn()
    world:finish()
  end)

  local function start(count, changes)
    local clients = {}
    for index = 1, count do
      changes = changes or {}
      changes.client_id = "c" .. index
      clients[index] = world:client(changes)
      clients[index]:start()
    end
    return clients
  end

  -- Attempts that have reached a link, so far.
  local function opened()
    for _, line in ipairs(world:asked()) do
      opens = opens + (line:find "^open " and 1 or 0)
    end
    return opens
  end

  it("lets a burst through and the rest one by one, in the order in which they came", function()
    core.limit(2, 3)
    local clients = start(7)
    world:pass(0)
    assert.are.equal(3, opened())
    for index = 4, 7 do
      local status = clients[index]:status()
      assert.are.same({ "connecting", "budget" }, { status.state, status.held_by })
    end
    world:pass(0.6)
    assert.are.equal(4, opened())
    assert.is_nil(clients[4]:status().held_by)
    assert.are.equal("budget", clients[5]:status().held_by)
    world:pass(1.5)
    assert.are.equal(7, opened())
    world:pass(60)
    assert.are.equal(7, opened())
  end)

  it("saves up no more than the burst, however long nothing is tried", function()
    core.limit(2, 3)
    start(1)
    world:pass(100)
    start(7)
    world:pass(0)
    assert.are.equal(1 + 3, opened())
    world:pass(0.6)
    assert.are.equal(1 + 3 + 1, opened())
  end)

  it("does not count the time in line against connect_timeout", function()
    core.limit(0.05, 1) -- one in 20 s, with a connect_timeout of 10 s
    probe.script { connect = "silent" }
    local clients = start(2)
    world:pass(19)
    assert.are.equal(1, opened())
    assert.are.equal("budget", clients[2]:status().held_by)
    world:pass(10.5)
    assert.are.same({ "0 connecting 1" }, world:told(clients[2]), "it has failed before its time")
    world:pass(1)
    assert.is_truthy(world:told(clients[2])[1]:find("failed connect_timeout", 1, true))
  end)

  it("gives back the place of a client that is closed in line", function()
    core.limit(1, 1)
    local clients = start(3)
    world:pass(0)
    clients[2]:close()
    world:pass(0)
    start(1)
    world:pass(2.1) -- tokens: 1, 2; the fourth client has the place of the second
    assert.are.equal(3, opened())
  end)

  it("is lifted for those who stand in line, too", function()
    core.limit(0.001, 1)
    start(4)
    world:pass(1)
    assert.are.equal(1, opened())
    core.limit(nil)
    world:pass(0)
    assert.are.equal(4, opened())
  end)
end)

-- Where processes share a budget, Lua is asked for the place; core.limit's own bound is for want of an answer.
describe("the budget that Lua shares", function()
  local world, opens

  before_each(function()
    world = virtual.new()
    opens = 0
  end)

  after_each(function()
    core.limit(nil)
    probe.turn()
    world:finish()
  end)

  local function opened()
    opens = opens + #world:asked "open"
    return opens
  end

  local function answering(answers)
    world:answer("turn", function(client, ticket)
      local answer = table.remove(answers, 1)
      if answer ~= "silent" then
        client:turn(ticket, answer ~= "unknown" and answer or nil)
      end
    end)
  end

  local function start(count)
    local clients = {}
    for index = 1, count do
      clients[index] = world:client { client_id = "c" .. index }
      clients[index]:start()
    end
    return clients
  end

  it("is asked before each attempt", function()
    core.limit(0.001, 1, true)
    answering { 0, 2500, 400 }
    local clients = start(3)
    world:pass(0)
    assert.are.equal(1, opened())
    assert.are.equal("budget", clients[2]:status().held_by)
    world:pass(0.399)
    assert.are.equal(1, opened())
    world:pass(0.001)
    assert.are.equal(2, opened())
    world:pass(2.099)
    assert.are.equal(2, opened())
    world:pass(0.001)
    assert.are.equal(3, opened())
    assert.is_nil(clients[2]:status().held_by)
  end)

  it("is replaced by the process's own when Lua does not know, or does not answer", function()
    core.limit(1, 1, true)
    answering { "unknown", "silent", "silent" }
    start(3)
    world:pass(0)
    assert.are.equal(1, opened())
    world:pass(0.999)
    assert.are.equal(1, opened())
    world:pass(0.001) -- a second without an answer, in which the process's own has saved up one
    assert.are.equal(2, opened())
    world:pass(0.999)
    assert.are.equal(2, opened())
    world:pass(0.002)
    assert.are.equal(3, opened())
  end)

  it("is not heard any more once the process's own has decided", function()
    core.limit(0.001, 1, true)
    answering { "unknown", "silent" }
    local clients = start(2)
    world:pass(1.5)
    clients[2]:turn(world:newest_of(clients[2], "turn")[1], 0)
    world:pass(5)
    assert.are.equal(1, opened())
  end)

  it("does not count the time in line against connect_timeout", function()
    core.limit(1, 1, true)
    probe.script { connect = "silent" }
    answering { 15000 }
    local clients = start(1)
    world:pass(24.9)
    assert.are.equal(1, opened())
    assert.are.same({ "0 connecting 1", "0 turn" }, world:told(clients[1]))
    world:pass(0.2)
    assert.is_truthy(world:told(clients[1])[1]:find("failed connect_timeout", 1, true))
  end)

  it("does not take the answer of one attempt for that of the next", function()
    core.limit(0.001, 1, true)
    answering { "unknown", "silent" }
    probe.script { connect = "refuse", source = "network", code = 2 }
    local clients = start(1)
    world:pass(0)
    local ticket = world:newest_of(clients[1], "turn")[1]
    world:pass(1.5) -- asked for the second attempt at 1
    assert.are_not.equal(ticket, world:newest_of(clients[1], "turn")[1])
    clients[1]:turn(ticket, 0)
    world:pass(5)
    assert.are.equal(1, opened())
  end)

  it("is not heard once the attempt is over", function()
    core.limit(1, 1, true)
    answering { "silent" }
    local clients = start(1)
    world:pass(0)
    local ticket = world:newest_of(clients[1], "turn")[1]
    clients[1]:close(0)
    world:pass(0)
    clients[1]:turn(ticket, 0)
    world:pass(5)
    assert.are.equal(0, opened())
  end)

  it("is lifted for those who have a place in it, too", function()
    core.limit(1, 1, true)
    answering { 60000, "silent" }
    start(2)
    world:pass(0.5)
    assert.are.equal(0, opened())
    core.limit(nil)
    world:pass(0)
    assert.are.equal(2, opened())
  end)

  it("is asked by those who stand in line when it begins to be shared", function()
    core.limit(0.001, 1)
    start(2)
    world:pass(1)
    assert.are.equal(1, opened())
    answering { 0 }
    core.limit(0.001, 1, true)
    world:pass(0)
    assert.are.equal(2, opened())
  end)
end)
