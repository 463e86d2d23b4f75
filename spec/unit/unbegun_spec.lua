-- What the library itself is to do in a coroutine, for which there is none: no memory, or an error of a hook. It is
-- begun with again.
local fake_core = require "spec.support.fake_core"
local strike = require "spec.support.strike"

describe("a coroutine of the library's own that does not come about", function()
  local core, holdfast, loop, client, handle

  local function begin(options)
    core, holdfast = fake_core.install()
    loop = require "holdfast.loop"
    options.server = "mqtt://localhost"
    client = holdfast.new(options)
    handle = core.clients[1]
    holdfast.sleep(0) -- the loop is chosen
  end

  after_each(function()
    holdfast.log(nil)
    fake_core.remove()
  end)

  -- The next call of a function of the loop fails.
  local function fail_once(name)
    local real = loop[name]
    loop[name] = function()
      loop[name] = real
      error("not enough memory", 0)
    end
  end

  local function turn_that_fails(name)
    fail_once(name)
    assert.same({ false, "not enough memory" }, { pcall(holdfast.sleep, 0) })
  end

  it("looks after readers that were woken and do not come", function()
    begin {}
    local subscription, heard = client:subscribe "t", nil
    local tasks = {}
    for n = 1, 3 do
      tasks[n] = holdfast.spawn(function()
        heard = subscription:receive().payload .. n
      end)
    end
    holdfast.sleep(0)
    client:on("lost", function()
      tasks[2]:cancel()
    end)
    core:message(1, "t", "x", 1)
    core:mail("event", 1, "lost", { reason = { name = "reset" } })
    turn_that_fails "start"
    tasks[1]:cancel()
    holdfast.sleep(1)
    assert.equal("x3", heard)
  end)

  -- What has come for nobody is told of as such.
  local function has_early_message(fail)
    local told = 0
    begin {}
    holdfast.log(function(_, _, fields)
      told = told + (fields.event == "unclaimed" and 1 or 0)
    end)
    core:mail("event", 1, "connected", { server = "x", session_present = true, attempts = 1 })
    core:message(1, "t", "x").qos = 1
    core:mail("event", 1, "ready", { subscriptions = 0, refused = 0 })
    fail()
    holdfast.sleep(1)
    assert.equal(1, told)
    assert.equal(1, handle.messages_consumed)
  end

  it("hands out what came before its subscription", function()
    has_early_message(function()
      turn_that_fails "start"
    end)
  end)

  it("hands out what came before its subscription, though it has begun and failed", function()
    has_early_message(function()
      local park = loop.park
      function loop.park(...)
        if loop.task() then
          loop.park = park
          error("not enough memory", 0)
        end
        return park(...)
      end
      pcall(holdfast.sleep, 0)
    end)
  end)

  -- The same of what is done there: an error may strike at any step of it.
  for who, kept_for in pairs { ["two handlers"] = 2, ["nobody"] = 0 } do
    it("hands out to " .. who .. " what came before its subscription, though that is interrupted anywhere", function()
      local point = 0
      local struck
      repeat
        point = point + 1
        struck = nil
        begin {}
        holdfast.log(function() end)
        local heard = {}
        for n = 1, 3 do
          heard[tostring(n)] = 0
        end
        local function count(message)
          heard[message.payload] = heard[message.payload] + 1
        end
        core:mail("event", 1, "connected", { server = "x", session_present = true, attempts = 1 })
        for n = 1, 3 do
          core:message(1, "t", tostring(n)).qos = 1
        end
        core:mail("event", 1, "ready", { subscriptions = 0, refused = 0 })
        holdfast.sleep(0.01)
        for _ = 1, kept_for do
          client:subscribe("t", count)
        end
        local delivery = require "holdfast.delivery"
        local settle = delivery.settle
        function delivery.settle(...)
          delivery.settle = settle
          struck = strike.at(point, "/holdfast/delivery.lua", "l")
          settle(...)
          debug.sethook()
        end
        pcall(holdfast.sleep, 1)
        debug.sethook()
        holdfast.sleep(0)
        for n = 1, 3 do
          assert.equal(kept_for, heard[tostring(n)], point)
        end
        assert.equal(3, handle.messages_consumed, point)
        fake_core.remove()
      until not struck.is_struck
      assert.is_true(point > 10, point)
    end)
  end

  it("hands out what came before its subscription with what came later, though that is interrupted anywhere", function()
    local point = 0
    local struck
    repeat
      point = point + 1
      begin {}
      local heard = 0
      core:mail("event", 1, "connected", { server = "x", session_present = true, attempts = 1 })
      core:message(1, "t", "early").qos = 1
      core:mail("event", 1, "ready", { subscriptions = 0, refused = 0 })
      holdfast.sleep(0.01)
      client:subscribe("t", function()
        heard = heard + 1
      end)
      core:message(1, "t", "late", 1).qos = 1
      struck = strike.at(point, "/holdfast/delivery.lua", "l")
      pcall(holdfast.sleep, 0)
      debug.sethook()
      holdfast.sleep(1)
      assert.same({ 2, 2 }, { heard, handle.messages_consumed }, point)
      fake_core.remove()
    until not struck.is_struck
    assert.is_true(point > 10, point)
  end)

  -- It ends with its second message in the buffer.
  local function spawn_reader()
    local subscription = client:subscribe "t"
    holdfast.spawn(function()
      subscription:receive()
      holdfast.sleep(1)
    end)
    holdfast.sleep(0)
    core:message(1, "t", "x", 1)
  end

  it("watches a client that holds back what nobody takes any more", function()
    begin { transport = "native" }
    spawn_reader()
    turn_that_fails "start"
    core:message(1, "t", "y", 1)
    holdfast.sleep(30)
    assert.equal(2, handle.messages_consumed)
  end)

  it("watches a client that has stepped away from what nobody takes any more", function()
    begin { transport = "paho" }
    spawn_reader()
    core:message(1, "t", "y", 1)
    holdfast.sleep(0)
    core:mail("event", 1, "lost", { reason = { name = "slow_consumer" } })
    turn_that_fails "start"
    holdfast.sleep(30)
    assert.equal(2, handle.messages_consumed)
  end)

  it("says that there are no credentials, though it is interrupted as it begins to ask", function()
    begin { credentials = function() return "user" end }
    holdfast.log(function() end)
    core:mail("credentials", 1, 7, 1)
    local serve = loop.serve
    function loop.serve(found, owner, item, find, ...)
      loop.serve = serve
      return serve(found, owner, item, function(...)
        debug.sethook(function()
          if debug.getinfo(2, "f").func == find then
            debug.sethook()
            error("interrupted", 0)
          end
        end, "c")
        find(...)
      end, ...)
    end
    pcall(holdfast.sleep, 0)
    debug.sethook()
    assert.same({ "credentials", 7, false, "interrupted" }, handle.calls[#handle.calls])
  end)

  it("asks for credentials, and for a delay", function()
    local asked = {}
    begin {
      credentials = function() asked[#asked + 1] = "credentials" return "user" end,
      backoff = function() asked[#asked + 1] = "backoff" return 1 end,
    }
    for ticket = 1, 2 do
      core:mail("credentials", 1, ticket, 1)
      core:mail("delay", 1, ticket, { reason = { name = "connection_lost", class = "retry" }, attempt = 1,
        retry_in = 2 })
      if ticket == 1 then
        turn_that_fails "serve"
        turn_that_fails "serve"
      end
      holdfast.sleep(0)
    end
    assert.same({ "credentials", "backoff" }, asked)
  end)
end)
