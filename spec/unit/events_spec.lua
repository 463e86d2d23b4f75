-- Events, their handlers, and those who wait for them, on a virtual clock.
local fake_core = require "spec.support.fake_core"

describe("a client's events", function()
  local core, holdfast, client, handle, log

  before_each(function()
    core, holdfast = fake_core.install()
    client = holdfast.new { server = "mqtt://localhost" }
    handle = core.clients[1]
    log = {}
  end)

  after_each(fake_core.remove)

  local function note(what)
    log[#log + 1] = ("%g %s"):format(core.clock, what)
  end

  local function tell(name, event)
    core:mail("event", 1, name, event or {})
  end

  local refused = { name = "connection_refused", class = "retry", code = 2, source = "network", text = "refused" }

  it("reach their handlers with the client, in the order in which they happened and were added", function()
    for _, name in ipairs { "connecting", "lost", "ready" } do
      client:on(name, function(event, who)
        assert.equal(client, who)
        note(name .. " first " .. event.n)
      end)
      client:on(name, function(event)
        note(name .. " second " .. event.n)
      end)
    end
    tell("ready", { n = 1 })
    tell("lost", { n = 2, reason = refused })
    tell("connecting", { n = 3 })
    holdfast.sleep(0)
    assert.same({ "0 ready first 1", "0 ready second 1", "0 lost first 2", "0 lost second 2", "0 connecting first 3",
      "0 connecting second 3" }, log)
  end)

  it("are not held up by a handler that waits", function()
    client:on("ready", function(event)
      holdfast.sleep(2)
      note("waited " .. event.n)
    end)
    client:on("lost", function()
      note "lost"
    end)
    tell("ready", { n = 1 })
    tell("ready", { n = 2 })
    tell("lost", { reason = refused })
    holdfast.sleep(3)
    assert.same({ "0 lost", "2 waited 1", "2 waited 2" }, log)
  end)

  it("are told once with once, also when the handler causes the next one", function()
    client:once("ready", function()
      note "once"
      tell "ready"
      holdfast.sleep(1)
    end)
    tell "ready"
    tell "ready"
    holdfast.sleep(5)
    assert.same({ "0 once" }, log)
  end)

  it("are told once with once, also when a handler that stays was added after it", function()
    client:once("ready", note):on("ready", function() end)
    tell("ready", "once")
    tell("ready", "twice")
    holdfast.sleep(0)
    assert.same({ "0 once" }, log)
  end)

  it("are told once with once, also when an earlier handler lets the next one in", function()
    client:on("ready", function()
      coroutine.wrap(holdfast.sleep)(1)
    end)
    client:once("ready", function()
      note "once"
    end)
    tell "ready"
    tell "ready"
    holdfast.sleep(5)
    assert.equal(1, #log)
  end)

  it("are not told any more after off", function()
    local function handler()
      note "called"
    end
    client:on("ready", handler):on("ready", handler):once("ready", handler)
    client:off("ready", handler):off("lost", handler)
    client:on("ready", function()
      note "other"
    end)
    tell "ready"
    holdfast.sleep(0)
    assert.same({ "0 other" }, log)
  end)

  it("reach a handler that was there when they happened, whatever an earlier one does", function()
    local function second()
      note "second"
    end
    client:on("ready", function()
      client:off("ready", second)
      client:on("ready", function()
        note "third"
      end)
    end)
    client:on("ready", second)
    tell "ready"
    holdfast.sleep(0)
    assert.same({ "0 second" }, log)
  end)

  it("have known names only", function()
    for _, method in ipairs { "on", "once", "off" } do
      assert.has_error(function() client[method](client, "conected", print) end,
        method .. ': unknown event "conected"; did you mean "connected"?')
      assert.has_error(function() client[method](client, "ready", "x") end,
        method .. ': handler of ready must be a function, got "x"')
    end
    local fine, err = pcall(client.on, client, 5, print)
    assert.is_false(fine)
    assert.matches("unknown event 5; known are connecting, .- store, message, delivered, dropped, parked and error$",
      err)
    assert.has_error(function() client:wait "redy" end, 'wait: unknown event "redy"; did you mean "ready"?')
  end)

  describe("in a handler that throws", function()
    local function failing()
      error "boom"
    end

    it("become an error event with the traceback, and stop nothing", function()
      local errors = {}
      client:on("error", function(event)
        errors[#errors + 1] = event
      end)
      client:on("ready", failing)
      client:on("ready", function()
        holdfast.sleep(1)
        error { code = 7 }
      end)
      client:on("ready", function()
        note "third"
      end)
      tell "ready"
      holdfast.sleep(2)
      assert.same({ "0 third" }, log)
      assert.equal(2, #errors)
      assert.matches("events_spec.lua:%d+: boom$", errors[1].message)
      assert.matches("boom\nstack traceback:.-events_spec.lua", errors[1].traceback)
      assert.same({ code = 7 }, errors[2].error)
      assert.matches("^table: ", errors[2].message)
      assert.matches("stack traceback:", errors[2].traceback)
    end)

    it("go to the log when nobody listens, and when a handler of error throws", function()
      local heard = {}
      holdfast.log(function(level, words)
        heard[#heard + 1] = level == "error" and level .. " " .. words:match "[^\n]*" or nil
        error "in the log"
      end)
      client:on("ready", failing)
      tell("ready", { subscriptions = 0, refused = 0 })
      holdfast.sleep(0)
      client:on("error", function()
        error "again"
      end)
      tell("ready", { subscriptions = 0, refused = 0 })
      holdfast.sleep(0)
      assert.equal(2, #heard)
      assert.matches("^error .-: boom$", heard[1])
      assert.matches("^error error in a handler of `error`: .-: again$", heard[2])
    end)
  end)

  describe("waited for", function()
    it("are returned, each to all who wait", function()
      core:at(2, function()
        tell("lost", { reason = refused, uptime = 2 })
      end)
      holdfast.run(function()
        for i = 1, 2 do
          holdfast.spawn(function()
            local event = client:wait "lost"
            note(i .. " " .. event.uptime)
          end)
        end
        assert.equal(2, client:wait("lost", 5).uptime)
        holdfast.sleep(1)
      end)
      assert.same({ "2 1 2", "2 2 2" }, log)
      assert.same({}, client.expected)
    end)

    it("time out", function()
      local event, message, code = client:wait("lost", 1.5)
      assert.is_nil(event)
      assert.same({ "no lost within 1.5 s", "timeout" }, { message, code })
      assert.equal(1.5, core.clock)
      assert.same({}, client.expected)
      tell("lost", { reason = refused })
      holdfast.sleep(0)
      assert.is_nil((client:wait("lost", 0)))
    end)

    it("do not reach who has been told in the same moment that none will come", function()
      local events = require "holdfast.events"
      core:at(1, function()
        events.dismiss(client, "the worker leaves", "closed")
        events.emit(client, "ready", {})
      end)
      assert.same({ nil, "the worker leaves", "closed" }, { client:wait "ready" })
    end)

    it("are messages too, and those are consumed by it", function()
      core:at(1, function()
        core:message(1, "t", "1234")
      end)
      assert.equal("1234", client:wait("message").payload)
      holdfast.sleep(0)
      assert.same({ 1, 5 }, { handle.messages_consumed, handle.bytes_consumed })
    end)

    it("are closed by close, but for the event closed", function()
      core:at(1, function()
        tell("closed", { reason = { name = "closed" } })
      end)
      local _, message, code = client:wait "ready"
      assert.same({ "the client is closed", "closed" }, { message, code })
      assert.equal("closed", client:wait("closed").reason.name)
      assert.equal("closed", select(3, client:wait "lost"))
    end)
  end)

  describe("connect", function()
    local function after(seconds, name, event)
      core:at(seconds, function()
        tell(name, event)
        handle.snapshot.ready = name == "ready"
      end)
    end

    it("starts the client once and returns when it is ready", function()
      after(1, "connected")
      after(2, "ready")
      assert.equal(1, select("#", client:connect())) -- a REPL shows all there are
      assert.equal(2, core.clock)
      assert.is_true(client:connect())
      assert.equal(client, client:start())
      assert.equal(2, core.clock)
      assert.equal(1, #handle:called "start")
    end)

    it("waits again when the connection has been lost since", function()
      after(1, "ready")
      after(2, "lost", { reason = refused })
      after(5, "ready")
      assert.is_true(client:connect())
      holdfast.sleep(2)
      assert.is_true(client:connect())
      assert.equal(5, core.clock)
    end)

    it("times out with the last failure, while the client goes on", function()
      after(1, "failed", { reason = refused, attempt = 1, retry_in = 1 })
      local fine, message, code = client:connect(3)
      assert.same({ "not ready within 3 s; the last failure is connection_refused (refused)", "timeout" },
        { message, code })
      assert.is_nil(fine)
      assert.is_nil(client.connecting[1])
      after(4, "ready")
      assert.is_true(client:connect(3))
    end)

    it("ends when the client falls asleep, and does not wake it", function()
      after(1, "sleeping", { reason = { name = "banned", text = "no entry" } })
      for _ = 1, 2 do
        local fine, message, code, reason = client:connect()
        assert.is_nil(fine)
        assert.same({ "asleep after banned: no entry", "sleeping", "banned" }, { message, code, reason.name })
      end
      assert.equal(0, #handle:called "wake")
      after(2, "ready")
      assert.is_true(client:wake())
      assert.is_true(client:connect())
    end)

    it("says which failure it was that put the client to sleep", function()
      after(1, "failed", { reason = { name = "tls_file", text = "tls.ca /ca.pem: no such file" }, attempt = 1 })
      after(1, "sleeping", { reason = { name = "tls_file", text = "a file cannot be read" } })
      assert.equal("asleep after tls_file: tls.ca /ca.pem: no such file", (select(2, client:connect())))
    end)

    it("ends when the client is closed", function()
      after(1, "closed")
      assert.equal("closed", select(3, client:connect()))
      assert.equal("closed", select(3, client:connect()))
    end)

    it("refuses what is no time", function()
      assert.has_error(function() client:connect(-1) end, "connect: timeout must be a number of seconds from 0 to "
        .. "4,294,967, or nothing to wait without end, got -1")
      assert.has_error(function() client:connect(0 / 0) end, "connect: timeout must be a number of seconds from 0 to "
        .. "4,294,967, or nothing to wait without end, got NaN")
    end)
  end)

  describe("close", function()
    it("does not wait by default, and may be called from a handler, again and again", function()
      client:on("ready", function()
        note(tostring(client:close()))
        note(tostring(client:close()))
      end)
      tell "ready"
      holdfast.sleep(0)
      assert.same({ "0 true", "0 true" }, log)
      assert.same({ "close", 0, "goodbye" }, handle:called("close")[1])
    end)

    it("waits for the time to flush at most, and a second for the goodbye", function()
      core:at(1, function()
        tell "closed"
      end)
      assert.is_true(client:close(2.5))
      assert.equal(1, core.clock)
      assert.same({ "close", 2500, "goodbye" }, handle:called("close")[1])
      local other = holdfast.new { server = "localhost" }
      assert.is_true(other:close(2))
      assert.equal(4, core.clock)
    end)

    it("leaves nothing to call but close, status, history and what is about handlers", function()
      client:close()
      for _, method in ipairs { "start", "connect", "wake", "reconnect", "network_changed" } do
        local fine, message, code = client[method](client)
        assert.same({ "the client is closed", "closed" }, { message, code })
        assert.is_nil(fine)
      end
      assert.equal("closed", select(3, client:subscribe "t"))
      assert.equal("closed", select(3, client:publish("t", "")))
      assert.equal("closed", select(3, client:post("t", "")))
      assert.truthy(client:status())
      assert.same({}, client:history())
      assert.equal(client, client:on("lost", print))
      assert.same({ "close" }, { handle.calls[1][1] })
      assert.equal(1, #handle.calls)
    end)
  end)

  describe("the credentials function", function()
    local function with(fn)
      client = holdfast.new { server = "localhost", credentials = fn }
      handle = core.clients[2]
      client:on("error", function(event)
        note("error " .. event.message:gsub("^.-: ", ""))
      end)
      core:mail("credentials", 2, 17, 3)
      holdfast.sleep(5)
      return handle:called "credentials"
    end

    it("may wait and is given the attempt", function()
      assert.same({ { "credentials", 17, "user3", "secret" } }, with(function(attempt)
        holdfast.sleep(2)
        return "user" .. attempt, "secret"
      end))
    end)

    it("may leave the password out", function()
      assert.same({ { "credentials", 17, "u" } }, with(function()
        return "u"
      end))
    end)

    it("may fail, and then says why", function()
      assert.same({ { "credentials", 17, false, "no token" } }, with(function()
        return nil, "no token"
      end))
      assert.same({}, log)
    end)

    for what, fn in pairs {
      ["the credentials function returned none"] = function() end,
      ["the user name must be a string, got a number"] = function() return 5 end,
      ["the user name must be valid UTF-8"] = function() return "\255" end,
      ["the password must be a string, got a table"] = function() return "u", {} end,
      ["the password must be at most 65,535 bytes long, got 70,000"] = function() return "u", ("x"):rep(70000) end,
    } do
      it("fails when it answers nothing usable: " .. what, function()
        assert.same({ { "credentials", 17, false, what } }, with(fn))
      end)
    end

    it("fails when it throws, which is an error event too", function()
      local calls = with(function()
        holdfast.sleep(1)
        error "no vault"
      end)
      assert.matches("no vault$", calls[1][4])
      assert.is_false(calls[1][3])
      assert.same({ "1 error no vault" }, log)
    end)
  end)

  describe("the backoff function", function()
    local failure = { reason = refused, attempt = 4, server = "mqtt://localhost", retry_in = 8 }

    local function with(fn)
      client = holdfast.new { server = "localhost", backoff = fn }
      handle = core.clients[2]
      for _, name in ipairs { "failed", "error" } do
        client:on(name, function(event)
          note(name .. " " .. tostring(event.message or event.retry_in))
        end)
      end
      core:mail("delay", 2, 9, failure, 8000)
      core:mail("event", 2, "failed", { reason = refused, attempt = 4, retry_in = 8 })
      core:at(4, function()
        core:mail("event", 2, "failed", { reason = refused, attempt = 5, retry_in = 16 })
      end)
      holdfast.sleep(5)
      return handle:called "delay"
    end

    it("is given the failure, and its answer is in the event when it did not wait", function()
      assert.same({ { "delay", 9, 2500 } }, with(function(given)
        assert.equal(failure, given)
        return 2.5
      end))
      assert.same({ "0 failed 2.5", "4 failed 16" }, log)
    end)

    it("may wait", function()
      assert.same({ { "delay", 9, 3000 } }, with(function()
        holdfast.sleep(1)
        return 3
      end))
      assert.same({ "0 failed 8", "4 failed 16" }, log)
    end)

    it("may stop, or leave it to the built-in delay", function()
      assert.same({ { "delay", 9, false } }, with(function()
        return false
      end))
      assert.same({ "0 failed nil", "4 failed 16" }, log)
    end)

    it("may leave it to the built-in delay", function()
      assert.same({ { "delay", 9 } }, with(function() end))
      assert.same({ "0 failed 8", "4 failed 16" }, log)
    end)

    local wrong_answers = { ["-1"] = -1, NaN = 0 / 0, infinity = math.huge, ['"5"'] = "5", ["true"] = true }
    for shown, wrong in pairs(wrong_answers) do
      it("is reported when it answers " .. shown .. ", and the built-in delay is used", function()
        assert.same({ { "delay", 9 } }, with(function()
          return wrong
        end))
        assert.same({ "0 error backoff must return seconds, false or nil, got " .. shown
          .. "; the built-in delay of 8 s is used", "0 failed 8", "4 failed 16" }, log)
      end)
    end

    it("is reported when it throws, and the built-in delay is used", function()
      assert.same({}, with(function()
        error("no clue", 0)
      end))
      assert.same({ "0 error no clue", "0 failed 8", "4 failed 16" }, log)
    end)
  end)

  if coroutine.close then
    it("end with a variable that is closed", function()
      local closing = assert(load [[
        local client = ...
        local held <close> = client
        error("left", 0)
      ]])
      assert.has_error(function() closing(client) end, "left")
      assert.same({ { "close", 0, "without a word" } }, handle.calls) -- by an error
      assert.equal("closed", select(3, client:publish("t", "")))
    end)
  end

  it("show in the client's words", function()
    assert.matches("^holdfast%.client holdfast%w+ %(idle%)$", tostring(client))
  end)
end)
