-- The standard streams of the command `holdfast`, where no broker is needed.
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
end)
