--- MQTT over QUIC in front of a broker, for specs: spec/support/quic_server.c on a free port with its own folder,
-- stopped by its process id.
--
--     local server, why = quic_server.start { upstream = broker.port, folder = certificates, certificate = "server" }
--     server.port
--     server:stats().migrations  server:tell "forget"  server:restart()  server:kill()
--     quic_server.finish()       -- after each spec: stops all of them, removes their folders
--
-- A restart keeps the port and the keys: tickets are taken by the server that comes back (early data is not, as GnuTLS
-- has it), and it resets what it does not know any more.

local process = require "process_probe"
local sockets = require "socket_probe"

local quic_server = {}

local Server = {}
Server.__index = Server

local started = {}

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

--- Where a program is that is built for specs, whatever the Lua.
-- @treturn ?string nil: it was not
function quic_server.find(name)
  for place in package.cpath:gmatch "[^;]+" do
    local folder = place:match "^(.*)/[^/]+/spec/%?%.so$"
    local path = folder and ("%s/spec/%s"):format(folder, name)
    if path and exists(path) then return path end
  end
end

--- Where the server is.
-- @treturn ?string nil: it was not built, for want of ngtcp2
function quic_server.program()
  return quic_server.find "quic_server"
end

--- Why there is none.
-- @treturn ?string nil: there is one
function quic_server.missing()
  return not quic_server.program() and "not built: no libngtcp2-dev and libngtcp2-crypto-gnutls-dev" or nil
end

local function random_hex(bytes)
  local file = assert(io.open("/dev/urandom", "rb"))
  local text = file:read(bytes)
  file:close()
  return (text:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

local function said(server)
  local file = io.open(server.folder .. "/log", "rb")
  local text = file and file:read "*a" or ""
  if file then file:close() end
  return text
end

local function launch(server)
  os.remove(server.folder .. "/log")
  local words = {}
  for _, word in ipairs(server.before) do words[#words + 1] = word end
  words[#words + 1] = quic_server.program()
  for name, value in pairs(server.options) do
    if value == true then
      words[#words + 1] = "--" .. name
    elseif value ~= false then
      words[#words + 1] = ("--%s=%s"):format(name, tostring(value))
    end
  end
  words[#words + 1] = "--port=" .. (server.port or 0)
  server.pid = assert(process.spawn(words, server.folder .. "/log"))
  local deadline = process.now() + 10000
  while not said(server):find "port %d+\n" do
    if process.wait(server.pid) then
      server.pid = nil
      error("the QUIC server ended at once: " .. said(server), 0)
    end
    if process.now() > deadline then error("the QUIC server does not listen: " .. said(server), 0) end
    process.sleep(2)
  end
  server.port = tonumber(said(server):match "port (%d+)\n")
  return server
end

--- Starts a server and waits until it listens.
-- @tparam table options `upstream` (the broker's port), `folder` (of spec.support.certificates), `certificate` (a name
-- in it, "server"), `authority` (a name: clients have to have a certificate by it), `port` (default: a free one),
-- `before` (words in front of the program); any other name is an option of the program (`window = 1000`)
-- @treturn table server with `port`, `pid`, `folder`
function quic_server.start(options)
  local server = setmetatable({ port = options.port, folder = assert(process.temporary_folder()),
    before = options.before or {} }, Server)
  local certificate = options.folder .. "/" .. (options.certificate or "server")
  server.options = {
    certificate = certificate .. ".pem", key = certificate .. ".key",
    authority = options.authority and options.folder .. "/" .. options.authority .. ".pem",
    control = server.folder .. "/control",
    ["ticket-key"] = random_hex(64), ["reset-key"] = random_hex(32),
  }
  for name, value in pairs(options) do
    if name ~= "folder" and name ~= "certificate" and name ~= "authority" and name ~= "port" and name ~= "before" then
      server.options[name] = value
    end
  end
  started[#started + 1] = server
  return launch(server)
end

--- Stops every server of this module and removes their folders.
function quic_server.finish()
  for _, server in ipairs(started) do
    server:kill()
    process.remove_folder(server.folder)
  end
  started = {}
end

--- Says a line to it (spec/support/quic_server/control.c has them).
-- @treturn string what it answers, "ok" if nothing else
function Server:tell(line)
  local connection = assert(sockets.connect(self.options.control))
  assert(connection:send(line .. "\n"))
  local answer = ""
  repeat
    local more = assert(connection:some(8192, 10000))
    answer = answer .. more
  until answer:sub(-1) == "\n"
  connection:close()
  answer = answer:sub(1, -2)
  assert(not answer:find "^what%?", answer)
  return answer
end

--- What it has counted since it was started (quic_server/server.h), and how many connections are `open` and `ready`.
-- @treturn table
function Server:stats()
  local counted = {}
  for name, value in self:tell("stats"):gmatch '"([%w_]+)":(%d+)' do
    counted[name] = tonumber(value)
  end
  return counted
end

--- Waits until a count of @{stats} is at least `least`.
-- @treturn table the counts
function Server:await(name, least, ms)
  local deadline = process.now() + (ms or 10000)
  while true do
    local counted = self:stats()
    if counted[name] >= least then return counted end
    if process.now() > deadline then
      error(("%s is %d and not %d"):format(name, counted[name], least), 2)
    end
    process.sleep(2)
  end
end

--- SIGKILL: no word to anybody.
function Server:kill()
  if not self.pid then return self end
  process.kill(self.pid, "KILL")
  assert(process.wait(self.pid, 5000))
  self.pid = nil
  return self
end

--- SIGSTOP: nothing is read or acknowledged.
function Server:freeze()
  assert(process.kill(self.pid, "STOP"))
  return self
end

function Server:resume()
  assert(process.kill(self.pid, "CONT"))
  return self
end

--- Starts it again on the same port with the same keys, killing it first if it runs.
-- @tparam[opt] table options of the program that are others now
function Server:restart(options)
  self:kill()
  for name, value in pairs(options or {}) do self.options[name] = value end
  return launch(self)
end

return quic_server
