--- Scenes of spec/support/host_child.lua about who reads a subscription.
-- @module spec.support.host_readers
local holdfast = require "holdfast"

--- Adds them.
-- @tparam table main scenes in a coroutine of the host
-- @tparam function options what every client there is made of
return function(main, options)
  -- Two readers of one subscription: one reads once and ends, and nothing is dropped while the other goes on.
  function main.readers()
    local client = holdfast.new(options())
    local subscription = client:subscribe("a/+", { qos = 1, buffer = 5 })
    assert(client:connect(10))
    local count, last = 0, nil
    local slow = holdfast.spawn(function()
      repeat
        last = subscription:receive(10)
        count = count + 1
        if count == 1 then
          holdfast.sleep(0.1) -- the buffer fills meanwhile
        end
      until not last or last.payload == "last"
    end)
    local short = holdfast.spawn(function()
      return select(3, subscription:receive(0.001))
    end)
    print(short:join(5))
    for n = 1, 300 do
      assert(client:post("a/b", tostring(n), { qos = 1 }))
    end
    assert(client:post("a/b", "last", { qos = 1 }))
    slow:join(10)
    print(count, subscription.dropped)
    client:close(1)
  end

  -- A loop that is left: from its `leave` on nobody reads, and the newest are kept.
  function main.leaving()
    local client = holdfast.new(options())
    local subscription = client:subscribe("a/+", { qos = 1, buffer = 5 })
    assert(client:connect(10))
    local take, _, _, closer = subscription:messages()
    local first = holdfast.spawn(function()
      return take().payload
    end)
    assert(client:publish("a/b", "1", { qos = 1 }))
    print(first:join(5))
    closer:close()
    print(subscription:ended(), take())
    for n = 2, 21 do
      assert(client:publish("a/b", tostring(n), { qos = 1 }))
    end
    repeat
      holdfast.sleep(0.005)
    until client:status().inbox.messages == 0
    print(subscription.dropped, subscription:receive(1).payload)
    client:close(1)
  end
end
