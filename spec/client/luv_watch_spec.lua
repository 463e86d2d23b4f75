-- In luv: the watch on the library's descriptor begins with the next wait, where one before it could not begin it.
local holdfast = require "holdfast"
local hosts = require "spec.support.hosts"

local missing = hosts.missing "luv"

describe("in luv", function()
  if missing then
    pending(missing)
    return
  end
  local luv = require "luv"

  it("a wait goes on though the one before had no memory to be watched", function()
    local client = holdfast.new { server = "mqtt://localhost", loop = "luv" }
    local new_poll = luv.new_poll
    function luv.new_poll(...)
      luv.new_poll = new_poll
      local handle = new_poll(...)
      local methods = getmetatable(handle).__index
      local start = methods.start
      function methods.start()
        methods.start = start
        error("not enough memory", 0)
      end
      return handle
    end
    assert.same({ false, "not enough memory" }, { pcall(holdfast.sleep, 0.01) })
    local guard = luv.new_timer()
    guard:start(5000, 0, function()
      error "the wait does not end"
    end)
    holdfast.sleep(0.01)
    guard:stop() -- luv 1.44 crashes if the Lua state is closed while a handle is closing
    client:close()
  end)
end)
