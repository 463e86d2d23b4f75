--- Debian's promtool, from its package `prometheus` (.ci/deps test), which specs do without where it is not.
local process = require "process_probe"
local tree = require "spec.support.tree"

local promtool = {}

--- Whether it is there.
function promtool.is_there()
  return select(2, tree.command "command -v promtool")
end

--- Runs it on a text, in a file of which `%s` in the arguments is the name.
-- @treturn string what it says; "" when it has nothing to find fault with
-- @treturn boolean whether it succeeded
function promtool.run(arguments, text)
  local folder = process.temporary_folder()
  local name = folder .. "/text"
  local file = assert(io.open(name, "wb"))
  file:write(text)
  file:close()
  local lines, fine = tree.command("promtool " .. arguments:format(name))
  process.remove_folder(folder)
  return table.concat(lines, "\n"), fine
end

return promtool
