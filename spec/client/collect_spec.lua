-- What the garbage collector does to clients, and what keeps them from it: #broker.
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"

local function eventually(what, fn)
  local deadline = process.now() + 10000
  repeat
    collectgarbage()
    collectgarbage()
    if fn() then
      return
    end
    holdfast.sleep(0.02)
  until process.now() > deadline
  error("never: " .. what, 2)
end

describe("clients #broker", function()
  local broker, address

  setup(function()
    broker = mosquitto.start()
    address = "mqtt://127.0.0.1:" .. broker.port
    local first = holdfast.new { server = address }
    assert(first:connect(10)) -- from here on the threads of the process are there
    first:close(1)
  end)

  teardown(mosquitto.finish)

  local function all_gone()
    return holdfast.metrics().clients == 0
  end

  before_each(function()
    eventually("those of the test before are gone", all_gone)
  end)

  local function make(count, options)
    for i = 1, count do
      local client = holdfast.new(options)
      client:subscribe("a/" .. i, { qos = 1 }, function(message)
        client:post(message.topic, "")
      end)
      client:on("lost", function()
        client:close()
      end)
      client:post("b/" .. i, "x")
      if i % 2 == 0 then
        client:start()
      end
      if i % 100 == 0 then
        collectgarbage()
      end
    end
  end

  it("dropped by the thousand leave no thread, descriptor or byte behind", function()
    local _, threads, descriptors = process.self()
    local lua_before, heap_before
    for round = 1, 10 do
      make(500, { server = address })
      make(500, { server = "mqtt://127.0.0.1:1", backoff = { min = 0.001, max = 0.01 } })
      eventually("they are gone", all_gone)
      if round == 3 then -- caches are full, loops compiled
        lua_before, heap_before = collectgarbage "count", process.heap()
      end
    end
    assert.equal(threads, (select(2, process.self())))
    eventually("their sockets are closed", function()
      return select(3, process.self()) <= descriptors
    end)
    assert.is_true(collectgarbage "count" - lua_before < 64, "KiB of Lua: " .. collectgarbage "count" - lua_before)
    if not os.getenv "HOLDFAST_SANITIZE" then -- its allocator is another, and finds what leaks by itself
      local kept = (process.heap() - heap_before) / 1024
      assert.is_true(kept < 128, "KiB of the heap after 7,000 clients: " .. kept)
    end
  end)

  it("are not dropped while a loop runs that they were started in", function()
    local lost = 0
    holdfast.run(function()
      holdfast.new({ server = address }):on("ready", function(_, client)
        client:publish("x", "")
        client:close()
      end):on("closed", function()
        lost = lost + 1
      end):start()
      for _ = 1, 200 do
        collectgarbage()
        if lost > 0 then
          break
        end
        holdfast.sleep(0.05)
      end
    end)
    assert.equal(1, lost)
    eventually("it is gone", all_gone)
  end)

  it("are not dropped while a loop runs that began after they were started", function()
    local ready
    do
      holdfast.new({ server = address }):on("ready", function(_, client)
        ready = true
        client:close()
      end):start()
    end
    holdfast.run(function()
      for _ = 1, 200 do
        collectgarbage()
        if ready then
          break
        end
        holdfast.sleep(0.02)
      end
    end)
    assert.is_true(ready)
    eventually("it is gone", all_gone)
  end)

  it("are dropped in a running loop once they are closed", function()
    holdfast.run(function()
      for _ = 1, 3 do
        local client = holdfast.new { server = address }
        assert(client:connect(10))
        assert(client:close(5))
      end
      eventually("they are gone", all_gone)
    end)
  end)

  it("are not dropped while a coroutine waits for them", function()
    local answer
    local first = holdfast.new { server = address }
    first:on("ready", function()
      local away = { server = "mqtt://127.0.0.1:1", backoff = { strategy = "constant", min = 0.1 }, max_attempts = 4 }
      answer = { holdfast.new(away):connect() }
    end)
    first:start()
    eventually("it is connected", function()
      return answer
    end)
    assert.equal("sleeping", answer[3])
    first:close(5)
    eventually("it is gone, too", all_gone)
  end)

  it("are not dropped while their subscription is held", function()
    local subscription = holdfast.new({ server = address }):subscribe "held"
    subscription.client:start()
    collectgarbage()
    collectgarbage()
    assert.equal(1, holdfast.metrics().clients)
    assert.is_true(subscription.client:connect(10))
    assert.is_true(subscription.client:publish("held", "x"))
    assert.equal("x", subscription:receive(10).payload)
    subscription = nil -- luacheck: ignore
    eventually("it is gone", all_gone)
  end)

  it("that are collected have not said goodbye", function()
    local watch = holdfast.new { server = address }
    local wills = watch:subscribe "will"
    assert(watch:connect(10))
    do
      local client = holdfast.new { server = address, will = { topic = "will", payload = "gone" } }
      assert(client:connect(10))
    end
    eventually("it is gone", function()
      return holdfast.metrics().clients == 1
    end)
    assert.equal("gone", assert(wills:receive(10)).payload)
    watch:close(1)
  end)
end)
