-- The functions that the keeper asks, credentials and backoff, where they use the client that waits for them.
local fake_core = require "spec.support.fake_core"

describe("a function that answers the keeper", function()
  local core, holdfast

  before_each(function()
    core, holdfast = fake_core.install()
  end)

  after_each(fake_core.remove)

  local FAILURE = { reason = { name = "connection_lost", class = "retry" }, attempt = 1, retry_in = 2 }

  local function calls_of(kind)
    return ("the %s function of this client cannot wait for the connection that waits for it"):format(kind), kind
  end

  it("is answered at once by the waiting calls of its own client, which queue and start nothing", function()
    for _, kind in ipairs { "credentials", "backoff" } do
      local client, subscription
      local told = {}
      local function try()
        for name, call in pairs {
          publish = function() return client:publish("t", "") end,
          connect = function() return client:connect() end,
          wait = function() return client:wait "ready" end,
          granted = function() return subscription:granted() end,
          receive = function() return subscription:receive() end,
          ready = function() return client:ready() end,
          first = function() return holdfast.first { subscription, client:event "ready" } end,
          protected = function() return select(2, holdfast.pcall(client.publish, client, "t", "")) end,
        } do
          told[name] = { call() }
        end
        told.posted = client:post("t", "")
        return "user"
      end
      client = holdfast.new { server = "mqtt://a", [kind] = try }
      local number = core.made
      subscription = client:subscribe "t"
      core:mail(kind == "backoff" and "delay" or "credentials", number, 7, kind == "backoff" and FAILURE or 1)
      holdfast.sleep(0.01)
      local words, code = calls_of(kind)
      for _, name in ipairs {
        "publish", "connect", "wait", "granted", "receive", "ready", "first", "protected",
      } do
        assert.same({ nil, words, code }, told[name], name)
      end
      assert.equal(1, told.posted)
      assert.equal(1, #core.clients[number]:called "post")
      assert.equal(0, #core.clients[number]:called "start")
    end
  end)

  it("may wait for another client, and its own may wait elsewhere", function()
    local other = holdfast.new { server = "mqtt://b" }
    local client = holdfast.new { server = "mqtt://a", credentials = function()
      local delivered = other:publish("t", "")
      return delivered and "user"
    end }
    core:at(1, function()
      core:mail("outcome", 1, 1, true)
      core:mail("outcome", 2, 1, true)
    end)
    core:mail("credentials", 2, 7, 1)
    assert.is_true((client:publish("t", "")))
    assert.same({ { "credentials", 7, "user" } }, core.clients[2]:called "credentials")
  end)

  it("is not asked again while it has not answered: the latest attempt gets the answer", function()
    local asked = 0
    local client = holdfast.new { server = "mqtt://a", credentials = function(attempt)
      asked = asked + 1
      holdfast.sleep(attempt == 1 and 5 or 0)
      return "user" .. attempt, "secret"
    end }
    core:mail("credentials", 1, 7, 1)
    core:at(1, function() core:mail("credentials", 1, 8, 2) end)
    core:at(2, function() core:mail("credentials", 1, 9, 3) end)
    holdfast.sleep(6)
    assert.equal(1, asked)
    assert.same({ { "credentials", 9, "user1", "secret" } }, core.clients[1]:called "credentials")
    core:mail("credentials", 1, 10, 4)
    holdfast.sleep(0.01)
    assert.same({ "credentials", 10, "user4", "secret" }, core.clients[1]:called("credentials")[2])
    client:close()
  end)

  it("is asked again after it has thrown, and its client waits again", function()
    local client
    client = holdfast.new { server = "mqtt://a", credentials = function()
      client:on("error", function() end)
      error "no"
    end }
    core:mail("credentials", 1, 7, 1)
    core:mail("credentials", 1, 8, 2)
    holdfast.sleep(0.01)
    local calls = core.clients[1]:called "credentials"
    assert.same({ 7, 8, false, false }, { calls[1][2], calls[2][2], calls[1][3], calls[2][3] })
    core:at(1, function() core:mail("event", 1, "ready", {}) end)
    assert.truthy(client:wait("ready", 5))
  end)

  it("about a delay is not asked again while it thinks, and the built-in one holds", function()
    local asked = 0
    local client = holdfast.new { server = "mqtt://a", backoff = function()
      asked = asked + 1
      holdfast.sleep(5)
      return 9
    end }
    core:mail("delay", 1, 7, FAILURE)
    core:at(1, function() core:mail("delay", 1, 8, FAILURE) end)
    holdfast.sleep(6)
    assert.equal(1, asked)
    assert.same({ { "delay", 7, 9000 } }, core.clients[1]:called "delay")
    core:mail("delay", 1, 9, FAILURE)
    holdfast.sleep(6)
    assert.equal(2, asked)
    assert.truthy(client) -- which nobody would ask any more if it were collected
  end)
end)
