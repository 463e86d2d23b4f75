-- A client whose address is another one time and again, behind a link of its own.
local certificates = require "spec.support.certificates"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local quic_server = require "spec.support.quic_server"
local radio = require "spec.support.radio"

local COUNT, MOVES = 1000, 5

describe("a client that roams #broker", function()
  local air, folder

  setup(function() folder = certificates.make() end)
  teardown(function() process.remove_folder(folder) end)
  after_each(function()
    quic_server.finish()
    mosquitto.finish()
    if air then air:finish() end
  end)

  it("has 1,000 messages of QoS 2 arrive once over QUIC while its address changes five times", function()
    if not quic_server.program() then
      pending "not built: no libngtcp2-dev and libngtcp2-crypto-gnutls-dev"
      return
    end
    local why
    air, why = radio.start()
    if not air then
      pending("no network of its own to be had: " .. why)
      return
    end
    local broker = mosquitto.start { quiet = true, lines = { "max_queued_messages 0", "max_inflight_messages 0" } }
    local server = quic_server.start { upstream = broker.port, folder = folder, address = radio.HERE }
    local words = {}
    for _, word in ipairs(air.before) do words[#words + 1] = word end
    for _, word in ipairs { os.getenv "LUA" or "lua5.4", "spec/support/roaming_child.lua",
      ("quic://%s:%d"):format(radio.HERE, server.port), "roaming", tostring(COUNT), tostring(MOVES) } do
      words[#words + 1] = word
    end
    holdfast.run(function()
      local arrived, different = {}, 0
      local witness = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port }
      witness:subscribe("roaming", { qos = 2 }, function(message)
        local number = tonumber(message.payload)
        different = different + (arrived[number] and 0 or 1)
        arrived[number] = (arrived[number] or 0) + 1
      end)
      assert(witness:connect(10))
      local child = assert(process.spawn(words, folder .. "/child"))
      local deadline = process.now() + 120000
      local function await(count)
        while different < count do
          local file = io.open(folder .. "/child")
          local said = file and file:read "*a"
          if file then file:close() end
          assert(process.now() < deadline, ("%d of %d arrived; %s"):format(different, COUNT, said))
          holdfast.sleep(0.005)
        end
      end
      for move = 1, MOVES do -- while something is under way
        await(math.floor(COUNT / (MOVES + 1) * (move - 0.3)))
        air:roam()
        assert(witness:publish("roaming/moved", tostring(move), { qos = 1, retain = true, timeout = 20 }))
      end
      await(COUNT)
      assert.are.equal("exited", (process.wait(child, 20000)))
      for number = 1, COUNT do assert.are.equal(1, arrived[number]) end
      witness:close()
    end)
    for line in io.lines(folder .. "/child") do assert.are.equal("lost=0", line) end
    local counted = server:stats()
    assert.are.equal(1, counted.connections)
    assert.is_true(counted.migrations >= MOVES, counted.migrations)
  end)
end)
