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
local waiting = {} -- correlation data -> what to do with the answer

asker:subscribe(reply_topic, { qos = 1 }, function(answer)
  local take = waiting[answer.properties.correlation_data]
  if take then
    take(answer.payload)
  end
end)

local function ask(key, question)
  waiting[key] = function(sum)
    waiting[key] = nil
    print(("%s = %s"):format(question, sum))
  end
  assert(asker:publish("adder/add", question, {
    qos = 1,
    properties = { response_topic = reply_topic, correlation_data = key, message_expiry = 10 },
  }))
end

holdfast.run(function()
  assert(adder:connect(10))
  assert(questions:granted(10))
  assert(asker:connect(10))
  for key, question in ipairs { "1 + 2", "3 + 4 + 5", "20 + 22" } do
    ask(tostring(key), question)
  end
  while next(waiting) do
    holdfast.sleep(0.05)
  end
  asker:close(1)
  adder:close(1)
end)
