-- holdfast as a guest in a loop of another library: a scripted one, on a virtual clock.
local fake_core = require "spec.support.fake_core"
local strike = require "spec.support.strike"

describe("a guest", function()
  local core, holdfast, host, log, turns

  -- A host that knows one descriptor. What its coroutines are resumed with comes from its next step.
  local function new_host()
    local woken = {}
    host = { is_inside = false }
    function host.attach(_, turn)
      log[#log + 1] = not host.turn and "attach" or nil
      host.turn = turn
    end
    function host.detach()
      log[#log + 1] = "detach"
      host.turn = nil
    end
    function host.suspend(waiter)
      waiter.host = coroutine.running()
      coroutine.yield()
    end
    function host.wake(waiter)
      woken[#woken + 1] = waiter.host
    end
    function host.is_running()
      return host.is_inside
    end
    local steps = 0
    function host.step()
      steps = steps + 1
      assert(steps < 10000, "the host turns round and round")
      local thread = table.remove(woken, 1)
      if thread then
        assert(coroutine.resume(thread))
        return
      end
      if not core.mails[1] then
        local alarm, first = host.turn and core.alarm, core.script[1]
        if first and (not alarm or first.at <= alarm) then
          core.clock = math.max(core.clock, first.at)
          table.remove(core.script, 1).fn()
        else
          assert(alarm, "the host waits for ever")
          core.clock = math.max(core.clock, alarm)
        end
      end
      if host.turn and (core.mails[1] or core.alarm and core.alarm <= core.clock) then
        turns = turns + 1
        host.turn()
      end
    end
    return host
  end

  local function install(changes, transport)
    core, holdfast = fake_core.install()
    log, turns = {}, 0
    new_host()
    for key, value in pairs(changes or {}) do
      host[key] = value
    end
    return holdfast.new { server = "localhost", loop = require("holdfast.loop.guest").of("scripted", host),
      transport = transport }
  end

  after_each(fake_core.remove)

  local function note(what)
    log[#log + 1] = ("%g %s"):format(core.clock, what)
  end

  local function step_until(seconds)
    core:at(seconds, function() end)
    for _ = 1, 1000 do
      if core.clock >= seconds then
        return
      end
      host.step()
    end
    error "the clock does not move"
  end

  local function begin(fn, ...)
    return assert(coroutine.resume(coroutine.create(fn), ...))
  end

  it("is watched from the start of a client to its end, and not before or after", function()
    local client = install()
    client:on("closed", function()
      note "closed"
    end)
    assert.same({}, log)
    client:start()
    core:at(1, function()
      core:mail("event", 1, "closed", {})
    end)
    step_until(2)
    assert.same({ "attach", "1 closed", "detach" }, log)
  end)

  it("is not watched for what the library itself waits for, once the client is closed", function()
    local client = install()
    client:start()
    core:mail("event", 1, "lost", { reason = { name = "slow_consumer" } })
    core:at(3.5, function()
      core:mail("event", 1, "closed", {})
    end)
    step_until(3)
    note "still away"
    step_until(3.6)
    assert.same({ "attach", "3 still away", "detach" }, log)
  end)

  it("goes on being watched for a client that was started when one that never was is closed", function()
    install():start()
    local other = holdfast.new { server = "localhost" }
    core:at(1, function()
      other:close()
      core:mail("event", 2, "closed", {})
    end)
    step_until(2)
    assert.same({ "attach" }, log)
  end)

  it("is watched while somebody waits, without any client", function()
    install()
    begin(function()
      holdfast.sleep(1)
      note "slept"
    end)
    step_until(2)
    assert.same({ "attach", "detach", "1 slept" }, log)
    assert.equal(1, core.alarm) -- rings once more, so that a host that waits on the descriptor sees that it is over
  end)

  if coroutine.close then
    -- A coroutine of the host in a run, with what was spawned there.
    local function in_a_run()
      local task
      local thread = coroutine.create(function()
        holdfast.run(function()
          task = holdfast.spawn(holdfast.sleep, 100)
          holdfast.sleep(100)
        end)
      end)
      assert(coroutine.resume(thread))
      step_until(core.clock + 0.1)
      return thread, task
    end

    it("has a run end with the coroutine that waits for it, before another's child is taken for its own", function()
      install():start()
      local thread, task = in_a_run()
      assert(coroutine.close(thread))
      local one = holdfast.spawn(function()
        holdfast.sleep(1)
        return "done"
      end)
      holdfast.spawn(error, "of somebody else")
      local said
      begin(function()
        said = { one:join() }
      end)
      step_until(3)
      assert.same({ "done" }, said)
      assert.equal("ended", task.code)
    end)

    it("keeps nothing of runs whose coroutines were closed", function()
      install():start()
      in_a_run() -- the outermost goes on
      local tasks = {}
      for index = 1, 40 do
        local thread
        thread, tasks[index] = in_a_run()
        assert(coroutine.close(thread))
      end
      local over = 0
      for _, task in ipairs(tasks) do
        over = over + (task.code == "ended" and 1 or 0)
      end
      assert.is_true(over >= 20, over)
    end)
  end

  it("lets everybody go on at the right time, whatever they are", function()
    install():start()
    for _, seconds in ipairs { 3, 1, 2 } do
      begin(function()
        holdfast.sleep(seconds)
        note("coroutine " .. seconds)
      end)
      holdfast.spawn(function()
        holdfast.sleep(seconds)
        note("spawned " .. seconds)
      end)
    end
    step_until(5)
    assert.same({ "attach", "1 spawned 1", "1 coroutine 1", "2 spawned 2", "2 coroutine 2", "3 spawned 3",
      "3 coroutine 3" }, log)
  end)

  it("takes no turn for an end that a wait no longer has, but the first", function()
    local client = install()
    client:start()
    local messages = client:subscribe "a"
    begin(function()
      for _ = 1, 100 do
        messages:receive(10)
      end
      note "received"
    end)
    for i = 1, 100 do
      core:at(i / 100, function()
        core:message(1, "a", "", 1)
      end)
    end
    step_until(30)
    assert.same({ "attach", "1 received" }, log)
    assert.equal(100 + 1, turns)
    assert.is_true(core.alarms < 5, core.alarms)
  end)

  it("hears of what is done outside of its turns", function()
    local client = install()
    client:start()
    local messages = client:subscribe "a"
    begin(function()
      note(select(3, messages:receive()))
    end)
    core:at(1, function()
      messages:remove()
    end)
    step_until(2)
    assert.same({ "attach", "1 removed" }, log)
  end)

  -- By a hook, say. Nothing but what is done outside tells the host to take another turn.
  it("hears of it though an error has come out of a turn, anywhere in it", function()
    local client = install()
    client:start()
    local point = 0
    local struck
    repeat
      point = point + 1
      local messages = client:subscribe "a"
      local code
      begin(function()
        code = select(3, messages:receive())
      end)
      core:mail("room", 1)
      pcall(function()
        struck = strike.at(point, "lua/holdfast/", "", 1)
        host.turn()
        debug.sethook()
      end)
      messages:remove()
      step_until(core.clock + 1)
      assert.equal("removed", code, point)
    until not struck.is_struck
    assert.is_true(point > 30, point)
  end)

  it("tells the core of what is consumed between two turns", function()
    local client = install({}, "paho")
    client:start()
    local messages = client:subscribe "a"
    core:message(1, "a", "first", 1)
    core:message(1, "a", "second", 1)
    begin(function()
      messages:receive()
    end)
    step_until(1)
    assert.equal(1, core.clients[1].messages_consumed)
    begin(function()
      messages:receive() -- which is there already
    end)
    assert.equal(2, core.clients[1].messages_consumed)
  end)

  it("gives the host its turn between two handfuls of mail", function()
    local client = install()
    local count = 0
    client:subscribe("a", function()
      count = count + 1
      core.clock = core.clock + 0.002
    end)
    client:start()
    for _ = 1, 20 do
      core:message(1, "a", "", 1)
    end
    host.step()
    assert.equal(3, count)
    assert.equal(core.clock, core.alarm)
    for _ = 1, 10 do
      if core.alarm then
        host.step()
      end
    end
    assert.equal(20, count)
    assert.is_nil(core.alarm)
  end)

  it("drives the host for a wait in the main program", function()
    local client = install()
    core:at(1, function()
      core:mail("event", 1, "ready", {})
    end)
    assert.is_true(client:connect(5))
    assert.equal(1, core.clock)
    assert.equal("timeout", select(3, client:wait("lost", 5)))
    assert.equal(6, core.clock)
  end)

  it("says so where it can neither suspend nor drive, and forgets that wait", function()
    local client = install()
    client:start()
    local messages = client:subscribe "a"
    host.is_inside = true
    local fine, problem = pcall(messages.receive, messages)
    assert.is_false(fine)
    assert.matches("^receive: scripted runs already and cannot be driven from here; wait in a coroutine of its own",
      problem)
    core:message(1, "a", "kept", 1)
    host.step()
    local payload
    begin(function()
      payload = messages:receive(1).payload
    end)
    assert.equal("kept", payload)
  end)

  it("raises what goes wrong in the host, and in a turn, and can be used again", function()
    local client = install()
    client:start()
    core:at(1, function()
      error("in the host", 0)
    end)
    assert.equal("in the host", select(2, pcall(holdfast.sleep, 2)))
    local route = require("holdfast.mail").room
    require("holdfast.mail").room = function()
      error("in the turn", 0)
    end
    core:mail("room", 1)
    assert.equal("in the turn", select(2, pcall(holdfast.sleep, 2)))
    require("holdfast.mail").room = route
    assert.is_function(host.turn) -- there may be handlers alone, and nobody waits any more
    holdfast.sleep(1)
    assert.equal(2, core.clock)
    assert.same({ "attach", "detach", "attach" }, log)
  end)

  it("runs a function until it returns, and ends what that has spawned", function()
    install()
    assert.same({ 7, nil, 8 }, { holdfast.run(function(...)
      holdfast.spawn(function()
        holdfast.sleep(1)
        note "one"
        holdfast.sleep(5)
        note "never"
      end)
      holdfast.sleep(2)
      return ...
    end, 7, nil, 8) })
    step_until(10)
    assert.same({ "attach", "1 one", "detach" }, log)
    local heard
    holdfast.log(function(_, words) heard = words end)
    assert.matches("boom$", select(2, pcall(holdfast.run, function()
      holdfast.sleep(1)
      error "boom"
    end)))
    assert.matches("boom\nstack traceback:", heard)
  end)

  it("leaves the handlers to a host that makes the coroutines itself, and has no run then", function()
    local client = install { begin = function(run)
      note "started"
      run()
    end }
    client:on("ready", function()
      note "handled"
    end)
    client:start()
    core:mail("event", 1, "ready", {})
    host.step()
    assert.same({ "attach", "0 started", "0 handled" }, log)
    assert.matches("run: this Lua state waits on a loop of yours", select(2, pcall(holdfast.run, print)))
  end)

  it("carries on a handler that has asked the host's scheduler for something", function()
    local client = install()
    local workers = require "holdfast.loop.workers"
    local asked, carrier = {}, nil
    function workers.foreign(worker, word, ...)
      assert.equal("ask", word)
      workers.carry(worker, function(fn, ...)
        carrier = coroutine.create(fn)
        assert(coroutine.resume(carrier, ...))
      end, function(...)
        asked[#asked + 1] = { ... }
        return coroutine.yield(...)
      end, ...)
    end
    client:on("ready", function()
      note(coroutine.yield("ask", 1, 2))
      note(coroutine.yield("ask", 3))
      holdfast.sleep(1)
      note "slept"
    end)
    client:start()
    core:mail("event", 1, "ready", {})
    host.step()
    assert.same({ { 1, 2 } }, asked)
    assert(coroutine.resume(carrier, "first"))
    assert.same({ { 1, 2 }, { 3 } }, asked)
    assert(coroutine.resume(carrier, "second"))
    assert.equal("dead", coroutine.status(carrier))
    step_until(2)
    assert.same({ "attach", "0 first", "0 second", "1 slept" }, log)
  end)
end)
