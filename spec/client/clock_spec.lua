-- The time in which messages get old goes on while the machine sleeps. A time namespace, in which it has
-- slept for ten days, stands in for that.
local core = require "holdfast.core"
local process = require "process_probe"

describe("time", function()
  it("goes on while the machine sleeps", function()
    local folder = assert(process.temporary_folder())
    local pid = assert(process.spawn({ "unshare", "--time", "--boottime", "864000", os.getenv "LUA" or "lua5.4", "-e",
      "print(require 'holdfast.core'.now())" }, folder .. "/said"))
    local how, status = process.wait(pid, 10000)
    local said = io.open(folder .. "/said"):read "*a"
    process.remove_folder(folder)
    if said:find("unshare", 1, true) then
      pending("no time namespace to be had: " .. said)
      return
    end
    assert.same({ "exited", 0 }, { how, status }, said)
    local ahead = tonumber(said) - core.now()
    assert.is_true(ahead > 863900 and ahead < 864000.1, ahead .. " s ahead")
  end)
end)
