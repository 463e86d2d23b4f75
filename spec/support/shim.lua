--- Lua code in a process of its own whose library calls a probe stands in for (LD_PRELOAD).
local files = require "spec.support.files"
local process = require "process_probe"

local shim = {}

--- What the code has printed, to the standard error too; it finds `folder`, a folder of its own, as `...`.
-- @tparam string probe "disk_probe", "clock_probe"
-- @tparam string code
-- @treturn string
function shim.run(probe, code)
  local folder = assert(process.temporary_folder())
  local log = folder .. "/log"
  files.write(folder .. "/code.lua", code)
  local path = assert(package.searchpath(probe, package.cpath))
  local pid = assert(process.spawn({ "env", "LD_PRELOAD=" .. path, os.getenv "LUA" or "lua5.4", folder .. "/code.lua",
    folder }, log))
  local ended = process.wait(pid, 60000)
  local said = files.read(log)
  process.remove_folder(folder)
  assert(ended, "it hangs: " .. said)
  return said
end

return shim
