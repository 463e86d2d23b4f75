-- A finalizer that runs when the Lua state closes, of an object older than the first client: whatever it calls says
-- that it is too late.
local process = require "process_probe"

describe("in a Lua state that closes", function()
  local function said(call)
    local folder = process.temporary_folder()
    local log = folder .. "/log"
    local pid = assert(process.spawn({ os.getenv "LUA" or "lua5.4", "spec/support/closing_child.lua", call }, log))
    local ended, code, signal = process.wait(pid, 20000)
    local text = io.open(log):read "*a"
    process.remove_folder(folder)
    assert(ended, "it hangs")
    return text, code, signal
  end

  for _, call in ipairs { "sleep", "new", "run", "take" } do
    it(call .. " gives an error", function()
      local text, code, signal = said(call)
      assert.equal("holdfast: this Lua state is closing, and nothing can be done in it any more\n", text)
      assert.same({ 0 }, { code, signal })
    end)
  end

  for _, call in ipairs { "post", "publish", "subscribe", "connect", "wait", "status", "close" } do
    it(call .. " of a client gives an error", function()
      local text, code, signal = said(call)
      assert.matches("^holdfast: this client has been collected\n", text)
      assert.same({ 0 }, { code, signal })
    end)
  end
end)
