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
  client:on("lost", function(event)
    ngx.log(ngx.WARN, "lost: ", event.reason.name, (", again in %.1f s"):format(event.retry_in))
  end)
  client:on("ready", function(event)
    ngx.log(ngx.NOTICE, ("ready after %.1f s"):format(event.downtime))
  end)
  -- The broker deals the messages out among the workers, and each keeps its share where all of them find it.
  client:subscribe("$share/gateway/meters/#", { qos = 1 }, ngx.shared.meters)
  client:start()
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
  ngx.req.read_body()
  -- Waits for the broker's word, through an outage if need be; the worker goes on with other requests meanwhile.
  local fine, problem, code = client:publish(topic, ngx.req.get_body_data() or "", { qos = 1 })
  return answer(fine and 200 or 503, fine and "published" or code .. ": " .. problem)
end

function gateway.status()
  local status = client:status()
  return answer(200, ("%s is %s, %d published"):format(status.client_id, status.state, status.counters.delivered))
end

return gateway
