-- A broker that stops answering while its kernel still acknowledges: noticed in time, whoever else lives in the
-- process.
local diary = require "spec.support.diary"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local now = require("holdfast.core").now

local SLACK = 1 -- of a loaded machine

local function hung(broker, seconds, client)
  local seen = diary.of(client)
  assert(client:connect(10))
  holdfast.sleep(0.5)
  broker:freeze()
  local start = now()
  local lost = seen:await("lost", 1, seconds + 10)
  assert.is_true(lost.at - start <= seconds + SLACK, ("noticed after %.1f s, not %g"):format(lost.at - start, seconds))
  assert.are.equal("connection_lost", lost.event.reason.name)
end

describe("a hung broker #broker", function()
  after_each(mosquitto.finish)

  it("is noticed within 2.5 keep alives", function()
    local broker = mosquitto.start()
    holdfast.run(function()
      hung(broker, 2.5 * 2, holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, keep_alive = 2 })
    end)
  end)

  it("is noticed within detect_within", function()
    local broker = mosquitto.start()
    holdfast.run(function()
      hung(broker, 5, holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, detect_within = 5 })
    end)
  end)

  it("is noticed in time beside a client with a long keep alive that connected later, which stays", function()
    local broker, other = mosquitto.start(), mosquitto.start()
    holdfast.run(function()
      local short = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, keep_alive = 2 }
      assert(short:connect(10))
      local long = holdfast.new { server = "mqtt://127.0.0.1:" .. other.port, keep_alive = 600 }
      local seen, short_seen = diary.of(long), diary.of(short)
      assert(long:connect(10))
      -- The broker drops who is silent for one and a half keep alives: the pings must go on.
      holdfast.sleep(6)
      assert.are.equal(0, short_seen:count "lost")
      hung(broker, 2.5 * 2, short)
      assert.are.equal(0, seen:count "lost")
      assert.are.equal("connected", long:status().state)
      long:close(1)
    end)
  end)
end)
