-- In the event loops of other libraries: cqueues, copas and luv, as far as there is one for this Lua. #broker
local hosts = require "spec.support.hosts"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local tree = require "spec.support.tree"

local LATEST = 0.4 -- seconds: a wait that blocks lasts as long as the outage does, or longer
local OUTAGE = 0.8

describe("in #broker", function()
  local broker, folder, pid

  before_each(function()
    broker, folder = mosquitto.start(), process.temporary_folder()
  end)

  after_each(function()
    if pid then
      process.kill(pid, "KILL")
      process.wait(pid, 5000)
    end
    mosquitto.finish()
    process.remove_folder(folder)
  end)

  local function begin(...)
    local words = { os.getenv "LUA", ... }
    for place, word in ipairs(words) do
      words[place] = word == "ADDRESS" and "mqtt://127.0.0.1:" .. broker.port or word
    end
    pid = assert(process.spawn(words, folder .. "/output"))
  end

  local function output()
    local file = io.open(folder .. "/output")
    local text = file and file:read "*a" or ""
    return text, file and file:close()
  end

  local function expect(line)
    local deadline = process.now() + 20000
    while not ("\n" .. output()):find("\n" .. line .. "\n", 1, true) do
      assert(process.now() < deadline, "no " .. line .. " in:\n" .. output())
      process.sleep(5)
    end
  end

  local function finish()
    local how, status = process.wait(pid, 60000) -- 1.4 s of CPU took 32 s at a load of 33
    pid = how == nil and pid or nil
    assert.same({ "exited", 0 }, { how, status }, output())
    local lines = {}
    for line in output():gmatch "[^\n]+" do
      lines[#lines + 1] = line
    end
    return lines
  end

  local function start(host, scene)
    begin("spec/support/host_child.lua", host, scene, "ADDRESS")
  end

  local function run(host, scene)
    start(host, scene)
    return finish()
  end

  for _, host in ipairs(hosts.names) do
    describe(host, function()
      local missing = hosts.missing(host)
      if missing then
        it("is skipped", function()
          pending(missing)
        end)
        return
      end

      it("a client lives through the death of its broker, and the host's timer ticks throughout", function()
        start(host, "outage")
        expect "connected"
        broker:kill()
        expect "lost"
        process.sleep(OUTAGE * 1000)
        broker:restart()
        local lines = finish()
        local ticks, late = table.remove(lines):match "^(%d+) ticks, ([%d.]+) s late at worst$"
        assert.same({ "before", "connected", "lost" }, { lines[1], lines[2], lines[3] })
        local rest = { lines[4], lines[5], lines[6], lines[7] }
        table.sort(rest)
        assert.same({ "closed", "meanwhile", "published" }, rest)
        assert.is_true(tonumber(ticks) >= OUTAGE / hosts.TICK / 4, ticks)
        assert.is_true(tonumber(late) < LATEST, late)
      end)

      it("a handler waits for what it likes, and its error is told", function()
        local lines = run(host, "handlers")
        assert.equal("1 2 3, the last one", lines[1])
        assert.equal(2, #lines)
      end)

      it("messages come in a for loop, except on Lua 5.1", function()
        local lines = run(host, "messages")
        if _VERSION == "Lua 5.1" and not jit then
          assert.matches("^" .. host .. " runs already and cannot be driven from here; .-use receive%)$", lines[1])
        else
          assert.same({ "one", "true" }, { lines[1], lines[2] })
        end
      end)

      it("a reader that is ended while it waits takes no message along, and does not keep the loop running", function()
        if host == "copas" or host == "luv" and not coroutine.close then
          pending "no coroutine can be ended there"
          return
        end
        local lines = run(host, "gone")
        assert.same({ "first", "second", "closed" }, { lines[1], lines[2], lines[3] })
        assert.equal(4, #lines, lines[4])
      end)

      it("handlers that compute hold up neither coroutines nor the host's timer for long", function()
        local lines = run(host, "busy")
        assert.equal(3, #lines, table.concat(lines, "\n"))
        for _, line in ipairs(lines) do
          assert.is_true(tonumber(line:match "([%d.]+) s") < LATEST, line)
        end
      end)

      it("of a thousand messages whose handlers throw none is lost", function()
        local lines = run(host, "throwing")
        assert.same({ "1000\t1000\t0", "1000\t1000\t0" }, { lines[1], lines[2] })
      end)

      it("a handler's coroutine is nobody else's, and is not woken after its end", function()
        local lines = run(host, "late")
        local dead = "false\tcannot resume dead coroutine"
        assert.same({ dead, dead, dead, "true\t1 2 3" }, { lines[1], lines[2], lines[3], lines[4] })
      end)

      it("a task is waited for, and ended", function()
        local lines = run(host, "tasks")
        table.remove(lines)
        assert.same({
          "joined\t3\t1\tnil\t3", "joined\tat once", "joined\tnil\tbroken\tfailed\tbroken",
          "joined\tnil\tthe task is not over within 0.01 s\ttimeout",
          "cancelled\ttrue\tfalse\tnil\tthe task has been cancelled\tcancelled\tnil", "went on\tfalse",
        }, lines)
      end)

      it("what a handler spawns is none of a run's that happens to go on", function()
        if host == "copas" then
          pending "there is no run there"
          return
        end
        local lines = run(host, "children")
        table.remove(lines)
        local told = table.remove(lines, 3)
        assert.matches("^error\terror in holdfast.run: the run's own$", told)
        local rest = {}
        for _, line in ipairs(lines) do
          if not line:find "^%s" and not line:find "^stack traceback" then
            rest[#rest + 1] = line
          end
        end
        assert.same({ "returns\ttrue", "went on\ttrue", "throws\tfalse\tthe run's own", "went on\ttrue" }, rest)
      end)

      it("of two readers of a subscription one ends, and nothing is dropped while the other reads", function()
        local lines = run(host, "readers")
        assert.same({ "timeout", "301\t0" }, { lines[1], lines[2] })
      end)

      it("a loop that is left reads no more", function()
        local lines = run(host, "leaving")
        assert.same({ "1", "left\tnil", "15\t17" }, { lines[1], lines[2], lines[3] })
      end)

      it("functions that the connection waits for are answered at once where they publish on it", function()
        local lines = run(host, "own")
        assert.same({ "credentials: credentials, backoff: backoff, credentials: credentials", "0\ttrue" },
          { lines[1], lines[2] })
      end)

      it("an error comes out as it went in", function()
        local lines = run(host, "thrown")
        assert.same({ "nil\tplain\tfailed\tplain", "true", "false\tprotected" }, { lines[1], lines[2], lines[3] })
      end)

      it("a protected call waits, with holdfast.pcall on Lua 5.1 too", function()
        local lines = run(host, "protected")
        assert.same({ "false\tafter the first", "the first", "false\tafter the second" },
          { lines[1], lines[2], lines[3] })
      end)

      it("a wait in the main program drives it", function()
        assert.same({ "spawned", "x", host == "copas" and "run: this Lua state waits on copas; run that, and start "
          .. "coroutines with holdfast.spawn" or "run\tnil\treturned" }, run(host, "main"))
      end)

      it("a loop ends with its client and leaves nothing behind, again and again", function()
        assert.same({ "the same" }, run(host, "rounds"))
      end)

      it("a program can end in the middle of everything", function()
        assert.same({ "exits" }, run(host, "exit"))
      end)

      it("another loop is refused, and a wait that nothing can suspend", function()
        local lines = run(host, "refusals")
        assert.equal(('holdfast.new: loop must be "%s", on which this Lua state waits already, got "builtin"'):format(
          host), lines[1])
        if host == "luv" then
          for place, call in ipairs { "connect", "publish", "close" } do
            assert.matches("^" .. call .. ": luv runs already and cannot be driven from here; wait in a coroutine",
              lines[place + 1])
          end
          assert.equal("idle\t0\ttrue", lines[5]) -- what was refused has not happened
        end
      end)

      it("its example does what it says, in at most 60 lines", function()
        local source = "examples/" .. host .. ".lua"
        local _, count = tree.read(source):gsub("\n", "")
        assert.is_true(count <= 60)
        begin(source, "ADDRESS", "3")
        assert.same({ "thermometer/kitchen/set\t21.5", "closed" }, finish())
      end)

      if host == "cqueues" then
        it("a controller that is not its home ends by itself", function()
          assert.same({ "published", "second ended", "first ended", "slept" }, run(host, "controllers"))
        end)
      end

      if host ~= "luv" then
        it("a client can be polled by a loop that it knows nothing of", function()
          assert.same({ "attended" }, run(host, "pollable"))
        end)
      end
    end)
  end
end)
