--- Lua code in a process of its own whose library calls a probe stands in for (LD_PRELOAD).
local files = require "spec.support.files"
local process = require "process_probe"

local shim = {}

--- Begins to run the code; it finds `folder`, a folder of its own, and then what else is given, as `...`.
-- @tparam string probe "disk_probe", "clock_probe"
-- @tparam string code
-- @tparam[opt] string ...
-- @treturn table for `finish`
function shim.start(probe, code, ...)
  local folder = assert(process.temporary_folder())
  files.write(folder .. "/code.lua", code)
  local path = assert(package.searchpath(probe, package.cpath))
  local words = { "env", "LD_PRELOAD=" .. path, os.getenv "LUA" or "lua5.4", folder .. "/code.lua", folder, ... }
  return { folder = folder, pid = assert(process.spawn(words, folder .. "/log")) }
end

--- What it has printed, to the standard error too, once it has ended.
-- @tparam table started
-- @treturn string
function shim.finish(started)
  local ended = process.wait(started.pid, 60000)
  local said = files.read(started.folder .. "/log")
  process.remove_folder(started.folder)
  assert(ended, "it hangs: " .. said)
  return said
end

--- Both, one after the other.
-- @tparam string probe
-- @tparam string code
-- @tparam[opt] string ...
-- @treturn string
function shim.run(probe, code, ...)
  return shim.finish(shim.start(probe, code, ...))
end

return shim
