-- Who waits, works: while the built-in loop waits its thread turns the keeper, and the keeper's own stands by.
local core = require "holdfast.core"
local cqueues = require "cqueues"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local thread = require "cqueues.thread"
local tree = require "spec.support.tree"

-- A program that is led, says so, and waits for nothing.
local LED = [[
  io.stdout:setvbuf "no"
  local exits = arg[2] and require "exit_probe"
  local holdfast = require "holdfast"
  local client = holdfast.new { server = "mqtt://127.0.0.1:" .. arg[1], transport = "native" }
  local messages = client:subscribe "program"
  assert(client:connect(10))
  for _ = 1, 200 do
    assert(client:post("program", "x") and messages:receive(10))
  end
  if exits then
    exits.watch()
    exits.exit_on_term()
  end
  print "led"
  holdfast.sleep(60)
]]

-- Another Lua state of the process: there and back, and what became of it.
local function other_state(connection, port, path, cpath)
  package.path, package.cpath = path, cpath
  local other = require "holdfast".new { server = "mqtt://127.0.0.1:" .. port, transport = "native" }
  local messages, count = other:subscribe "other", 0
  if other:connect(10) then
    while count < 100 and other:post("other", "x") and messages:receive(10) do count = count + 1 end
  end
  other:close()
  connection:write(count .. "\n")
end

describe("a loop that waits #broker", function()
  local broker, client, messages, lost, folder

  before_each(function()
    folder = process.temporary_folder()
    broker = mosquitto.start()
    local reasons = {}
    lost = reasons
    client = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, transport = "native", keep_alive = 5 }
    client:on("lost", function(event) reasons[#reasons + 1] = event.reason.name end)
    messages = client:subscribe "lead"
    assert(client:connect(10))
  end)

  after_each(function()
    client:close()
    mosquitto.finish()
    process.remove_folder(folder)
  end)

  local function there_and_back(count)
    for number = 1, count do
      assert(client:post("lead", tostring(number)))
      assert.equal(tostring(number), assert(messages:receive(10)).payload)
    end
  end

  -- How often the keeper's own thread has gone to sleep.
  local function rests()
    local me = tree.read("/proc/self/stat"):match "^%d+"
    for _, path in ipairs(tree.command(("ls -d /proc/%s/task/*"):format(me))) do
      if tree.read(path .. "/comm") == "holdfast\n" then
        return tonumber(tree.read(path .. "/status"):match "\nvoluntary_ctxt_switches:%s*(%d+)")
      end
    end
  end

  -- Until the keeper's own thread has slept through messages; where others want the processor it looks now and then.
  local function be_led()
    local began = core.now()
    repeat
      there_and_back(40)
      local before = rests()
      there_and_back(40)
      local woken = rests() - before
    until woken <= 20 or core.now() - began > 30
    assert.is_true(core.now() - began <= 30, "the keeper's thread is woken for each message")
    there_and_back(40) -- counting has taken longer than the turn is left to Lua
  end

  it("turns the keeper itself", function()
    be_led()
  end)

  it("need not come back: messages go out, and come, while Lua is asleep elsewhere", function()
    be_led()
    client:post("lead", "asleep")
    local hint = { pollfd = core.mailbox():pollfd(), events = "r" }
    assert.equal(hint, cqueues.poll(hint, 20))
    assert.equal("asleep", messages:receive(10).payload)
    assert.same({}, lost)
  end)

  it("does so no more once there is another Lua state, whose messages do not wait for this one", function()
    if os.getenv "HOLDFAST_SANITIZE" == "thread" then
      pending "cqueues destroys a mutex of its threads that is locked"
      return
    end
    be_led()
    local other, connection = thread.start(other_state, broker.port, package.path, package.cpath)
    assert.equal("100", connection:read "*l")
    other:join()
    there_and_back(100)
    assert.same({}, lost)
  end)

  it("hears its connection though mail comes of each of its turns, so that none of them waits", function()
    be_led()
    local began = core.now()
    local longest
    repeat
      longest = 0
      for _ = 1, 30 do
        there_and_back(40)
        client:post("lead", "x")
        local turns = 0
        repeat
          assert(client:publish("elsewhere", "x", { qos = 0 }))
          turns = turns + 1
        until messages:receive(0) or core.now() - began > 30
        longest = math.max(longest, turns)
      end
    until longest < 200 or core.now() - began > 30
    assert.is_true(longest < 200, "a message has waited for " .. longest .. " turns")
  end)

  -- Sends a signal to a program that is led: how it ended, and what it has printed.
  local function signalled(signal, word)
    local file = assert(io.open(folder .. "/program.lua", "w"))
    file:write(LED)
    file:close()
    local words = { os.getenv "LUA", folder .. "/program.lua", tostring(broker.port), word }
    local pid, began = assert(process.spawn(words, folder .. "/output")), core.now()
    repeat
      process.sleep(20)
    until core.now() - began > 30 or tree.read(folder .. "/output"):find "led"
    process.kill(pid, signal)
    local ended = { process.wait(pid, 20000) }
    return ended, tree.read(folder .. "/output")
  end

  it("hears Ctrl-C", function()
    local ended, output = signalled "INT"
    assert.same({ "exited", 1 }, ended)
    assert.matches("interrupted", output)
  end)

  it("gives the turn back where a signal handler of the host ends the process", function()
    if os.getenv "HOLDFAST_SANITIZE" == "thread" then
      pending "ThreadSanitizer calls signal handlers later, out of the wait"
      return
    end
    local ended, output = signalled("TERM", "exits")
    assert.same({ "exited", 15 }, ended)
    assert.matches("the keeper is gone", output)
  end)
end)
