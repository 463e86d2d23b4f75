-- Some seconds of the chaos of `make soak`, and single kinds of weather. HOLDFAST_SEED repeats the acts.
local chaos = require "spec.support.chaos"
local diary = require "spec.support.diary"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local weathers = require "weather_probe"

describe("a network with a weather #broker", function()
  local weather

  after_each(function()
    if weather then
      weather:close()
      weather = nil
    end
    mosquitto.finish()
  end)

  it("and a broker that is stopped, killed and frozen lose nothing of six clients", function()
    local seed = tonumber(os.getenv "HOLDFAST_SEED") or os.time()
    local report = holdfast.run(chaos.run, { seconds = 6, clients = 6, seed = seed, rate = 25 })
    local words = ("HOLDFAST_SEED=%d: %d lost, %d stuck of %d; %s"):format(seed, report.lost, report.stuck, report.sent,
      table.concat(report.strange, "\n"))
    assert.is_true(report.sent > 300, words)
    assert.is_true(report.lost == 0 and report.stuck == 0 and #report.strange == 0, words)
  end)

  -- A client through the weather, connected; what it says.
  local function connected(options)
    local port
    local broker = mosquitto.start()
    weather, port = weathers.start(broker.port)
    options.server = "mqtt://127.0.0.1:" .. port
    options.backoff = { strategy = "constant", min = 0.1, jitter = "none" }
    local client = holdfast.new(options)
    local seen = diary.of(client)
    assert(client:connect(10))
    return client, seen
  end

  it("that is slow costs no connection", function()
    holdfast.run(function()
      local client, seen = connected { keep_alive = 2 }
      weather:set { delay = 300 }
      for qos = 0, 2 do
        assert(client:publish("a", "x", { qos = qos, timeout = 10 }))
      end
      assert.are.equal("connecting connected ready", seen:words())
      client:close(2)
    end)
  end)

  for _, way in ipairs { "hold_up", "hold_down" } do
    it("that is dead one way is noticed within the time asked for: " .. way, function()
      holdfast.run(function()
        local client, seen = connected { detect_within = 2.5 }
        weather:set { [way] = true }
        local lost = seen:await("lost", 1, 5).event
        assert.are.equal("retry", lost.reason.class)
        weather:set {}
        seen:await("ready", 2, 10)
        assert(client:publish("a", "x", { qos = 2, timeout = 5 }))
        client:close(1)
      end)
    end)
  end

  it("that accepts and says nothing more is an attempt that fails in time", function()
    holdfast.run(function()
      local client, seen = connected { connect_timeout = 1 }
      weather:set { hold_down = true }
      client:reconnect()
      assert.are.equal("connect_timeout", seen:await("failed", 1, 5).event.reason.name)
      weather:set {}
      seen:await("ready", 2, 10)
      client:close(1)
    end)
  end)
end)
