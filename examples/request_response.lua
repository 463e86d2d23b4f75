-- Request and response with MQTT 5: the question carries the topic and the key of its answer.
-- Two clients in one process stand for two programs: one adds numbers, the other asks it to.
--
--     lua request_response.lua mqtt://localhost
local holdfast = require "holdfast"

local address = arg[1] or "mqtt://localhost"

local adder = holdfast.new { server = address }
adder:on("error", function(event)
  print("the adder failed: " .. event.message) -- and goes on with the next question
end)

local questions = adder:subscribe("adder/add", { qos = 1 }, function(question)
  local sum = 0
  for number in question.payload:gmatch "%-?%d+" do
    sum = sum + tonumber(number)
  end
  assert(adder:publish(question.properties.response_topic, tostring(sum), {
    qos = 1,
    properties = { correlation_data = question.properties.correlation_data },
  }))
end)

local asker = holdfast.new { server = address }
local reply_topic = "adder/reply/" .. asker:status().client_id
local answers = asker:subscribe(reply_topic, { qos = 1 })

local asked = { "1 + 2", "3 + 4 + 5", "20 + 22" }

local function ask(key)
  assert(asker:publish("adder/add", asked[key], {
    qos = 1,
    properties = { response_topic = reply_topic, correlation_data = tostring(key), message_expiry = 10 },
  }))
end

local function collect()
  for _ = 1, #asked do
    local answer = assert(answers:receive(10))
    print(("%s = %s"):format(asked[tonumber(answer.properties.correlation_data)], answer.payload))
  end
end

holdfast.run(function()
  assert(adder:connect(10))
  assert(questions:granted(10))
  assert(asker:connect(10))
  local collector = holdfast.spawn(collect)
  for key in ipairs(asked) do
    ask(key)
  end
  collector:join()
  asker:close(1)
  adder:close(1)
end)
