-- The end of a program on luv whose loop does not run again after the last close.
local tree = require "spec.support.tree"

describe("a client on luv", function()
  it("that is closed last of all lets the program end", function()
    local lines, ok = tree.command([[
      "${LUA:-lua5.4}" -e '
        local client = require("holdfast").new { server = "mqtt://127.0.0.1:1", loop = "luv" }
        client:start()
        assert(client:wait("failed", 10))
        client:close(1)
        print "end"']])
    assert.same({ "end" }, lines)
    assert.is_true(ok)
  end)
end)
