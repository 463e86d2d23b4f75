-- Methods called with a dot: the object is missing then, and everything else is one place too far to the left.
local holdfast = require "holdfast"

describe("a call with a dot in place of a colon", function()
  local client, subscription

  before_each(function()
    client = holdfast.new { server = "mqtt://localhost" }
    subscription = client:subscribe "a/#"
  end)

  after_each(function() client:close() end)

  -- The arguments that a user means; what comes first would be taken for the object.
  local of_client = {
    start = {}, connect = { 5 }, wait = { "ready", 5 }, on = { "lost", print }, once = { "lost", print },
    off = { "lost", print }, subscribe = { "a", { qos = 1 }, print }, publish = { "a", "b", { qos = 1 } },
    event = { "lost" }, ready = {}, request = { "a", "b" }, reauthenticate = {}, respond = { "a", print },
    post = { "a", "b" }, status = {}, history = {}, wake = {}, reconnect = {}, network_changed = {}, close = { 5 },
  }
  local of_subscription = { receive = { 5 }, messages = {}, ended = {}, leave = {}, granted = { 5 }, remove = {} }

  local function refused(object, call, name, ...)
    local fine, err = pcall(function(...)
      object[name](...)
    end, ...)
    assert.is_false(fine)
    assert.matches(("^[^\n]-spec/unit/method_spec%%.lua:%%d+: %s: call it with a colon: %s:%s%%(%%.%%.%%.%%)$"):format(
      name, call, name), err)
  end

  for name, arguments in pairs(of_client) do
    it("says so: client." .. name, function()
      refused(client, "client", name, (table.unpack or unpack)(arguments))
      refused(client, "client", name, nil)
      refused(client, "client", name, subscription)
    end)
  end

  it("says so where the arguments would do one place further, too", function()
    refused(client, "client", "post", "a", "b", "c")
    refused(client, "client", "publish", "a", "b", "c")
  end)

  for name, arguments in pairs(of_subscription) do
    it("says so: subscription." .. name, function()
      refused(subscription, "subscription", name, (table.unpack or unpack)(arguments))
      refused(subscription, "subscription", name, client)
    end)
  end

  it("is right with the object in front", function()
    assert.equal(client, client.on(client, "lost", print))
    assert.equal(1, (client.post(client, "a", "b")))
    assert.is_true(subscription.remove(subscription))
  end)

  it("is known for every method there is", function()
    for name, value in pairs(getmetatable(client).__index) do
      local asks_nothing = { pollfd = true, getfd = true, events = true, timeout = true, dirty = true }
      local ours = name:find "^__" or name == "forget_wish"
      assert.truthy(type(value) ~= "function" or asks_nothing[name] or ours or of_client[name], name)
    end
    for name, value in pairs(getmetatable(subscription).__index) do
      local ours = name:find "^__" or name:find "^accept" or name == "judge" or name == "is_ready" or name:find "watch$"
      assert.truthy(type(value) ~= "function" or ours or of_subscription[name], name)
    end
  end)
end)
