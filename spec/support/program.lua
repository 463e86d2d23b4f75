--- A program as a user writes it, in a process of its own, watched by what it prints.
--
--     local bridge = program.start { code = [[...]], transport = "native", protocol = 4, arguments = { address } }
--     bridge:await "^ready"        bridge:signal "TERM"        bridge:ended(5)
--     program.each(function(transport, protocol) it(...) end)
--     program.finish()              -- after each spec: kills what is left, removes the folders
--
-- The program does not say which transport and protocol it wants; it takes them through spec.support.default_transport.
-- Its standard output is written line by line, or what it said before a kill would not be there. Within
-- `holdfast.run`.
local core = require "holdfast.core"
local holdfast = require "holdfast"
local process = require "process_probe"

local program = {}

local Program = {}
Program.__index = Program

local started = {}

--- Whether the sizes of what people run are wanted (SOAK in the environment), and not small ones.
program.is_soak = os.getenv "SOAK" ~= nil

--- `small` in a run of the specs, `whole` in a soak.
function program.size(small, whole)
  return program.is_soak and whole or small
end

--- Calls `define` for each transport and protocol.
function program.each(define)
  for _, transport in ipairs { "native", "paho" } do
    for _, protocol in ipairs { 5, 4 } do
      define(transport, protocol)
    end
  end
end

--- Starts one.
-- @tparam table options `code`, `arguments`, `transport`, `protocol` (5), `input` (a path for its standard input),
-- `before` (words in front of the interpreter), `folder` (of another program, to start that once more)
function program.start(options)
  local folder = options.folder or assert(process.temporary_folder())
  local self = setmetatable({ folder = folder, output = folder .. "/output", read_to = 0, said = {}, given = 0,
    rest = "" }, Program)
  local file = assert(io.open(folder .. "/program.lua", "w"))
  file:write("io.stdout:setvbuf 'line' ", options.code)
  file:close()
  os.remove(self.output)
  assert(os.execute("chmod 755 " .. folder)) -- it may run as somebody else
  local words = { "env", "HOLDFAST_SPEC_TRANSPORT=" .. options.transport, "HOLDFAST_SPEC_PROTOCOL=" ..
    (options.protocol or 5), "HOLDFAST_SPEC_SCHEMA=lua/holdfast/schema.lua",
    "LUA_INIT=@spec/support/default_transport.lua" }
  for _, word in ipairs(options.before or {}) do
    words[#words + 1] = word
  end
  if options.input then
    for _, word in ipairs { "sh", "-c", 'input=$1; shift; exec "$@" < "$input"', "sh", options.input } do
      words[#words + 1] = word
    end
  end
  words[#words + 1] = os.getenv "LUA"
  words[#words + 1] = folder .. "/program.lua"
  for _, word in ipairs(options.arguments or {}) do
    words[#words + 1] = tostring(word)
  end
  self.pid = assert(process.spawn(words, self.output))
  started[#started + 1] = self
  return self
end

--- Kills those that still run, and removes their folders.
function program.finish()
  for _, one in ipairs(started) do
    one:signal "KILL"
    one:ended(5)
    if io.open(one.folder .. "/program.lua") then
      process.remove_folder(one.folder)
    end
  end
  started = {}
end

local function read_on(self)
  local file = io.open(self.output, "rb")
  if not file then
    return
  end
  file:seek("set", self.read_to)
  local text = file:read "*a"
  file:close()
  self.read_to = self.read_to + #text
  text = self.rest .. text
  self.rest = text:match "[^\n]*$"
  for line in text:gmatch "([^\n]*)\n" do
    self.said[#self.said + 1] = line
  end
end

--- The whole lines that it has printed and that this has not told yet.
function Program:news()
  read_on(self)
  local lines = {}
  for index = self.given + 1, #self.said do
    lines[#lines + 1] = self.said[index]
  end
  self.given = #self.said
  return lines
end

--- How many of the lines that it has printed match.
function Program:count(pattern)
  read_on(self)
  local count = 0
  for _, line in ipairs(self.said) do
    count = count + (line:find(pattern) and 1 or 0)
  end
  return count
end

--- All that it has printed.
function Program:words()
  read_on(self)
  return table.concat(self.said, "\n") .. "\n" .. self.rest
end

--- Waits until it has printed so many lines that match.
function Program:await(pattern, seconds, times)
  local deadline = core.now() + (seconds or 10)
  while self:count(pattern) < (times or 1) do
    if core.now() > deadline then
      error(("the program did not print %s (%d times) in %g s; it said:\n%s"):format(pattern, times or 1, seconds or 10,
        self:words()), 2)
    end
    holdfast.sleep(0.01)
  end
  return self
end

--- "KILL", "TERM", "STOP", "CONT", "INT"; nothing if it is over.
function Program:signal(name)
  if self.pid then
    process.kill(self.pid, name)
  end
  return self
end

--- Waits for its end: how and with which status, and after how many seconds; nil if it does not come.
function Program:ended(seconds)
  local before = core.now()
  while self.pid do
    local how, status = process.wait(self.pid)
    if how then
      self.pid, self.how = nil, how .. " " .. status
    elseif core.now() > before + seconds then
      return nil
    else
      holdfast.sleep(0.005)
    end
  end
  return self.how, core.now() - before
end

return program
