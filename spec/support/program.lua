--- A program as a user writes it, in a process of its own, watched by what it prints.
--
--     local bridge = program.start { code = [[...]], transport = "native", protocol = 4, arguments = { address } }
--     bridge:await "^ready"        bridge:signal "TERM"        bridge:ended(5)
--     program.each(function(transport, protocol) it(...) end)
--     program.everywhere(1, function(transport, protocol, host) it(...) end)
--     program.finish()              -- after each spec: kills what is left, removes the folders
--
-- The program does not say which transport, protocol and event loop it wants; it takes them through
-- spec.support.default_transport. One that is given no host takes that of HOLDFAST_SPEC_HOST in the environment.
-- Its standard output is written line by line, or what it said before a kill would not be there. Within
-- `holdfast.run`.
local core = require "holdfast.core"
local holdfast = require "holdfast"
local hosts = require "spec.support.hosts"
local process = require "process_probe"

local program = {}

local Program = {}
Program.__index = Program

local started = {}

--- Whether the sizes of what people run are wanted (SOAK in the environment), and not small ones.
program.is_soak = os.getenv "SOAK" ~= nil

--- The event loop in which programs run that are not given one; nil: our own.
program.host = os.getenv "HOLDFAST_SPEC_HOST"

--- `small` in a run of the specs, `whole` in a soak.
function program.size(small, whole)
  return program.is_soak and whole or small
end

-- The event loops of other libraries that this Lua has: Debian's copas is for 5.1, 5.2 and LuaJIT.
local function guests_of()
  local list = {}
  for _, name in ipairs(hosts.names) do
    if name ~= "copas" or jit or _VERSION < "Lua 5.3" then
      list[#list + 1] = name
    end
  end
  return list
end

--- Calls `define` for each transport and protocol.
function program.each(define)
  for _, transport in ipairs { "native", "paho" } do
    for _, protocol in ipairs { 5, 4 } do
      define(transport, protocol)
    end
  end
end

--- Calls `define` for each transport and protocol, and as a guest, too, unless HOLDFAST_SPEC_HOST has all as guests: in
-- a soak over each of them in each host, otherwise natively in the host that `number`, that of the program, falls on.
function program.everywhere(number, define)
  program.each(define)
  local guests = program.host and {} or guests_of()
  if not program.is_soak and guests[1] then
    return define("native", 4 + number % 2, guests[number % #guests + 1])
  end
  for _, host in ipairs(guests) do
    program.each(function(transport, protocol)
      define(transport, protocol, host)
    end)
  end
end

--- What the name of a spec says of the transport, the protocol and the host.
function program.way(transport, protocol, host)
  return ("protocol %d, %s%s"):format(protocol, transport, host and ", in " .. host or "")
end

-- There a user runs the loop, and not holdfast.
local OF_A_HOST = {
  copas = [[
local copas, holdfast = require "copas", require "holdfast"
function holdfast.run(main)
  local results
  copas.addthread(function()
    results = { holdfast.pcall(main) } -- Lua 5.1 cannot wait in another
  end)
  while not results do
    copas.step(0.1) -- LuaSocket's select goes on after Ctrl-C
  end
  if not results[1] then
    error(results[2], 0)
  end
end
]],
  cqueues = [[
local cqueues, holdfast = require "cqueues", require "holdfast"
function holdfast.run(main)
  local controller, results = cqueues.new(), nil
  controller:wrap(function()
    results = { holdfast.pcall(main) }
  end)
  repeat
    assert(controller:step())
  until results
  if not results[1] then
    error(results[2], 0)
  end
end
]],
  luv = [[
local luv, holdfast = require "luv", require "holdfast"
function holdfast.run(main)
  local results
  coroutine.wrap(function()
    results = { holdfast.pcall(main) }
    luv.stop()
  end)()
  luv.run()
  if not results[1] then
    error(results[2], 0)
  end
end
]],
}

--- Starts one.
-- @tparam table options `code`, `arguments`, `transport`, `protocol` (5), `host` ("luv", "cqueues", "copas"; our own
-- loop), `input` (a path for its standard input), `before` (words in front of the interpreter), `folder` (of another
-- program, to start that once more)
function program.start(options)
  local host = options.host or program.host
  if host then
    assert(not hosts.missing(host), hosts.missing(host))
  end
  local folder = options.folder or assert(process.temporary_folder())
  local self = setmetatable({ folder = folder, output = folder .. "/output", read_to = 0, said = {}, given = 0,
    rest = "", counts = {} }, Program)
  local file = assert(io.open(folder .. "/program.lua", "w"))
  file:write("io.stdout:setvbuf 'line' ", OF_A_HOST[host] or "", options.code)
  file:close()
  os.remove(self.output)
  assert(os.execute("chmod 755 " .. folder)) -- it may run as somebody else
  local words = { "env", "HOLDFAST_SPEC_TRANSPORT=" .. options.transport, "HOLDFAST_SPEC_PROTOCOL=" ..
    (options.protocol or 5), "HOLDFAST_SPEC_SCHEMA=lua/holdfast/schema.lua",
    "LUA_INIT=@spec/support/default_transport.lua" }
  if host then
    words[#words + 1] = "HOLDFAST_SPEC_LOOP=" .. host
  end
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
  local counted = self.counts[pattern] or { matches = 0, lines = 0 } -- a million lines are not looked at each time
  self.counts[pattern] = counted
  for index = counted.lines + 1, #self.said do
    counted.matches = counted.matches + (self.said[index]:find(pattern) and 1 or 0)
  end
  counted.lines = #self.said
  return counted.matches
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
