-- Faults of a real network, between two namespaces that each spec makes: packets dropped, lost at random, answered by
-- RST, a link that goes down, a connection of which one side knows nothing any more. #broker
local process = require "process_probe"
local tree = require "spec.support.tree"
local transport = require "spec.support.transport"

local WANTED = {
  silence = { "lost in time retry", "failed connect_timeout", "all 6" },
  reset = { "lost in time retry", "failed " .. transport.refused(), "all 6" },
  down = { "lost in time retry", "failed unreachable", "all 6" },
  half_open = { "lost in time retry", "all 6" },
  lossy = { "all 51" },
}

describe("a network in which #broker", function()
  local folders, pids = {}, {}

  local function begin(fault)
    folders[fault] = process.temporary_folder()
    local words = { "unshare", "--net", os.getenv "LUA" or "lua5.4", "spec/support/faults_child.lua", folders[fault],
      fault }
    pids[fault] = assert(process.spawn(words, folders[fault] .. "/said"))
  end

  setup(function()
    for fault in pairs(WANTED) do
      begin(fault) -- side by side: most of it is waiting
    end
  end)

  teardown(function()
    for fault, pid in pairs(pids) do
      process.kill(pid, "KILL")
      process.wait(pid, 5000)
      process.remove_folder(folders[fault])
    end
  end)

  for fault, wanted in pairs(WANTED) do
    it("there is this fault loses no QoS 1 message, and time as promised: " .. fault, function()
      local how, status = process.wait(pids[fault], 100000)
      pids[fault] = nil
      local said = tree.read(folders[fault] .. "/said")
      local commands = io.open(folders[fault] .. "/commands") and tree.read(folders[fault] .. "/commands") or ""
      process.remove_folder(folders[fault])
      if said:find("unshare failed", 1, true) or said:find("no second namespace", 1, true)
        or commands:find("Operation not permitted", 1, true) or commands:find("not found", 1, true) then
        pending("no network of its own to be had: " .. said .. commands)
        return
      end
      assert.are.equal("exited 0", ("%s %s"):format(tostring(how), tostring(status)), said .. commands)
      for _, line in ipairs(wanted) do
        assert.is_truthy(said:gsub("\t", " "):find(line, 1, true), "wanted '" .. line .. "' in:\n" .. said)
      end
    end)
  end
end)
