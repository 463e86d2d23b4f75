-- Who decides when the next attempt is made: a backoff written in Lua, a count, a sleep, a hint, a budget. On real
-- sockets and real time.
local diary = require "spec.support.diary"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local now = require("holdfast.core").now
local process = require "process_probe"
local scripted = require "spec.support.scripted_broker"
local transport = require "spec.support.transport"

local SLACK = 0.5 -- of a loaded machine

local function took(seconds, least, most)
  assert.is_true(seconds >= least - 0.01 and seconds <= (most or least) + SLACK, ("took %.3f s"):format(seconds))
end

-- From one attempt to the next: not too soon by the clock of the core, since a busy machine may hear of the first one
-- late; nor too late as it was heard of.
local function apart(client, seen, turn, least, most)
  local history, heard = client:history(), seen:all "connecting"
  local seconds = history[turn].started - history[turn + 1].started
  assert.is_true(seconds >= least - 0.01, ("attempt %d came after %.3f s"):format(turn + 1, seconds))
  took(math.max(heard[turn + 1].at - heard[turn].at, seconds), least, most)
end

describe("a backoff written in Lua #broker", function()
  local uri

  before_each(function()
    uri = "mqtt://127.0.0.1:" .. process.free_port() -- nobody is there
  end)

  local function new(backoff, more)
    local options = { server = uri, backoff = backoff }
    for key, value in pairs(more or {}) do
      options[key] = value
    end
    local client = holdfast.new(options)
    return client, diary.of(client)
  end

  it("decides, knowing why, and is asked after every failure", function()
    holdfast.run(function()
      local failures = {}
      local client, seen = new(function(failure)
        failures[#failures + 1] = failure
        return 0.1 * #failures
      end)
      client:start()
      seen:await("connecting", 4)
      for turn = 1, 3 do
        assert.are.equal(transport.refused(), failures[turn].reason.name)
        assert.are.equal("retry", failures[turn].reason.class)
        assert.are.same({ turn, uri }, { failures[turn].attempt, failures[turn].server })
        assert.is_true(failures[turn].retry_in >= 1 and failures[turn].retry_in <= 2 ^ turn) -- the built-in delay
        assert.is_nil(failures[turn].uptime)
        assert.are.equal(0.1 * turn, seen:all("failed")[turn].event.retry_in)
        apart(client, seen, turn, 0.1 * turn)
      end
      client:close()
    end)
  end)

  it("may wait; its delay counts from the failure", function()
    holdfast.run(function()
      local answers = { { waits = 0.8, delay = 1.6 }, { waits = 0.4, delay = 0.1 } }
      local turn = 0
      local client, seen = new(function()
        turn = turn + 1
        local answer = answers[turn]
        if answer then
          holdfast.sleep(answer.waits) -- a coordinator is asked
          return answer.delay
        end
      end)
      client:start()
      seen:await("connecting", 3)
      apart(client, seen, 1, 1.6)
      apart(client, seen, 2, 0.4)
      client:close()
    end)
  end)

  it("that waits too long leaves the built-in delay in force", function()
    holdfast.run(function()
      local client, seen = new(function()
        holdfast.sleep(30)
        return 0
      end)
      client:start()
      local failed = seen:await("failed").event
      seen:await("connecting", 2)
      apart(client, seen, 1, failed.retry_in)
      assert.is_true(failed.retry_in >= 1)
      client:close()
    end)
  end)

  it("stops with false, and wake() begins anew", function()
    holdfast.run(function()
      local asked = 0
      local client, seen = new(function()
        asked = asked + 1
        return false
      end)
      client:start()
      local asleep = seen:await("sleeping").event
      assert.are.equal("backoff_stopped", asleep.reason.name)
      assert.is_nil(asleep.wake_in)
      assert.is_nil(seen:all("failed")[1].event.retry_in)
      holdfast.sleep(0.3)
      assert.are.equal("connecting failed sleeping", seen:words())
      local fine, _, code = client:connect(1)
      assert.are.same({ nil, "sleeping" }, { fine, code })
      client:wake()
      seen:await("sleeping", 2)
      assert.are.equal(2, asked)
      assert.are.equal(1, seen:all("connecting")[2].event.attempt)
      client:close()
    end)
  end)

  it("that answers nonsense, or fails, is reported, and the built-in delay is used", function()
    holdfast.run(function()
      local answers = {
        function() return "soon" end, function() return -1 end, function() return 0 / 0 end, function() return true end,
        function() error "no coordinator" end,
      }
      for turn, answer in ipairs(answers) do
        local client, seen = new(answer, { client_id = "c" .. turn })
        client:start()
        local failed = seen:await("failed").event
        local message = seen:await("error").event.message
        assert.is_true(failed.retry_in >= 1 and failed.retry_in <= 2, failed.retry_in)
        if turn < 5 then
          assert.matches("^backoff must return seconds, false or nil, got .*the built%-in delay of [%d.]+ s is used$",
            message)
        else
          assert.matches("no coordinator", message)
        end
        assert.are.equal("waiting", client:status().state)
        seen:await("connecting", 2)
        apart(client, seen, 1, 1, 2)
        client:close()
      end
    end)
  end)
end)

describe("an end of trying #broker", function()
  after_each(mosquitto.finish)

  it("after max_attempts is a sleep, for so long, or until wake()", function()
    local broker = mosquitto.start { absent = true }
    holdfast.run(function()
      local client = holdfast.new {
        server = "mqtt://127.0.0.1:" .. broker.port, max_attempts = 3, sleep_for = 2,
        backoff = { strategy = "constant", min = 0.1, max = 0.1 },
      }
      local seen = diary.of(client)
      client:start()
      local asleep = seen:await "sleeping"
      assert.are.same({ "max_attempts", 2 }, { asleep.event.reason.name, asleep.event.wake_in })
      assert.are.equal("connecting failed connecting failed connecting failed sleeping", seen:words())
      assert.is_nil(seen:all("failed")[3].event.retry_in)
      seen:await("connecting", 4)
      apart(client, seen, 3, 2)
      assert.are.equal(1, seen:all("connecting")[4].event.attempt)
      seen:await("sleeping", 2)
      broker:restart()
      holdfast.sleep(0.2)
      assert.are.equal("sleeping", client:status().state)
      local woken = now()
      client:wake()
      took(seen:await("ready").at - woken, 0)
      client:close(1)
    end)
  end)

  for _, name in ipairs { "reconnect", "network_changed" } do
    it("of a long wait comes with " .. name .. "()", function()
      local broker = mosquitto.start { absent = true }
      holdfast.run(function()
        local client = holdfast.new {
          server = "mqtt://127.0.0.1:" .. broker.port,
          backoff = { min = 0.1, max = 60, factor = 300, jitter = "none" },
        }
        local seen = diary.of(client)
        client:start()
        assert.are.equal(30, seen:await("failed", 2).event.retry_in)
        broker:restart()
        holdfast.sleep(0.2)
        assert.are.equal("waiting", client:status().state)
        local began = now()
        assert.is_true(client[name](client))
        -- A hint for one is a hint for many, so there is a delay: one from the first window.
        took(seen:await("ready").at - began, name == "network_changed" and 0.1 or 0)
        client:close(1)
      end)
    end)
  end

  it("of a connection comes with reconnect(), and the next one at once", function()
    local broker = mosquitto.start()
    holdfast.run(function()
      local client = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port }
      local seen = diary.of(client)
      assert(client:connect(5))
      local began = now()
      client:reconnect()
      took(seen:await("ready", 2).at - began, 0)
      assert.are.equal("connecting connected ready lost connecting connected ready", seen:words())
      assert.are.equal("reconnect", seen:all("lost")[1].event.reason.name)
      client:close(1)
    end)
  end)
end)

describe("a budget #broker", function()
  after_each(function()
    holdfast.limit(nil)
  end)

  it("spaces the attempts of 20 clients, and those in line say so", function()
    local COUNT, RATE, BURST = 20, 10, 3
    local broker = scripted.listen()
    holdfast.run(function()
      holdfast.limit { attempts_per_second = RATE, burst = BURST }
      local clients, began = {}, now()
      for index = 1, COUNT do
        clients[index] = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, client_id = "c" .. index }
        clients[index]:start()
      end
      local connections, held = {}, 0
      for index = 1, COUNT do
        connections[index] = broker:accept()
        -- However late it is seen, it cannot have begun before its turn, but for the moment of a clock.
        local seconds, turn = now() - began + 0.05, math.max(0, index - BURST) / RATE
        assert.is_true(seconds >= turn, ("attempt %d after %.3f s, due after %g s"):format(index, seconds, turn))
        if index == BURST + 1 then
          for _, client in ipairs(clients) do
            local status = client:status()
            held = held + (status.held_by == "budget" and status.state == "connecting" and 1 or 0)
          end
        end
      end
      assert.is_true(held > COUNT / 2 and held <= COUNT - BURST, held)
      took(now() - began + 0.05, (COUNT - BURST) / RATE)
      for index, client in ipairs(clients) do
        assert.are.equal(1, client:status().counters.attempts)
        client:close()
        connections[index]:close()
      end
    end)
    broker:close()
  end)
end)
