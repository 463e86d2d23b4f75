-- What there is to see of a client once its close() has returned, which waits for nothing (issue 12, point 16). #broker
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"

describe("a client whose close() has returned #broker", function()
  local broker, folder

  setup(function()
    broker = mosquitto.start()
    folder = process.temporary_folder()
  end)

  teardown(function()
    mosquitto.finish()
    process.remove_folder(folder)
  end)

  local function connected(options)
    options.server = "mqtt://127.0.0.1:" .. broker.port
    local client = assert(holdfast.new(options))
    assert(client:connect(10))
    return client
  end

  it("is closed, not ready, and counted no more", function()
    local before = holdfast.metrics().clients
    for _ = 1, 20 do
      local client = connected {}
      assert.equal(before + 1, holdfast.metrics().clients)
      assert.is_true(client:close())
      local status = client:status()
      assert.same({ "closed", false, false, before },
        { status.state, status.ready, status.session_present, holdfast.metrics().clients })
      assert.is_nil(status.retry_in)
      assert.matches("%(closed%)$", tostring(client))
      assert.is_true(client:close(5))
      assert.same({ "closed", before }, { client:status().state, holdfast.metrics().clients })
    end
  end)

  it("has given its store back to whoever asks next", function()
    for _ = 1, 20 do
      local client = connected { client_id = "keeper", queue = { store = folder .. "/store" } }
      assert(client:post("a", "x", { qos = 1 }))
      assert.is_true(client:close())
    end
  end)

  it("keeps it from others until then", function()
    local client = connected { client_id = "keeper", queue = { store = folder .. "/store" } }
    local second, message, code = holdfast.new { server = "mqtt://127.0.0.1:1", client_id = "keeper",
      queue = { store = folder .. "/store" } }
    assert.same({ "store_locked" }, { code }, message)
    assert.is_nil(second)
    client:close(5)
  end)
end)
