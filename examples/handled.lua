-- Orders that must not be lost: each is acknowledged when its handler has returned, comes again if the process is
-- killed before that, and is given up, and told, when it has failed three times.
--
--     lua handled.lua mqtt://localhost
local holdfast = require "holdfast"

local address = arg[1] or "mqtt://localhost"

local shop = holdfast.new { server = address }
local biller = holdfast.new {
  server = address, client_id = "biller", transport = "native",
  acknowledge = "handled", handle_attempts = 3, handle_pause = 0.1,
}

local left = 3

biller:on("error", function(event)
  print("failed: " .. event.message)
end)

biller:on("parked", function(event)
  print(("given up after %d attempts: %s"):format(event.attempts, event.message.payload))
  left = left - 1
end)

local orders = biller:subscribe("orders", { qos = 1, ordered = true }, function(order)
  if order.payload == "a unicorn" then
    error("there is none", 0)
  end
  print("booked: " .. order.payload)
  left = left - 1
end)

holdfast.run(function()
  assert(biller:connect(10))
  assert(orders:granted(10))
  assert(shop:connect(10))
  for _, order in ipairs { "a horse", "a unicorn", "a cart" } do
    assert(shop:publish("orders", order, { qos = 1 }))
  end
  while left > 0 do
    holdfast.sleep(0.05)
  end
  orders:remove()
  biller:close(1)
  shop:close(1)
end)
