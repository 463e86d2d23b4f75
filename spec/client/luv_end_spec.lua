-- Programs on luv: one whose loop does not run again after the last close, and one that closes all handles there are.
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

  it("is refused in a coroutine before luv has been loaded, which would end in a crash", function()
    local lines, ok = tree.command([[
      "${LUA:-lua5.4}" -e '
        local holdfast = require "holdfast"
        coroutine.wrap(function()
          print((select(2, pcall(holdfast.new, { server = "mqtt://127.0.0.1:1", loop = "luv" }))))
        end)()
        collectgarbage()
        local luv = require "luv"
        coroutine.wrap(function()
          local client = holdfast.new { server = "mqtt://127.0.0.1:1", loop = "luv" }
          assert(client:start():wait("failed", 5))
          client:close()
        end)()
        luv.run()
        print "end"']])
    assert.same({ 'holdfast.new: loop "luv" cannot be loaded in a coroutine; luv must be required in the main program '
      .. "first", "end" }, lines)
    assert.is_true(ok)
  end)

  it("goes on when the program has closed every handle of the loop", function()
    for _, run in ipairs { "pcall", 'require("holdfast").run', "coroutine.wrap" } do
      local lines, ok = tree.command(([[
        timeout 10 "${LUA:-lua5.4}" -e '
          local client = require("holdfast").new { server = "mqtt://127.0.0.1:1", loop = "luv" }
          local luv = require "luv"
          local run = %s
          local function program()
            client:start()
            assert(client:wait("failed", 5))
            luv.walk(function(handle)
              if not handle:is_closing() then
                handle:close()
              end
            end)
            print(select(3, client:publish("a", "b", { timeout = 0.05 })))
            client:close(1)
          end
          local rest = run(program)
          if run == coroutine.wrap then
            rest()
            luv.run()
          end
          print "end"']]):format(run))
      assert.same({ "timeout\twithdrawn", "end" }, lines)
      assert.is_true(ok)
    end
  end)
end)
