-- A broker that makes a message costly to take is nobody else's burden: one thread carries every connection.
local diary = require "spec.support.diary"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local scripted = require "spec.support.scripted_broker"

-- A sanitizer's realloc moves what it is given each time, and Paho has its list of properties grow by ten: that costs
-- the square of them there, 100,000 about 20 s.
local MANY = os.getenv "HOLDFAST_SANITIZE" and 5000 or 400000

-- The property Subscription Identifier (MQTT 5 section 3.3.2.3.8) of each number up to `most`.
local function identifiers(most)
  local list = {}
  for number = 1, most do
    local bytes, rest = "\11", number
    repeat
      local low = rest % 128
      rest = math.floor(rest / 128)
      bytes = bytes .. string.char(rest > 0 and low + 128 or low)
    until rest == 0
    list[number] = bytes
  end
  return list
end

describe("a broker that sends " .. MANY .. " identifiers with one message #broker", function()
  after_each(mosquitto.finish)

  it("is left, and no client of another waits for it", function()
    local wicked, healthy = scripted.listen(), mosquitto.start()
    holdfast.run(function()
      local one = holdfast.new { server = "mqtt://127.0.0.1:" .. wicked.port }
      local other = holdfast.new { server = "mqtt://127.0.0.1:" .. healthy.port }
      local seen = diary.of(one)
      one:subscribe "t"
      one:start()
      local far = wicked:welcome()
      far:suback(far:expect("subscribe").id, 0)
      assert(other:connect(10))
      far:publish { topic = "t", payload = "", properties = identifiers(MANY) }
      assert(other:publish("t", "is acknowledged", { qos = 1, timeout = 20 }))
      seen:await "lost"
      assert.equal("protocol_error", seen:all("lost")[1].event.reason.name)
      assert(other:publish("t", "and so is this", { qos = 1, timeout = 20 }))
      one:close()
      other:close()
      far:close()
    end)
    wicked:close()
  end)
end)
