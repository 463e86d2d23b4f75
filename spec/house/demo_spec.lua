-- `make demo`, where the output is no terminal: #broker.
local tree = require "spec.support.tree"

describe("the demo #broker", function()
  it("shows the outages line by line and loses nothing, in under 40 s", function()
    local start = os.time()
    local lines, ok = tree.command 'LUA="$LUA" examples/demo.sh'
    local output = table.concat(lines, "\n")
    assert.is_true(ok, output)
    assert.is_true(os.difftime(os.time(), start) < 40, output)
    local sent, received = lines[#lines]:match "^(%d+) sent, (%d+) received, 0 lost, %d+ duplicates$"
    assert.is_truthy(sent, output)
    assert.equal(sent, received)
    assert.equal("480", sent)

    local seen = {}
    for _, line in ipairs(lines) do
      local event = line:match "^ *[%d.]+ s  (%w+)"
      if event then
        seen[event] = (seen[event] or 0) + 1
      end
    end
    -- Absent at first, killed twice, back three times.
    assert.equal(5, seen.broker, output)
    assert.equal(2, seen.lost, output)
    assert.equal(3, seen.connected, output)
    assert.equal(3, seen.ready, output)
    assert.is_true(seen.failed >= 2, output)
    assert.is_nil(output:find "\27", output)
  end)

  it("leaves nothing behind when it is interrupted", function()
    local lines = tree.command [[
      folder=$(mktemp -d /tmp/holdfast-spec-XXXXXX)
      TMPDIR=$folder examples/demo.sh >"$folder/output" 2>&1 &
      demo=$!
      sleep 4
      kill -TERM "$demo"
      wait "$demo"
      echo "status $?"
      ls "$folder"
      grep -ls "$folder" /proc/[0-9]*/cmdline
      rm -rf "$folder"
    ]]
    assert.same({ "status 130", "output" }, lines)
  end)
end)
