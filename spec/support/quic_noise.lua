--- A hostile network between QUIC clients and their server, for specs (spec/support/quic_noise.c).
--
--     local noise = quic_noise.start { TO = server.port, SEED = 1, MUTATE = 20, REPEAT = 20 }   -- of a thousand
--     noise.port  noise:move()  noise:done().MUTATE
--     quic_noise.finish()
local process = require "process_probe"
local quic_server = require "spec.support.quic_server"

local quic_noise = {}
quic_noise.__index = quic_noise

local started = {}

--- Starts one and waits until it listens.
-- @tparam table options those of the program
function quic_noise.start(options)
  local self = setmetatable({ folder = assert(process.temporary_folder()) }, quic_noise)
  local words = { (assert(quic_server.find "quic_noise", "not built: make spec-support")) }
  for name, value in pairs(options) do words[#words + 1] = ("%s=%d"):format(name, value) end
  self.pid = assert(process.spawn(words, self.folder .. "/log"))
  started[#started + 1] = self
  self.port = tonumber(self:said "port (%d+)\n")
  return self
end

--- Waits until it has said that.
function quic_noise:said(pattern)
  local deadline = process.now() + 10000
  while true do
    local file = assert(io.open(self.folder .. "/log", "rb"))
    local text = file:read "*a"
    file:close()
    local found = text:match(pattern)
    if found then return found end
    if process.now() > deadline then error(("quic_noise has not said %q: "):format(pattern) .. text, 2) end
    process.sleep(2)
  end
end

--- Clients come from another port from now on.
function quic_noise:move()
  process.kill(self.pid, "USR1")
end

--- What it has done: `passed`, `moves`, and each of its options.
function quic_noise:done()
  self.asked = (self.asked or 0) + 1
  process.kill(self.pid, "HUP")
  local line, counted = self:said("\n" .. ("passed=[^\n]*\n"):rep(self.asked - 1) .. "(passed=[^\n]*)\n"), {}
  for name, value in line:gmatch "(%w+)=(%d+)" do counted[name] = tonumber(value) end
  return counted
end

--- Stops all of them.
function quic_noise.finish()
  for _, one in ipairs(started) do
    process.kill(one.pid, "KILL")
    process.wait(one.pid, 5000)
    process.remove_folder(one.folder)
  end
  started = {}
end

return quic_noise
