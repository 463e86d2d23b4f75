--- How long others have kept a thread from a processor: what of a pause is the machine's and not the program's. Sizes
-- as people have them load a machine so that this is seconds.
--
--     processor.waited(pid)         -- seconds in all, the main thread of that process (nil: of this one)
--     processor.lap()               -- seconds since the last lap of this process, and how many of them it waited so
--
-- Where the kernel keeps no such account it is 0.
local core = require "holdfast.core"

local processor = {}

local function line_of(path)
  local file = io.open(path)
  local line = file and file:read "*l"
  return line, file and file:close()
end

local own

--- Seconds that the main thread of a process was ready to run and did not; nil of one that is gone.
function processor.waited(process_id)
  own = own or line_of("/proc/self/stat"):match "^%d+"
  process_id = process_id or own
  local line = line_of(("/proc/%s/task/%s/schedstat"):format(process_id, process_id))
  return line and tonumber(line:match "^%d+ (%d+)") / 1e9
end

local at, before

--- Seconds since this was called last, and how many of them this process's main thread waited.
function processor.lap()
  local now, waited = core.now(), processor.waited() or 0
  local seconds, kept = now - (at or now), waited - (before or waited)
  at, before = now, waited
  return seconds, kept
end

return processor
