-- A client through the death and return of a real broker: what it says, and what it still hears.
local diary = require "spec.support.diary"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local transport = require "spec.support.transport"

local QUICK = { strategy = "constant", min = 0.1, jitter = "none" }

local function options(broker, more)
  local made = { server = "mqtt://127.0.0.1:" .. broker.port, backoff = QUICK }
  for key, value in pairs(more or {}) do
    made[key] = value
  end
  return made
end

local function collect(subscription, into)
  holdfast.spawn(function()
    for message in subscription:messages() do
      into[#into + 1] = message.payload
    end
  end)
end

local function await(condition, seconds, what)
  local deadline = require("holdfast.core").now() + (seconds or 5)
  while not condition() do
    assert(require("holdfast.core").now() < deadline, what or "it does not happen")
    holdfast.sleep(0.01)
  end
end

-- Whether so many of each QoS are over for the broker, too: what it has saved before that it sends once more.
local function has_been_told(broker, times)
  local _, first = broker:log():gsub("Received PUBACK from steady", "")
  local _, second = broker:log():gsub("Received PUBCOMP from steady", "")
  return first >= times and second >= times
end

describe("an outage #broker", function()
  after_each(mosquitto.finish)

  for _, protocol in ipairs { 5, 4 } do
    for _, kind in ipairs { "a clean session", "a persistent one" } do
      it(("with %s, protocol %d: SIGKILL, restart, every subscription back"):format(kind, protocol), function()
        local persistent = kind == "a persistent one"
        local broker = mosquitto.start { persistent = persistent }
        holdfast.run(function()
          local client = holdfast.new(options(broker,
            { protocol = protocol, client_id = "steady", session_expiry = persistent and 3600 or 0 }))
          local seen = diary.of(client)
          local heard, others = {}, {}
          collect(client:subscribe("meters/+/power", { qos = 1 }), heard)
          collect(client:subscribe("rooms/#", { qos = 2 }), others)
          assert(client:connect(10))
          for cycle = 1, 3 do
            if persistent then
              await(function() return has_been_told(broker, cycle - 1) end, 10, "the broker is not told")
              broker:save()
            end
            broker:kill()
            local lost = seen:await("lost", cycle)
            assert.is_true(transport.killed(lost.event.reason.name))
            assert.are.equal("retry", lost.event.reason.class)
            assert.are.equal(0.1, lost.event.retry_in)
            assert.is_true(lost.event.uptime >= 0)
            seen:await("failed", cycle)
            broker:restart()
            local connected = seen:await("connected", cycle + 1).event
            assert.are.equal(persistent, connected.session_present)
            local ready = seen:await("ready", cycle + 1).event
            assert.are.equal(2, ready.subscriptions)
            assert.are.equal(0, ready.refused)
            assert.is_true(ready.downtime > 0.1)
            assert(client:publish("meters/1/power", "m" .. cycle, { qos = 1 }))
            assert(client:publish("rooms/a/b", "r" .. cycle, { qos = 2 }))
            await(function() return #heard == cycle and #others == cycle end, 5, "not subscribed again")
          end
          assert.are.same({ "m1", "m2", "m3" }, heard)
          assert.are.same({ "r1", "r2", "r3" }, others)
          assert.is_nil(seen:disorder())
          assert.are.equal(3, seen:count "lost")
          local history = client:history()
          assert.are.equal("up", history[#history].phase)
          assert(client:close(2))
        end)
      end)
    end
  end

  it("is not ready before every SUBACK, and every wish is heard once", function()
    local broker = mosquitto.start()
    holdfast.run(function()
      local client = holdfast.new(options(broker))
      local verdicts, order = 0, {}
      client:on("ready", function(event) order[#order + 1] = "ready " .. event.subscriptions end)
      local heard = {}
      for i = 1, 150 do
        local subscription = client:subscribe("wish/" .. i, { qos = i % 3 })
        collect(subscription, heard)
        holdfast.spawn(function()
          assert.are.equal(i % 3, subscription:granted(10))
          verdicts = verdicts + 1
        end)
      end
      assert(client:connect(10))
      await(function() return verdicts == 150 end)
      assert.are.same({ "ready 150" }, order)
      for i = 1, 150 do
        client:post("wish/" .. i, tostring(i), { qos = 1 })
      end
      await(function() return #heard == 150 end)
      client:close(1)
    end)
  end)

  it("before the first connection is an outage like any other", function()
    local broker = mosquitto.start { absent = true }
    holdfast.run(function()
      local client = holdfast.new(options(broker))
      local seen = diary.of(client)
      client:start()
      seen:await("failed", 3)
      broker:restart()
      seen:await("ready", 1)
      assert.is_nil(seen:disorder())
      assert.are.equal(0, seen:count "lost")
      local connected = seen:all("connected")[1].event
      assert.are.equal(seen:count "connecting", connected.attempts)
      client:close(1)
    end)
  end)

  it("of one client gives the other of the process no duplicates", function()
    local one, other = mosquitto.start(), mosquitto.start()
    holdfast.run(function()
      local steady, shaken = holdfast.new(options(one)), holdfast.new(options(other))
      local heard = {}
      collect(steady:subscribe("n", { qos = 2 }), heard)
      assert(steady:connect(10))
      local seen = diary.of(shaken)
      assert(shaken:connect(10))
      local sent = 0
      for cycle = 1, 4 do
        other:kill()
        for _ = 1, 25 do
          sent = sent + 1
          assert(steady:post("n", tostring(sent), { qos = 2 }))
        end
        seen:await("lost", cycle)
        other:restart()
        seen:await("ready", cycle + 1)
      end
      await(function() return #heard >= sent end)
      holdfast.sleep(0.3)
      for index = 1, sent do
        assert.are.equal(tostring(index), heard[index])
      end
      assert.are.equal(sent, #heard)
      steady:close(1)
      shaken:close(1)
    end)
  end)

  it("of a client that resumes QoS 2 doubles nothing of the others, and loses nothing", function()
    local broker = mosquitto.start { lines = { "max_inflight_messages 0", "max_queued_messages 0" } }
    holdfast.run(function()
      local clients, heard, sent = {}, {}, 0
      for index = 1, 6 do
        clients[index] = holdfast.new(options(broker, { client_id = "c" .. index }))
        clients[index]:subscribe("n/" .. index, { qos = 2 }, function(message)
          heard[message.payload] = (heard[message.payload] or 0) + 1
        end)
        assert(clients[index]:connect(10))
      end
      for round = 1, 40 do
        for _ = 1, 10 do
          for index, client in ipairs(clients) do
            sent = sent + 1
            -- Only the steady ones at QoS 1: a connection that is left in mid-flight may repeat its own.
            assert(client:post("n/" .. index, tostring(sent), { qos = index > 3 and 1 or 2 }))
          end
        end
        clients[round % 3 + 1]:reconnect()
        holdfast.sleep(0.01)
      end
      await(function()
        for _, client in ipairs(clients) do
          if client:status().queued.messages > 0 then
            return false
          end
        end
        return true
      end, 20, "the queues do not drain")
      holdfast.sleep(0.5)
      for number = 1, sent do
        assert.are.equal(1, heard[tostring(number)] or 0, "message " .. number)
      end
      for _, client in ipairs(clients) do
        client:close(1)
      end
    end)
  end)

  it("passes behind the back of a Lua that is busy for 10 s, and no QoS 1 message is lost", function()
    local broker = mosquitto.start { persistent = true }
    local process = require "process_probe"
    holdfast.run(function()
      local client = holdfast.new(options(broker, { client_id = "busy", keep_alive = 5 }))
      local seen = diary.of(client)
      local heard = {}
      collect(client:subscribe("stream", { qos = 1 }), heard)
      assert(client:connect(10))
      for i = 1, 500 do
        assert(client:post("stream", tostring(i), { qos = 1 }))
      end
      broker:save():restart() -- all of this without a look at the mailbox
      local busy_until = process.now() + 10000
      while process.now() < busy_until do
        process.sleep(1)
      end
      local status = client:status()
      assert.are.equal("connected", status.state)
      assert.is_true(status.ready)
      assert.is_true(status.since > 5, "it connected only now")
      assert.are.equal(0, seen:count "lost")
      local found, count = {}, 0 -- at QoS 1 some may come twice
      await(function()
        for _, payload in ipairs(heard) do
          count = count + (found[payload] and 0 or 1)
          found[payload] = true
        end
        return count >= 500
      end, 10, "messages are missing")
      for i = 1, 500 do
        assert.is_true(found[tostring(i)], "message " .. i .. " is lost")
      end
      -- How often it tried is the machine's affair: the broker takes its time to start.
      assert.are.equal("connected ready lost connected ready", seen:words { connecting = true, failed = true })
      client:close(1)
    end)
  end)
end)
