-- What handlers leave of nginx for the others, and what is spawned there. #broker
if not jit or os.getenv "HOLDFAST_SANITIZE" then
  return -- nginx runs LuaJIT, with the module that is built for it, and brings no checker along
end

local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local nginx = require "spec.support.nginx"
local process = require "process_probe"
local processor = require "spec.support.processor"

local MESSAGES = 900
local COST = 0.003 -- seconds that a handler computes
local BACKLOG = MESSAGES * COST
local LATEST = BACKLOG / 5

describe("nginx has its share #broker", function()
  local broker, server

  before_each(function()
    broker = mosquitto.start()
  end)

  after_each(function()
    nginx.finish()
    mosquitto.finish()
  end)

  local function start(code, locations)
    locations["/ready"] = "ngx.say(tostring(client:status().ready))"
    locations["/ping"] = 'ngx.say "pong"'
    server = nginx.start {
      init_worker = ([[
        holdfast = require "resty.holdfast"
        client = assert(holdfast:new { server = "mqtt://127.0.0.1:%d" })
        %s
        client:start()
      ]]):format(broker.port, code),
      locations = locations,
    }
    server:eventually("/ready", "^true$")
  end

  local function post(topic, count)
    local client = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port }
    assert(client:connect(10))
    for n = 1, count - 1 do
      assert(client:post(topic, tostring(n), { qos = 1 }))
    end
    assert(client:publish(topic, tostring(count), { qos = 1 }))
    client:close()
  end

  for _, options in ipairs { "{ qos = 1 }", "{ qos = 1, ordered = true }" } do
    it("while handlers compute, " .. options, function()
      start(([[
        local now = require("holdfast.core").now
        count = 0
        client:subscribe("work", %s, function()
          local began = now()
          repeat until now() - began >= %g
          count = count + 1
        end)
      ]]):format(options, COST), { ["/count"] = "ngx.say(count)", ["/worker"] = "ngx.say(ngx.worker.pid())" })
      local worker = server:answer("/worker"):match "%d+"
      local function waited() -- ms, by both, for a processor
        return ((processor.waited() or 0) + (processor.waited(worker) or 0)) * 1000
      end
      post("work", MESSAGES)
      local longest, pings = 0, 0
      repeat
        local began, before = process.now(), waited()
        server:answer "/ping"
        local took = process.now() - began
        longest, pings = math.max(longest, took - (waited() - before)), pings + 1
      until tonumber(server:answer "/count") == MESSAGES
      assert.is_true(longest < LATEST * 1000, longest .. " ms")
      assert.is_true(pings > 5, pings)
    end)
  end

  it("of a thousand handlers that throw none is lost, one after the other or at once", function()
    start([[
      count, repeats, failures, seen = 0, 0, 0, {}
      client:on("error", function() failures = failures + 1 end)
      for topic, ordered in pairs { one = true, all = false } do
        client:subscribe(topic, { qos = 1, ordered = ordered }, function(message)
          if message.payload == "1" then
            ngx.sleep(0.1)
          end
          local which = topic .. message.payload
          if seen[which] then -- over Paho a client that is slow steps away, and has some of QoS 1 once more
            repeats = repeats + 1
          else
            seen[which], count = true, count + 1
          end
          error "bad message"
        end)
      end
    ]], { ["/count"] = "ngx.say(count, ' ', failures - repeats, ' ', client:status().inbox.messages)" })
    post("one", 1000)
    post("all", 1000)
    server:eventually("/count", "^2000 2000 0$")
  end)

  it("a hook that a handler leaves does not end the next", function()
    start([[
      sum, failures = 0, {}
      client:on("error", function(event) failures[#failures + 1] = event.message end)
      client:subscribe("work", { qos = 1 }, function(message)
        jit.off(true, true)
        if message.payload == "1" then
          debug.sethook(function() error("too long", 0) end, "", 1000)
        end
        for n = 1, 10000 do
          sum = sum + 1
        end
        handled = message.payload
      end)
    ]], { ["/handled"] = "ngx.say(tostring(handled), ' ', table.concat(failures, ', '))" })
    post("work", 3)
    server:eventually("/handled", "^3 too long$")
  end)

  it("a task is waited for, and ended", function()
    start("", { ["/tasks"] = [[
      local out = {}
      local function say(...)
        local words = { ... }
        for index = 1, select("#", ...) do
          words[index] = tostring(words[index])
        end
        out[#out + 1] = table.concat(words, " ")
      end
      local function after(seconds, fn)
        return holdfast.spawn(function(...)
          require("holdfast").sleep(seconds)
          return fn(...)
        end, 1, nil, 3)
      end
      say("joined", after(0.01, function(...) return select("#", ...), ... end):join())
      say("joined", holdfast.spawn(function() return "at once" end):join(5))
      say("joined", after(0.01, function() error("broken", 0) end):join())
      local endless = after(3600, function() end)
      say("joined", endless:join(0.01))
      say("cancelled", endless:cancel(), endless:cancel(), endless:join())
      local stubborn, caught = nil, 0
      stubborn = holdfast.spawn(function()
        while not ended do
          caught = caught + (pcall(client.wait, client, "closed") and 0 or 1)
        end
      end)
      ngx.sleep(0.01)
      stubborn:cancel()
      ngx.sleep(0.05)
      ended = true
      say("caught", caught)
      ngx.say(table.concat(out, "\n"))
    ]] })
    assert.are.equal([[joined 3 1 nil 3
joined at once
joined nil broken failed broken
joined nil the task is not over within 0.01 s timeout
cancelled true false nil the task has been cancelled cancelled nil
caught 1]], server:answer "/tasks")
  end)

  it("a task that was ended leaves nothing to what its light thread runs next", function()
    start("", { ["/after"] = [[
      local sleep = require("holdfast").sleep
      local failures = {}
      for _ = 1, 10 do
        local task = holdfast.spawn(sleep, 3600)
        ngx.sleep(0.005)
        task:cancel()
        ngx.sleep(0.005)
        client:once("dropped", function()
          local fine, problem = pcall(sleep, 0.001)
          failures[#failures + 1] = fine and "fine" or problem
        end)
        require("holdfast.events").emit(client, "dropped", {})
        ngx.sleep(0.01)
      end
      ngx.say(table.concat(failures, " "))
    ]] })
    assert.are.equal(("fine "):rep(9) .. "fine", server:answer "/after")
  end)
end)
