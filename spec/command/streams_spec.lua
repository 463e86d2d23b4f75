-- The standard streams of the command `holdfast`, where no broker is needed.
local process = require "process_probe"
local scripted = require "spec.support.scripted_broker"
local shell = require "spec.support.shell"

describe("the standard streams of the command", function()
  after_each(shell.finish)

  -- As many calls for much as for little: who is killed between two would leave the end of a line behind.
  it("give up at once what has been dealt with", function()
    local one = shell.start [[
      set -- $HOLDFAST
      head -c 60000 /dev/zero | "$1" -e '
        local console = require "holdfast.core".console
        local function calls()
          local file = assert(io.open "/proc/self/io")
          local count = tonumber(file:read "*a":match "syscr: (%d+)")
          file:close()
          return count
        end
        while #(console.peek() or "") < 60000 do end
        local before = calls()
        assert(console.drop(10))
        local between = calls()
        assert(console.drop(59990))
        io.write(calls() - between - (between - before), " ", console.peek(), "\n")'
    ]]
    assert.equal(0, one:ended())
    assert.equal("0 \n", one:said())
  end)

  it("are nothing else where they are closed", function()
    local one = shell.start [[
      $HOLDFAST pub -h 127.0.0.1 -p 1 -t a -l --quiet <&-
      echo $?
      set -- $HOLDFAST
      "$1" -e '
        require "holdfast.command".main { "nothing" }
        local file = assert(io.open "/dev/zero")
        local is_other = file:read(1) == "\0" and not io.stdin:read(1)
        os.exit(is_other and not (io.stdout:write "x" and io.stdout:flush()) and 0 or 1)' <&- >&- 2>&-
      echo $?
    ]]
    assert.equal(0, one:ended())
    assert.equal("1\n0\n", one:said())
    assert.equal("holdfast pub: the standard input: Bad file descriptor\n", one:complained())
  end)

  it("that take nothing end a command with status 1, and say why", function()
    local nowhere = "mqtt://127.0.0.1:" .. process.free_port()
    for _, words in ipairs { "watch --json -W 20", "watch --plain --interval 0 -W 20" } do
      local status, _, complained = shell.run(("$HOLDFAST %s %s >/dev/full"):format(words, nowhere))
      assert.equal(1, status, words)
      assert.equal("holdfast watch: the standard output: No space left on device\n", complained)
    end
    for _, words in ipairs { "", "--json" } do -- what is wrong with the broker is the status all the same
      assert.equal(12, (shell.run(("$HOLDFAST check %s %s >/dev/full"):format(words, nowhere))))
    end
  end)

  it("are not steered by what others say", function()
    local text = require "holdfast.text"
    assert.equal("a?[31m?31m é?", text.safe "a\27[31m\194\15531m é\n")
    local broker = scripted.listen()
    for _, words in ipairs { "sub --transport native -t a -L", "watch --transport native --plain" } do
      local one = shell.start(("%s mqtt://127.0.0.1:%d"):format(words, broker.port))
      local client = broker:accept(20000)
      client:expect("connect", 20000)
      client:connack { code = 0x8A, properties = { scripted.text(31, "evil \194\15531m") } } -- reason string
      assert.equal(4, one:ended())
      local said = one:said() .. one:complained()
      assert.truthy(said:find("evil   31m", 1, true), said)
      assert.falsy(said:find("\194\155", 1, true))
      client:close()
    end
    broker:close()
  end)

  it("of check leave Ctrl-C to the shell", function()
    local broker = scripted.listen()
    local check = shell.start(("check mqtt://127.0.0.1:%d"):format(broker.port))
    broker:accept(20000):expect("connect", 20000)
    assert.equal("signaled 2", check:signal("INT"):ended())
    assert.equal("", check:complained())
    broker:close()
  end)
end)
