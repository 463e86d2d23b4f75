--- Messages of all sizes there and back, of eight clients at once; for each road to a broker.
local holdfast = require "holdfast"

local sizes = {}

-- The thread sanitizer looks at each byte that is copied: Lua alone is busy for seconds with strings of 64 MB.
local LARGEST = os.getenv "HOLDFAST_SANITIZE" and 2 ^ 22 or 2 ^ 26
local SIZES = { 0, 1, 125, 126, 65535, 65536, 1048576, LARGEST }

--- What such a client and its broker need room for.
sizes.room = { inbox = { bytes = 2 ^ 27 }, queue = { bytes = 2 ^ 27 } }
sizes.lines = { "max_queued_messages 0" }

--- Each client has its own back.
-- @tparam function client_of () -> a client
function sizes.exchange(client_of)
  holdfast.run(function()
    local done = 0
    for index, size in ipairs(SIZES) do
      holdfast.spawn(function()
        local topic, payload = "size/" .. index, ("%08d"):format(index):rep(math.ceil(size / 8)):sub(1, size)
        local client = client_of()
        local subscription = client:subscribe(topic, { qos = 1 })
        assert(client:connect(20))
        assert(client:publish(topic, payload, { qos = 1, timeout = 60 }))
        assert(assert(subscription:receive(60)).payload == payload, topic)
        client:close()
        done = done + 1
      end)
    end
    while done < #SIZES do
      holdfast.sleep(0.01)
    end
  end)
end

return sizes
