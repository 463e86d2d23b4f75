-- Several servers, in order of preference: from a dead one to a live one and back, with real brokers.
local diary = require "spec.support.diary"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local scripted = require "spec.support.scripted_broker"
local transport = require "spec.support.transport"

local QUICK = { strategy = "constant", min = 0.1, max = 0.1 }

local function uri(port)
  return "mqtt://127.0.0.1:" .. port
end

-- The servers of all attempts so far, as "1 2 1".
local function tried(seen, ports)
  local order = {}
  for index, entry in ipairs(seen:all "connecting") do
    for number, port in ipairs(ports) do
      if entry.event.server == uri(port) then
        order[index] = number
      end
    end
  end
  return table.concat(order, " ")
end

describe("several servers #broker", function()
  after_each(mosquitto.finish)

  it("are tried from the dead first to the live second, and again from the first at the next outage", function()
    local first, second = mosquitto.start { absent = true }, mosquitto.start()
    local ports = { first.port, second.port }
    holdfast.run(function()
      local client = holdfast.new { servers = { uri(first.port), uri(second.port) }, backoff = QUICK }
      local seen = diary.of(client)
      local heard = {}
      client:subscribe("rooms/#", { qos = 1 }, function(message) heard[#heard + 1] = message.payload end)
      assert(client:connect(10))
      assert.are.equal("1 2", tried(seen, ports))
      assert.are.equal(uri(second.port), client:status().server)
      assert.are.equal(uri(second.port), seen:all("connected")[1].event.server)
      assert(client:publish("rooms/a", "by the second", { qos = 1 }))

      first:restart()
      holdfast.sleep(0.3)
      assert.are.equal("1 2", tried(seen, ports), "a connection that stands was left")
      second:kill()
      seen:await("ready", 2)
      assert.are.equal("1 2 1", tried(seen, ports))
      assert(client:publish("rooms/a", "by the first", { qos = 1 }))

      second:restart()
      first:kill()
      seen:await("ready", 3)
      assert.are.equal("1 2 1 1 2", tried(seen, ports))
      assert(client:publish("rooms/a", "by the second again", { qos = 1 }))
      holdfast.sleep(0.1)
      assert.are.same({ "by the second", "by the first", "by the second again" }, heard)
      assert.is_nil(seen:disorder())
      client:close(1)
    end)
  end)

  it("are tried in turn while all are dead, whatever kills them", function()
    local silent, slammed = scripted.listen(), scripted.listen()
    local ports = { process.free_port(), silent.port, slammed.port }
    holdfast.run(function()
      local client = holdfast.new {
        servers = { uri(ports[1]), uri(ports[2]), uri(ports[3]) }, backoff = QUICK, connect_timeout = 0.3,
      }
      local seen = diary.of(client)
      client:start()
      for turn = 1, 2 do
        seen:await("connecting", 3 * turn)
        local connection = slammed:accept()
        connection:expect "connect"
        connection:close()
        seen:await("failed", 3 * turn)
      end
      client:close()
      assert.are.equal("1 2 3 1 2 3", tried(seen, ports))
      local names = {}
      for index, entry in ipairs(seen:all "failed") do
        names[index] = entry.event.reason.name
      end
      local round = transport.refused() .. " connect_timeout closed_before_connack"
      assert.are.equal(round .. " " .. round, table.concat(names, " "))
    end)
    silent:close()
    slammed:close()
  end)

  it("are left for another at once when one is busy, going away or sends elsewhere, and kept otherwise", function()
    local busy, other = scripted.listen(), mosquitto.start()
    local ports = { busy.port, other.port }
    holdfast.run(function()
      for code, leaves in pairs { [0x88] = true, [0x89] = true, [0x9C] = true, [0x9D] = true, [0x80] = false } do
        local client = holdfast.new { servers = { uri(busy.port), uri(other.port) }, backoff = QUICK }
        local seen = diary.of(client)
        client:start()
        local connection = busy:welcome { code = code }
        if leaves then
          seen:await "ready"
        else
          connection:close()
          connection = busy:welcome()
          seen:await "ready"
        end
        assert.are.equal(leaves and "1 2" or "1 1", tried(seen, ports), ("CONNACK 0x%02X"):format(code))
        client:close(1)
        connection:close()
      end
      for code, leaves in pairs { [0x89] = true, [0x8B] = true, [0x9C] = true, [0x9D] = true, [0x8D] = false } do
        local client = holdfast.new {
          servers = { uri(busy.port), uri(other.port) },
          backoff = { strategy = "constant", min = 0.1, max = 0.1 }, policy = { slow = { min = 0.1, max = 0.1 } },
        }
        local seen = diary.of(client)
        client:start()
        local connection = busy:welcome()
        seen:await "ready"
        connection:disconnect(code)
        connection:close()
        if not leaves then
          connection = busy:welcome()
        end
        seen:await("ready", 2)
        assert.are.equal(leaves and "1 2" or "1 1", tried(seen, ports), ("DISCONNECT 0x%02X"):format(code))
        client:close(1)
        connection:close()
      end
    end)
    busy:close()
  end)
end)
