-- Events, messages and reasons in words.
local fake_core = require "spec.support.fake_core"

describe("tostring", function()
  local core, holdfast, client

  before_each(function()
    core, holdfast = fake_core.install()
    client = holdfast.new { server = "mqtt://a", max_attempts = 3, sleep_for = 60 }
  end)

  after_each(fake_core.remove)

  -- The words for an event, as a handler gets it.
  local function told(name, event, of)
    local words
    ;(of or client):once(name, function(got)
      words = tostring(got)
    end)
    core:mail("event", of and 2 or 1, name, event)
    holdfast.sleep(0.01)
    return words
  end

  local function reason(name, class)
    return { name = name, class = class or "retry", text = "in words", code = 1, source = "network" }
  end

  it("tells each event", function()
    for words, case in pairs {
      ["connecting: mqtt://a, attempt 2"] = { "connecting", { server = "mqtt://a", attempt = 2 } },
      ["connected: mqtt://a, session present"] = { "connected", { server = "mqtt://a", session_present = true } },
      ["ready: 1 subscription, after 3.5 s"] = { "ready", { subscriptions = 1, refused = 0, downtime = 3.46 } },
      ["ready: 2 subscriptions, 1 refused, after 0.0 s"] =
        { "ready", { subscriptions = 2, refused = 1, downtime = 0 } },
      ["failed: connect_failed, attempt 2, again in 1.7 s"] =
        { "failed", { reason = reason "connect_failed", attempt = 2, retry_in = 1.72 } },
      ["failed: not_authorized, attempt 3, asleep until woken"] =
        { "failed", { reason = reason("not_authorized", "stop"), attempt = 3 } },
      ["failed: connect_failed, attempt 3, asleep for 60 s"] =
        { "failed", { reason = reason "connect_failed", attempt = 3 } },
      ["lost: connection_lost, again in 1.7 s"] =
        { "lost", { reason = reason "connection_lost", uptime = 5, retry_in = 1.7 } },
      ["lost: banned, asleep until woken"] = { "lost", { reason = reason("banned", "stop"), uptime = 5 } },
      ["lost: slow_consumer, away until its messages are handled"] =
        { "lost", { reason = reason "slow_consumer", uptime = 5 } },
      ["lost: reconnect, again at once"] = { "lost", { reason = reason "reconnect", uptime = 5 } },
      ["sleeping: max_attempts, for 60 s"] = { "sleeping", { reason = reason "max_attempts", wake_in = 60 } },
      ["sleeping: banned, until woken"] = { "sleeping", { reason = reason("banned", "stop") } },
    } do
      assert.equal(words, told(case[1], case[2]))
    end
  end)

  it("tells a loss that a delay function has made the last", function()
    local other = holdfast.new { server = "mqtt://a", backoff = function() return false end }
    core:mail("delay", 2, 7, { reason = reason "connection_lost", attempt = 0, retry_in = 2 })
    assert.equal("lost: connection_lost, asleep until woken",
      told("lost", { reason = reason "connection_lost", uptime = 5, retry_in = 2 }, other))
  end)

  it("tells outcomes and errors", function()
    local words = {}
    for _, name in ipairs { "delivered", "dropped", "error" } do
      client:on(name, function(event)
        words[#words + 1] = tostring(event)
      end)
    end
    client:once("ready", function() error("trouble", 0) end)
    client:post("t", "")
    core:mail("outcome", 1, 1, true)
    core:mail("outcome", 1, 2, false, "refused", reason "not_authorized")
    core:mail("outcome", 1, 3, false, "expired")
    core:mail("event", 1, "ready", { subscriptions = 0, refused = 0, downtime = 0 })
    holdfast.sleep(0.01)
    assert.same({ "delivered: message 1", "dropped: message 2, refused (not_authorized)",
      "dropped: message 3, expired", "error: trouble" }, words)
  end)

  it("is content with an event that a handler has emptied", function()
    local event = { reason = reason "connection_lost", uptime = 5, retry_in = 1.7 }
    told("lost", event)
    event.reason = 5
    assert.equal("lost", tostring(event))
  end)

  it("tells a reason", function()
    assert.equal("server_busy: the broker is busy", tostring(holdfast.reason("connack", 0x89)))
  end)

  it("has one argument for what is written in C, which counts them", function()
    local heard
    client:on("error", function(event)
      heard = event.error
    end)
    client:on("connecting", error) -- a second argument would have to be a number
    core:mail("event", 1, "connecting", { server = "mqtt://a", attempt = 1 })
    holdfast.sleep(0.01)
    assert.equal("connecting: mqtt://a, attempt 1", tostring(heard))
    client:off("connecting", error)
    heard = nil
    core:mail("event", 1, "connecting", { server = "mqtt://a", attempt = 2 })
    holdfast.sleep(0.01)
    assert.is_nil(heard)
    client:subscribe("t", error)
    core:mail("message", 1, { topic = "t", payload = "p" }, 1)
    holdfast.sleep(0.01)
    assert.equal("p", heard.payload)
  end)
end)
