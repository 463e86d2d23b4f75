--- The demo's publisher, a process of its own: `lua publisher.lua SERVER SECONDS FILE`.
-- Twenty numbered messages a second at QoS 1, whether the broker is there or not, for so many seconds; then "end N".
-- FILE always holds two numbers: how many were posted, how many the broker has acknowledged.
local holdfast = require "holdfast"
local server, seconds, file = arg[1], tonumber(arg[2]), arg[3]

local client = holdfast.new {
  server = server,
  backoff = { strategy = "exponential", min = 0.5, max = 4, jitter = "full" },
}

local function post(payload)
  assert(client:post("demo/ticks", payload, { qos = 1 }))
end

holdfast.run(function()
  client:start()
  local posted = 0
  for _ = 1, 20 * seconds do
    posted = posted + 1
    post(tostring(posted))
    local out = assert(io.open(file .. ".new", "w"))
    out:write(posted, " ", client:status().counters.delivered, "\n")
    out:close()
    os.rename(file .. ".new", file)
    holdfast.sleep(0.05)
  end
  post("end " .. posted)
  client:close(15) -- flushes: waits until the broker has everything
end)
