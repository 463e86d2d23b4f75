-- A transport's own trace in the log: on demand, through the mailbox (Paho's from its threads), bounded.
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local transport = require "spec.support.transport"

describe("a transport's trace #broker", function()
  local heard

  local function listen(trace)
    holdfast.log(function(level, message, fields)
      heard[#heard + 1] = { level = level, message = message, source = fields.source, dropped = fields.dropped }
    end, trace and { trace = trace })
  end

  local function has(text)
    for _, entry in ipairs(heard) do
      if entry.source == transport.name() and entry.message:find(text, 1, true) then return true end
    end
    return false
  end

  before_each(function() heard = {} end)

  after_each(function()
    holdfast.log(nil)
    mosquitto.finish()
  end)

  it("has a line for each packet when that is asked for, and none any more when it is not", function()
    local address = "mqtt://127.0.0.1:" .. mosquitto.start().port
    holdfast.run(function()
      listen "protocol"
      local client = holdfast.new { server = address, client_id = "kitchen" }
      assert.is_true(client:connect(10))
      assert.is_true(client:publish("a", "payload", { qos = 1 }))
      holdfast.sleep(0.1)
      if transport.name() == "paho" then
        assert.is_true(has " Trace Output") -- Paho's word about itself, the only one without a date
      end
      assert.is_true(has "kitchen -> CONNECT version 5")
      assert.is_true(has "kitchen <- CONNACK rc: 0")
      assert.is_true(has "kitchen <- PUBACK msgid: ")
      assert.is_false(has "payload len(7): ")
      listen()
      holdfast.sleep(0.1)
      heard = {}
      assert.is_true(client:publish("a", "payload", { qos = 1 }))
      holdfast.sleep(0.1)
      assert.same({}, heard)
      client:close(1)
    end)
  end)

  it("is no more than there is room for while Lua is busy, and says how much is missing", function()
    local address = "mqtt://127.0.0.1:" .. mosquitto.start().port
    holdfast.run(function()
      local client = holdfast.new { server = address }
      assert.is_true(client:connect(10))
      listen "maximum"
      for i = 1, transport.either { paho = 200, native = 2000 } do
        assert(client:post("a", "message " .. i, { qos = 1 }))
      end
      process.sleep(1000) -- nothing is taken
      local lines, dropped, index = 0, 0, 0
      local deadline = process.now() + 10000
      repeat -- lines come again, and the first of them tells
        if #heard == index then
          client:post("a", "one more", { qos = 1 })
        end
        holdfast.sleep(0.01)
        while index < #heard and dropped == 0 do
          index = index + 1
          dropped = heard[index].dropped or 0
          lines = lines + (heard[index].source == transport.name() and dropped == 0 and 1 or 0)
        end
      until dropped > 0 or process.now() > deadline
      assert.is_true(dropped > 100, dropped .. " dropped")
      assert.is_true(lines <= 1024 and lines >= 1000, lines .. " before the first that was dropped")
      client:close(1)
    end)
  end)
end)
