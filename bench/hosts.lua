--- How late a 10 ms timer of a host's loop is, beside a client: LUA bench/hosts.lua MODE host=NAME port=N seconds=N.
-- Modes: `alone` (no holdfast at all), `idle` (connected and silent), `busy` (one QoS 1 publish after the other, each
-- received back by a handler), `outage` (prints "connected=1", then measures from the loss of the broker on, which is
-- tried again every 50 ms). Prints `median=`, `most=` (99 %) and `worst=` in milliseconds, and `busy=` messages.
local hosts = require "spec.support.hosts"
package.path = "bench/?.lua;" .. package.path
local tools = require "tools"

local mode, given = arg[1], {}
for index = 2, #arg do
  local key, value = arg[index]:match "^(%w+)=(.*)$"
  given[key] = value
end
local seconds = tonumber(given.seconds)
local holdfast = mode ~= "alone" and require "holdfast"
local now = require("holdfast.core").now

local began, last -- seconds: when the measuring began, the latest tick
local late, count = {}, 0

local function connected()
  local client = holdfast.new {
    server = "mqtt://127.0.0.1:" .. given.port,
    loop = given.host,
    backoff = { strategy = "constant", min = 0.05, max = 0.05, jitter = "none" },
  }
  assert(client:subscribe("bench", { qos = 1 }, function()
    count = count + 1
  end))
  assert(client:connect(10))
  return client
end

local main = {}

function main.idle()
  local client = connected()
  began = now()
  holdfast.sleep(seconds)
  client:close(1)
end

function main.busy()
  local client = connected()
  began = now()
  local payload = ("x"):rep(64)
  repeat
    assert(client:publish("bench", payload, { qos = 1 }))
  until now() - began >= seconds
  client:close(1)
end

function main.outage()
  local client = connected()
  io.write "connected=1\n"
  io.flush()
  assert(client:wait("lost", 30))
  began = now()
  holdfast.sleep(seconds)
  client:close(0)
end

function main.alone()
  began = now()
end

hosts.run(given.host, main[mode], function()
  local time = now()
  local measuring = began and time - began <= seconds
  if measuring and last then
    late[#late + 1] = math.max(0, time - last - hosts.TICK) * 1000
  end
  last = time
  return measuring
end)

io.write(("median=%.3f most=%.3f worst=%.3f busy=%d\n"):format(tools.median(late), tools.quantile(late, 0.99),
  tools.quantile(late, 1), count))
