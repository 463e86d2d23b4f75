-- A disk whose syncs take 3 s, as memory cards have them: nobody waits for it but the thread that is there for that.
local files = require "spec.support.files"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"

describe("a slow disk #broker", function()
  after_each(mosquitto.finish)

  it("holds up neither a client without a store nor who posts", function()
    local broker = mosquitto.start()
    local folder = process.temporary_folder()
    local pid = assert(process.spawn({ "env", "LD_PRELOAD=" .. assert(package.searchpath("disk_probe", package.cpath)),
      os.getenv "LUA" or "lua5.4", "spec/support/slow_disk_child.lua", tostring(broker.port), folder },
      folder .. "/log"))
    local ended = process.wait(pid, 90000)
    local said = files.read(folder .. "/log")
    process.remove_folder(folder)
    assert(ended, "it hangs: " .. said)
    assert.are.equal(table.concat({
      "B publishes at once",
      "A posts at once",
      "A withdraws at once",
      "syncs meanwhile some",
      "syncs of the connections' thread 0",
      "",
    }, "\n"), said)
  end)
end)
