-- Credentials that are asked for before every attempt.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("credentials", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  local function asking(changes)
    local settings = { ask_credentials = true }
    for key, value in pairs(changes or {}) do
      settings[key] = value
    end
    return world:client(settings)
  end

  -- Answers every question at once: user1, user2 ...
  local function answer_all()
    local count = 0
    world:answer("credentials", function(client, ticket)
      count = count + 1
      client:credentials(ticket, "user" .. count, "secret" .. count)
    end)
  end

  it("are asked for before every attempt, the first included", function()
    local client = asking()
    answer_all()
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(1.5)
    probe.script { connect = "accept" }
    world:pass(10)
    probe.drop(1, "network", 9)
    world:pass(5)
    assert.same({
      "0 connecting 1", "0 credentials 1", "0 failed connection_refused 1 retry_in=1",
      "1 connecting 2", "1 credentials 2", "1 failed connection_refused 2 retry_in=1",
      "2 connecting 3", "2 credentials 3", "2 connected 3 downtime=2 session=false", "2 ready 0 downtime=2",
      "11.5 lost connection_lost uptime=9.5 retry_in=1",
      "12.5 connecting 4", "12.5 credentials 4", "12.5 connected 4 downtime=1 session=true", "12.5 ready 0 downtime=1",
    }, world:told(client))
    assert.same({
      "open a:1883 id=c clean=0 protocol=5 username=user1 password=secret1",
      "open a:1883 id=c clean=0 protocol=5 username=user2 password=secret2",
      "open a:1883 id=c clean=0 protocol=5 username=user3 password=secret3",
      "open a:1883 id=c clean=0 protocol=5 username=user4 password=secret4",
    }, world:asked())
  end)

  it("are waited for, and nothing is opened before", function()
    local client = asking()
    client:start()
    world:pass(7)
    assert.same({}, world:asked())
    client:credentials(world:newest_of(client, "credentials")[1], "u", "p")
    world:turn()
    assert.same({
      "0 connecting 1", "0 credentials 1", "7 connected 1 downtime=7 session=false", "7 ready 0 downtime=7",
    }, world:told(client))
  end)

  it("may be a name only, a password only, empty, or absent", function()
    local client = asking()
    local given = { { "u", nil }, { nil, "p" }, { "", "" }, { nil, nil } }
    local count = 0
    world:answer("credentials", function(_, ticket)
      count = count + 1
      client:credentials(ticket, given[count][1], given[count][2])
    end)
    client:start()
    for _ = 1, #given - 1 do
      world:pass(1)
      client:reconnect()
    end
    world:pass(1)
    assert.same({
      "open a:1883 id=c clean=0 protocol=5 username=u",
      "open a:1883 id=c clean=0 protocol=5 password=p",
      "open a:1883 id=c clean=0 protocol=5 username= password=",
      "open a:1883 id=c clean=0 protocol=5",
    }, world:asked "open")
  end)

  it("that come too late are not used", function()
    local client = asking()
    client:start()
    world:pass(1)
    local first = world:newest_of(client, "credentials")[1]
    world:pass(45) -- given up at 10, asked again at 40
    assert.are_not.equal(first, world:newest_of(client, "credentials")[1])
    client:credentials(first, "old", "old")
    world:turn()
    assert.same({}, world:asked())
    client:credentials(world:newest_of(client, "credentials")[1], "new", "new")
    world:turn()
    assert.same({ "open a:1883 id=c clean=0 protocol=5 username=new password=new" }, world:asked())
  end)

  it("are taken once", function()
    local client = asking()
    probe.script { connect = "silent" }
    client:start()
    world:turn()
    local ticket = world:newest_of(client, "credentials")[1]
    client:credentials(ticket, "one", "one")
    client:credentials(ticket, "two", "two")
    client:credentials(ticket, false, "changed its mind")
    world:pass(1)
    assert.same({ "open a:1883 id=c clean=0 protocol=5 username=one password=one" }, world:asked())
    assert.same({}, world:told(client, "failed"))
  end)

  it("that cannot be had are a failure like any other", function()
    local client = asking()
    client:start()
    world:turn()
    client:credentials(world:newest_of(client, "credentials")[1], false, "no token today")
    world:pass(31)
    assert.same({ "0 connecting 1", "0 credentials 1", "0 failed credentials_failed 1 retry_in=30", "30 connecting 2",
      "30 credentials 2" }, world:told(client))
    assert.same({}, world:asked())
    assert.equal("credentials_failed", client:status().reason.name)
    assert.matches("^a function asked before the attempt %(credentials, headers, ", client:status().reason.text)
    client:credentials(world:newest_of(client, "credentials")[1], false, "no token today")
    world:turn()
    assert.equal("no token today", world:newest_of(client, "event")[2].reason.text)
  end)

  it("that never come are a failure after connect_timeout", function()
    local client = asking { connect_timeout = 4000 }
    client:start()
    world:pass(34)
    assert.same({ "0 connecting 1", "0 credentials 1", "4 failed credentials_timeout 1 retry_in=30", "34 connecting 2",
      "34 credentials 2" }, world:told(client))
    assert.same({}, world:asked())
  end)

  it("take their time from the attempt", function()
    local client = asking()
    probe.script { connect = "silent" }
    client:start()
    world:pass(8)
    client:credentials(world:newest_of(client, "credentials")[1], "u", "p")
    world:pass(5)
    assert.same({ "10 failed connect_timeout 1 retry_in=1" }, world:told(client, "failed"))
  end)

  it("of the options are sent each time, and nobody is asked", function()
    local client = world:client { username = "fixed", password = "word" }
    client:start()
    world:pass(1)
    client:credentials(1, "other", "other") -- nobody asked
    client:reconnect()
    world:pass(1)
    assert.same({}, world:told(client, "credentials"))
    local expected = "open a:1883 id=c clean=0 protocol=5 username=fixed password=word"
    assert.same({ expected, expected }, world:asked "open")
  end)

  it("are asked for only when the connection before has ended", function()
    local client = asking()
    answer_all()
    client:start()
    world:pass(1)
    probe.script { hold_close = true }
    world:told(client)
    client:reconnect()
    world:pass(1)
    assert.same({ "1 lost reconnect uptime=1", "1 connecting 1" }, world:told(client))
    probe.release(1)
    world:turn()
    assert.same({ "2 credentials 1", "2 connected 1 downtime=1 session=true", "2 ready 0 downtime=1" },
      world:told(client))
  end)
end)
