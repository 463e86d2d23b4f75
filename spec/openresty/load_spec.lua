-- nginx under load, its broker killed under it, and reloaded under it. #broker
if not jit or os.getenv "HOLDFAST_SANITIZE" then
  return -- nginx runs LuaJIT, with the module that is built for it, and brings no checker along
end

local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local nginx = require "spec.support.nginx"
local process = require "process_probe"
local tree = require "spec.support.tree"

local WORKER = [[
  client = assert(require "resty.holdfast":new {
    server = "mqtt://127.0.0.1:PORT", client_id = "gateway-$worker-$pid", backoff = { min = 0.1, max = 0.3 },
  })
  client:start()
]]

local PUBLISH = [[
  local fine, problem = client:publish("requests", ngx.var.request_id, { qos = 1 })
  ngx.status = fine and 200 or 500
  ngx.say(problem or "published")
]]

-- 400 connections that ask once in 2 s each, so that an outage of 2 s does not make them ask less.
local CONNECTIONS, PAUSE = 400, 2000

describe("nginx under load #broker", function()
  local broker, server

  before_each(function()
    -- Whoever holds acknowledgements back while nothing takes its messages has the broker queue them, and a broker that
    -- is killed then may have acknowledged one that it has not written down: ours takes them, where one is.
    broker = mosquitto.start { persistent = true, lines = { "max_queued_messages 0" } }
  end)

  after_each(function()
    nginx.finish()
    mosquitto.finish()
  end)

  local function start(http)
    server = nginx.start {
      workers = 2, init_worker = WORKER:gsub("PORT", tostring(broker.port)), locations = { ["/publish"] = PUBLISH },
      http = http,
    }
  end

  -- wrk, with each connection pausing between its requests, at first for any part of the pause.
  local function load(connections, pause, seconds)
    local script = server.folder .. "/load.lua"
    local file = assert(io.open(script, "w"))
    file:write(([[
      local first = %d
      function delay()
        first = first - 1
        return first >= 0 and math.random(0, %d) or %d
      end
    ]]):format(connections, pause, pause))
    file:close()
    return assert(process.spawn({ "wrk", "-t1", "-c" .. connections, "-d" .. seconds .. "s", "--timeout", "30s", "-s",
      script, ("http://127.0.0.1:%d/publish"):format(server.port) }, server.folder .. "/load"))
  end

  local function finish(pid)
    assert.are.same({ "exited", 0 }, { process.wait(pid, 60000) })
    local said = tree.read(server.folder .. "/load")
    assert.is_nil(said:find "Non%-2xx", said)
    assert.is_nil(said:find "Socket errors", said)
    return said
  end

  -- The ids of what was answered 200; fails if anything was answered 5xx.
  local function published()
    local ids, count = {}, 0
    for _, request in ipairs(server:requests()) do
      assert.is_true(request.status < 500, "answered " .. request.status)
      if request.status == 200 then
        ids[request.id], count = true, count + 1
      end
    end
    return ids, count
  end

  it("answers 200 requests a second through the death of the broker, and publishes all that it answers", function()
    start()
    local subscriber = holdfast.new {
      server = "mqtt://127.0.0.1:" .. broker.port, client_id = "subscriber", backoff = { min = 0.05, max = 0.1 },
      inbox = { messages = 100000 },
    }
    local received = {}
    subscriber:subscribe("requests", { qos = 1 }, function(message)
      received[message.payload] = true
    end)
    assert(subscriber:connect(10))
    broker:save()
    local loader = load(CONNECTIONS, PAUSE, 20)
    holdfast.sleep(8)
    broker:kill()
    holdfast.sleep(2)
    broker:restart()
    finish(loader)

    local ids, count = published()
    assert.is_true(count > 1000, count .. " requests")
    local missing = count
    for _ = 1, 100 do
      missing = 0
      for id in pairs(ids) do
        missing = missing + (received[id] and 0 or 1)
      end
      if missing == 0 then
        break
      end
      holdfast.sleep(0.1)
    end
    subscriber:close()
    assert.are.equal(0, missing)
  end)

  local function count(command)
    return tonumber(tree.command(command)[1])
  end

  -- Descriptors and threads of the master and of its workers, and connections to the broker.
  local function possessions()
    local of_workers = {}
    for _, pid in ipairs(server:workers()) do
      of_workers[#of_workers + 1] = count("ls /proc/" .. pid .. "/fd | wc -l") .. " descriptors, " ..
        count("ls /proc/" .. pid .. "/task | wc -l") .. " threads"
    end
    table.sort(of_workers)
    local hex = ("%04X"):format(broker.port)
    return {
      master = count("ls /proc/" .. server.pid .. "/fd | wc -l"), workers = of_workers,
      connections = count("awk '$3 ~ /:" .. hex .. "$/ && $4 == \"01\"' /proc/net/tcp | wc -l"),
    }
  end

  it("leaks nothing over 20 reloads", function()
    start "keepalive_timeout 0;" -- an idle connection that nginx closes as it leaves would count as an error
    finish(load(20, 50, 1))
    process.sleep(200)
    local before = possessions()
    assert.are.equal(2, before.connections)
    local loader = load(20, 50, 100)
    for _ = 1, 20 do
      server:reload()
    end
    process.kill(loader, "INT")
    finish(loader)
    local _, answered = published()
    assert.is_true(answered > 1000, answered .. " requests")
    process.sleep(200)
    assert.are.same(before, possessions())
  end)
end)
