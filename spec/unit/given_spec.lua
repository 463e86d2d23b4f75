-- What a caller writes counts, wherever it stands: options behind a metatable, objects that can be called, and
-- `client.defaults` for what is not written at all.
local fake_core = require "spec.support.fake_core"

local function behind(values)
  return setmetatable({}, { __index = values })
end

local function behind_a_function(values)
  return setmetatable({}, { __index = function(_, key)
    return values[key]
  end })
end

describe("what a call is given", function()
  local core, holdfast, client, handle

  before_each(function()
    core, holdfast = fake_core.install()
    client = holdfast.new { server = "mqtt://localhost" }
    handle = core.clients[1]
  end)

  after_each(fake_core.remove)

  local function settings(options)
    holdfast.new(options)
    return core.clients[core.made].settings
  end

  it("may be a priority, and one that is none is refused", function()
    client:post("t", "x", { priority = 9 })
    client.defaults.post = { priority = 3 }
    client:post("t", "x", {})
    client:post("t", "x", { priority = 0 })
    local given = {}
    for n, call in ipairs(handle:called "post") do
      given[n] = call[10] or 0
    end
    assert.same({ 9, 3, 0 }, given)
    local _, problem = pcall(client.post, client, "t", "x", { priority = 10 })
    assert.equal("post: priority must be a whole number from 0 to 9, got 10", problem)
  end)

  describe("counts behind a metatable too:", function()
    for name, through in pairs { ["a table"] = behind, ["a function"] = behind_a_function } do
      it("options of post, publish and subscribe, " .. name, function()
        client:post("t", "", through { qos = 1, retain = true, ttl = 2, properties = through { content_type = "x" } })
        assert.same({ "post", "t", "", 1, true, { content_type = "x" }, nil, 2000 }, handle.calls[1])
        core:at(1, function()
          core:mail("outcome", 1, 2, true)
        end)
        assert.is_true((client:publish("t", "", through { qos = 2, timeout = 5 })))
        assert.equal(2, handle.calls[2][4])
        client:subscribe("t", through { qos = 1, no_local = true, retain_handling = "never" })
        assert.same({ "subscribe", 1, "t", 1, true, false, 2 }, handle:called("subscribe")[1])
      end)

      it("options of a client, nested ones too, " .. name, function()
        local set = settings(through {
          server = "mqtt://localhost", backoff = through { min = 2 }, queue = through { messages = 7 },
          will = through { topic = "gone", properties = through { will_delay = 5 } },
          policy = through { banned = "slow", slow = through { min = 60 } },
        })
        assert.same({ 2000, 7, 60000 }, { set.backoff.min, set.queue.messages, set.slow.min })
        assert.same({ topic = "gone", payload = "", qos = 0, retain = false, properties = { will_delay = 5 } },
          set.will)
        assert.equal(2, #settings { servers = through { "mqtt://one", "mqtt://two" } }.servers)
        local changed = 0
        for _, rule in pairs(set.rules) do
          changed = changed + (rule.class == "slow" and 1 or 0)
        end
        assert.is_true(changed > 0)
      end)

      it("those of limit, log, engine and fleet, " .. name, function()
        assert.has_error(function()
          holdfast.limit(through { attempts_per_second = 0 })
        end, "limit: attempts_per_second must be a number from 0.001 to 1,000,000, got 0")
        assert.has_error(function()
          holdfast.log(nil, through { trace = "loud" })
        end, 'log: trace must be "error", "protocol", "minimum", "medium" or "maximum", got "loud"')
        assert.has_error(function()
          holdfast.engine.new(through { max_attempts = 0 })
        end, "engine.new: max_attempts must be a whole number from 1 to 4,294,967,295, got 0")
        assert.has_error(function()
          holdfast.fleet.run(through { clients = 0 })
        end, "fleet.run: clients must be a whole number from 1 to 10,000,000, got 0")
        assert.has_error(function()
          holdfast.backoff.new(through { preset = "paho", max = 60 })
        end, "backoff.new: backoff.preset stands for all of backoff; leave backoff.max out")
      end)
    end

    it("and is checked", function()
      assert.has_error(function()
        client:post("t", "", behind { qos = 3 })
      end, "post: qos must be 0, 1 or 2, got 3")
    end)
  end)

  describe("may be an object that can be called:", function()
    local function callable(fn)
      return setmetatable({}, { __call = function(_, ...)
        return fn(...)
      end, __metatable = "hidden" })
    end

    it("a handler of events and of messages, given to run and spawn, the log's listener", function()
      local heard = {}
      local function note(what)
        return callable(function(event)
          local told = type(event) == "table" and (event.topic or event.attempt) or event
          heard[#heard + 1] = what .. " " .. tostring(told)
        end)
      end
      local on = note "on"
      client:on("connecting", on)
      client:once("connecting", note "once")
      client:subscribe("t", note "handler")
      client:subscribe("u", { ordered = true }, note "ordered")
      holdfast.log(callable(function(level)
        heard[#heard + 1] = level
      end))
      holdfast.run(callable(function()
        holdfast.spawn(note "spawned", 5)
        core:mail("event", 1, "connecting", { server = "s", attempt = 1 })
        core:mail("message", 1, { topic = "t", payload = "" }, 1)
        core:mail("message", 1, { topic = "u", payload = "" }, 2)
        holdfast.sleep(0.1)
        client:off("connecting", on)
        core:mail("event", 1, "connecting", { server = "s", attempt = 2 })
        holdfast.sleep(0.1)
      end))
      table.sort(heard)
      assert.same({ "debug", "debug", "handler t", "on 1", "once 1", "ordered u", "spawned 5" }, heard)
    end)

    it("what answers the keeper, and what knows a pass phrase", function()
      local set = settings {
        server = "mqtts://localhost",
        credentials = callable(function() end),
        backoff = callable(function() end),
        tls = { cert = "c", key_password = callable(function()
          return "open sesame"
        end) },
      }
      assert.same({ true, true, "open sesame" }, { set.ask_credentials, set.ask_delay, set.tls.key_password })
    end)

    it("which a table without __call is not", function()
      assert.has_error(function()
        client:on("lost", {})
      end, "on: handler of lost must be a function, got an empty table")
      assert.has_error(function()
        client:subscribe("t", {}, { 5 })
      end, "subscribe: handler must be a function, got a table")
    end)
  end)

  describe("comes from client.defaults where it is not there:", function()
    it("options of post, publish and subscribe", function()
      client.defaults.post = { qos = 1, retain = true }
      client.defaults.publish = { qos = 2, timeout = 3 }
      client.defaults.subscribe = { qos = 1 }
      client:post("t", "")
      client:post("t", "", { retain = false })
      assert.same({ "post", "t", "", 1, true }, handle.calls[1])
      assert.same({ "post", "t", "", 1 }, handle.calls[2])
      for at, id in pairs { [3.5] = 3, [5] = 4 } do -- after they have been withdrawn
        core:at(at, function()
          core:mail("outcome", 1, id, false, "withdrawn")
        end)
      end
      local _, words = client:publish("t", "")
      assert.same({ 2, "not delivered within 3 s", 3.5 }, { handle.calls[3][4], words, core.clock })
      _, words = client:publish("t", "", { timeout = 1 })
      assert.equal("not delivered within 1 s", words)
      client:subscribe "t"
      client:subscribe("t", { qos = 0 })
      local wishes = handle:called "subscribe"
      assert.same({ 1, 0 }, { wishes[1][4], wishes[2][4] })
    end)

    it("timeouts, in seconds", function()
      client = holdfast.new {
        server = "mqtt://localhost", defaults = { wait = { timeout = 1 }, receive = { timeout = 2 } },
      }
      client.defaults.connect = { timeout = 3 }
      client.defaults.granted = { timeout = 4 }
      client.defaults.messages = { timeout = 5 }
      client.defaults.ready = { timeout = 6 }
      local subscription = client:subscribe "t"
      local said = {}
      for index, call in ipairs {
        function() return client:wait "lost" end, function() return subscription:receive() end,
        function() return client:connect() end, function() return subscription:granted() end,
        function() return client:wait("lost", 0.5) end, function() return client:ready() end,
      } do
        said[index] = select(2, call())
      end
      assert.same({ "no lost within 1 s", "no message within 2 s", "not ready within 3 s",
        "no answer of the broker within 4 s", "no lost within 0.5 s", "not ready within 6 s" }, said)
      local before = core.clock
      for _ in subscription:messages() do
        error "there is none"
      end
      assert.equal(5, core.clock - before)
    end)

    it("and is refused where it is set, and where it is used", function()
      for _, case in ipairs {
        { "publsih", {}, 'unknown call in defaults "publsih"; did you mean "publish"?' },
        { "publish", 5, "defaults.publish must be a table, got 5" },
        { "publish", { qos = 3 }, "defaults.publish.qos must be 0, 1 or 2, got 3" },
        { "post", { timeout = 5 },
          'unknown option in defaults.post "timeout"; known are qos, retain, properties, ttl and priority' },
        { "connect", { timeout = -1 },
          "defaults.connect.timeout must be a number of seconds from 0 to 4,294,967, got -1" },
      } do
        local fine, err = pcall(function()
          holdfast.new({ server = "mqtt://localhost" }).defaults[case[1]] = case[2]
        end)
        assert.is_false(fine)
        assert.equal("client.defaults: " .. case[3], (err:gsub("^.-given_spec%.lua:%d+: ", "")))
        assert.has_error(function()
          holdfast.new { server = "mqtt://localhost", defaults = { [case[1]] = case[2] } }
        end, "holdfast.new: " .. case[3])
      end
      client.defaults.post = {}
      client.defaults.post.qos = 5
      assert.has_error(function()
        client:post("t", "")
      end, "post: defaults.post.qos must be 0, 1 or 2, got 5")
      assert.has_error(function()
        holdfast.new { server = "mqtt://localhost", defaults = 5 }
      end, "holdfast.new: defaults must be a table, got 5")
    end)
  end)
end)
