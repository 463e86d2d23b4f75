--- The files of this checkout, for the specs that look at all of them. Paths are relative to its root, where
-- spec/run.lua starts every spec.
local tree = {}

--- The whole of a file.
function tree.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

--- The lines a shell command prints, and whether it succeeded.
function tree.command(command)
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1; echo \"status $?\""))
  local lines = {}
  for line in pipe:lines() do
    lines[#lines + 1] = line
  end
  pipe:close()
  return lines, table.remove(lines) == "status 0"
end

--- Every file below the folders (space-separated) whose name matches one of the shell patterns.
function tree.files(folders, ...)
  local names = {}
  for i, pattern in ipairs { ... } do
    names[i] = "-name '" .. pattern .. "'"
  end
  local lines = tree.command("find " .. folders .. " -type f \\( " .. table.concat(names, " -o ") ..
    " \\) | LC_ALL=C sort")
  assert(#lines > 0, "no file below " .. folders)
  return lines
end

--- Iterates over (number, line).
function tree.lines(path)
  local number = 0
  local next_line = (tree.read(path):gsub("\n?$", "\n")):gmatch "(.-)\n"
  return function()
    local line = next_line()
    number = number + 1
    if line then
      return number, line
    end
  end
end

return tree
