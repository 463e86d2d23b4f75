-- A strategy of the user's: it is asked after every failure, and the built-in delay runs meanwhile.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("a delay", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  -- A client whose first attempt has just failed, with 4 s to wait.
  local function failed(changes)
    local settings = { ask_delay = true, backoff = virtual.constant(4000) }
    for key, value in pairs(changes or {}) do
      settings[key] = value
    end
    local client = world:client(settings)
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:turn()
    return client, world:newest_of(client, "delay") and world:newest_of(client, "delay")[1]
  end

  local function attempts(client)
    return world:told(client, "connecting")
  end

  it("is asked for before the failure is told", function()
    local client = failed()
    assert.same({ "0 connecting 1", "0 delay connection_refused 4000", "0 failed connection_refused 1 retry_in=4" },
      world:told(client))
    local failure = world:newest_of(client, "delay")[2]
    assert.same({ "connection_refused", 1, "a", 4 },
      { failure.reason.name, failure.attempt, failure.server, failure.retry_in })
    assert.is_nil(failure.uptime)
  end)

  it("is asked for after a loss too", function()
    local client = world:client { ask_delay = true }
    client:start()
    world:pass(7)
    probe.drop(1, "network", 9)
    world:turn()
    assert.equal(7, world:newest_of(client, "delay")[2].uptime)
    assert.same({ "7 delay connection_lost 1000", "7 lost connection_lost uptime=7 retry_in=1" },
      world:told(client, "delay", "lost"))
  end)

  it("that nobody answers is the built-in one", function()
    local client, ticket = failed()
    client:delay(ticket, nil)
    world:pass(4)
    assert.same({ "0 connecting 1", "4 connecting 2" }, attempts(client))
  end)

  it("may be shorter", function()
    local client, ticket = failed()
    client:delay(ticket, 300)
    world:pass(1)
    assert.same({ "0 connecting 1", "0.3 connecting 2" }, attempts(client))
  end)

  it("may be longer", function()
    local client, ticket = failed()
    client:delay(ticket, 9000)
    world:pass(9)
    assert.same({ "0 connecting 1", "9 connecting 2" }, attempts(client))
  end)

  it("may be nothing", function()
    local client, ticket = failed()
    probe.script { connect = "accept" }
    client:delay(ticket, 0)
    world:turn()
    assert.same({ "0 connecting 1", "0 connecting 2" }, attempts(client))
  end)

  it("is counted from the failure, however late the answer", function()
    local client, ticket = failed()
    world:pass(3)
    client:delay(ticket, 5000)
    world:pass(3)
    assert.same({ "0 connecting 1", "5 connecting 2" }, attempts(client))
  end)

  it("that is over already ends at once", function()
    local client, ticket = failed()
    world:pass(3)
    client:delay(ticket, 1000)
    world:pass(0.5)
    assert.same({ "0 connecting 1", "3 connecting 2" }, attempts(client))
  end)

  it("that comes after the built-in one is not used", function()
    local client, ticket = failed()
    world:pass(5) -- the second attempt has failed at 4
    client:delay(ticket, 60000)
    client:delay(ticket, false)
    world:pass(4)
    assert.same({ "0 connecting 1", "4 connecting 2", "8 connecting 3" }, attempts(client))
  end)

  it("that comes during the next attempt is not used", function()
    local client, ticket = failed()
    probe.script { connect = "silent" }
    world:pass(5)
    client:delay(ticket, 60000)
    client:delay(ticket, false)
    world:pass(10)
    assert.same({ "0 connecting 1", "0 failed connection_refused 1 retry_in=4", "4 connecting 2",
      "14 failed connect_timeout 2 retry_in=4" }, world:told(client, "connecting", "failed", "sleeping"))
  end)

  it("may be given twice", function()
    local client, ticket = failed()
    client:delay(ticket, 60000)
    world:pass(1)
    client:delay(ticket, 2000)
    world:pass(2)
    assert.same({ "0 connecting 1", "2 connecting 2" }, attempts(client))
  end)

  it("may be refused: the client sleeps until it is woken", function()
    local client, ticket = failed { sleep_for = 5000 }
    world:pass(1)
    client:delay(ticket, false)
    world:pass(3600)
    assert.same({ "0 connecting 1" }, attempts(client))
    assert.equal("sleeping", client:status().state)
    probe.script { connect = "accept" }
    client:wake()
    world:turn()
    assert.equal("connected", client:status().state)
  end)

  it("that is refused says so", function()
    local client, ticket = failed()
    world:told(client)
    client:delay(ticket, false)
    world:turn()
    assert.same({ "0 sleeping backoff_stopped" }, world:told(client))
  end)

  it("is shown as it is in force", function()
    local client, ticket = failed()
    assert.equal(4, client:history()[1].delay)
    assert.equal(4, client:status().retry_in)
    world:pass(1)
    client:delay(ticket, 9000)
    world:turn()
    assert.equal(9, client:history()[1].delay)
    assert.equal(8, client:status().retry_in)
    client:delay(ticket, false)
    world:turn()
    assert.is_nil(client:history()[1].delay)
    assert.is_nil(client:status().retry_in)
  end)

  it("that a hint has cut short is shown as it is in force", function()
    local client = world:client {
      backoff = { strategy = "exponential", jitter = "none", min = 1000, max = 60000, factor = 10 },
    }
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(15) -- 1 s, then 10 s, then 60 s
    assert.equal(60, client:history()[3].delay)
    client:network_changed()
    world:turn()
    assert.equal(5, client:history()[3].delay) -- since 11, until 16
    assert.equal(1, client:status().retry_in)
    world:pass(1)
    assert.equal(16, world:now())
    assert.equal(4, #attempts(client))
  end)

  it("is not asked for when no attempt follows", function()
    local client = failed { max_attempts = 1 }
    assert.same({}, world:told(client, "delay"))
    local other = world:client { ask_delay = true }
    probe.script { source = "connack", code = 0x8A }
    other:start()
    world:turn()
    assert.same({}, world:told(other, "delay"))
  end)

  it("is not asked for by a client without a strategy", function()
    local client = failed { ask_delay = false }
    assert.same({}, world:told(client, "delay"))
  end)
end)
