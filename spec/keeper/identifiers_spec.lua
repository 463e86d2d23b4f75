-- Messages that come with Subscription Identifiers: what a broker may send, and what ends the connection.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("a message with identifiers", function()
  local world, client

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  local function up(changes, ...)
    client = world:client(changes)
    for wish, filter in ipairs { ... } do
      client:subscribe(wish, filter, 1, false, false, 0)
    end
    client:start()
    world:pass(20)
    world:told(client)
  end

  local function come(count)
    probe.crowd(1, "t", count)
    world:turn()
    return world:told(client)
  end

  it("goes to all of them", function()
    up({}, "t", "+", "#")
    assert.same({ "message t  qos=0 for" }, { come(3)[1]:match "^20 (.* for)" })
  end)

  it("of which there are more than subscriptions breaks the protocol", function()
    local text
    world:answer("event", function(_, name, event)
      text = name == "lost" and event.reason.text or text
    end)
    up({}, "t", "#")
    assert.same({ "20 lost protocol_error uptime=20 retry_in=30" }, come(3))
    assert.equal("PUBLISH with more Subscription Identifiers than subscriptions", text)
    assert.same({ "abandon" }, world:asked "abandon")
    assert.same({ messages = 0, bytes = 0 }, client:status().inbox)
    world:pass(60)
    assert.equal("connected", client:status().state)
  end)

  it("may be on its way since there were more subscriptions", function()
    up({}, "t", "#", "+")
    client:unsubscribe(1)
    client:unsubscribe(3)
    world:turn()
    assert.same({ "20 message t  qos=0 for 2" }, come(3))
    assert.equal("connected", client:status().state)
  end)

  it("may belong to subscriptions of the process that the session is from", function()
    probe.script { session_present = 1 }
    up({}, "t")
    assert.same({ "20 message t  qos=0 for 1" }, come(100))
    probe.script { session_present = 0 }
    client:reconnect()
    world:pass(20)
    world:told(client)
    assert.equal(1, #come(1))
    assert.same({ "40 lost protocol_error uptime=20 retry_in=30" }, come(2))
  end)

  it("may be late from a connection that is over", function()
    up({}, "t")
    local other = world:client { client_id = "d" }
    other:subscribe(1, "t", 1, false, false, 0)
    other:start()
    world:turn()
    client:reconnect()
    probe.crowd(1, "t", 5)
    world:turn()
    assert.equal("connected", client:status().state)
    assert.same({ "20 message t  qos=0 for 1" }, world:told(client, "message"))
  end)

  it("may come from a server that has a session of another time", function()
    up({ servers = { virtual.server "a", virtual.server "b" } }, "t")
    probe.script { session_present = 1 }
    probe.drop(1, "network", 1)
    world:pass(20)
    world:told(client)
    assert.equal("b", client:status().server)
    assert.equal(1, #come(9))
    assert.equal("connected", client:status().state)
  end)
end)
