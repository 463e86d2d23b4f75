--- A hostile network between QUIC clients and their server, for specs (spec/support/quic_noise.c).
--
--     local noise = quic_noise.start { TO = server.port, SEED = 1, MUTATE = 20, REPEAT = 20 }   -- of a thousand
--     noise.port  noise:move()  noise:done().MUTATE
--     quic_noise.finish()
local files = require "spec.support.files"
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
  self.port = tonumber(self:line(1):match "^port (%d+)$")
  return self
end

--- Waits until it has said so many lines.
-- @treturn string the last one
function quic_noise:line(count)
  local deadline = process.now() + 10000
  while true do
    local lines, said = {}, files.read(self.folder .. "/log") or ""
    for line in said:gmatch "([^\n]*)\n" do lines[#lines + 1] = line end -- no part of one that is being written
    if #lines >= count then return lines[count] end
    if process.now() > deadline then error("quic_noise does not answer: " .. tostring(lines[#lines]), 2) end
    process.sleep(2)
  end
end

--- Clients come from another port from now on.
function quic_noise:move()
  process.kill(self.pid, "USR1")
end

--- What it has done: `passed`, `moves`, and each of its options.
function quic_noise:done()
  self.asked = (self.asked or 1) + 1
  process.kill(self.pid, "HUP")
  local counted = {}
  for name, value in self:line(self.asked):gmatch "(%w+)=(%d+)" do counted[name] = tonumber(value) end
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
