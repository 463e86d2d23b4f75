-- 7, a web API (nginx, 2 workers): each request publishes at QoS 1 and waits. The broker is frozen, then killed; nginx
-- is reloaded in the middle, and a request is given up. #broker
if not jit or os.getenv "HOLDFAST_SANITIZE" then
  return -- nginx runs LuaJIT, with the module that is built for it, and brings no checker along
end

local accounts = require "spec.support.account"
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local nginx = require "spec.support.nginx"
local program = require "spec.support.program"
local sockets = require "socket_probe"

local INIT_WORKER = [[
local holdfast = require "resty.holdfast"
client = assert(holdfast:new { server = "mqtt://127.0.0.1:PORT", client_id = "api-$worker-$pid", protocol = PROTOCOL,
  transport = "TRANSPORT" })
client.defaults.publish = { qos = 1, timeout = TIMEOUT }
client:start()
]]

local PUBLISH = [[
local fine, problem, code = client:publish("orders/" .. ngx.var.arg_n, "one of these")
if not fine then
  ngx.status = 503
  ngx.say(code)
else
  ngx.say "published"
end
]]

-- Beside the program: how long a request took, without what its worker waited for a processor that others had.
local MEASURE = [[
rewrite_by_lua_block {
  ngx.ctx.waited = require("spec.support.processor").waited(ngx.worker.pid())
}
header_filter_by_lua_block {
  ngx.update_time()
  local waited = require("spec.support.processor").waited(ngx.worker.pid()) or 0
  ngx.header.took = ngx.now() - ngx.req.start_time() - waited + (ngx.ctx.waited or 0)
}
]]

local AT_A_TIME = program.size(20, 200)
local TROUBLE = program.size(1.2, 5) -- seconds
local TIMEOUT = program.size(1, 3)

describe("a web API #broker", function()
  after_each(function()
    nginx.finish()
    mosquitto.finish()
  end)

  local function api(transport, protocol)
    local broker = mosquitto.start { persistent = true, lines = { "max_inflight_messages 0", "max_queued_messages 0" } }
    local account = accounts.new()
    local world = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, client_id = "world", stable_after = 0,
      backoff = { strategy = "constant", min = 0.05, max = 0.05, jitter = "none" } }
    world:subscribe("orders/+", { qos = 1 }, function(message)
      account:arrived("orders", tonumber(message.topic:match "%d+"))
    end)
    assert(world:connect(10))
    local values = { PORT = broker.port, PROTOCOL = protocol, TRANSPORT = transport, TIMEOUT = TIMEOUT }
    local server = nginx.start { workers = 2, init_worker = INIT_WORKER:gsub("%u%u+", values),
      http = "lua_check_client_abort on;", server = MEASURE, locations = { ["/publish"] = PUBLISH },
      expects = { "Connection refused", "client .* connection" } }

    -- So many requests at once, all the time: each has its number, and its answer or the lack of one is written down.
    local open, number, answers, slowest, over, told = {}, 0, {}, 0, false, {}
    local function ask()
      local socket = sockets.connect(server.port)
      if socket then
        number = number + 1
        assert(socket:send(("GET /publish?n=%d HTTP/1.0\r\nHost: localhost\r\n\r\n"):format(number)))
        open[number] = { socket = socket, text = "" }
        account:posted("orders", number)
      end
    end
    local function look()
      local count = 0
      for which, request in pairs(open) do
        local text, why = request.socket:some(4096, 0)
        if text then
          request.text = request.text .. text
        end
        if why == "closed" then
          request.socket:close()
          open[which] = nil
          local status = request.text:match "^HTTP/1%.1 (%d+)"
          local word = status and (status .. " " .. request.text:match "([%w_]+)\n$") or "no answer"
          answers[word] = (answers[word] or 0) + 1
          slowest = math.max(slowest, tonumber(request.text:match "\ntook: (%S+)" or 0))
          if status == "200" then
            account:told("orders", which)
            told[#told + 1] = which
          end
        else
          count = count + 1
        end
      end
      return count
    end
    local function go_on(seconds)
      local deadline = core.now() + seconds
      while core.now() < deadline do
        while look() < AT_A_TIME and not over do
          ask()
        end
        holdfast.sleep(0.01)
      end
    end

    go_on(TROUBLE)
    account:weigh(server:workers()[1])
    broker:freeze()
    go_on(TROUBLE)
    broker:resume()
    go_on(TROUBLE)
    local _, given_up = next(open) -- somebody closes the browser
    given_up.socket:close()
    open[next(open)] = nil
    broker:kill()
    local before = #broker:log()
    go_on(TROUBLE)
    broker:restart()
    go_on(TROUBLE)
    require("process_probe").kill(server.pid, "HUP")
    go_on(TROUBLE * 2)
    over = true
    go_on(TIMEOUT + 1)
    -- The broker's log says what it was given. mosquitto acknowledges before it saves: what it was killed with is its
    -- loss (docs/delivery.md), and no other.
    local given = {} -- when last: before it was killed, or since
    for at, which in broker:log():gmatch "()Received PUBLISH from api%-[^\n]*'orders/(%d+)'" do
      given[tonumber(which)] = at > before and "since" or "before"
    end
    local lied, lost
    local deadline = core.now() + program.size(5, 30) -- behind a flood who looks on has it later
    repeat
      holdfast.sleep(0.1)
      lied, lost = 0, 0
      for _, which in ipairs(told) do
        local is_there = account:has("arrived", "orders", which)
        lied = lied + ((given[which] == nil or not is_there and given[which] == "since") and 1 or 0)
        lost = lost + (is_there and 0 or 1)
      end
    until lied == 0 or core.now() > deadline
    account:weigh(server:workers()[1])
    local words = {}
    for word, count in pairs(answers) do
      words[#words + 1] = count .. " x " .. word
    end
    table.sort(words)
    account:note("%d requests, the slowest %.2f s: %s; %d open; told %d that were not so, %d that the broker lost",
      number, slowest, table.concat(words, ", "), look(), lied, lost - lied)
    world:close(1)
    return account, slowest, answers, look(), lied
  end

  program.each(function(transport, protocol)
    if program.is_soak or (transport == "native") == (protocol == 5) then
      it(("answers each request once, in its time: protocol %d, %s"):format(protocol, transport), function()
        holdfast.run(function()
          local account, slowest, answers, open, lied = api(transport, protocol)
          account:close { lied = { 0 }, told = { 100 }, lost = { 0 }, doubled = { 0 }, disorder = { 0 },
            gap = { 0, 6 * TROUBLE }, descriptors = { -AT_A_TIME, 20 } }
          assert(lied == 0, account:words())
          assert(open == 0 and not answers["no answer"], account:words())
          assert(slowest < TIMEOUT + program.size(0.6, 0.2), account:words())
          for word in pairs(answers) do
            assert(word == "200 published" or word:find "^503 %l+", account:words())
          end
          assert(answers["503 timeout"], account:words())
        end)
      end)
    end
  end)
end)
