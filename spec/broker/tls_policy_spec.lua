-- Certificates heal: a client that does not trust its broker tries on, slowly, unless its policy is to stop.
local certificates = require "spec.support.certificates"
local diary = require "spec.support.diary"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"

describe("a certificate that is not trusted #broker", function()
  local folder

  setup(function() folder = certificates.make() end)
  teardown(function() process.remove_folder(folder) end)

  after_each(mosquitto.finish)

  local function lines(port, certificate)
    return { "listener " .. port .. " 127.0.0.1", "certfile " .. folder .. "/" .. certificate .. ".pem",
      "keyfile " .. folder .. "/" .. certificate .. ".key" }
  end

  local function new(port, policy)
    local client = holdfast.new {
      server = "mqtts://127.0.0.1:" .. port, tls = { ca = folder .. "/ca.pem" }, policy = policy,
    }
    return client, diary.of(client)
  end

  it("is a slow reason, and the client is back by itself once there is a better one", function()
    local port = process.free_port()
    local broker = mosquitto.start { lines = lines(port, "stranger") }
    holdfast.run(function()
      local cautious, cautious_seen = new(port)
      local client, seen = new(port, { slow = { min = 0.5, max = 0.6 } })
      cautious:start()
      client:start()
      local event = cautious_seen:await("failed").event
      assert.are.same({ "tls_unknown_ca", "slow", "tls" },
        { event.reason.name, event.reason.class, event.reason.source })
      assert.is_true(event.retry_in >= 30 and event.retry_in <= 60, event.retry_in)
      assert.are.equal("tls", cautious:history()[1].phase)
      seen:await("failed", 2)
      broker:restart(lines(port, "server"))
      seen:await "ready"
      assert.are.equal(1, cautious:status().counters.attempts)
      client:close(1)
      cautious:close()
    end)
  end)

  it("ends it after the third time in a row, where the policy says so", function()
    local port = process.free_port()
    mosquitto.start { lines = lines(port, "stranger") }
    holdfast.run(function()
      local client, seen = new(port, {
        tls_unknown_ca = { class = "slow", later = "stop", after = 3 }, slow = { min = 0.1, max = 0.1 },
      })
      client:start()
      seen:await "sleeping"
      assert.are.equal("connecting failed connecting failed connecting failed sleeping", seen:words())
      assert.are.equal("tls_unknown_ca", seen:all("sleeping")[1].event.reason.name)
      client:close()
    end)
  end)
end)
