--- A real mosquitto for specs: loopback, own port, own folder, stopped by its process id.
--
--     local broker = mosquitto.start { lines = { "max_inflight_messages 20" } }
--     broker.port
--     broker:kill() broker:restart() broker:freeze() broker:resume() broker:stop() broker:has_read()
--     mosquitto.finish()            -- after each spec: stops all of them, removes their folders
--
-- `lines` are lines of mosquitto.conf; those before `listener` (global ones) and those after it may be mixed, except
-- that a second `listener` must come last.

local process = require "process_probe"
local roads = require "spec.support.roads"
local sockets = require "socket_probe"

local mosquitto = {}

local Broker = {}
Broker.__index = Broker

local started = {}

local function executable()
  for _, path in ipairs { "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto" } do
    local file = io.open(path, "rb")
    if file then
      file:close()
      return path
    end
  end
  return "mosquitto"
end

local function write_config(broker, lines)
  local file = assert(io.open(broker.folder .. "/mosquitto.conf", "w"))
  if broker.websocket then file:write("listener 0 ", broker.folder, "/plain\n") end -- 2.0.11 does not start without
  file:write("listener ", broker.port, " 127.0.0.1\n")
  if broker.websocket then file:write "protocol websockets\n" end
  if broker.socket then file:write("listener 0 ", broker.socket, "\n") end
  if not broker.authenticated then file:write("allow_anonymous true\n") end
  file:write("user root\nlog_dest stderr\nlog_type ", broker.quiet and "error" or "all", "\nset_tcp_nodelay true\n")
  if broker.persistent then
    file:write("persistence true\npersistence_location ", broker.folder, "/\nautosave_interval 1\n",
      "autosave_on_changes ", tostring(broker.persistent ~= "each second"), "\n")
  end
  for _, line in ipairs(roads.lines()) do file:write(line, "\n") end
  for _, line in ipairs(roads.through(lines or {})) do file:write(line, "\n") end
  file:close()
end

local function listens(broker)
  if not process.listens(broker.port) then return false end
  for _, line in ipairs(roads.framed() and broker.lines or {}) do -- which come up one after the other
    local port = tonumber(line:match "^listener (%d+) 127")
    if port and not process.listens(port) then return false end
  end
  local connection = not broker.socket or sockets.connect(broker.socket)
  if broker.socket and connection then connection:close() end
  return connection ~= nil
end

local function launch(broker)
  broker.pid = assert(process.spawn({ executable(), "-c", broker.folder .. "/mosquitto.conf" },
    broker.folder .. "/log"))
  local deadline = process.now() + 10000
  while not listens(broker) do
    if process.wait(broker.pid) then
      broker.pid = nil
      error("mosquitto ended at once:\n" .. broker:log(), 0)
    end
    if process.now() > deadline then error("mosquitto does not listen:\n" .. broker:log(), 0) end
    process.sleep(5)
  end
  return broker
end

--- Starts a broker and waits until it listens.
-- @tparam[opt] table options `lines` (more configuration), `port` (default: a free one), `persistent` (sessions and
-- retained messages survive a restart; written down at each change, or "each second"), `authenticated` (no
-- `allow_anonymous`), `quiet` (logs errors alone), `absent` (do not start it yet), `socket` (listens at a unix socket,
-- too; the lines are those of that listener), `websocket` (speaks WebSocket alone)
-- @treturn table broker with `port`, `pid`, `folder`, `socket` (a path)
function mosquitto.start(options)
  options = options or {}
  local broker = setmetatable({
    port = options.port or process.free_port(),
    folder = assert(process.temporary_folder()),
    persistent = options.persistent,
    authenticated = options.authenticated,
    quiet = options.quiet,
    lines = options.lines,
  }, Broker)
  if options.socket then broker.socket = broker.folder .. "/socket" end
  broker.websocket = options.websocket or roads.framed()
  if roads.name() == "unix" then broker.socket = roads.socket(broker.port) end
  if roads.name() then roads.pave(broker.port) end
  started[#started + 1] = broker
  if options.absent then return broker end
  write_config(broker, broker.lines)
  return launch(broker)
end

--- Stops every broker of this module and removes their folders.
function mosquitto.finish()
  for _, broker in ipairs(started) do
    broker:kill()
    process.remove_folder(broker.folder)
  end
  started = {}
  if roads.name() == "quic" then require("spec.support.quic_server").finish() end
end

local function ended(broker)
  broker.pid = nil
  return broker
end

--- SIGTERM, then waits for the end (5 s, then SIGKILL).
function Broker:stop()
  if not self.pid then return self end
  process.kill(self.pid, "CONT")
  process.kill(self.pid, "TERM")
  if not process.wait(self.pid, 5000) then return self:kill() end
  return ended(self)
end

--- SIGKILL: no DISCONNECT, nothing saved.
function Broker:kill()
  if not self.pid then return self end
  process.kill(self.pid, "KILL")
  assert(process.wait(self.pid, 5000))
  return ended(self)
end

--- SIGSTOP: the kernel goes on acknowledging, the broker answers nothing.
function Broker:freeze()
  assert(process.kill(self.pid, "STOP"))
  return self
end

function Broker:resume()
  assert(process.kill(self.pid, "CONT"))
  return self
end

--- Has a persistent broker write down its sessions and waits until it has: they survive a SIGKILL then.
function Broker:save()
  local database = self.folder .. "/mosquitto.db"
  os.remove(database)
  assert(process.kill(self.pid, "USR1"))
  local deadline = process.now() + 5000
  repeat
    process.sleep(2)
    assert(process.now() < deadline, "mosquitto does not save")
    local file = io.open(database, "rb")
    if file then file:close() end
  until file
  return self
end

--- Starts it again on the same port and folder, killing it first if it runs.
-- @tparam[opt] table lines in place of those it was started with
function Broker:restart(lines)
  self:kill()
  self.lines = lines or self.lines
  write_config(self, self.lines)
  return launch(self)
end

--- Has it take over another configuration, as far as mosquitto does so while it runs.
function Broker:reload(lines)
  self.lines = lines
  write_config(self, lines)
  assert(process.kill(self.pid, "HUP"))
  return self
end

--- Whether it has read all that has been written to its connections over IPv4.
function Broker:has_read()
  local port, has_read = (":%04X"):format(self.port), true
  for line in io.lines "/proc/net/tcp" do
    local near, far, unsent, unread = line:match "^%s*%d+: %x+(:%x+) %x+(:%x+) %x+ (%x+):(%x+)"
    if near == port and tonumber(unread, 16) > 0 or far == port and tonumber(unsent, 16) > 0 then
      has_read = false -- and read on, to the end of the file
    end
  end
  return has_read
end

--- Everything it has logged so far.
function Broker:log()
  local file = io.open(self.folder .. "/log", "rb")
  if not file then return "" end
  local text = file:read("*a")
  file:close()
  return text
end

return mosquitto
