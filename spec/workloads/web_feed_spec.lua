-- 8, a web feed (nginx, 2 workers): subscribes, keeps the last values in a shared dict, server-sent events to browsers.
-- nginx is reloaded, a worker killed, the broker restarted. #broker
if not jit or os.getenv "HOLDFAST_SANITIZE" then
  return -- nginx runs LuaJIT, with the module that is built for it, and brings no checker along
end

local accounts = require "spec.support.account"
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local nginx = require "spec.support.nginx"
local process = require "process_probe"
local processor = require "spec.support.processor"
local program = require "spec.support.program"
local sockets = require "socket_probe"

local INIT_WORKER = [[
local holdfast = require "resty.holdfast"
local client = assert(holdfast:new { server = "mqtt://127.0.0.1:PORT", client_id = "feed-$worker-$pid",
  protocol = PROTOCOL, transport = "TRANSPORT" })
client:subscribe("meters/#", { qos = 1 }, ngx.shared.meters)
client:start()
]]

local FEED = [[
ngx.header["Content-Type"] = "text/event-stream"
local before
while not ngx.worker.exiting() do
  local value = ngx.shared.meters:get "meters/power"
  if value ~= before then
    before = value
    ngx.say("data: ", value, "\n")
    if not ngx.flush(true) then
      return
    end
  end
  ngx.sleep(0.05)
end
]]

local BROWSERS = program.size(30, 500)
local CALM = program.size(1.2, 10) -- seconds between two troubles

describe("a web feed #broker", function()
  after_each(function()
    nginx.finish()
    mosquitto.finish()
  end)

  local function feed(transport, protocol)
    local broker = mosquitto.start { persistent = true }
    local server = nginx.start { workers = 2, http = "lua_shared_dict meters 1m;",
      init_worker = INIT_WORKER:gsub("%u%u+", { PORT = broker.port, PROTOCOL = protocol, TRANSPORT = transport }),
      locations = { ["/feed"] = FEED }, expects = { "exited on signal 9", "Connection refused" } }
    local account = accounts.new()
    local world = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, client_id = "world", stable_after = 0,
      backoff = { strategy = "constant", min = 0.05, max = 0.05, jitter = "none" } }
    assert(world:connect(10))

    -- What is newest, and when each came about; each browser comes back when its stream ends, as browsers do. A value
    -- is as old as the one that has replaced it; what of that a worker and the reader here waited for a processor,
    -- which many browsers keep busy, is not its age.
    local number, browsers, oldest, outage = 0, {}, 0, false
    local came, kept_then, kept, waits = { core.now() }, { 0 }, 0, {}
    local function growth(pid)
      local waited, before = processor.waited(pid) or 0, waits[pid or "here"]
      waits[pid or "here"] = waited
      return waited - (before or waited)
    end
    local function look_at_machine()
      local longest = 0
      for _, pid in ipairs(server:workers()) do
        longest = math.max(longest, growth(pid))
      end
      kept = kept + longest + growth()
    end
    local function age(value)
      return value == number and 0 or core.now() - came[value + 1] - (kept - kept_then[value + 1])
    end
    local function publish()
      if world:post("meters/power", tostring(number + 1), { qos = 1, retain = true }) then
        number = number + 1
        came[number], kept_then[number] = core.now(), kept
        account:posted("power", number)
      end
    end
    local function read(browser)
      if not browser.socket then
        browser.socket, browser.text = sockets.connect(server.port), ""
        if not browser.socket then
          return
        end
        browser.socket:send "GET /feed HTTP/1.0\r\nHost: localhost\r\n\r\n"
      end
      local text, why = browser.socket:some(65536, 0)
      if text then
        browser.text = (browser.text .. text):sub(-200)
        local value = tonumber(browser.text:match ".*data: (%d+)\n")
        if value and value ~= browser.value then
          browser.went_back = browser.went_back + (value < browser.value and 1 or 0)
          browser.value = value
          account:arrived("power", value)
        end
      elseif why == "closed" then
        browser.socket:close()
        browser.socket = nil
        browser.returns = browser.returns + 1
      end
    end
    for index = 1, BROWSERS do
      browsers[index] = { value = 0, returns = 0, went_back = 0 }
    end
    local function go_on(seconds)
      local deadline = core.now() + seconds
      while core.now() < deadline do
        if core.now() > came[#came] + 0.1 then
          look_at_machine()
          publish()
        end
        for _, browser in ipairs(browsers) do
          read(browser)
          if not outage then
            oldest = math.max(oldest, age(browser.value))
          end
        end
        holdfast.sleep(0.01)
      end
    end

    go_on(CALM)
    account:weigh(server:workers()[1])
    process.kill(server.pid, "HUP")
    go_on(CALM)
    local workers = server:workers()
    process.kill(workers[1], "KILL")
    go_on(CALM)
    account:note("the oldest value through a reload and a killed worker: %.2f s", oldest)
    local calm = oldest
    oldest = 0
    broker:stop()
    outage = true
    go_on(1)
    broker:restart()
    -- The workers' own backoff, 1 s and then 2, with full jitter: back by then, and the values with them.
    go_on(4)
    outage = false
    go_on(CALM)
    local went_back = 0
    for _, browser in ipairs(browsers) do
      went_back = went_back + browser.went_back
    end
    account:note("the oldest after the broker's restart: %.2f s; %d published; %d times a browser was shown an older "
      .. "one after a newer", oldest, number, went_back)
    account:weigh(server:workers()[1])
    world:close(1)
    for _, browser in ipairs(browsers) do
      if browser.socket then
        browser.socket:close()
      end
    end
    return account, calm, oldest, browsers, number
  end

  program.each(function(transport, protocol)
    if program.is_soak or (transport == "native") == (protocol == 4) then
      it(("shows no value older than an outage and a second: protocol %d, %s"):format(protocol, transport), function()
        holdfast.run(function()
          local account, calm, after, browsers, number = feed(transport, protocol)
          -- Each value is seen by many, of which one may be ahead of another, and two workers write to one dict: what
          -- is promised is how old a value may be. What was replaced before it was shown is seen by none.
          account:close { lost = { 0 }, doubled = { 0 }, disorder = { 0 }, gap = { 0, 10 },
            descriptors = { -BROWSERS, BROWSERS } }
          assert(calm < 1 + program.size(0.5, 0), account:words())
          assert(after < 1 + program.size(0.5, 0), account:words())
          for _, browser in ipairs(browsers) do
            assert(browser.value >= number - 15, account:words())
          end
        end)
      end)
    end
  end)
end)
