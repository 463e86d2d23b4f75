-- The command `holdfast` beside a real mosquitto, through outages, kills and closed pipes.
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local scripted = require "spec.support.scripted_broker"
local shell = require "spec.support.shell"

local function write(path, content)
  local file = assert(io.open(path, "wb"))
  file:write(content)
  file:close()
end

local function lines_of(text)
  local lines = {}
  for line in text:gmatch "([^\n]*)\n" do
    lines[#lines + 1] = line
  end
  return lines
end

describe("holdfast #broker", function()
  after_each(function()
    shell.finish()
    mosquitto.finish()
  end)

  it("sub goes on after a broker's restart, and a signal ends it well", function()
    local broker = mosquitto.start()
    local function publish(payload)
      assert.equal(0, (shell.run(("pub -p %d -t a/b -q 1 -m %s"):format(broker.port, payload))))
    end
    local sub = shell.start(("sub -p %d -t 'a/#' -q 1 -v"):format(broker.port))
    shell.wait(function() return broker:log():find "Sending SUBACK" end, "SUBACK")
    publish "-5"
    sub:await "^a/b %-5$"
    broker:stop()
    broker:restart()
    shell.wait(function() return sub:complained():find "ready: 1 subscription" end, "ready")
    publish "six"
    sub:await "^a/b six$"
    assert.equal(0, sub:signal("TERM"):ended())
    assert.truthy(sub:complained():find("connection lost: ", 1, true))
    shell.wait(function() return broker:log():find "Received DISCONNECT" end, "DISCONNECT")
  end)

  it("pub -l loses no line that it was given, however often it is killed", function()
    local ROOM, KILLS = 500, 3 -- so many lines more find room in the queue each time
    local COUNT = ROOM * (KILLS + 1)
    local broker = mosquitto.start { absent = true, lines = { "max_queued_messages 0" } }
    local gateway = shell.start(([[
      seq -f 'line %%04.0f' %d >"$FOLDER/lines"
      for run in 1 2 3 4; do
        while test $run = 4 && ! test -e "$FOLDER/go"; do sleep 0.05; done
        sh -c 'echo $$; exec "$@"' sh $HOLDFAST pub -p %d -t g -l -i gateway --quiet \
          --queue "$FOLDER/queue" --queue-messages $((run * %d))
      done <"$FOLDER/lines"]]):format(COUNT, broker.port, ROOM))
    local LINE = #"line 0000\n"
    -- The place in a file that all of them share says how far they are.
    local function position(pid)
      local file = io.open(("/proc/%d/fdinfo/0"):format(pid))
      local text = file and file:read "*a" or ""
      if file then
        file:close()
      end
      return tonumber(text:match "pos:%s*(%d+)") or 0
    end
    for run = 1, KILLS do
      gateway:await("^%d+$", run)
      local pid = tonumber(lines_of(gateway:said())[run])
      shell.wait(function() return position(pid) > (run - 0.5) * ROOM * LINE end, "reading on")
      if run == KILLS then -- and no further than there is room
        shell.wait(function() return position(pid) >= (run * ROOM - KILLS) * LINE end, "reading on")
        process.sleep(100)
      end
      assert.is_true(position(pid) <= run * ROOM * LINE)
      process.kill(pid, "KILL")
    end
    broker:restart()
    local counter = shell.start(("sub -p %d -t g -q 1"):format(broker.port))
    shell.wait(function() return broker:log():find "Sending SUBACK" end, "SUBACK")
    write(gateway.folder .. "/go", "")
    assert.equal(0, gateway:ended())
    counter:await("^line " .. COUNT .. "$")
    local seen, different = {}, 0
    for _, line in ipairs(lines_of(counter:said())) do
      different = different + (seen[line] and 0 or 1)
      seen[line] = true
    end
    assert.equal(COUNT, different)
    assert.is_true(#lines_of(counter:said()) <= COUNT + KILLS)
  end)

  it("pub -l takes a pipe's lines as they come, and half a line once it is whole", function()
    local broker = mosquitto.start()
    local sub = shell.start(("sub -p %d -t l -C 4 --json"):format(broker.port))
    shell.wait(function() return broker:log():find "Sending SUBACK" end, "SUBACK")
    local status = shell.run(([[(echo one; echo; printf tw; sleep 0.2; echo o; printf 'a\000b\377\n'; printf end) |
      $HOLDFAST pub -p %d -t l -l]]):format(broker.port))
    assert.equal(0, status)
    assert.equal(0, sub:ended())
    local payloads = {}
    for place, line in ipairs(lines_of(sub:said())) do
      payloads[place] = line:match '"payload%w*":"([^"]*)"' or line:match '"payload_base64":"([^"]*)"'
    end
    assert.same({ "one", "two", "YQBi/w==", "end" }, payloads)
  end)

  it("watch tells an outage in lines of JSON", function()
    local broker = mosquitto.start()
    local watch = shell.start(("watch --json --interval 0.5 mqtt://127.0.0.1:%d"):format(broker.port))
    watch:await '"event":"ready"'
    watch:await '"event":"status".*"lag":0%.'
    broker:stop()
    watch:await '"event":"lost"'
    broker:restart()
    watch:await('"event":"ready"', 2)
    assert.equal(0, watch:signal("INT"):ended())
    local told = {}
    for _, line in ipairs(lines_of(watch:said())) do
      local name = line:match '^{"time":"%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d[+-]%d%d:%d%d","at":[%d.]+,"event":"(%l+)"'
      assert.truthy(name, line)
      assert.equal("}", line:sub(-1))
      if name == "lost" then
        assert.truthy(line:find '"reason":"connection_lost","class":"retry"', line)
        assert.truthy(line:find '"retry_in":%d', line)
      end
      if name ~= "status" and name ~= "failed" and name ~= "connecting" then
        told[#told + 1] = name
      end
    end
    assert.same({ "connected", "ready", "lost", "connected", "ready" }, told)
    assert.equal("", watch:complained())
  end)

  it("watch draws in place on a terminal, and gives the cursor back", function()
    local broker = mosquitto.start()
    local watch = shell.start(([[export NO_COLOR=1 TERM=xterm
      exec script -qec "echo \$\$; exec $HOLDFAST watch mqtt://127.0.0.1:%d" /dev/null]]):format(broker.port))
    watch:await "state +ready"
    watch:await "lag +%d"
    process.kill(tonumber(watch:said():match "^(%d+)"), "INT")
    assert.equal(0, watch:ended())
    local said = watch:said()
    assert.truthy(said:find("\27[?25l", 1, true))
    assert.truthy(said:find "\27%[%d+A\r")
    assert.truthy(said:find "\27%[%?25h\27%[0m$")
    assert.falsy(said:find("\27[32m", 1, true))
  end)

  it("ends without a word once nobody reads its output", function()
    local broker = mosquitto.start()
    local address = "mqtt://127.0.0.1:" .. broker.port
    for words, reader in pairs { ["sub -t a -L"] = ":", ["watch --plain --interval 0"] = "head -n 3" } do
      local status, _, complained = shell.run(("{ $HOLDFAST %s %s; echo $? >&2; } | %s"):format(words, address, reader))
      assert.equal(0, status)
      assert.equal("0\n", complained)
    end
  end)

  it("says by its exit status what came of it", function()
    local broker = mosquitto.start { lines = { "max_packet_size 200" } }
    local here, nowhere = "-V 5 -p " .. broker.port, "-p " .. process.free_port()
    assert.equal(3, (shell.run("sub -t a -W 0.3 " .. here)))
    assert.equal(0, (shell.run("sub -t a -E " .. here)))
    local status, _, complained = shell.run(("pub -t a -q 1 -m %s %s"):format(("x"):rep(300), here))
    assert.equal(5, status)
    assert.truthy(complained:find("a message is dropped: too_large", 1, true), complained)
    status, _, complained = shell.run("pub -t a -m x -q 1 --wait 0.3 " .. nowhere)
    assert.equal(3, status)
    assert.truthy(complained:find("1 message not delivered, and lost", 1, true), complained)
    assert.equal(1, (shell.run("pub -t a -f /nowhere/at/all " .. here)))
    local sub = shell.start("sub -t another -C 1 " .. here)
    shell.wait(function() return broker:log():find("another (QoS 0)", 1, true) end, "SUBSCRIBE")
    assert.equal(130, sub:signal("INT"):ended())
  end)

  it("ends where asking again is no use", function()
    local LONG = 20000
    local broker = scripted.listen()
    local function begin(words)
      local one = shell.start(words)
      local client = broker:accept(LONG)
      client:expect("connect", LONG)
      return one, client
    end
    for _, words in ipairs { "sub -t a -p %d", "pub -t a -m x -p %d", "watch --plain mqtt://127.0.0.1:%d" } do
      local one, client = begin(words:format(broker.port))
      client:connack { code = 0x8A } -- banned
      assert.equal(4, one:ended(), words)
      client:close()
    end
    local sub, client = begin(("sub -t a -p %d"):format(broker.port))
    client:connack()
    client:suback(client:expect("subscribe", LONG).id, 0x87) -- not authorized
    assert.equal(4, sub:ended())
    assert.truthy(sub:complained():find("subscription a refused: not_authorized", 1, true), sub:complained())
    client:close()
    broker:close()
  end)

  it("bench counts what it sends, and times it", function()
    local broker = mosquitto.start()
    local status, said = shell.run(("bench -q 1 --count 200 --json mqtt://127.0.0.1:%d"):format(broker.port))
    assert.equal(0, status)
    assert.truthy(said:find('"sent":200,"acknowledged":200,"received":200,"twice":0,"dropped":0', 1, true), said)
    for _, name in ipairs { "acknowledge", "end_to_end" } do
      local p50, p90, most = said:match('"' .. name .. '":{"p50":([%d.]+),"p90":([%d.]+).-"max":([%d.]+)}')
      assert.is_true(0 < tonumber(p50) and tonumber(p50) <= tonumber(p90) and tonumber(p90) <= tonumber(most))
    end
    status, said = shell.run(("bench --count 20 --rate 200 mqtt://127.0.0.1:%d"):format(broker.port))
    assert.equal(0, status)
    assert.truthy(said:find("0 missing, 0 twice", 1, true), said)
  end)
end)
