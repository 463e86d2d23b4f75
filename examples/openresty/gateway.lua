-- What nginx.conf beside this calls: one client a worker, shared by all of its requests.
local holdfast = require "resty.holdfast"

local gateway, client = {}, nil

function gateway.start()
  assert(holdfast.limit { attempts_per_second = 5, burst = 2, dict = "attempts" })
  client = assert(holdfast:new {
    server = "mqtt://localhost",
    client_id = "gateway-$worker-$pid", -- no two workers may share one, nor those before and after a reload
  })
  client:set_timeouts(nil, 5000) -- for publish, in milliseconds
  client:on("lost", print) -- to the error log, as a notice
  client:on("ready", print)
  -- The broker deals the messages out among the workers, and each keeps its share where all of them find it.
  client:subscribe("$share/gateway/meters/#", { qos = 1 }, ngx.shared.meters)
  client:respond("$share/gateway/services/meters", function(question)
    return ngx.shared.meters:get(question.payload) or "nothing yet" end)
  client:start()
  assert(require "resty.holdfast.metrics".publish { dict = "metrics" })
end

-- A body above client_body_buffer_size is in a file.
local function body()
  ngx.req.read_body()
  local name = ngx.req.get_body_file()
  local file = name and assert(io.open(name, "rb"))
  local data = file and file:read "*a" or ngx.req.get_body_data() or ""
  if file then file:close() end
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

-- A request and its response by MQTT, from whoever listens there.
function gateway.ask()
  local message, problem, code = client:request("services/" .. ngx.var.service, body(), { timeout = 5 })
  return answer(message and 200 or 504, message and message.payload or code .. ": " .. problem)
end

function gateway.status()
  local status = client:status()
  return answer(200, ("%s is %s, %d published"):format(status.client_id, status.state, status.counters.delivered))
end

return gateway
