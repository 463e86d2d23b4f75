-- After close nothing connects, whenever it is called: counted at the socket, for 10 s.
local diary = require "spec.support.diary"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local socket = require "socket_probe"

local QUICK = { strategy = "constant", min = 0.2, jitter = "none" }

local function accepted(listener, seconds)
  local deadline = require("holdfast.core").now() + seconds
  while require("holdfast.core").now() < deadline do
    local connection = listener:accept(0)
    if connection then
      return connection
    end
    holdfast.sleep(0.02)
  end
end

describe("close #broker", function()
  after_each(mosquitto.finish)

  it("during the backoff, in mid-connect and in a handler: nothing connects in the 10 s after", function()
    local silent, silent_port = socket.listen()
    local waiting, waiting_port = socket.listen()
    local handled, handled_port = socket.listen()
    holdfast.run(function()
      -- In mid-connect: the other side has accepted and says nothing.
      local middle = holdfast.new { server = "mqtt://127.0.0.1:" .. silent_port, backoff = QUICK }
      middle:start()
      local held = assert(accepted(silent, 5), "it never connected")
      assert.are.equal("connecting", middle:status().state)
      middle:close()

      -- During the backoff: the other side closes at once.
      local backing = holdfast.new { server = "mqtt://127.0.0.1:" .. waiting_port, backoff = QUICK }
      local seen = diary.of(backing)
      backing:start()
      assert(accepted(waiting, 5), "it never connected"):close()
      seen:await "failed"
      assert.are.equal("waiting", backing:status().state)
      backing:close()

      -- In a handler of the event that announces the next attempt.
      local handler = holdfast.new { server = "mqtt://127.0.0.1:" .. handled_port, backoff = QUICK }
      local book = diary.of(handler)
      handler:on("failed", function(_, client) client:close() end)
      handler:start()
      assert(accepted(handled, 5), "it never connected"):close()
      book:await "closed"

      local more = 0
      for _ = 1, 500 do
        for _, listener in ipairs { silent, waiting, handled } do
          local connection = listener:accept(0)
          if connection then
            more = more + 1
            connection:close()
          end
        end
        holdfast.sleep(0.02)
      end
      assert.are.equal(0, more)
      assert.are.equal("closed", middle:status().state)
      assert.are.equal("closed", backing:status().state)
      held:close()
    end)
  end)

  it("says DISCONNECT, twice is once, and the broker keeps no will", function()
    local broker = mosquitto.start()
    holdfast.run(function()
      local uri = "mqtt://127.0.0.1:" .. broker.port
      local witness = holdfast.new { server = uri }
      local wills = {}
      witness:subscribe("will/#", {}, function(message) wills[#wills + 1] = message.payload end)
      assert(witness:connect(10))
      local polite = holdfast.new { server = uri, will = { topic = "will/polite", payload = "gone" } }
      assert(polite:connect(10))
      assert.is_true(polite:close(2))
      assert.is_true(polite:close(2))
      holdfast.sleep(0.3)
      assert.are.same({}, wills)
      witness:close(1)
    end)
    assert.is_truthy(broker:log():find("Received DISCONNECT", 1, true))
  end)

  it("flushes what is queued, and drops the rest by name when the time is over", function()
    local broker = mosquitto.start()
    holdfast.run(function()
      local uri = "mqtt://127.0.0.1:" .. broker.port
      local witness = holdfast.new { server = uri }
      local heard = 0
      witness:subscribe("flush", { qos = 1 }, function() heard = heard + 1 end)
      assert(witness:connect(10))
      local client = holdfast.new { server = uri, client_id = "flusher" }
      assert(client:connect(10))
      for i = 1, 300 do
        assert(client:post("flush", tostring(i), { qos = 1 }))
      end
      assert.is_true(client:close(5))
      holdfast.sleep(0.3)
      assert.are.equal(300, heard)

      local stuck = holdfast.new { server = uri }
      local dropped = {}
      stuck:on("dropped", function(event) dropped[#dropped + 1] = event.why end)
      assert(stuck:connect(10))
      broker:freeze()
      assert(stuck:post("flush", "late", { qos = 1 }))
      local started = require("holdfast.core").now()
      stuck:close(0.5)
      assert.is_true(require("holdfast.core").now() - started < 3)
      broker:resume()
      holdfast.sleep(0.1)
      assert.are.same({ "closed" }, dropped)
      witness:close(1)
    end)
  end)
end)
