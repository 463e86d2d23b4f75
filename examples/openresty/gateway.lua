-- What nginx.conf beside this calls: one client a worker, shared by all of its requests.
local holdfast = require "resty.holdfast"

local gateway = {}

local client

function gateway.start()
  assert(holdfast.limit { attempts_per_second = 5, burst = 2, dict = "attempts" })
  local problem
  client, problem = holdfast:new {
    server = "mqtt://localhost",
    client_id = "gateway-$worker-$pid", -- no two workers may share one, nor those before and after a reload
  }
  if not client then
    return ngx.log(ngx.ERR, problem)
  end
  client:set_timeouts(nil, 5000) -- for publish, in milliseconds
  client:on("lost", print) -- to the error log, as a notice
  client:on("ready", print)
  -- The broker deals the messages out among the workers, and each keeps its share where all of them find it.
  client:subscribe("$share/gateway/meters/#", { qos = 1 }, ngx.shared.meters)
  client:start()
end

-- A body above client_body_buffer_size is in a file.
local function body()
  ngx.req.read_body()
  local name = ngx.req.get_body_file()
  if not name then
    return ngx.req.get_body_data() or ""
  end
  local file = assert(io.open(name, "rb"))
  local data = file:read "*a"
  file:close()
  return data
end

local function answer(status, text)
  ngx.status = status
  ngx.say(text)
end

function gateway.meter()
  local topic = ngx.var.topic
  if ngx.req.get_method() ~= "POST" then
    local value = ngx.shared.meters:get(topic)
    return answer(value and 200 or 404, value or "nothing yet")
  end
  -- Waits for the broker's word, through an outage if need be; the worker goes on with other requests meanwhile.
  local fine, problem, code = client:publish(topic, body(), { qos = 1 })
  return answer(fine and 200 or 503, fine and "published" or code .. ": " .. problem)
end

function gateway.status()
  local status = client:status()
  return answer(200, ("%s is %s, %d published"):format(status.client_id, status.state, status.counters.delivered))
end

return gateway
