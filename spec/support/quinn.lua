--- quinn, another implementation of QUIC, for specs: spec/support/quinn, where `make quinn` has built it.
--
--     if not quinn.program() then pending(quinn.MISSING) return end
--     local client = quinn.start("client", server.port, folder .. "/ca.pem")  -- a TCP port in front of the server's
--     local server = quinn.start("server", broker.port, folder .. "/server.pem", folder .. "/server.key")
--     client.port  client:said()  client:move()
--     quinn.finish()
local process = require "process_probe"
local quic_server = require "spec.support.quic_server"

local quinn = { MISSING = "no quinn: `make quinn` builds it, by Debian's librust-quinn-dev, cargo and rustc" }
quinn.__index = quinn

local started = {}

--- Where it is.
-- @treturn ?string nil: it was not built
function quinn.program()
  return quic_server.find "quinn-pipe"
end

--- Starts one and waits until it listens.
-- @tparam string role "client" or "server"
-- @param ... its arguments (spec/support/quinn/src/main.rs)
function quinn.start(role, ...)
  local self = setmetatable({ folder = assert(process.temporary_folder()) }, quinn)
  local words = { quinn.program(), role }
  for _, word in ipairs { ... } do words[#words + 1] = tostring(word) end
  self.pid = assert(process.spawn(words, self.folder .. "/log"))
  started[#started + 1] = self
  self:await "port %d+\n"
  self.port = tonumber(self:said():match "port (%d+)\n")
  return self
end

--- Everything it has said so far.
function quinn:said()
  local file = io.open(self.folder .. "/log", "rb")
  local text = file and file:read "*a" or ""
  if file then file:close() end
  return text
end

--- Waits until it has said that.
function quinn:await(pattern, ms)
  local deadline = process.now() + (ms or 10000)
  while not self:said():find(pattern) do
    if process.now() > deadline then error(("quinn has not said %q: "):format(pattern) .. self:said(), 2) end
    process.sleep(2)
  end
end

--- A client goes on from another port.
function quinn:move()
  local _, moves = self:said():gsub("moved\n", "")
  process.kill(self.pid, "USR1")
  self:await(("moved\n.*"):rep(moves + 1))
end

--- Stops all of them.
function quinn.finish()
  for _, one in ipairs(started) do
    process.kill(one.pid, "KILL")
    process.wait(one.pid, 5000)
    process.remove_folder(one.folder)
  end
  started = {}
end

return quinn
