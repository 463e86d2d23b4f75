-- resty.holdfast.metrics: what one worker answers for all of them, in an outage, through a reload. #broker
if not jit or os.getenv "HOLDFAST_SANITIZE" then
  return -- nginx runs LuaJIT, with the module that is built for it, and brings no checker along
end

local mosquitto = require "spec.support.mosquitto"
local nginx = require "spec.support.nginx"
local openmetrics = require "spec.support.openmetrics"
local process = require "process_probe"
local promtool = require "spec.support.promtool"
local sockets = require "socket_probe"
local tree = require "spec.support.tree"

local TYPES = require("holdfast.exposition").content_types

describe("metrics of all workers #broker", function()
  local broker, server

  before_each(function()
    broker = mosquitto.start()
  end)

  after_each(function()
    nginx.finish()
    mosquitto.finish()
  end)

  local function start(transport, options)
    server = nginx.start {
      workers = 2,
      http = ("lua_shared_dict metrics %s;"):format(options and options.dict or "1m"),
      init_worker = (options and options.init_worker or "") .. ([[
        local holdfast = require "resty.holdfast"
        assert(require("resty.holdfast.metrics").publish { dict = "metrics", interval = 0.1, labels = { app = "x" } })
        client = assert(holdfast:new {
          server = "mqtt://127.0.0.1:%d", transport = "%s", client_id = "w$worker", backoff = { min = 0.1, max = 0.2 },
        })
        client:start()
      ]]):format(broker.port, transport),
      locations = {
        ["/metrics"] = 'require("resty.holdfast.metrics").serve()',
      },
    }
  end

  -- What a scraper with this Accept gets: its content type, the text, and that as it is read.
  local function scrape(accept)
    local socket = assert(sockets.connect(server.port))
    assert(socket:send("GET /metrics HTTP/1.0\r\nHost: a\r\nAccept: " .. accept .. "\r\n\r\n"))
    local _, _, answer = socket:receive(1000000, 10000)
    socket:close()
    local head, text = answer:match "^(.-)\r\n\r\n(.*)$"
    local content_type = head:match "Content%-Type: ([^\r]*)"
    return content_type, text, openmetrics.read(text, content_type == TYPES.openmetrics and "openmetrics" or "text")
  end

  local function eventually(fits)
    local deadline = process.now() + 10000
    while true do
      local _, text, read = scrape "text/plain"
      if fits(read) then
        return text, read
      end
      assert(process.now() < deadline, "never in " .. text .. server:log())
      process.sleep(20)
    end
  end

  local function of(worker, read, name, labels)
    local wanted = { worker = tostring(worker), app = "x" }
    for label, value in pairs(labels or {}) do
      wanted[label] = value
    end
    return read:value(name, wanted)
  end

  local function all_in(state)
    return function(read)
      return of(0, read, "holdfast_client_state", { client = "w0", holdfast_client_state = state }) == 1
        and of(1, read, "holdfast_client_state", { client = "w1", holdfast_client_state = state }) == 1
    end
  end

  for _, transport in ipairs { "native", "paho" } do
    it("are what promtool takes, in an outage, too, over " .. transport, function()
      start(transport)
      eventually(all_in "connected")
      broker:kill()
      local text, read = eventually(function(read)
        local refused = { source = "network", reason = transport == "native" and "connection_refused" or nil }
        return of(0, read, "holdfast_losses_total") == 1 and of(1, read, "holdfast_losses_total") == 1
          and (of(0, read, "holdfast_failures_total", refused) or 0) >= 1
          and (of(1, read, "holdfast_failures_total", refused) or 0) >= 1
      end)
      for worker = 0, 1 do
        assert.is_true(of(worker, read, "holdfast_client_downtime_seconds_total") > 0)
        assert.is_true(of(worker, read, "holdfast_client_attempts_total") >= 2)
        assert.equal(1, of(worker, read, "holdfast_clients"))
      end
      if promtool.is_there() then
        assert.same({ "", true }, { promtool.run("check metrics < %s", text) })
      end
      broker:restart()
      eventually(all_in "connected")
    end)
  end

  it("come in OpenMetrics to who asks for it", function()
    start "native"
    eventually(all_in "connected")
    assert.equal(TYPES.openmetrics, (scrape "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3"))
    assert.equal(TYPES.text, (scrape "text/plain;version=0.0.4"))
    assert.equal(TYPES.text, (scrape "*/*"))
  end)

  it("go on with the workers after a reload, be they fewer", function()
    start "native"
    eventually(all_in "connected")
    broker:kill()
    broker:restart()
    eventually(function(read)
      return of(0, read, "holdfast_connects_total") == 2 and of(1, read, "holdfast_connects_total") == 2
    end)
    server:reload()
    eventually(function(read)
      return of(0, read, "holdfast_connects_total") == 1 and of(1, read, "holdfast_connects_total") == 1
    end)
    local configuration = server.folder .. "/nginx.conf"
    local text, count = tree.read(configuration):gsub("worker_processes 2", "worker_processes 1")
    assert.equal(1, count)
    local file = assert(io.open(configuration, "w"))
    file:write(text)
    file:close()
    server:reload()
    local _, read = eventually(function(read)
      return of(0, read, "holdfast_connects_total") == 1 and not of(1, read, "holdfast_connects_total")
    end)
    assert.equal(1, #read.families.holdfast_clients.samples)
  end)

  it("are those of who gives a sign of life", function()
    start("native", { init_worker = "if ngx.worker.id() == 1 then ngx.timer.every = function() return true end end" })
    eventually(function(read) -- answered by that one itself, at the latest
      return of(1, read, "holdfast_clients") == 1
    end)
    local _, read = eventually(function(read)
      return not of(1, read, "holdfast_clients")
    end)
    assert.equal(1, of(0, read, "holdfast_clients"))
  end)

  it("that find no room are missed in the log, once", function()
    start("native", { dict = "12k" })
    eventually(function(read)
      return of(0, read, "holdfast_clients") or of(1, read, "holdfast_clients") -- of who was asked
    end)
    local deadline = process.now() + 10000
    local function told()
      return select(2, server:log():gsub("the shared dict metrics does not take the metrics of this worker: no memory",
        ""))
    end
    while told() == 0 do
      process.sleep(20)
      assert(process.now() < deadline, server:log())
    end
    process.sleep(300)
    assert.is_true(told() <= 2) -- one a worker
  end)

  it("say what is wrong with what they are told", function()
    server = nginx.start {
      http = "lua_shared_dict metrics 1m;",
      locations = {
        ["/"] = [[
          local metrics = require "resty.holdfast.metrics"
          ngx.say(tostring(select(2, metrics.text())))
          ngx.say(tostring(select(2, metrics.text { format = 1 })))
          ngx.say(tostring(select(2, metrics.publish { dict = "other" })))
          ngx.say(tostring(select(2, metrics.publish { dict = "metrics", interval = 0 })))
          ngx.say(tostring(select(2, metrics.publish {})))
        ]],
        ["/metrics"] = 'require("resty.holdfast.metrics").serve()',
      },
    }
    assert.equal([[
this worker has published none: call publish in init_worker_by_lua
format must be "openmetrics" or "text", got 1
dict must be a shared dict of nginx; say `lua_shared_dict other 1m;` in its http block
interval must be a number of seconds above 0 and up to 4,294,967, got 0
dict is missing]], server:answer "/")
    assert.same({ 503, "this worker has published none: call publish in init_worker_by_lua\n" },
      { server:get "/metrics" })
  end)
end)
