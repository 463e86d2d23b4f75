--- A program in the event loop of another library, for spec/broker/hosts_spec.lua.
--
--     LUA spec/support/host_child.lua HOST SCENE ADDRESS
local hosts = require "spec.support.hosts"
local holdfast = require "holdfast"
local processor = require "spec.support.processor"

local now = require("holdfast.core").now
local host, scene, address = arg[1], arg[2], arg[3]

io.stdout:setvbuf "line"
holdfast.log(function(level, message)
  if level == "error" then
    print(level, message)
  end
end)

local function options(changes)
  local given = { server = address, loop = host, backoff = { strategy = "constant", min = 0.1, jitter = "none" } }
  for key, value in pairs(changes or {}) do
    given[key] = value or nil
  end
  return given
end

local function message_of(fn, ...)
  local fine, message = pcall(fn, ...)
  assert(not fine, "no error")
  return (message:gsub("^[^ ]+:%d+: ", ""))
end

local main = {} -- scenes in a coroutine of the host
require("spec.support.host_readers")(main, options)
require("spec.support.host_errors")(main, options)

-- The whole life of a client. The host is recognised by itself where it can be.
function main.outage()
  local client = holdfast.new(options { loop = host == "copas" and "copas" or false })
  local messages = client:subscribe("a/+", { qos = 1 })
  assert(client:connect(10))
  assert(client:publish("a/b", "before", { qos = 1 }))
  print(messages:receive(10).payload)
  print "connected"
  assert(client:wait("lost", 20))
  print "lost"
  holdfast.spawn(function()
    assert(client:publish("a/b", "meanwhile", { qos = 1, timeout = 20 }))
    print "published"
  end)
  assert(client:wait("ready", 20))
  print(messages:receive(10).payload)
  assert(select(3, messages:receive(0.05)) == "timeout")
  client:close(2)
  print "closed"
end

-- What a handler can wait for: holdfast, and whatever the host has.
function main.handlers()
  local client = holdfast.new(options())
  local waits = {
    cqueues = function()
      local cqueues = require "cqueues"
      cqueues.sleep(0.02)
      cqueues.poll(0.02)
    end,
    copas = function()
      local copas = require "copas"
      if copas.pause then
        copas.pause(0.02)
      end
    end,
    luv = function()
      local luv, thread = require "luv", coroutine.running()
      local timer = luv.new_timer()
      timer:start(20, 0, function()
        timer:close()
        coroutine.resume(thread)
      end)
      coroutine.yield()
    end,
  }
  local handled = {}
  client:subscribe("a/+", { qos = 1 }, function(message)
    waits[host]()
    holdfast.sleep(0.02)
    local place = #handled + 1
    handled[place] = message.payload
    if _VERSION ~= "Lua 5.1" or jit or host ~= "luv" then -- there an error is told to whoever resumes the coroutine
      waits[host]()
    end
    if place == 3 then
      table.sort(handled)
      error("the last one", 0)
    end
  end)
  client:on("error", function(event)
    print(table.concat(handled, " ") .. ", " .. event.message)
    client:close()
  end)
  assert(client:connect(10))
  for i = 1, 3 do
    assert(client:publish("a/b", tostring(i), { qos = 1 }))
  end
  assert(client:wait("closed", 10))
end

-- Lua 5.1 cannot suspend the iterator of a `for`; elsewhere the loop goes on.
function main.messages()
  local client = holdfast.new(options())
  local messages = client:subscribe "a/+"
  assert(client:connect(10))
  assert(client:post("a/b", "one"))
  local fine, problem = pcall(function()
    for message in messages:messages(0.2) do
      print(message.payload)
    end
  end)
  print(fine or problem)
  client:close(1)
end

-- Readers that are ended while they wait: the message is the next one's, and nothing keeps the loop running for them.
function main.gone()
  local client = holdfast.new(options())
  local messages = client:subscribe("a/+", { qos = 1 })
  local ending -- a reader that is ended after it was woken, and before it goes on
  client:subscribe("a/+", { qos = 1 }, function()
    if ending then
      ending()
    end
  end)
  local ways = {
    luv = function()
      local reader = coroutine.create(function()
        messages:receive()
        print "never"
      end)
      assert(coroutine.resume(reader))
      return function()
        coroutine.close(reader)
      end
    end,
    cqueues = function()
      local inner = require("cqueues").new()
      inner:wrap(function()
        messages:receive()
        print "never"
      end)
      assert(inner:loop(0.02)) -- a time limit, after which nobody steps it any more
      return function() end
    end,
  }
  assert(client:connect(10))
  ways[host]()()
  holdfast.spawn(client.publish, client, "a/b", "first", { qos = 1 })
  print(messages:receive(5).payload)
  local finish = ways[host]()
  ending = finish
  holdfast.spawn(client.publish, client, "a/b", "second", { qos = 1 })
  print(messages:receive(5).payload)
  client:close(1)
  print "closed"
end

local function post_many(client, count, topic)
  for n = 1, count do
    assert(client:post(topic or "a/b", tostring(n), { qos = 1 }))
  end
end

-- Handlers that compute, 1.5 s in all: how late a coroutine of ours and the host's timer are beside them, less what
-- others have kept them from a processor.
function main.busy()
  for _, ordered in ipairs { false, true } do
    local client = holdfast.new(options())
    local count, late = 0, 0
    client:subscribe("a/+", { qos = 1, ordered = ordered }, function()
      local began = now()
      repeat until now() - began >= 0.005
      count = count + 1
    end)
    assert(client:connect(10))
    post_many(client, 300)
    repeat
      local due, kept = now() + 0.01, processor.waited() or 0
      holdfast.sleep(0.01)
      late = math.max(late, now() - due - (processor.waited() or 0) + kept)
    until count == 300
    print(("late by %.3f s"):format(late))
    client:close(1)
  end
end

-- Each of a thousand messages is handled by an error, the first of them after a wait.
function main.throwing()
  for _, ordered in ipairs { true, false } do
    local client = holdfast.new(options())
    local count, failures = 0, 0
    client:on("error", function()
      failures = failures + 1
    end)
    client:subscribe("a/+", { qos = 1, ordered = ordered }, function(message)
      if message.payload == "1" then
        holdfast.sleep(0.2)
      end
      count = count + 1
      error("bad message", 0)
    end)
    assert(client:connect(10))
    post_many(client, 1000)
    local ends = now() + 15
    repeat
      holdfast.sleep(0.01)
    until failures == 1000 or now() > ends
    print(count, failures, client:status().inbox.messages)
    client:close(1)
  end
end

-- A timer of the user's resumes the coroutine of a handler that is over.
function main.late()
  local client = holdfast.new(options())
  local threads, handled = {}, {}
  client:subscribe("a/+", { qos = 1 }, function(message)
    threads[#threads + 1] = coroutine.running()
    handled[#handled + 1] = message.payload
  end)
  assert(client:connect(10))
  for n = 1, 3 do
    assert(client:publish("a/b", tostring(n), { qos = 1 }))
    while #handled < n do
      holdfast.sleep(0.001)
    end
    print(coroutine.resume(threads[n]))
  end
  print(threads[1] ~= threads[2] and threads[2] ~= threads[3], table.concat(handled, " "))
  client:close(1)
end

-- What is spawned is waited for, and ended.
function main.tasks()
  local client = holdfast.new(options())
  assert(client:connect(10))
  local function after(seconds, fn)
    return holdfast.spawn(function(...)
      holdfast.sleep(seconds)
      return fn(...)
    end, 1, nil, 3)
  end
  print("joined", after(0.01, function(...) return select("#", ...), ... end):join())
  print("joined", holdfast.spawn(function() return "at once" end):join(5))
  print("joined", after(0.01, function() error("broken", 0) end):join())
  local went_on = false
  local endless = after(0.1, function() went_on = true end)
  print("joined", endless:join(0.01))
  print("cancelled", endless:cancel(), endless:cancel(), endless:join())
  local waiting = holdfast.spawn(function()
    client:wait "lost"
    went_on = true
  end)
  holdfast.sleep(0.01)
  waiting:cancel()
  holdfast.sleep(0.15)
  client:close(1)
  print("went on", went_on)
end

-- Beside a run that has nothing to do with it, and is the only one: a handler spawns, the run ends. The child goes on.
function main.children()
  local client = holdfast.new(options())
  assert(client:connect(10))
  for _, how in ipairs { "returns", "throws" } do
    local spawned, went_on
    local subscription = client:subscribe("a/" .. how, { qos = 1 }, function()
      holdfast.spawn(function()
        spawned = true
        holdfast.sleep(0.05)
        went_on = true
      end)
    end)
    print(how, holdfast.pcall(holdfast.run, function()
      assert(client:publish("a/" .. how, "x", { qos = 1 }))
      while not spawned do
        holdfast.sleep(0.005)
      end
      if how == "throws" then
        error("the run's own", 0)
      end
    end))
    holdfast.sleep(0.2)
    print("went on", went_on)
    subscription:remove()
  end
  client:close(1)
end

-- A protected call that waits, in a coroutine of the host and in a handler.
function main.protected()
  local client = holdfast.new(options())
  local function call(payload)
    return holdfast.pcall(function()
      holdfast.sleep(0.01)
      assert(client:publish("answers", payload, { qos = 1 }))
      error("after " .. payload, 0)
    end)
  end
  local answers = client:subscribe("answers", { qos = 1 })
  client:subscribe("a/+", { qos = 1 }, function(message)
    print(call(message.payload))
    client:close(1)
  end)
  assert(client:connect(10))
  print(call "the first")
  print(answers:receive(10).payload)
  assert(client:publish("a/b", "the second", { qos = 1 }))
  assert(client:wait("closed", 10))
end

-- The end of a program in the middle of everything.
function main.exit()
  local client = holdfast.new(options())
  client:on("ready", function()
    holdfast.sleep(10)
  end)
  local messages = client:subscribe "a/+"
  assert(client:connect(10))
  holdfast.spawn(messages.receive, messages)
  holdfast.sleep(0.02)
  print "exits"
  os.exit(0, true)
end

local plain = {} -- scenes in the main program

-- Waits outside of every coroutine drive the host.
function plain.main()
  local client = holdfast.new(options())
  local messages = client:subscribe("a/+", { qos = 1 })
  assert(client:connect(10))
  holdfast.spawn(function()
    holdfast.sleep(0.05)
    print "spawned"
  end)
  holdfast.sleep(0.1)
  assert(client:publish("a/b", "x", { qos = 1 }))
  print(messages:receive(10).payload)
  assert(client:close(2))
  if host ~= "copas" then
    print(holdfast.run(function(...)
      holdfast.spawn(function()
        holdfast.sleep(10)
        print "never"
      end)
      holdfast.sleep(0.05)
      return ...
    end, "run", nil, "returned"))
  else
    print(message_of(holdfast.run, print))
  end
end

-- A wait where the host can neither suspend nor be driven, and a second loop.
function plain.refusals()
  local client = holdfast.new(options())
  print(message_of(holdfast.new, options { loop = "builtin" }))
  if host == "luv" then
    local luv = require "luv"
    local timer = luv.new_timer()
    timer:start(1, 0, function()
      print(message_of(client.connect, client, 1))
      print(message_of(client.publish, client, "a/b", "x"))
      print(message_of(client.close, client, 1))
      print(client:status().state, client:status().queued.messages, assert(client:post("a/b", "x")) > 0)
      client:close()
      timer:close()
    end)
    luv.run()
  end
end

-- One loop after the other, each ended by the end of its client.
function plain.rounds()
  local process = require "process_probe"
  local left = {}
  for round = 1, 5 do
    hosts.run(host, function()
      local client = holdfast.new(options())
      local messages = client:subscribe("a/" .. round, { qos = 1 })
      assert(client:connect(10))
      for _ = 1, 20 do
        assert(client:publish("a/" .. round, "x", { qos = 1, timeout = 10 }))
        assert(messages:receive(10))
      end
      client:close(2)
    end, function() end)
    collectgarbage()
    collectgarbage() -- a controller of cqueues has descriptors of its own
    local _, threads, descriptors = process.self()
    left[round] = ("%d threads, %d descriptors"):format(threads, descriptors)
  end
  print(left[5] == left[2] and "the same" or table.concat(left, "; "))
end

-- A client is held by one controller and used from another, whose loop ends by itself.
function plain.controllers()
  local cqueues = require "cqueues"
  local client = holdfast.new(options())
  local first, second = cqueues.new(), cqueues.new()
  first:wrap(function()
    assert(client:connect(10))
    second:wrap(function()
      assert(client:publish("a/b", "x", { qos = 1 }))
      holdfast.sleep(0.02)
      print "published"
    end)
    assert(second:loop())
    print "second ended"
    client:close()
  end)
  assert(first:loop())
  print "first ended"
  coroutine.wrap(function() -- of nobody's
    holdfast.sleep(0.01)
    print "slept"
  end)()
end

-- A loop that holdfast knows nothing of: the client is what is polled, and `sleep(0)` hands out what there is.
function plain.pollable()
  local client = holdfast.new(options { loop = "builtin" })
  local ready, slept
  client:on("ready", function()
    ready = true
  end)
  holdfast.spawn(function()
    holdfast.sleep(0.05)
    slept = true
  end)
  client:start()
  local function poll()
    if host == "copas" then
      return require("socket").select({ client }, nil, client:timeout())
    end
    return require("cqueues").poll(client)
  end
  local function attend()
    local turns = 0
    repeat
      poll()
      holdfast.sleep(0)
      turns = turns + 1
    until ready and slept
    print(turns < 20 and "attended" or turns)
    client:close()
  end
  if host == "copas" then
    return attend()
  end
  local controller = require("cqueues").new()
  controller:wrap(attend)
  assert(controller:loop())
end

if plain[scene] then
  plain[scene]()
else
  local count, worst, last, kept = 0, 0, now(), processor.waited() or 0
  hosts.run(host, main[scene], function()
    local time, waited = now(), processor.waited() or 0
    count, worst = count + 1, math.max(worst, time - last - hosts.TICK - (waited - kept))
    last, kept = time, waited
  end)
  print(("%d ticks, %.3f s late at worst"):format(count, worst))
end
