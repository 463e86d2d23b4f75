--- The command `holdfast` as a shell runs it, in a folder of its own, watched by what it writes.
--
--     local sub = shell.start("sub -p 1883 -t a")      -- or a whole script, in which $HOLDFAST is the command
--     sub:await "^hello"     sub:signal "TERM"     sub:ended()      sub.folder .. "/errors" is its standard error
--     shell.finish()         -- after each spec: kills what is left, removes the folders
local process = require "process_probe"

local shell = {}

local Shell = {}
Shell.__index = Shell

local PATIENCE = 20000 -- ms: only who fails waits so long
local started = {}

local function read(path)
  local file = io.open(path, "rb")
  local content = file and file:read "*a" or ""
  if file then
    file:close()
  end
  return content
end

--- Starts a script; one line without $HOLDFAST is the arguments of the command.
-- @tparam string script
-- @tparam[opt] string folder of another one
-- @treturn table `pid`, `folder`
function shell.start(script, folder)
  local self = setmetatable({ folder = folder or assert(process.temporary_folder()), is_guest = folder ~= nil }, Shell)
  if not script:find("$HOLDFAST", 1, true) then
    script = "exec $HOLDFAST " .. script
  end
  self.output, self.errors = os.tmpname(), os.tmpname()
  local before = ("HOLDFAST='%s bin/holdfast'; FOLDER='%s'; exec 2>'%s'\n"):format(os.getenv "LUA", self.folder,
    self.errors)
  self.pid = assert(process.spawn({ "sh", "-c", before .. script }, self.output))
  started[#started + 1] = self
  return self
end

--- Ends what is left, and removes what it has written.
function shell.finish()
  for _, one in ipairs(started) do
    one:signal "KILL"
    one:ended()
    os.remove(one.output)
    os.remove(one.errors)
    if not one.is_guest then
      process.remove_folder(one.folder)
    end
  end
  started = {}
end

--- What it has written to the standard output so far.
function Shell:said()
  return read(self.output)
end

--- And to the standard error.
function Shell:complained()
  return read(self.errors)
end

--- Waits until `condition()` is true.
function shell.wait(condition, what)
  local deadline = process.now() + PATIENCE
  while not condition() do
    if process.now() > deadline then
      error((type(what) == "function" and what() or what) .. " did not happen", 2)
    end
    process.sleep(10)
  end
end

--- Waits until a line of its output matches, so many times.
function Shell:await(pattern, times)
  shell.wait(function()
    local count = 0
    for line in self:said():gmatch "([^\n]*)\n" do
      count = count + (line:find(pattern) and 1 or 0)
    end
    return count >= (times or 1)
  end, function()
    return ("%s in\n%s\n%s\n"):format(pattern, self:said(), self:complained())
  end)
  return self
end

function Shell:signal(name)
  if self.pid then
    process.kill(self.pid, name)
  end
  return self
end

--- Waits for its end, and answers the exit status, or the name of what ended it.
function Shell:ended()
  if self.pid then
    local how, status = process.wait(self.pid, PATIENCE)
    assert(how, "it does not end")
    self.pid, self.status = nil, how == "exited" and status or how .. " " .. status
  end
  return self.status
end

--- Runs one to its end.
-- @treturn number its exit status
-- @treturn string what it wrote
-- @treturn string what it complained about
function shell.run(script)
  local one = shell.start(script)
  local status = one:ended()
  return status, one:said(), one:complained()
end

return shell
