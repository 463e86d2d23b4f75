-- Who reads a subscription, and who does so no more: several readers, loops that are left, what is told of what nobody
-- reads. On a virtual clock.
local fake_core = require "spec.support.fake_core"

describe("of a subscription", function()
  local core, holdfast, client, handle, told

  local function begin(transport)
    core, holdfast = fake_core.install()
    client = holdfast.new { server = "mqtt://localhost", inbox = { messages = 1000, bytes = 100000 },
      transport = transport }
    handle = core.clients[1]
    told = {}
    holdfast.log(function(level, message, fields)
      told[#told + 1] = { level = level, message = message, event = fields.event, filter = fields.filter }
    end)
  end

  before_each(function() begin() end)

  -- Where the client steps away from what nobody reads, in place of holding back that somebody has it.
  local function begin_over_paho()
    fake_core.remove()
    begin "paho"
  end

  after_each(fake_core.remove)

  local function send(payload, qos, wish)
    core:message(1, "t", payload, wish or 1).qos = qos or 1
  end

  local function send_many(from, to, qos)
    for n = from, to do
      send(tostring(n), qos)
    end
  end

  local function consumed()
    return handle.messages_consumed
  end

  describe("two readers", function()
    it("one ends, and nothing is dropped while the other reads", function()
      local subscription = client:subscribe("t", { buffer = 5 })
      local heard = 0
      holdfast.run(function()
        holdfast.spawn(function()
          for _ = 1, 300 do
            assert(subscription:receive())
            heard = heard + 1
            if heard == 1 then
              holdfast.sleep(2) -- it is slow
            end
          end
        end)
        holdfast.spawn(function()
          holdfast.sleep(0.5)
          subscription:receive(0.2)
        end)
        holdfast.sleep(0.1)
        send("1")
        holdfast.sleep(1)
        send_many(2, 300)
        holdfast.sleep(5)
      end)
      assert.are.same({ 300, 0 }, { heard, subscription.dropped })
      assert.are.same({}, told)
    end)

    it("both end, and nobody reads", function()
      local subscription = client:subscribe("t", { buffer = 5 })
      holdfast.run(function()
        for _ = 1, 2 do
          holdfast.spawn(subscription.receive, subscription, 1)
        end
        holdfast.sleep(2)
        send_many(1, 20)
        holdfast.sleep(0.1)
        assert.are.same({ 20, 15 }, { consumed(), subscription.dropped })
      end)
    end)

    it("one that was woken and is ended before it goes on takes nothing along", function()
      local subscription = client:subscribe "t"
      local heard
      holdfast.run(function()
        holdfast.spawn(function()
          holdfast.sleep(0.1)
          heard = subscription:receive(10)
        end)
        holdfast.spawn(holdfast.run, function()
          holdfast.spawn(subscription.receive, subscription)
          holdfast.sleep(1)
          send "x" -- as this one returns: the loop comes to the reader after it has ended it
        end)
        holdfast.sleep(2)
      end)
      assert.are.equal("x", heard and heard.payload)
    end)
  end)

  describe("a loop", function()
    -- Takes `count` messages, and leaves.
    local function read(subscription, count, how)
      local taken = 0
      local next_message, _, _, closer = subscription:messages()
      for message in next_message do
        assert(message)
        taken = taken + 1
        if taken == count then
          break
        end
      end
      if how == "close" then
        closer:close()
      elseif how == "leave" then
        subscription:leave()
      end
    end

    it("is a function, for whoever takes one, and what closes it", function()
      local subscription = client:subscribe "t"
      local next_message, state, first_value, closer = subscription:messages(0)
      assert.are.same({ "function", "nil", "nil", "function" },
        { type(next_message), type(state), type(first_value), type(closer.close) })
      send "a"
      holdfast.sleep(0)
      assert.are.equal("a", coroutine.wrap(subscription:messages(0))().payload)
    end)

    for _, how in ipairs { "close", "leave" } do
      it("that was left owes nothing from its " .. how .. " on, and nothing is dropped before there is more", function()
        local subscription = client:subscribe("t", { buffer = 5 })
        holdfast.run(function()
          holdfast.spawn(function()
            read(subscription, 1, how)
            holdfast.sleep(100)
          end)
          holdfast.sleep(0)
          send_many(1, 20)
          holdfast.sleep(0.1)
          assert.are.same({ 20, 0 }, { consumed(), subscription.dropped })
          assert.are.equal("left", subscription:ended())
          assert.are.equal("2", subscription:receive(0).payload)
          subscription:leave()
          send "21"
          holdfast.sleep(0.1)
          assert.are.same({ 21, 14 }, { consumed(), subscription.dropped })
        end)
      end)
    end

    it("that was left and not closed still reads, as long as its task lives", function()
      local subscription = client:subscribe("t", { buffer = 5 })
      holdfast.run(function()
        holdfast.spawn(function()
          read(subscription, 1)
          holdfast.sleep(1)
        end)
        holdfast.sleep(0)
        send_many(1, 20)
        holdfast.sleep(0.5)
        assert.are.equal(1, consumed())
        holdfast.sleep(1)
        send "21"
        holdfast.sleep(0.1)
        assert.are.same({ 21, 15 }, { consumed(), subscription.dropped })
      end)
    end)

    if _VERSION == "Lua 5.4" then
      it("is closed by Lua itself, however it is left", function()
        local ways = {
          ["break"] = load "local s = ... for _ in s:messages() do break end",
          ["return"] = load "local s = ... for _ in s:messages() do return end",
          error = load "local s = ... for _ in s:messages() do error 'left' end",
        }
        for name, way in pairs(ways) do
          local subscription = client:subscribe("t", { buffer = 5 })
          local before = consumed()
          holdfast.run(function()
            holdfast.spawn(function()
              pcall(way, subscription)
              holdfast.sleep(100)
            end)
            holdfast.sleep(0)
            for n = 1, 20 do
              send(tostring(n), 1, subscription.wish)
            end
            holdfast.sleep(0.1)
            assert.are.same({ name, 20, "left" }, { name, consumed() - before, subscription:ended() })
          end)
        end
      end)
    end

    it("says why it has ended", function()
      local subscription = client:subscribe "t"
      assert.is_nil(subscription:ended())
      local function go_through(timeout)
        for _ in subscription:messages(timeout) do
          assert.is_nil(subscription:ended())
        end
        return subscription:ended()
      end
      send "a"
      assert.are.equal("timeout", go_through(1))
      core:at(5, function() subscription:remove() end)
      assert.are.equal("removed", go_through())
      subscription = client:subscribe "t"
      core:at(10, function() core:mail("event", 1, "closed", {}) end)
      assert.are.equal("closed", go_through())
      assert.has_error(function() subscription.ended() end)
    end)

    it("that was left and not closed is looked for in small steps while the client is away", function()
      begin_over_paho()
      local subscription = client:subscribe "t"
      local options, collect = {}, collectgarbage
      finally(function()
        _G.collectgarbage = collect
        collect "restart"
      end)
      holdfast.run(function()
        send "1"
        collect "stop" -- the loop is not to be found by chance
        read(subscription, 1)
        send_many(2, 100)
        holdfast.sleep(0.1)
        _G.collectgarbage = function(option, ...)
          options[option or "collect"] = true
          return collect(option, ...)
        end
        core:mail("event", 1, "lost", { reason = { name = "slow_consumer", text = "too slow" } })
        holdfast.sleep(60)
      end)
      assert.are.same({ step = true }, options)
      assert.are.equal(100, consumed())
    end)

    it("that has ended goes on saying so", function()
      local subscription = client:subscribe "t"
      local next_message, _, _, closer = subscription:messages(0)
      assert.is_nil(next_message())
      closer:close()
      send "a"
      holdfast.sleep(0)
      assert.is_nil(next_message())
      assert.are.equal("timeout", subscription:ended())
      assert.are.equal("a", subscription:receive(0).payload)
    end)
  end)

  it("one who was ended in holdfast.first reads no more", function()
    local subscription = client:subscribe("t", { buffer = 5 })
    holdfast.run(function()
      local waiting = holdfast.spawn(holdfast.first, { subscription })
      holdfast.sleep(1)
      waiting:cancel()
      send_many(1, 20)
      holdfast.sleep(1)
      assert.are.same({ 15, 20 }, { subscription.dropped, consumed() })
    end)
  end)

  describe("a reader who has not begun yet", function()
    local subscription

    before_each(function()
      client = holdfast.new { server = "mqtt://localhost", transport = "native" }
      subscription, handle = client:subscribe "t", core.clients[2]
    end)

    local function send_to_it(from, to)
      for n = from, to do
        core:message(2, "t", tostring(n), 1).qos = 1
      end
    end

    it("has what a session hands over first, for as long as a program may take to begin", function()
      holdfast.run(function()
        send_to_it(1, 1500)
        holdfast.sleep(9)
        assert.are.same({ 0, 0 }, { consumed(), subscription.dropped })
        for n = 1, 1500 do
          assert.are.equal(tostring(n), subscription:receive(0).payload)
        end
      end)
      assert.are.same({}, told)
    end)

    it("and never will is waited for no longer than that", function()
      holdfast.run(function()
        send_to_it(1, 1500)
        holdfast.sleep(11)
        assert.are.same({ 1500, 0 }, { consumed(), subscription.dropped }) -- what there is stays until there is more
        send_to_it(1501, 1501)
        holdfast.sleep(0)
        assert.are.same({ 1501, 501, 1 }, { consumed(), subscription.dropped, #told })
        assert.are.equal("502", subscription:receive(0).payload)
      end)
    end)
  end)

  describe("what nobody reads", function()
    it("is told once at QoS 1 and 2, and counted", function()
      local subscription = client:subscribe("t", { buffer = 3 })
      send_many(1, 10, 0)
      holdfast.sleep(0)
      assert.are.same({ 7, 0 }, { subscription.dropped, #told })
      send_many(11, 13, 1)
      holdfast.sleep(0)
      assert.are.equal(0, #told)
      send_many(14, 20, 2)
      holdfast.sleep(0)
      assert.are.same({ 17, 1 }, { subscription.dropped, #told })
      assert.are.same({ "warning", "unread", "t" }, { told[1].level, told[1].event, told[1].filter })
      assert.are.equal("nobody reads subscription t: its oldest messages are dropped beyond 3, or the bytes of the "
        .. "inbox, and were acknowledged; subscription.dropped counts them", told[1].message)
    end)

    it("and belongs to no subscription is counted, and told once a topic", function()
      core:message(1, "old", "x").qos = 0
      core:message(1, "old", "x").qos = 1
      core:message(1, "older", "x").qos = 2
      local subscription = client:subscribe "t"
      subscription:remove()
      send "of a subscription that was removed meanwhile"
      holdfast.sleep(0)
      core:message(1, "old", "x").qos = 1
      holdfast.sleep(0)
      assert.are.same({ 5, 4, 2, "unclaimed" },
        { consumed(), core.clients[1].messages_unclaimed, #told, told[1].event })
      assert.matches("^a message for old belongs to no subscription", told[1].message)
      assert.matches("^a message for older belongs to no subscription", told[2].message)
      for topic = 1, 100 do
        core:message(1, tostring(topic), "x").qos = 1
      end
      holdfast.sleep(0)
      assert.are.equal(20, #told)
      assert.matches("nothing is said of other topics", told[20].message)
    end)
  end)
end)
