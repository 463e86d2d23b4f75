--- A connection made and ended thousands of times, and what that leaves behind in the process.
--
--     local report = cycles.run { count = 500, seconds = 60 }
--     report.slope          -- bytes of resident memory a cycle, over the second half
--     report.descriptors    -- more at the end than after the first tenth; report.threads likewise
--
-- In turn the client leaves by itself, the network resets the connection, a broker refuses it. With `quic`, a folder of
-- certificates, the client leaves by itself, the server closes the connection, or knows it no more; CONNECT goes early
-- where it may. Within `holdfast.run` only.
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local quic_server = require "spec.support.quic_server"
local weathers = require "weather_probe"

local cycles = {}

local PAGE = 4096

local function resident()
  local file = assert(io.open "/proc/self/statm")
  local pages = tonumber(file:read "*a":match "^%d+ (%d+)")
  file:close()
  return pages * PAGE
end

local function sample(cycle)
  collectgarbage()
  collectgarbage()
  local _, threads, descriptors = process.self()
  return { cycle = cycle, threads = threads, descriptors = descriptors, resident = resident() }
end

-- Least squares over the second half.
local function slope(samples)
  local n, x, y, xx, xy = 0, 0, 0, 0, 0
  for index = math.ceil(#samples / 2), #samples do
    local one = samples[index]
    n, x, y = n + 1, x + one.cycle, y + one.resident
    xx, xy = xx + one.cycle ^ 2, xy + one.cycle * one.resident
  end
  return (n * xy - x * y) / (n * xx - x ^ 2)
end

local function over_tcp(broker)
  local weather, port = weathers.start(broker.port)
  return { weather = weather, server = "mqtt://127.0.0.1:" .. port, finish = function() weather:close() end }
end

local function over_quic(broker, folder)
  local server = quic_server.start { upstream = broker.port, folder = folder }
  return { quic = server, server = "quic://localhost:" .. server.port, tls = { ca = folder .. "/ca.pem" },
    finish = function() server:kill() end }
end

local ways_of_quic = {
  function(it) it.client:reconnect() end,
  function(it) it.quic:tell "close 5" end,
  function(it)
    it.quic:tell "forget"
    it.client:post("cycles/forgotten", "")
  end,
}

local ways = {
  function(it) it.client:reconnect() end,
  function(it) it.weather:cut(1, true) end,
  function(it)
    it.weather:set { refuse = true }
    it.client:reconnect()
    assert(it.client:wait("failed", 20))
    it.weather:set {}
  end,
  function(it) it.weather:cut(1) end,
}

--- Runs so many cycles, or as many as there is time for.
-- @tparam table options `count`, `seconds`, `say(words)`, `quic`
-- @treturn table cycles, seconds, slope, threads, descriptors, before, after (samples)
function cycles.run(options)
  local broker = mosquitto.start { quiet = true }
  local it = options.quic and over_quic(broker, options.quic) or over_tcp(broker)
  local client = holdfast.new {
    server = it.server, tls = it.tls, transport = it.quic and "native" or nil, zero_rtt = it.quic ~= nil,
    backoff = { strategy = "constant", min = 0.001, jitter = "none" },
    policy = { slow = { min = 0.001, max = 0.002 } },
  }
  client:subscribe("cycles/#", { qos = 1 })
  assert(client:connect(10))
  it.client = client
  local samples, began, done, its_ways = {}, core.now(), 0, it.quic and ways_of_quic or ways
  local each = math.max(math.floor(options.count / 50), 5)
  while done < options.count and core.now() < began + options.seconds do
    done = done + 1
    its_ways[done % #its_ways + 1](it)
    assert(client:wait("ready", 20))
    if done % 3 == 0 then
      assert(client:publish("cycles/x", "x", { qos = done % 2 + 1, timeout = 20 }))
    end
    if done % each == 0 and done >= options.count / 10 then
      samples[#samples + 1] = sample(done)
      if options.say and #samples % 5 == 0 then
        local now = samples[#samples]
        options.say(("  %d cycles, %d KB resident, %d descriptors, %d threads"):format(done, now.resident / 1024,
          now.descriptors, now.threads))
      end
    end
  end
  local took = core.now() - began
  client:close(1)
  it.finish()
  broker:stop()
  local before, after = samples[1], samples[#samples]
  return {
    cycles = done, seconds = took, slope = slope(samples), before = before, after = after,
    threads = after.threads - before.threads, descriptors = after.descriptors - before.descriptors,
  }
end

return cycles
