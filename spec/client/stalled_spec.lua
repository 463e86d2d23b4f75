-- A link that holds messages back stands still when nobody takes any. Who has ended is found all the same, and who is
-- waited for is named.
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"

describe("an inbox that is full, at a link that holds back, #broker", function()
  local server, reader, writer, told

  before_each(function()
    server = mosquitto.start { lines = { "max_queued_messages 0" } }
    told = {}
    holdfast.log(function(_, message, fields)
      if fields.event == "stalled" then told[#told + 1] = { message = message, fields = fields } end
    end)
    reader = holdfast.new { server = "mqtt://127.0.0.1:" .. server.port, client_id = "r", transport = "native",
      inbox = { messages = 10 } }
    writer = holdfast.new { server = "mqtt://127.0.0.1:" .. server.port, client_id = "w" }
  end)

  after_each(function()
    reader:close()
    writer:close()
    holdfast.log(nil)
    mosquitto.finish()
  end)

  local function within(seconds, is_done)
    local began = core.now()
    while not is_done() and core.now() - began < seconds do holdfast.sleep(0.05) end
    return is_done()
  end

  local function write(topic, count)
    for number = 1, count do assert(writer:post(topic, tostring(number), { qos = 1 })) end
  end

  it("has the loop that was left and not closed found, and the others go on", function()
    holdfast.run(function()
      local left, heard = reader:subscribe("left", { qos = 1 }), 0
      reader:subscribe("heard", { qos = 1 }, function() heard = heard + 1 end)
      assert(reader:connect(5) and writer:connect(5))
      write("left", 60)
      local task = holdfast.spawn(function()
        local function take_one()
          local next_message = left:messages() -- not in a `for`, which Lua 5.4 would close
          next_message()
        end
        take_one()
        while true do holdfast.sleep(10) end
      end)
      holdfast.sleep(0.2)
      write("heard", 40)
      assert.is_true(within(15, function() return heard == 40 end), tostring(heard))
      task:cancel()
    end)
  end)

  it("names the reader that takes nothing, once, and says how many wait since when", function()
    holdfast.run(function()
      local slow = reader:subscribe("slow", { qos = 1 })
      assert(reader:connect(5) and writer:connect(5))
      local task = holdfast.spawn(function()
        slow:receive()
        while true do holdfast.sleep(10) end
      end)
      holdfast.sleep(0)
      write("slow", 60)
      assert.is_true(within(15, function() return #told > 0 end))
      local inbox = reader:status().inbox
      assert.is_true(inbox.messages == 10 and inbox.held > 0 and inbox.oldest >= 4)
      holdfast.sleep(2)
      assert.equal(1, #told)
      assert.same({ "slow", "r" }, { told[1].fields.filter, told[1].fields.client })
      assert.matches("^the inbox is full, and the reader of subscription slow has taken nothing for", told[1].message)
      for _ = 1, 59 do assert(slow:receive(1)) end
      assert.is_true(within(5, function() return (reader:status().inbox.held or 0) == 0 end))
      task:cancel()
    end)
  end)
end)
