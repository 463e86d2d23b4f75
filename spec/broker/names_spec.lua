-- Names are looked up off the keeper's path: with a name server that is slow, fails or never answers, everybody else
-- goes on.
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local transport = require "spec.support.transport"

describe("a name server that misbehaves #broker", function()
  after_each(mosquitto.finish)

  it("holds up nobody but those who wait for it", function()
    local broker = mosquitto.start()
    local probe = assert(package.searchpath("names_probe", package.cpath))
    local folder = process.temporary_folder()
    local log = folder .. "/log"
    local pid = assert(process.spawn({ "env", "LD_PRELOAD=" .. probe, os.getenv "LUA" or "lua5.4",
      "spec/support/names_child.lua", tostring(broker.port) }, log))
    assert(process.wait(pid, 30000), "it hangs")
    local said = io.open(log):read "*a"
    process.remove_folder(folder)
    assert.are.equal(table.concat({
      "lookups 1",
      "connected at once",
      "published at once",
      "never connect_timeout dns",
      "missing name_not_found slow dns",
      "failing name_server_failing retry dns",
      "slow connected",
      "Lua never waited",
      ("many %s to %s"):format(transport.refused(), transport.refused()),
      "",
    }, "\n"), said)
  end)
end)
