-- What a network does to streams, in a namespace of its own: see spec/support/streams_child.
local process = require "process_probe"
local tree = require "spec.support.tree"

local WANTED = {
  "no way unreachable",
  "no route unreachable",
  "no IPv6 unreachable",
  "no way, then one connection_refused",
  "silence timed_out",
  "silence, then refused connection_refused",
  "calm 0 false 1",
  "early true true 1",
  "late true true false",
  "healed 0 2",
  "shut 0 false true",
  "probing true false true",
  "answered true",
  "over",
}

describe("a stream over a network", function()
  it("has each failure by its name, and knows for how long a peer has been silent", function()
    local folder = process.temporary_folder()
    local said = folder .. "/said"
    local pid = assert(process.spawn({ "unshare", "--net", os.getenv "LUA" or "lua5.4",
      "spec/support/streams_child.lua" }, said))
    local how, status = process.wait(pid, 60000)
    local text = tree.read(said):gsub("\t", " "):gsub("%.0%f[%s]", "")
    process.remove_folder(folder)
    if text:find("unshare failed", 1, true) or text:find("Operation not permitted", 1, true)
      or text:find("not found", 1, true) then
      pending("no network of its own to be had: " .. text)
      return
    end
    assert.are.equal("exited 0", ("%s %s"):format(tostring(how), tostring(status)), text)
    assert.are.equal(table.concat(WANTED, "\n") .. "\n", text)
  end)
end)
