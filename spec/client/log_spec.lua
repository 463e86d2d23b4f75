-- What goes to the log, on virtual time: the life of each connection, for people and for programs; nothing by default.
local whole = require "spec.support.whole"
local holdfast, probe = whole.holdfast, whole.probe

describe("the log", function()
  local world, heard

  local function listener(level, message, fields)
    heard[#heard + 1] = { level = level, message = message, fields = fields }
  end

  local function lines()
    local list = {}
    for index, entry in ipairs(heard) do
      list[index] = entry.level .. " " .. entry.message
    end
    return list
  end

  before_each(function()
    world = whole.new()
    heard = {}
  end)

  after_each(function()
    holdfast.log(nil)
    world:finish()
  end)

  it("follows a connection through its life", function()
    holdfast.log(listener)
    probe.script { connect = "refuse", source = "connack", code = 0x89 }
    local client = world:client { client_id = "kitchen", policy = { server_busy = "retry" },
      backoff = { strategy = "constant", min = 2, jitter = "none" } }
    client:start()
    world:pass(1)
    probe.script { connect = "accept" }
    world:pass(2)
    probe.drop(1, "network", 9)
    world:pass(0)
    client:close()
    world:pass(0)
    assert.same({
      "debug connecting to mqtt://a, attempt 1",
      "warning attempt 1 at mqtt://a failed: server_busy (the broker is busy), again in 2 s",
      "debug connecting to mqtt://a, attempt 2",
      "info connected to mqtt://a, session new",
      "info ready with 0 subscriptions",
      "warning connection lost: connection_lost (the connection to the server broke), again in 2 s",
      "info closed",
    }, lines())
    local failed = heard[2].fields
    assert.same({ "kitchen", "failed", "server_busy", "retry", 0x89, "connack", 1, 2 }, { failed.client, failed.event,
      failed.reason, failed.class, failed.code, failed.source, failed.attempt, failed.retry_in })
  end)

  it("tells a sleep, a refused subscription, and a look at a TLS failure", function()
    holdfast.log(listener)
    probe.script { refuse_subscriptions = 0x87 }
    local client = world:client()
    client:subscribe("meters/#", { qos = 1 })
    client:start()
    world:pass(0)
    assert.is_truthy(table.concat(lines(), "\n"):find(
      "warning subscription meters/# refused: not_authorized (the client is not authorized for the filter)", 1, true))
    assert.is_truthy(table.concat(lines(), "\n"):find("info ready with 0 subscriptions, 1 refused", 1, true))
    heard = {}
    probe.script { refuse_subscriptions = 0 }
    local one = world:client()
    one:subscribe "a"
    one:start()
    world:pass(0)
    assert.is_truthy(table.concat(lines(), "\n"):find("info ready with 1 subscription$"))
    heard = {}
    probe.script { connect = "refuse", source = "tls", code = 2, finds = "tls_expired", refuse_subscriptions = 0 }
    world:client({ servers = { "mqtts://b" }, max_attempts = 1, sleep_for = 3600 }):start()
    world:pass(0)
    assert.same({
      "debug connecting to mqtts://b, attempt 1",
      "debug looking into a TLS failure on a connection of its own",
      "debug tls_expired",
      "warning attempt 1 at mqtts://b failed: tls_expired (as found)",
      "warning asleep after max_attempts (" .. holdfast.reason("client", 6).text .. "), for 3600 s",
    }, lines())
  end)

  it("says once that a client believes whoever answers", function()
    holdfast.log(listener)
    world:client { servers = { "mqtts://a" }, client_id = "trusting", tls = { verify = false } }
    world:client { servers = { "mqtts://a" }, tls = { verify = true } }
    world:client { servers = { "mqtts://a" } }
    world:pass(30)
    assert.equal(1, #heard)
    assert.same({ "warning", "trusting", "unverified" },
      { heard[1].level, heard[1].fields.client, heard[1].fields.event })
    assert.is_truthy(heard[1].message:find("tls.verify = false", 1, true))
  end)

  it("is silent without a listener, and does not mind one that throws", function()
    local original, printed = print, 0
    print = function() printed = printed + 1 end -- luacheck: ignore 121
    local stderr = io.stderr
    io.stderr = { write = print } -- luacheck: ignore 122
    holdfast.log(function() error "the listener's own trouble" end)
    local client = world:client()
    client:start()
    world:pass(0)
    holdfast.log(nil)
    client:reconnect()
    world:pass(0)
    print = original -- luacheck: ignore 121
    io.stderr = stderr -- luacheck: ignore 122
    assert.equal(0, printed)
    assert.equal("connected", client:status().state)
  end)

  describe("has the error of a handler", function()
    local written, stderr

    before_each(function()
      written, stderr = {}, io.stderr
      io.stderr = { write = function(_, ...) written[#written + 1] = table.concat { ... } end } -- luacheck: ignore 122
    end)

    after_each(function()
      io.stderr = stderr -- luacheck: ignore 122
    end)

    local function fail_with(...)
      local client = world:client { client_id = "kitchen" }
      client.handlers.error = nil -- that of the world, so that nobody listens
      for _, err in ipairs { ... } do
        client:on("ready", function() error(err, 0) end)
      end
      client:start()
      world:pass(0)
      return client
    end

    it("with the client that it is about, the object and the traceback", function()
      holdfast.log(listener)
      local object = { code = 17 }
      fail_with("plain", object, setmetatable({}, { __tostring = function() return "shown" end }), { message = "told" })
      local found = {}
      for _, entry in ipairs(heard) do
        if entry.level == "error" then
          found[#found + 1] = entry
          assert.same({ "kitchen", "error" }, { entry.fields.client, entry.fields.event })
          assert.matches("stack traceback", entry.fields.traceback)
          assert.equal(entry.fields.message, entry.message:match "^[^\n]*")
          assert.matches("stack traceback", entry.message)
        end
      end
      assert.same({ "plain", "shown", "told" }, { found[1].fields.message, found[3].fields.message,
        found[4].fields.message })
      assert.equal(object, found[2].fields.error)
    end)

    it("although its listener throws, which is said once", function()
      holdfast.log(function(level) error("the listener's own trouble with " .. level, 0) end)
      fail_with("first", "second")
      assert.equal(3, #written, table.concat(written))
      assert.equal("holdfast: the function given to holdfast.log throws, so errors come here: the listener's own "
        .. "trouble with error\n", written[1])
      assert.matches("^holdfast: first\nstack traceback", written[2])
      assert.matches("^holdfast: second\nstack traceback", written[3])
    end)

    it("unless there is a handler for it, which gets the object", function()
      local client, told = world:client(), nil
      local object = { code = 17, message = "in words" }
      client:on("error", function(event) told = event end)
      client:on("ready", function() error(object) end)
      client:start()
      world:pass(0)
      assert.equal(object, told.error)
      assert.equal("in words", told.message)
      assert.same({}, written)
    end)
  end)

  it("takes a logger of LuaLogging", function()
    local found, logging = pcall(require, "logging")
    if not found then -- Debian has it for 5.1 and 5.2 only, but it is plain Lua
      local path = "/usr/share/lua/5.1/logging.lua"
      logging = assert(loadfile(path))()
    end
    local written = {}
    local logger = logging.new(function(_, level, message)
      written[#written + 1] = level .. " " .. message
      return true
    end)
    logger:setLevel(logging.INFO)
    written = {} -- it tells that, too
    holdfast.log(logger)
    local client = world:client { client_id = "hall 100%s" }
    client:start()
    world:pass(0)
    probe.drop(1, "network", 9)
    world:pass(0)
    assert.same({ "INFO connected to mqtt://a, session new [hall 100%s]",
      "INFO ready with 0 subscriptions [hall 100%s]" }, { written[1], written[2] })
    assert.is_truthy(written[3]:find("^WARN connection lost: "))
    assert.equal(3, #written)
  end)

  it("has the transport library's trace when that is asked for, and no more of it than there is room for", function()
    assert.is_true(holdfast.log(listener))
    probe.say "not asked for"
    world:pass(0)
    assert.same({}, heard)
    assert.is_true(holdfast.log(listener, { trace = "protocol" }))
    probe.say "1 kitchen <- CONNACK rc: 0"
    world:pass(0)
    assert.same({ { level = "debug", message = "1 kitchen <- CONNACK rc: 0",
      fields = { source = "paho", trace = "protocol" } } }, heard)
    heard = {}
    probe.say("line", 1500)
    for _ = 1, 5 do world:pass(0) end -- a loop takes so many at a time
    assert.equal(1024, #heard)
    probe.say "and on"
    world:pass(0)
    assert.same({ "warning 476 lines of trace were dropped", "debug and on" }, { lines()[1025], lines()[1026] })
    probe.say "the last"
    world:pass(0)
    assert.equal(1027, #heard)
    holdfast.log(listener)
    probe.say "not any more"
    world:pass(0)
    assert.equal(1027, #heard)
  end)

  it("complains about what is no listener, no level, no option", function()
    for words, call in pairs {
      ["log: a function or a logger is wanted, got 7"] = { 7 },
      ["log: a function or a logger is wanted, got an empty table"] = { {} },
      ['log: trace must be "error", "protocol", "minimum", "medium" or "maximum", got "loud"'] =
        { listener, { trace = "loud" } },
      ['log: unknown option "level"; known are trace'] = { listener, { level = "info" } },
      ["log: options must be a table, got true"] = { listener, true },
    } do
      local fine, problem = pcall(holdfast.log, call[1], call[2])
      assert.is_false(fine)
      assert.is_truthy(problem:find(words, 1, true), problem)
    end
  end)
end)
