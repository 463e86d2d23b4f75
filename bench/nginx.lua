--- The latency of nginx's workers beside requests that publish: with the broker, and without it while they wait.
-- Two workers, 200 requests/s that publish at QoS 1, 200 requests/s for a page that has nothing to do with it, and a
-- timer of 10 ms in each worker. Medians over the rounds of the 99th percentiles; the ratio is what tells something.
local mosquitto = require "spec.support.mosquitto"
local nginx = require "spec.support.nginx"
local process = require "process_probe"

local ROUNDS = tonumber(arg[1]) or 5
local SECONDS = 4

local WORKER = [[
  client = assert(require "resty.holdfast":new { server = "mqtt://127.0.0.1:PORT", backoff = { min = 0.1, max = 0.2 } })
  client:start()
  local latest
  ngx.timer.every(0.01, function()
    ngx.update_time()
    local now = ngx.now()
    if latest then
      ngx.shared.late:incr(math.max(0, math.floor((now - latest) * 1000 + 0.5) - 10), 1, 0)
    end
    latest = now
  end)
]]

local LOCATIONS = {
  ["/publish"] = [[
    local fine = client:publish("bench", ngx.var.request_id, { qos = 1 })
    ngx.status = fine and 200 or 500
    ngx.say(fine)
  ]],
  ["/page"] = [[ngx.say "a page"]],
  ["/late"] = [[
    local late, all, sum = {}, 0, 0
    for _, ms in ipairs(ngx.shared.late:get_keys(0)) do
      late[#late + 1], all = tonumber(ms), all + ngx.shared.late:get(ms)
    end
    table.sort(late)
    for _, ms in ipairs(late) do
      sum = sum + ngx.shared.late:get(ms)
      if sum >= all * 0.99 then
        ngx.say(ms)
        break
      end
    end
    ngx.shared.late:flush_all()
  ]],
}

local server

local function load(path, connections, pause, seconds)
  local script, output = server.folder .. path .. ".lua", server.folder .. path .. ".out"
  local file = assert(io.open(script, "w"))
  file:write(([[
    local first = %d
    function delay()
      first = first - 1
      return first >= 0 and math.random(0, %d) or %d
    end
  ]]):format(connections, pause, pause))
  file:close()
  os.remove(output)
  return assert(process.spawn({ "wrk", "--latency", "-t1", "-c" .. connections, "-d" .. seconds .. "s", "--timeout",
    "60s", "-s", script, ("http://127.0.0.1:%d%s"):format(server.port, path) }, output)), output
end

local UNITS = { us = 0.001, ms = 1, s = 1000 }

local function page_p99()
  local pid, output = load("/page", 20, 100, SECONDS)
  assert(process.wait(pid, SECONDS * 1000 + 30000))
  local text = io.open(output):read "*a"
  local value, unit = text:match "99%%%s+([%d.]+)(%a+)"
  return value * UNITS[unit]
end

local function measure()
  server:get "/late"
  local page = page_p99()
  local _, late = server:get "/late"
  return page, tonumber(late) + 1 -- so that there is a ratio
end

local function median(list)
  table.sort(list)
  return list[math.floor(#list / 2) + 1]
end

local function row(title, up, down)
  up, down = median(up), median(down)
  print(("%-38s %8.2f ms %10.2f ms %9.2f"):format(title, up, down, down / up))
end

local function bench()
  local broker = mosquitto.start()
  server = nginx.start {
    workers = 2, init_worker = WORKER:gsub("PORT", tostring(broker.port)), locations = LOCATIONS,
    http = "lua_shared_dict late 1m;",
  }
  local up, down, late_up, late_down = {}, {}, {}, {}
  local publishing = load("/publish", 400, 2000, ROUNDS * (SECONDS * 2 + 3))
  for round = 1, ROUNDS do
    process.sleep(1500)
    up[round], late_up[round] = measure()
    broker:kill()
    process.sleep(500)
    down[round], late_down[round] = measure()
    broker:restart()
  end
  process.kill(publishing, "INT")
  process.wait(publishing, 60000)
  print(("nginx, 2 workers, %d rounds of %d s; 99th percentiles, medians of the rounds\n"):format(ROUNDS, SECONDS))
  print(("%-38s %11s %13s %9s"):format("", "broker up", "broker down", "ratio"))
  row("a page, 200/s", up, down)
  row("a timer of 10 ms, late by (+1 ms)", late_up, late_down)
end

local fine, problem = xpcall(bench, debug.traceback)
nginx.finish()
mosquitto.finish()
if not fine then
  io.stderr:write(problem, "\n")
  os.exit(1)
end
