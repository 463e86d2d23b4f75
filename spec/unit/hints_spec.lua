-- What is said to who comes from another client, or has probably not meant what is written.
local fake_core = require "spec.support.fake_core"

describe("a hint", function()
  local holdfast, core, heard

  before_each(function()
    core, holdfast = fake_core.install()
    heard = {}
    holdfast.log(function(level, message, fields)
      heard[#heard + 1] = { level = level, message = message, fields = fields }
    end)
  end)

  after_each(fake_core.remove)

  local function refusal(options)
    local fine, err = pcall(holdfast.new, options)
    assert.is_false(fine)
    return err
  end

  it("is given for options that other clients have", function()
    for name, wanted in pairs {
      host = 'unknown option "host"; say server = "mqtt://host:1883"',
      uri = 'unknown option "uri"; say server = "mqtt://host:1883"',
      clean_session = 'unknown option "clean_session"; in MQTT 5 these are two things: clean_start = true',
      cafile = 'unknown option "cafile"; say tls = { ca = ... }',
      certfile = 'unknown option "certfile"; say tls = { cert = ..., key = ... }',
    } do
      assert.is_truthy(refusal({ server = "mqtt://a", [name] = "x" }):find(wanted, 1, true), name)
    end
    local nested = refusal { server = "mqtts://a", tls = { host = "x" } }
    assert.is_truthy(nested:find('unknown option in tls "host"; known are', 1, true))
  end)

  it("is given for calls that other clients have", function()
    local client = holdfast.new { server = "mqtt://a" }
    for name, wanted in pairs {
      disconnect = "client:disconnect: there is none; client:close([timeout]) disconnects for good",
      unsubscribe = "client:unsubscribe: there is none; what client:subscribe returns is a subscription",
      is_connected = "client:is_connected: there is none; ask client:status().ready",
    } do
      local fine, err = pcall(function()
        client[name](client)
      end)
      assert.is_false(fine)
      assert.is_truthy(err:find("hints_spec.lua:%d+: " .. wanted:gsub("%p", "%%%0")), err)
    end
    assert.is_nil(client.no_such_thing)
  end)

  it("is given for times that look like milliseconds", function()
    holdfast.new { server = "mqtt://a", keep_alive = 300, connect_timeout = 60 }
    assert.same({}, heard)
    holdfast.new { server = "mqtt://a", client_id = "kitchen", keep_alive = 30000 }
    assert.same({ "warning", "kitchen", "doubt" }, { heard[1].level, heard[1].fields.client, heard[1].fields.event })
    assert.equal("keep_alive = 30000: times are in seconds, so that is 8.3 h; if milliseconds are meant, say "
      .. "keep_alive = 30", heard[1].message)
    holdfast.new { server = "mqtt://a", connect_timeout = 5000 }
    assert.is_truthy(heard[2].message:find "^connect_timeout = 5000: .* say connect_timeout = 5$")
  end)

  it("is given for a second client with the same id at the same server", function()
    local first = holdfast.new { servers = { "mqtt://a", "mqtt://b" }, client_id = "kitchen" }
    holdfast.new { server = "mqtt://c", client_id = "kitchen" }
    holdfast.new { server = "mqtt://a", client_id = "hall" }
    holdfast.new { server = "mqtt://a:1884", client_id = "kitchen" }
    local random = holdfast.new { server = "mqtt://a" }
    assert.same({}, heard)
    local second = holdfast.new { server = "mqtt://B:1883", client_id = "kitchen" }
    assert.equal(1, #heard)
    assert.same({ "warning", "kitchen", "twin" }, { heard[1].level, heard[1].fields.client, heard[1].fields.event })
    assert.equal('another client of this process has the client_id "kitchen" at mqtt://B:1883, too: a broker lets in '
      .. "only one of them, so they will take the connection from each other for ever", heard[1].message)
    first:close()
    second:close()
    holdfast.new { server = "mqtt://a", client_id = "kitchen" }
    assert.equal(1, #heard)
    random:close()
  end)

  it("is not in the way of print: publish answers one value when there is no more to say", function()
    local client = holdfast.new { server = "mqtt://a" }
    core:at(1, function()
      core:mail("outcome", 1, 1, true)
    end)
    assert.same({ n = 1, true }, { n = select("#", client:publish("t", "")), true })
    core:at(2, function()
      core:mail("outcome", 1, 2, true, nil, { name = "no_matching_subscribers" })
    end)
    local delivered, reason = client:publish("t", "")
    assert.same({ true, "no_matching_subscribers" }, { delivered, reason.name })
  end)
end)

describe("holdfast.topic", function()
  local topic = require "holdfast.topic"

  it("checks names and filters", function()
    assert.is_true(topic.check "a/b")
    assert.is_true(topic.check("a/b", "name"))
    assert.is_true(topic.check("a/+/#", "filter"))
    assert.same({ n = 2, nil, "topic must not contain the wildcards '+' and '#', got \"a/+\"" },
      { n = select("#", topic.check "a/+"), topic.check "a/+" })
    assert.equal('filter must have \'#\' only as its whole last level, got "a/#/b"',
      select(2, topic.check("a/#/b", "filter")))
    assert.equal("topic must be a string, got 5", select(2, topic.check(5)))
    assert.equal("filter must be a string, got nothing", select(2, topic.check(nil, "filter")))
    local fine, err = pcall(function() topic.check("a", "fliter") end)
    assert.is_false(fine)
    assert.matches('hints_spec.lua:%d+: topic.check: kind must be "name" or "filter", got "fliter"', err)
  end)

  it("matches", function()
    assert.is_true(topic.match("a/+/c", "a/b/c"))
    assert.is_true(topic.match("a/#", "a"))
    assert.is_true(topic.match("$share/g/a/#", "a/b"))
    assert.is_false(topic.match("a/+", "a/b/c"))
    assert.is_false(topic.match("#", "$SYS/x"))
    for words, pair in pairs {
      ["topic.match: topic must not contain the wildcards '+' and '#', got \"+\""] = { "a", "+" },
      ["topic.match: filter must not be empty, got \"\""] = { "", "a" },
    } do
      local fine, err = pcall(function() topic.match(pair[1], pair[2]) end)
      assert.is_false(fine)
      assert.is_truthy(err:find("hints_spec.lua:%d+: " .. words:gsub("%p", "%%%0")), err)
    end
  end)
end)
