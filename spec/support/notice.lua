--- How long it takes until clients of the native transport notice that their broker is silent: idle, sending, and
-- pouring messages out.
local diary = require "spec.support.diary"
local holdfast = require "holdfast"

local notice = {}

--- Seconds within which the loss must be told, by what the client is given.
notice.wanted = {
  ["keep_alive = 5, idle"] = 7.5,
  ["keep_alive = 5, sending"] = 7.5,
  ["detect_within = 3, idle"] = 3.3,
  ["detect_within = 3, sending"] = 3.3,
  ["detect_within = 3, pouring"] = 3.3,
}

-- Less than the broker's system takes in without being read. What is poured has no answers to wait for, and hardly a
-- moment in which all of it is confirmed.
local ways = { sending = { qos = 1, every = 0.1 }, pouring = { qos = 0, every = 0.005 } }

local function send(client, way)
  while client:status().state == "connected" do
    client:post("notice", ("x"):rep(100), { qos = way.qos })
    holdfast.sleep(way.every)
  end
end

--- Connects all of them, has the broker go silent, and waits.
-- @tparam number port
-- @tparam function silence has it go silent; returns when that began
-- @treturn table seconds, by the name of `wanted`
function notice.of(port, silence)
  local clients, seen = {}, {}
  for name in pairs(notice.wanted) do
    local option, seconds, what = name:match "^(%S+) = (%d), (%a+)$"
    local client = holdfast.new { server = "mqtt://127.0.0.1:" .. port, transport = "native",
      [option] = tonumber(seconds), connect_timeout = 20 }
    clients[name], seen[name] = client, diary.of(client)
    assert(client:connect(10))
    if ways[what] then
      holdfast.spawn(send, client, ways[what])
    end
  end
  holdfast.sleep(1.2)
  local began, times = silence(), {}
  for name, diary_of in pairs(seen) do
    times[name] = diary_of:await("lost", 1, 20).at - began
  end
  for _, client in pairs(clients) do
    client:close(0)
  end
  return times
end

return notice
