-- A thermometer in a luv program: lua5.4 examples/luv.lua mqtt://localhost [readings]
local holdfast = require "holdfast"
local luv = require "luv"

local address, readings = arg[1] or "mqtt://localhost", tonumber(arg[2] or 10)

local client = holdfast.new { server = address, loop = "luv" }

client:on("lost", print)
client:subscribe("thermometer/+/set", { qos = 1 }, function(message)
  holdfast.sleep(0.01) -- a handler is a coroutine: it may wait, or yield until a callback of luv resumes it
  print(message.topic, message.payload)
end)

-- A callback of luv is no coroutine. It may call all that does not wait, such as post.
local timer, count = luv.new_timer(), 0
local function measure()
  count = count + 1
  client:post("thermometer/kitchen", ("%.1f"):format(20 + count / 10), { qos = 1 })
  if count == readings then
    timer:close()
    holdfast.spawn(function() -- and for the rest there are coroutines
      assert(client:publish("thermometer/kitchen/set", "21.5", { qos = 1 }))
      holdfast.sleep(0.2)
      client:close(1)
    end)
  end
end

holdfast.spawn(function()
  assert(client:connect(10))
  timer:start(0, 50, measure)
end)

luv.run() -- which ends, since nothing is left once the client is closed
print "closed"
