-- Reasons that the library itself gives, each brought about as it comes about: its class, its wait, its event. With
-- default options but for what causes it, on virtual time.
local whole = require "spec.support.whole"
local holdfast, probe = whole.holdfast, whole.probe

local REFUSED = 2 -- hf_network_code

-- options, what happens once the client has been started, and what is told in the end: the second, the event, the
-- class, the bounds of the wait, the text if it is not the table's own.
local CAUSES = {
  connect_timeout = {
    { connect = "silent" }, {}, function() end,
    { at = 10, event = "failed", class = "retry", wait = { 1, 2 } },
  },
  credentials_timeout = {
    {}, { credentials = function() holdfast.sleep(1000) end }, function() end,
    { at = 10, event = "failed", class = "slow", wait = { 30, 60 } },
  },
  credentials_failed = {
    {}, { credentials = function() return nil, "no token today" end }, function() end,
    { at = 0, event = "failed", class = "slow", wait = { 30, 60 }, text = "no token today" },
  },
  session_mismatch = {
    { session_present = 1 }, { clean_start = true }, function() end,
    { at = 0, event = "failed", class = "retry", wait = { 1, 2 } },
  },
  protocol_error = {
    { receive_maximum = 0 }, {}, function() end,
    { at = 0, event = "failed", class = "slow", wait = { 30, 60 }, text = "CONNACK with a Receive Maximum of 0" },
  },
  out_of_memory = {
    { refuse_to_create = true }, {}, function() end,
    { at = 0, event = "failed", class = "retry", wait = { 1, 2 } },
  },
  downgraded = {
    { connect = "refuse", source = "connack", code = 0x84 }, { fallback = true }, function() end,
    { at = 0, event = "failed", class = "retry", wait = { 1, 2 } },
  },
  probe_timeout = {
    {}, {}, function(client)
      probe.script { hold_subscriptions = true }
      client:network_changed()
    end,
    { at = 30, event = "lost", class = "retry", wait = { 1, 2 } },
  },
  subscribe_timeout = {
    {}, {}, function(client)
      probe.script { hold_subscriptions = true }
      client:subscribe "a"
    end,
    { at = 30, event = "lost", class = "retry", wait = { 1, 2 },
      text = "the broker did not answer a subscription in time; unanswered: SUBSCRIBE of a" },
  },
  slow_consumer = {
    {}, { inbox = { messages = 1 } }, function(client)
      local unread = client:subscribe("a", { qos = 1 })
      holdfast.sleep(1)
      holdfast.spawn(function() -- a reader that is busy
        unread:receive()
        holdfast.sleep(1000)
      end)
      holdfast.sleep(1)
      for _ = 1, 3 do
        probe.send("a", "x", 1)
      end
    end,
    { at = 22, event = "lost", class = "retry" },
  },
  reconnect = {
    {}, {}, function(client) client:reconnect() end,
    { at = 20, event = "lost", class = "retry" },
  },
  max_attempts = {
    { connect = "refuse", source = "network", code = REFUSED }, { max_attempts = 1 }, function() end,
    { at = 0, event = "sleeping", class = "stop" },
  },
  backoff_stopped = {
    { connect = "refuse", source = "network", code = REFUSED }, { backoff = { strategy = "none" } }, function() end,
    { at = 0, event = "sleeping", class = "stop" },
  },
  closed = {
    {}, {}, function(client) client:close() end,
    { at = 20, event = "closed", class = "stop" },
  },
}

describe("the library's own reason", function()
  local world

  before_each(function()
    world = whole.new()
  end)

  after_each(function()
    world:finish()
  end)

  for name, cause in pairs(CAUSES) do
    local script, options, happens, expected = cause[1], cause[2], cause[3], cause[4]

    it(("%s is told as %s, and is %s"):format(name, expected.event, expected.class), function()
      probe.script(script)
      local client, book = world:client(options)
      client:start()
      world:pass(20)
      happens(client)
      world:pass(10)
      local found
      for _, entry in ipairs(book:all(expected.event)) do
        found = found or entry.event.reason.name == name and entry
      end
      assert(found, book:words())
      local reason, row = found.event.reason, nil
      for _, one in ipairs(holdfast.reason.all()) do
        row = one.source == "client" and one.name == name and one or row
      end
      assert.same({ name = name, class = expected.class, code = row.code, source = "client",
        text = expected.text or row.text }, reason)
      assert.equal(expected.at, found.at)
      local wait = found.event.retry_in
      if expected.wait then
        assert.is_true(wait >= expected.wait[1] and wait <= expected.wait[2], wait)
      else
        assert.is_nil(wait)
      end
    end)
  end

  it("downgraded is given once: 3.1.1 is what the next attempt speaks", function()
    probe.script { connect = "refuse", source = "connack", code = 0x84 }
    local client, book = world:client { fallback = true }
    client:start()
    world:pass(0)
    probe.script { source = "connack_v3", code = 1 }
    world:pass(5)
    assert.equal("connecting failed connecting failed sleeping", book:words())
    assert.same({ "downgraded", "unsupported_protocol_version" },
      { book[2].event.reason.name, book[4].event.reason.name })
    assert.equal(4, client:status().protocol)
  end)

  it("is as open to a policy as any other", function()
    probe.script { connect = "silent" }
    local client, book = world:client { policy = { connect_timeout = "stop" } }
    client:start()
    world:pass(100)
    assert.equal("connecting failed sleeping", book:words())
    assert.equal("connect_timeout", book[3].event.reason.name)
  end)
end)
