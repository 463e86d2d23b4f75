-- watch_network: an interface that comes up cuts a wait short, of those who asked for it.
local process = require "process_probe"

describe("a network that returns #broker", function()
  it("cuts the wait of a client that watches it", function()
    local folder = process.temporary_folder()
    local log = folder .. "/log"
    local pid = assert(process.spawn({ "unshare", "--net", os.getenv "LUA" or "lua5.4",
      "spec/support/network_child.lua" }, log))
    local ended = process.wait(pid, 20000)
    local said = io.open(log):read "*a"
    process.remove_folder(folder)
    if said:find("unshare failed", 1, true) then
      pending("no network namespace to be had: " .. said)
      return
    end
    assert(ended, "it hangs")
    assert.are.equal("tried again\nstill waiting\nnot disturbed\nthe second step\n", said)
  end)
end)
