-- A session that an earlier process has left, and a program that subscribes after `connect`: nothing of it is lost, and
-- what nobody takes is counted and told (issue 12, point 7). #broker
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"

describe("a kept session #broker", function()
  local url, told

  before_each(function()
    url = "mqtt://127.0.0.1:" .. mosquitto.start({ lines = { "max_queued_messages 0" } }).port
    told = {}
    holdfast.log(function(_, message, fields)
      if fields.event == "unclaimed" then told[#told + 1] = message end
    end)
  end)

  after_each(function()
    holdfast.log(nil)
    mosquitto.finish()
  end)

  local function new(protocol)
    return holdfast.new { server = url, client_id = "early", protocol = protocol, session_expiry = 60 }
  end

  -- Leaves a session with these filters; answers a client that publishes.
  local function leave(protocol, ...)
    local earlier = new(protocol)
    for _, filter in ipairs { ... } do earlier:subscribe(filter, { qos = 1 }, function() end) end
    assert(earlier:connect(10))
    earlier:close(1)
    local other = holdfast.new { server = url }
    assert(other:connect(10))
    return other
  end

  local function all(...)
    for _, client in ipairs { ... } do client:close(1) end
  end

  local numbers = {}
  for number = 1, 40 do numbers[number] = tostring(number) end

  for _, protocol in ipairs { 5, 4 } do
    for _, inside in ipairs { true, false } do
      local name = "has each message handled, and in order, by who subscribes after connect: protocol %d, %s"
      it(name:format(protocol, inside and "in run" or "outside of run"), function()
        local other = leave(protocol, "kept/+")
        for number = 1, 20 do assert(other:publish("kept/a", numbers[number], { qos = 1 })) end
        local client, got = new(protocol), {}
        local function program()
          assert(client:connect(10))
          client:subscribe("kept/+", { qos = 1, ordered = true }, function(message) got[#got + 1] = message.payload end)
          for number = 21, 40 do assert(other:post("kept/a", numbers[number], { qos = 1 })) end
          process.sleep(10) -- what comes meanwhile is handed out at once
          local deadline = core.now() + 10
          while #got < 40 and core.now() < deadline do holdfast.sleep(0.01) end
        end
        if inside then holdfast.run(program) else program() end
        assert.same(numbers, got)
        assert.same({ 0, {} }, { client:status().counters.unclaimed, told })
        all(client, other)
      end)
    end

    it(("has what nobody takes counted, and told once a topic: protocol %d"):format(protocol), function()
      local other = leave(protocol, "forgotten/#")
      for _, topic in ipairs { "a", "a", "b" } do
        assert(other:publish("forgotten/" .. topic, "nobody's", { qos = 1 }))
      end
      local client = new(protocol)
      assert(client:connect(10))
      local deadline = core.now() + 10
      while client:status().counters.unclaimed < 3 and core.now() < deadline do holdfast.sleep(0.01) end
      assert.same({ 3, 2 }, { client:status().counters.unclaimed, #told })
      table.sort(told)
      for index, topic in ipairs { "forgotten/a", "forgotten/b" } do
        assert.is_truthy(told[index]:find(topic, 1, true), told[index])
      end
      all(client, other)
    end)
  end
end)
