--- Whole files, without a shell: one does not live through the thread sanitizer's library.
local files = {}

--- @treturn ?string the bytes; nil: there is no such file
function files.read(path)
  local file = io.open(path, "rb")
  local bytes = file and file:read "*a"
  if file then
    file:close()
  end
  return bytes
end

function files.write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

--- A store as a process leaves it that is killed now: the file, and the log beside it.
function files.copy_store(from, to)
  files.write(to, files.read(from))
  files.write(to .. "-wal", files.read(from .. "-wal") or "")
end

return files
