--- How long others have kept a thread from a processor: what of a pause is the machine's and not the program's. Sizes
-- as people have them load a machine so that this is seconds.
--
--     processor.waited(pid)         -- seconds in all, the main thread of that process (nil: of this one)
--     processor.thread(pid, name)   -- its id: processor.waited(pid, id) is how long that one waited
--     processor.is_stopped(pid)     -- SIGSTOP has reached each of its threads
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

--- Seconds that a thread of a process, its main one unless told, was ready to run and did not; nil of one that is gone.
-- A wait counts once it is over.
function processor.waited(process_id, thread)
  own = own or line_of("/proc/self/stat"):match "^%d+"
  process_id = process_id or own
  local line = line_of(("/proc/%s/task/%s/schedstat"):format(process_id, thread or process_id))
  return line and tonumber(line:match "^%d+ (%d+)") / 1e9
end

--- The id of the first thread of that name; nil: there is none.
function processor.thread(process_id, name)
  local pipe = io.popen(("grep -lx %s /proc/%s/task/*/comm 2>&1"):format(name, process_id))
  local path = pipe:read "*l"
  pipe:close()
  return path and path:match "/task/(%d+)/comm$"
end

--- Whether each of its threads stands still: one that waits for a processor does so once it has had one.
function processor.is_stopped(process_id)
  local pipe = io.popen(("cat /proc/%s/task/*/stat"):format(process_id))
  local stopped = true
  for line in pipe:lines() do
    stopped = stopped and line:find("%) T [^)]*$") ~= nil
  end
  pipe:close()
  return stopped
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
