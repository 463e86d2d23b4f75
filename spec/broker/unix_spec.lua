-- A broker at a unix socket, through its death, its return and a silence.
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local sizes = require "spec.support.sizes"

describe("a broker at a unix socket #broker", function()
  after_each(mosquitto.finish)

  local function client_of(servers, more)
    local options = { servers = servers, transport = "native", connect_timeout = 2,
      backoff = { strategy = "constant", min = 0.1, jitter = "none" } }
    for key, value in pairs(more or {}) do
      options[key] = value
    end
    return holdfast.new(options)
  end

  it("is waited for while it is not there, held, and come back to", function()
    local broker = mosquitto.start { socket = true, persistent = true }
    broker:kill()
    os.remove(broker.socket)
    holdfast.run(function()
      local client = client_of({ "unix://" .. broker.socket }, { client_id = "kitchen" })
      local subscription = client:subscribe("a/#", { qos = 1 })
      client:start()
      local reason = assert(client:wait("failed", 5)).reason
      assert.are.same({ "socket_not_found", "retry", "network" }, { reason.name, reason.class, reason.source })
      assert.are.equal("tcp", client:history()[1].phase)
      broker:restart()
      assert(client:connect(10))
      assert.are.equal("unix://" .. broker.socket, client:status().server)
      broker:save():kill()
      assert(client:wait("lost", 5))
      assert.are.equal("connection_refused", assert(client:wait("failed", 5)).reason.name)
      client:post("a/b", "after", { qos = 1 })
      broker:restart()
      assert.are.equal("after", assert(subscription:receive(10)).payload)
      client:close()
    end)
  end)

  it("that falls silent is found out", function()
    local broker = mosquitto.start { socket = true }
    holdfast.run(function()
      local client = client_of({ "unix://" .. broker.socket }, { detect_within = 2.5 })
      assert(client:connect(10))
      broker:freeze()
      local lost = assert(client:wait("lost", 10))
      assert.are.same({ "connection_lost", "the broker does not answer PINGREQ" },
        { lost.reason.name, lost.reason.text })
      broker:resume()
      assert(client:wait("ready", 10))
      client:close()
    end)
  end)

  it("is gone back to when it is there again", function()
    local first, second = mosquitto.start { socket = true }, mosquitto.start()
    first:kill()
    holdfast.run(function()
      local client = client_of({ "unix://" .. first.socket, "mqtt://127.0.0.1:" .. second.port },
        { return_to_primary = 0.2, stable_after = 0.1 })
      assert(client:connect(10))
      assert.are.equal("mqtt://127.0.0.1:" .. second.port, client:status().server)
      first:restart()
      assert.are.equal("unix://" .. first.socket, assert(client:wait("connected", 10)).server)
      client:close()
    end)
  end)

  it("takes and gives what is as large as nothing, and many MB, of eight clients at once", function()
    local broker = mosquitto.start { socket = true, quiet = true, lines = sizes.lines }
    sizes.exchange(function() return client_of({ "unix://" .. broker.socket }, sizes.room) end)
  end)
end)
