-- Outages that look like a wrong address: a proxy that accepts and closes while its broker restarts, and a broker that
-- closes over MQTT 5 (issue 12, point 5). #broker
local holdfast = require "holdfast"
local process = require "process_probe"
local scripted = require "spec.support.scripted_broker"

describe("what passes #broker", function()
  local broker, client

  before_each(function()
    broker = scripted.listen()
  end)

  after_each(function()
    client:close()
    broker:close()
  end)

  local function start(options)
    options.server = "mqtt://127.0.0.1:" .. broker.port
    options.backoff = { strategy = "constant", min = 0.05, jitter = "none" }
    client = holdfast.new(options)
    client:start()
  end

  -- Closes that many attempts after their CONNECT; answers the versions of the protocol in which they came.
  local function close(times)
    local levels = {}
    for i = 1, times do
      local connection = broker:accept(10000)
      levels[i] = connection:expect("connect").level
      connection:close()
    end
    return table.concat(levels)
  end

  local function settle(what)
    local deadline = process.now() + 10000
    while client:status().state ~= what do
      assert(process.now() < deadline, "it is not " .. what)
      holdfast.sleep(0.02)
    end
  end

  it("is waited for in the usual steps where the server has worked", function()
    start {}
    local connection = broker:welcome()
    settle "connected"
    connection:close()
    assert.equal("555555", close(6))
    broker:welcome()
    settle "connected"
  end)

  it("has a broker that closes over MQTT 5 spoken to in 3.1.1", function()
    start { fallback = true }
    assert.equal("55", close(2))
    local connection, connect = broker:welcome()
    assert.equal(4, connect.level)
    settle "connected"
    connection:close()
    assert.equal("44", close(2))
    connection, connect = broker:welcome()
    assert.equal(4, connect.level)
    settle "connected"
    assert.equal(4, client:status().protocol)
    connection:close()
  end)
end)
