-- Reading a subscription: receive and messages, and the buffer that nobody reads, on a virtual clock.
local fake_core = require "spec.support.fake_core"
local starve = require "starve_probe"

describe("a subscription", function()
  local core, holdfast, client, handle, log

  local function begin(transport)
    core, holdfast = fake_core.install()
    client = holdfast.new { server = "mqtt://localhost", inbox = { messages = 100, bytes = 1000 },
      transport = transport }
    handle = core.clients[1]
    log = {}
  end

  before_each(function() begin() end)

  -- Where the client steps away from what nobody reads, in place of holding back that somebody has it.
  local function begin_over_paho()
    fake_core.remove()
    begin "paho"
  end

  after_each(fake_core.remove)

  local function note(what)
    log[#log + 1] = ("%g %s"):format(core.clock, what)
  end

  local function send(payload, ...)
    return core:message(1, "t", payload, ...)
  end

  local function send_many(from, to)
    for n = from, to do
      send(tostring(n), 1)
    end
  end

  local function consumed()
    return handle.messages_consumed
  end

  describe("read", function()
    if coroutine.close then
      it("by one who has been ended where it waits goes to the next", function()
        local messages = client:subscribe "t"
        local ended
        holdfast.spawn(function()
          ended = coroutine.running()
          note(messages:receive().payload)
        end)
        holdfast.spawn(function() note("second " .. messages:receive().payload) end)
        holdfast.sleep(1)
        coroutine.close(ended)
        send("x", 1)
        holdfast.sleep(1)
        assert.same({ "1 second x" }, log)
      end)
    end

    it("by two loops beside each other owes for what both get until both have it", function()
      local loops = { client:subscribe("t"):messages(), client:subscribe("+"):messages() }
      local heard = { {}, {} }
      local function take(which, count)
        for _ = 1, count do
          table.insert(heard[which], loops[which]().payload)
        end
      end
      send_many(1, 6)
      for n = 7, 12 do
        send(tostring(n), 1, 2)
      end
      send_many(13, 14)
      take(1, 1)
      take(1, 13)
      holdfast.sleep(0)
      assert.equal(8, consumed())
      take(2, 2)
      holdfast.sleep(0)
      assert.equal(10, consumed())
      take(2, 4)
      holdfast.sleep(0)
      assert.equal(14, consumed())
      assert.same({ "1 2 3 4 5 6 7 8 9 10 11 12 13 14", "7 8 9 10 11 12" },
        { table.concat(heard[1], " "), table.concat(heard[2], " ") })
    end)

    it("waits for each message", function()
      local subscription = client:subscribe "t"
      core:at(2, function()
        send("a", 1)
      end)
      assert.equal("a", subscription:receive().payload)
      assert.equal(2, core.clock)
      local message, words, code = subscription:receive(1.5)
      assert.is_nil(message)
      assert.same({ "no message within 1.5 s", "timeout" }, { words, code })
      assert.equal(3.5, core.clock)
      assert.is_nil(subscription.readers[1])
    end)

    it("by several at once serves them in the order of their calls", function()
      local subscription = client:subscribe "t"
      holdfast.run(function()
        for i = 1, 3 do
          holdfast.spawn(function()
            note(i .. subscription:receive().payload)
          end)
        end
        holdfast.sleep(1)
        send("a", 1)
        send("b", 1)
        send("c", 1)
        holdfast.sleep(1)
      end)
      assert.same({ "1 1a", "1 2b", "1 3c" }, log)
    end)

    it("iterates until it is removed, or for a time without messages", function()
      local subscription = client:subscribe "t"
      for second = 1, 3 do
        core:at(second, function()
          send(tostring(second), 1)
        end)
      end
      for message in subscription:messages(1.5) do
        note(message.payload)
      end
      assert.same({ "1 1", "2 2", "3 3" }, log)
      assert.equal(4.5, core.clock)
      core:at(6, function()
        subscription:remove()
      end)
      for _ in subscription:messages() do
        note "never"
      end
      assert.equal(6, core.clock)
    end)

    it("in a run does not stop the others", function()
      local subscription = client:subscribe "t"
      core:at(2.5, function()
        send("x", 1)
      end)
      holdfast.run(function()
        holdfast.spawn(function()
          for _ = 1, 4 do
            holdfast.sleep(1)
            note "tick"
          end
        end)
        for message in subscription:messages(5) do
          note(message.payload)
          subscription:remove()
        end
      end)
      assert.same({ "1 tick", "2 tick", "2.5 x" }, log)
    end)

    it("in a place that cannot be suspended works for one `for` at a time, and says so to the next", function()
      local subscription = client:subscribe "t"
      local function read_all()
        coroutine.wrap(function()
          for message in subscription:messages() do
            note(message.payload)
          end
        end)()
      end
      local failure
      client:on("error", function(event)
        failure = event.message
      end)
      client:once("ready", read_all)
      client:on("lost", read_all)
      core:mail("event", 1, "ready", {})
      core:at(1, function()
        core:mail("event", 1, "lost", { reason = { name = "reset" } })
        send("a", 1)
      end)
      core:at(2, function()
        subscription:remove()
      end)
      holdfast.sleep(3)
      assert.same({ "1 a" }, log)
      assert.matches("this `for` loop over messages cannot be suspended .* use receive%(%)", failure)
    end)

    it("in a `for` works in two coroutines at once, but on Lua 5.1", function()
      local subscriptions = { client:subscribe "a", client:subscribe "b" }
      core:at(1, function()
        send("first", 1)
        send("second", 2)
      end)
      local fine, err = pcall(holdfast.run, function()
        for i, subscription in ipairs(subscriptions) do
          holdfast.spawn(function()
            for message in subscription:messages() do
              note(i .. " " .. message.payload)
            end
          end)
        end
        holdfast.sleep(2)
      end)
      if _VERSION == "Lua 5.1" and not jit then
        assert.matches("cannot be suspended", err)
      else
        assert.is_true(fine)
        assert.same({ "1 1 first", "1 2 second" }, log)
      end
    end)

    it("drops nothing, and counts what is not taken", function()
      local subscription = client:subscribe("t", { buffer = 3 })
      holdfast.run(function()
        local count = 0
        for message in subscription:messages(1) do
          count = count + 1
          assert.equal(tostring(count), message.payload)
          if count == 1 then
            send_many(2, 90)
            holdfast.sleep(1)
            assert.equal(1, consumed())
          end
        end
        assert.equal(90, count)
      end, send("1", 1))
      assert.equal(90, consumed())
      assert.equal(0, subscription.dropped)
    end)

    it("gives back what a program takes that never waits", function()
      local subscription = client:subscribe "t"
      subscription:receive(0)
      send_many(1, 90)
      holdfast.sleep(0)
      assert.equal(0, consumed())
      for _ = 1, 70 do
        assert.truthy(subscription:receive(0))
      end
      assert.equal(64, consumed())
      holdfast.sleep(0)
      assert.equal(70, consumed())
    end)

    it("and removed owes nothing, though nobody keeps it until the end of the turn", function()
      do
        local next_message = client:subscribe("t"):messages()
        send_many(1, 30)
        for n = 1, 10 do
          assert.equal(tostring(n), next_message().payload)
        end
        assert.equal(0, consumed())
        client.wishes[1]:remove()
      end
      collectgarbage()
      collectgarbage()
      holdfast.sleep(0)
      assert.equal(30, consumed())
    end)

    it("loses nothing to a reader that has no memory to begin with", function()
      local subscription = client:subscribe "t"
      subscription:receive(0)
      send_many(1, 10)
      holdfast.sleep(0)
      local heard
      local function read()
        heard = subscription:receive(0)
      end
      for n = 1, 10 do
        heard = nil
        for point = 1, 100 do
          local reader = coroutine.create(read)
          starve.starve(function()
            coroutine.resume(reader)
          end, point)
          if heard then
            break
          end
        end
        assert.equal(tostring(n), heard.payload)
      end
    end)

    it("is acknowledged before its client says goodbye", function()
      local before
      function handle:close()
        before = self.messages_consumed
        return true
      end
      local ways = { client.close }
      if _VERSION == "Lua 5.4" then
        ways[2] = getmetatable(client).__close
      end
      local next_message = client:subscribe("t"):messages()
      for count, way in ipairs(ways) do
        send_many(1, 10)
        for _ = 1, 10 do
          next_message()
        end
        way(client)
        assert.equal(10 * count, before)
      end
    end)

    it("loses nothing to a reader whose run has ended", function()
      local subscription = client:subscribe "t"
      holdfast.run(function()
        holdfast.spawn(function()
          subscription:receive()
        end)
        holdfast.sleep(1)
      end)
      send("x", 1)
      assert.equal("x", subscription:receive(1).payload)
    end)

    it("is over when the client is closed, once the buffer is empty", function()
      local subscription = client:subscribe "t"
      send("kept", 1)
      core:mail("event", 1, "closed", {})
      holdfast.sleep(0.1)
      assert.equal("kept", subscription:receive().payload)
      local message, words, code = subscription:receive()
      assert.is_nil(message)
      assert.same({ "the client is closed", "closed" }, { words, code })
    end)

    it("is over when the client is closed meanwhile", function()
      local subscription = client:subscribe "t"
      core:at(1, function()
        core:mail("event", 1, "closed", {})
      end)
      assert.equal("closed", select(3, subscription:receive()))
      assert.equal("closed", select(3, subscription:granted()))
    end)

    it("refuses what is no time", function()
      local subscription = client:subscribe "t"
      assert.has_error(function() subscription:receive(-1) end, "receive: timeout must be a number of seconds from 0 "
        .. "to 4,294,967, or nothing to wait without end, got -1")
      assert.has_error(function() subscription:messages "1" end, "messages: timeout must be a number of seconds from 0 "
        .. 'to 4,294,967, or nothing to wait without end, got "1"')
      assert.has_error(function() subscription:granted(0 / 0) end, "granted: timeout must be a number of seconds from "
        .. "0 to 4,294,967, or nothing to wait without end, got NaN")
    end)
  end)

  it("has a buffer that keeps order and size as it grows and wraps", function()
    local buffer = require "holdfast.buffer"
    local kept, model, seed = buffer.new(), {}, 7
    for n = 1, 5000 do
      seed = (seed * 16807) % 2147483647
      if seed % 100 < (n < 2500 and 55 or 45) then
        assert(buffer.push(kept, { n = n }, n, n))
        assert(not buffer.push(kept, { n = n }, n, n)) -- as after an interruption
        model[#model + 1] = n
      else
        local message, item = buffer.head(kept)
        local expected = table.remove(model, 1)
        assert(item == expected and (message and message.n) == expected)
        if message then
          buffer.drop(kept)
        end
      end
      local bytes = 0
      for _, size in ipairs(model) do
        bytes = bytes + size
      end
      assert(buffer.count(kept) == #model and buffer.bytes(kept) == bytes)
    end
  end)

  describe("that nobody reads", function()
    it("keeps the newest, counts the others, and owes nothing", function()
      local subscription = client:subscribe("t", { buffer = 3 })
      send_many(1, 10)
      holdfast.sleep(0)
      assert.equal(7, subscription.dropped)
      assert.equal(10, consumed())
      for _, payload in ipairs { "8", "9", "10" } do
        assert.equal(payload, subscription:receive(0).payload)
      end
      assert.equal("timeout", select(3, subscription:receive(0)))
      assert.equal(10, consumed())
    end)

    it("keeps no more bytes than the inbox may hold", function()
      local subscription = client:subscribe "t"
      for _ = 1, 10 do
        send(("x"):rep(299), 1)
      end
      holdfast.sleep(0)
      assert.equal(7, subscription.dropped)
      send(("y"):rep(5000), 1)
      holdfast.sleep(0)
      assert.equal(10, subscription.dropped)
      assert.equal(5000, #subscription:receive(0).payload)
    end)

    it("any more owes nothing any more, so that the client can come back", function()
      begin_over_paho()
      local subscription = client:subscribe("t", { buffer = 10 })
      holdfast.run(function()
        send_many(1, 51)
        holdfast.sleep(0)
        local iterator = subscription:messages()
        iterator()
        send_many(52, 100)
        holdfast.sleep(1)
        assert.is_true(consumed() < 100)
        iterator = nil -- luacheck: ignore 311 (as of a `for` loop that was left in its first round)
        core:mail("event", 1, "lost", { reason = { name = "slow_consumer" } })
        holdfast.sleep(20)
        assert.equal(100, consumed())
        assert.equal("43", subscription:receive(0).payload) -- nothing is dropped before there is more
      end)
    end)

    it("any more because a task ended while the client was away is relieved of it too", function()
      local subscription = client:subscribe("t", { buffer = 10 })
      local errors = 0
      client:on("error", function()
        errors = errors + 1
      end)
      client:once("ready", function()
        for _ in subscription:messages() do
          holdfast.sleep(4)
          error "the reader ends"
        end
      end)
      core:mail("event", 1, "ready", {})
      send_many(1, 100)
      holdfast.sleep(1)
      core:mail("event", 1, "lost", { reason = { name = "slow_consumer" } })
      holdfast.sleep(2)
      assert.equal(1, consumed())
      holdfast.sleep(10)
      assert.equal(1, errors)
      assert.equal(100, consumed())
      core:mail("event", 1, "connecting", {})
      local waits = core.waits
      holdfast.sleep(1000)
      assert.is_true(core.waits - waits < 10)
    end)

    it("is no longer looked for when the client's worker leaves", function()
      core:mail("event", 1, "ready", {})
      core:mail("event", 1, "lost", { reason = { name = "slow_consumer" } })
      holdfast.sleep(2)
      client.leaving = true
      local waits = core.waits
      holdfast.sleep(1000)
      assert.is_true(core.waits - waits < 5, core.waits - waits)
    end)

    it("any more because a task has ended owes nothing with the next message", function()
      begin_over_paho()
      for _, ending in ipairs { "returns", "throws", "is ended" } do
        local before = consumed()
        local subscription = client:subscribe("t", { buffer = 10 })
        local wish = subscription.wish
        pcall(holdfast.run, function()
          holdfast.spawn(function()
            subscription:receive()
            holdfast.sleep(1)
            if ending == "is ended" then
              holdfast.sleep(1)
            end
            assert(ending == "returns")
          end)
          holdfast.sleep(0)
          for n = 1, 5 do
            send(tostring(n), wish)
          end
          holdfast.sleep(1.5)
        end)
        assert.equal(before + 1, consumed())
        send("6", wish)
        holdfast.sleep(0)
        assert.equal(before + 6, consumed())
      end
    end)

    it("any more because its coroutine has ended owes nothing with the next message", function()
      local subscription = client:subscribe("t", { buffer = 10 })
      local thread = coroutine.create(function()
        subscription:receive()
      end)
      send_many(1, 5)
      assert(coroutine.resume(thread))
      holdfast.sleep(0)
      assert.equal("dead", coroutine.status(thread))
      send_many(6, 6)
      holdfast.sleep(0)
      assert.equal(6, consumed())
    end)
  end)
end)
