--- spec/support/name_server.lua as a process that is started, killed and told another zone, and programs in a network
-- namespace whose names are looked up there.
local files = require "spec.support.files"
local process = require "process_probe"

local NAMES = [[
printf 'nameserver 127.0.0.1\n' > "$1/resolv.conf" && mount --bind "$1/resolv.conf" /etc/resolv.conf &&
exec "${LUA:-lua5.4}" "$2" "$1"]]
local PATIENCE = 250000 -- ms for such a child

local Server = {}
Server.__index = Server

local named = {}

--- @tparam string folder for its zone and its log
function named.new(folder)
  return setmetatable({ zone = folder .. "/zone", log = folder .. "/name_server" }, Server)
end

--- @tparam table lines see name_server.lua
function Server:write(lines)
  files.write(self.zone, table.concat(lines, "\n") .. "\n")
end

function Server:start()
  os.remove(self.log) -- what the last one has said
  self.pid = assert(process.spawn({ os.getenv "LUA" or "lua5.4", "spec/support/name_server.lua", self.zone }, self.log))
  local deadline = process.now() + 10000
  repeat
    process.sleep(5)
    local said = files.read(self.log) or ""
    assert(process.now() < deadline, said)
  until said:find "answers"
end

function Server:kill()
  process.kill(self.pid, "KILL")
  process.wait(self.pid, 5000)
end

--- Runs `child folder` in a namespace of its own.
-- @treturn ?string what it says
-- @treturn string why there are no namespaces
function named.run(child)
  local folder = process.temporary_folder()
  local pid = assert(process.spawn({ "unshare", "--net", "--mount", "sh", "-c", NAMES, "sh", folder, child },
    folder .. "/log"))
  local ended = process.wait(pid, PATIENCE)
  local said = files.read(folder .. "/log")
  if not ended then
    process.kill(pid, "KILL")
    process.wait(pid, 5000)
  end
  process.remove_folder(folder)
  if said:find("unshare failed", 1, true) or said:find("mount: ", 1, true) then
    return nil, "no namespaces to be had: " .. said
  end
  assert(ended, said)
  return said
end

return named
