-- A server that is asked for before each attempt.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("a server that is asked for", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  -- Answers each question with the next of these addresses, then with the last.
  local function client_of(addresses, changes)
    local client = world:client(virtual.settings(changes or {}))
    local turn = 0
    world:answer("credentials", function(asked, ticket)
      turn = turn + 1
      asked:credentials(ticket, nil, nil, nil, nil, addresses[math.min(turn, #addresses)])
    end)
    return client
  end

  local function servers(client, event)
    local list = {}
    for _, mail in ipairs(world.mails) do
      if mail.id == client:id() and mail.kind == "event" and mail[1] == event then
        list[#list + 1] = mail[2].server or "none"
      end
    end
    return list
  end

  local function opened()
    local list = {}
    for i, line in ipairs(world:asked "open") do
      list[i] = line:match "^open (%S+)"
    end
    return list
  end

  it("is another one each time, and the events, the status and the history name it", function()
    local client = client_of({ "mqtt://b:1884", "mqtts://c", "mqtt://b:1884" }, { ask_server = true })
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(1.5)
    assert.same({ "b:1884", "c:8883" }, opened())
    assert.equal("mqtts://c", client:status().server)
    probe.script { connect = "accept" }
    world:pass(1)
    assert.same({ "none", "none", "none" }, servers(client, "connecting"))
    assert.same({ "mqtt://b:1884", "mqtts://c" }, servers(client, "failed"))
    assert.same({ "mqtt://b:1884" }, servers(client, "connected"))
    local tried = {}
    for i, attempt in ipairs(client:history()) do
      tried[i] = attempt.server
    end
    assert.same({ "mqtt://b:1884", "mqtts://c", "mqtt://b:1884" }, tried)
  end)

  it("shows without its query, which may be a signature", function()
    local client = client_of({ "ws://b/mqtt?signature=S3CRET" }, { ask_server = true })
    client:start()
    world:turn()
    assert.same({ "ws://b/mqtt" }, servers(client, "connected"))
    assert.equal("ws://b/mqtt", client:history()[1].server)
  end)

  it("is forgotten where nobody names one, and that is why the attempt fails", function()
    local client = world:client { ask_server = true }
    world:answer("credentials", function(asked, ticket)
      asked:credentials(ticket, false, "nobody knows")
    end)
    client:start()
    world:turn()
    assert.same({ "none" }, servers(client, "failed"))
    assert.same({ "0 failed credentials_failed 1 retry_in=30" }, world:told(client, "failed"))
    assert.is_nil(client:status().server)
    assert.same({}, opened())
  end)

  it("may be one of any number, of which a hundred keep their names", function()
    local addresses = {}
    for n = 1, 102 do
      addresses[n] = "mqtt://h" .. n
    end
    local client = client_of(addresses, { ask_server = true })
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(101.5)
    local named = servers(client, "failed")
    assert.same({ "mqtt://h100", "one of more than 100 servers", "one of more than 100 servers" },
      { named[100], named[101], named[102] })
    assert.equal("h102:1883", opened()[102])
  end)

  it("keeps to its own servers where it is a service, one of any number", function()
    local addresses = {}
    for n = 1, 102 do
      addresses[n] = n < 101 and "mqtt://h" .. n or "mqtt+srv://s" .. n
    end
    client_of(addresses, { ask_server = true }):start()
    probe.script { connect = "refuse", source = "network", code = 2, service = "0 0 1884 of_s101 100" }
    world:pass(100.5)
    probe.script { service = "0 0 1884 of_s102 100" }
    world:pass(1)
    local lines = world:asked "open"
    assert.same({ "of_s101", "of_s102" }, { lines[101]:match "place=(%S+)", lines[102]:match "place=(%S+)" })
  end)

  it("is not asked for while a reference of the broker's is in force", function()
    local client = client_of({ "mqtt://b" }, { ask_server = true, redirect_allow = { "d" }, redirect_hops = 1 })
    probe.script { connect = "refuse", source = "connack", code = 0x9D, server_reference = "d" }
    client:start()
    world:turn()
    probe.script { connect = "accept" }
    world:pass(1)
    assert.same({ "b:1883", "d:1883" }, opened())
  end)
end)
