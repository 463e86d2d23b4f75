-- How processes with live clients end: no hang, no crash, nothing left over. #broker
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local tree = require "spec.support.tree"

-- One client is connected, one waits between attempts, one is in the middle of an attempt, one has never been started.
local LIVE = [[
  io.stdout:setvbuf "line"
  local holdfast = require "holdfast"
  holdfast.log(function() end) -- it is told of what is lost with it, which is not what this is about
  local address = "mqtt://127.0.0.1:" .. arg[1]
  local connected = holdfast.new { server = address, will = { topic = "will", payload = "sent",
    qos = 1, properties = { content_type = "text/plain", user = { a = "1" } } } }
  local messages = connected:subscribe("loop", { qos = 1 })
  connected:subscribe("handled", function() print "handled" end)
  assert(connected:connect(10))
  local waiting = holdfast.new { server = "mqtt://127.0.0.1:1", backoff = { min = 0.05, max = 0.1 } }
  waiting:post("never", "delivered", { qos = 1 })
  waiting:start()
  assert(waiting:wait("failed", 10))
  local connecting = holdfast.new { server = "mqtt://127.0.0.1:" .. arg[2] }
  connecting:start()
  local idle = holdfast.new { server = address }
  idle:subscribe "idle"
  holdfast.sleep(0.1)
]]

describe("a process with live clients #broker", function()
  local broker, hung, folder

  setup(function()
    broker = mosquitto.start()
    hung = mosquitto.start()
    hung:freeze()
    folder = process.temporary_folder()
  end)

  teardown(function()
    mosquitto.finish()
    process.remove_folder(folder)
  end)

  local function begin(code, preload)
    local file = assert(io.open(folder .. "/program.lua", "w"))
    file:write(code)
    file:close()
    os.remove(folder .. "/output")
    local words = { "env", "LD_PRELOAD=" .. (preload or ""), os.getenv "LUA", folder .. "/program.lua",
      tostring(broker.port), tostring(hung.port) }
    return assert(process.spawn(words, folder .. "/output"))
  end

  local function finish(pid)
    local how, status = process.wait(pid, 20000)
    local output = tree.read(folder .. "/output")
    if not how then
      process.kill(pid, "KILL")
      process.wait(pid, 5000)
      error("did not end; it said:\n" .. output, 2)
    end
    return how .. " " .. status, output
  end

  local function run(code, preload)
    return finish(begin(LIVE .. code, preload))
  end

  local function output_when(text)
    local deadline = process.now() + 10000
    repeat
      process.sleep(10)
      local output = io.open(folder .. "/output") -- the child makes it
      local said = output and output:read "*a" or ""
      if output then
        output:close()
      end
      if said:find(text, 1, true) then
        return
      end
    until process.now() > deadline
    error("never said " .. text .. ":\n" .. tree.read(folder .. "/output"), 2)
  end

  it("ends at the end of the main chunk", function()
    assert.same({ "exited 0", "end\n" }, { run [[ print "end" ]] })
  end)

  it("ends once its clients have taken their leave, not when patience does", function()
    assert.same({ "exited 0", "end\nOpenSSL lives\nthe keeper is gone\n" },
      { run [[ require "exit_probe".watch() print "end" ]] })
  end)

  it("takes its leave also where the wall clock is wrong", function()
    assert.same({ "exited 0", "end\nOpenSSL lives\nthe keeper is gone\n" },
      { run([[ require "exit_probe".watch() print "end" ]], assert(package.searchpath("wall_probe", package.cpath))) })
  end)

  it("says what never ran, and what nobody resumes", function()
    local never = "holdfast: %s never begun, since the script has ended before the loop ran: have them in a "
      .. "holdfast.run, or wait for something after them\n"
    local function alone(code)
      return { finish(begin('local holdfast = require "holdfast" ' .. code)) }
    end
    assert.same({ "exited 0", never:format "2 coroutines of holdfast.spawn have" },
      alone "holdfast.spawn(print, 1) holdfast.spawn(print, 2)")
    local spawn = "holdfast.spawn(print, 1) holdfast.sleep(0.01)"
    assert.same({ "exited 0", "1\n" }, alone(spawn))
    assert.same({ "exited 0", "1\n" }, alone("holdfast.run(function() " .. spawn .. " end)"))
    local status = alone [[
      holdfast.run(function()
        holdfast.spawn(function() coroutine.yield() end)
        holdfast.spawn(function() coroutine.yield(5) end)
        holdfast.sleep(0.01)
      end)]]
    assert.equal("exited 0", status[1])
    assert.matches("^holdfast: a coroutine of holdfast has called coroutine.yield by itself, and goes on only if "
      .. "somebody resumes it; holdfast.sleep and the calls of a client wait\nstack traceback:.-program.lua:2:",
      status[2])
    assert.equal(1, select(2, status[2]:gsub("by itself", "")))
  end)

  it("ends at os.exit", function()
    assert.same({ "exited 3", "end\n" }, { run [[ print "end" os.exit(3) ]] })
  end)

  it("ends at os.exit that closes the Lua state", function()
    assert.same({ "exited 3", "end\n" }, { run [[ print "end" os.exit(3, true) ]] })
  end)

  it("says at os.exit, too, what may be lost, unless somebody listens or it is no loss", function()
    local post = 'waiting:post("never", "either") connected:close() idle:post("kept", "x") idle:close() '
    local words = "holdfast: a client that was not closed has ended, and 2 of its messages may be lost; "
      .. "client:close(5) gives them up to 5 s\n"
    assert.same({ "exited 3", words }, { run("holdfast.log(nil) " .. post .. "os.exit(3)") })
    assert.same({ "exited 3", words }, { run("holdfast.log(nil) " .. post .. "os.exit(3, true)") })
    assert.same({ "exited 3", "" }, { run(post .. "os.exit(3)") })
    assert.same({ "exited 3", "" }, { run("holdfast.log(nil) waiting:close() os.exit(3)") })
  end)

  it("ends at os.exit in a handler", function()
    assert.same({ "exited 4", "ready\n" }, { run [[
      idle:on("ready", function() print "ready" os.exit(4) end):start()
      holdfast.run(function() holdfast.sleep(10) end)
    ]] })
  end)

  it("ends with an error in the main chunk", function()
    local status, output = run [[ error "wrong" ]]
    assert.equal("exited 1", status)
    assert.matches("program.lua:%d+: wrong\nstack traceback:", output)
  end)

  it("ends with an error in run, which says where", function()
    local status, output = run [[
      holdfast.log(nil)
      for _, client in ipairs { connected, waiting, connecting, idle } do client:close() end
      holdfast.run(function()
        holdfast.spawn(function() messages:receive() end)
        for _ in messages:messages(0.1) do end
        local function innermost() error "wrong" end
        innermost()
        return 1
      end)
    ]]
    assert.equal("exited 1", status)
    assert.matches("holdfast: error in holdfast.run: .-program.lua:%d+: wrong\nstack traceback:.-innermost", output)
    assert.matches("program.lua:%d+: wrong\nstack traceback:\n\t%[C%]: in [^\n]-error", output)
  end)

  it("ends in a waiting call outside of run", function()
    assert.same({ "exited 0", "handled\nend\n" }, { run [[
      connected:publish("handled", "x")
      messages:receive(0.1)
      print "end"
    ]] })
  end)

  it("ends at Ctrl-C, in run and outside of it", function()
    for _, wait in ipairs { "holdfast.run(function() messages:receive() end)", "messages:receive()" } do
      local pid = begin(LIVE .. "print 'waiting'\n" .. wait)
      output_when "waiting"
      process.sleep(100)
      os.execute(("kill -INT %d"):format(pid))
      local status, output = finish(pid)
      assert.equal("exited 1", status)
      assert.matches("interrupted!", output)
    end
  end)

  it("can go on after Ctrl-C in a waiting call", function()
    local pid = begin(LIVE .. [[
      print "waiting"
      print(pcall(holdfast.run, function() messages:receive() end))
      print(connected:publish("handled", "x"), messages:receive(0.2))
    ]])
    output_when "waiting"
    process.sleep(100)
    os.execute(("kill -INT %d"):format(pid))
    local status, output = finish(pid)
    assert.equal("exited 0", status)
    assert.matches("^waiting\nfalse\t.-interrupted!\nhandled\ntrue\tnil\tno message", output)
  end)

  it("has its will published when it is killed", function()
    local holdfast = require "holdfast"
    local watch = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port }
    local wills = watch:subscribe "will"
    assert(watch:connect(10))
    local pid = begin(LIVE .. "print 'waiting' messages:receive()")
    output_when "waiting"
    process.kill(pid, "KILL")
    process.wait(pid, 5000)
    local will = wills:receive(10)
    assert.same({ "sent", "text/plain", "1" }, { will.payload, will.properties.content_type, will.properties.user.a })
    watch:close(1)
  end)

  it("can close its Lua state in the middle of everything, again and again", function()
    assert.same({ "exited 0", "end\n" }, { run [[
      for _ = 1, 20 do
        local client = holdfast.new { server = address }
        client:subscribe("x", print)
        client:post("x", "y")
        client:start()
      end
      print "end"
    ]] })
  end)

  if jit then
    it("answers forked in the child, which ends by itself", function()
      local status, output = run [[
        local ffi = require "ffi"
        ffi.cdef "int fork(void); int waitpid(int, int *, int);"
        local child = ffi.C.fork()
        if child == 0 then
          print(select(3, connected:publish("x", "")), select(3, idle:start()), select(3, connected:close()),
            select(3, holdfast.new { server = address }), select(3, connected:status()),
            select(3, connected:connect()), select(3, connected:wait "lost"), select(3, messages:receive()))
          connected, waiting, connecting, idle, messages = nil
          collectgarbage()
          os.exit(5)
        end
        ffi.C.waitpid(child, nil, 0)
        print((connected:publish("x", "")))
      ]]
      assert.equal("exited 0", status)
      assert.equal(("forked\t"):rep(7) .. "forked\ntrue\n", output)
    end)
  end
end)
