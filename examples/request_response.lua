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

local questions = adder:respond("adder/add", function(question)
  local sum = 0
  for number in question.payload:gmatch "%-?%d+" do
    sum = sum + tonumber(number)
  end
  return tostring(sum)
end)

local asker = holdfast.new { server = address }

local function ask(what)
  local answer = assert(asker:request("adder/add", what, { timeout = 10 })) -- through outages
  print(("%s = %s"):format(what, answer.payload))
end

holdfast.run(function()
  assert(adder:connect(10))
  assert(questions:granted(10))
  assert(asker:connect(10))
  local tasks = {}
  for place, what in ipairs { "1 + 2", "3 + 4 + 5", "20 + 22" } do
    tasks[place] = holdfast.spawn(ask, what)
  end
  for _, task in ipairs(tasks) do
    task:join()
  end
  asker:close(1)
  adder:close(1)
end)
