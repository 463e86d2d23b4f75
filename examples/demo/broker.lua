--- The demo's other processes: a private mosquitto, and the publisher.
local broker = {}

local folder, port, pid

local function first_line(command)
  local pipe = assert(io.popen(command))
  local line = pipe:read "*l"
  pipe:close()
  return line
end

local function write(name, text, mode)
  local file = assert(io.open(folder .. "/" .. name, mode or "w"))
  file:write(text)
  file:close()
end

--- Starts a command in the background; demo.sh ends by its id whatever is left of it.
local function start(command)
  local id = assert(first_line(command .. " >>" .. folder .. "/log 2>&1 & echo $!"))
  write("pids", id .. "\n", "a")
  return id
end

--- A port nobody listens on: of the random ones, the first that /proc/net/tcp does not name.
function broker.choose_port(where)
  folder = where
  local taken = {}
  for line in io.lines "/proc/net/tcp" do
    local number = line:match "^%s*%d+: %x+:(%x+)"
    if number then
      taken[tonumber(number, 16)] = true
    end
  end
  local random = assert(io.open("/dev/urandom", "rb"))
  repeat
    local high, low = random:read(2):byte(1, 2)
    port = 20000 + (high * 256 + low) % 12000
  until not taken[port]
  random:close()
  -- The database is written after every change, so that a SIGKILL finds the sessions on disk.
  write("broker.conf", "listener " .. port .. " 127.0.0.1\nallow_anonymous true\npersistence true\n" ..
    "persistence_location " .. folder .. "/\nautosave_on_changes true\nautosave_interval 1\n" ..
    (first_line "id -u" == "0" and "user root\n" or ""))
  return port
end

function broker.start()
  pid = start("mosquitto -c " .. folder .. "/broker.conf")
  return "started, pid " .. pid
end

function broker.kill()
  os.execute("kill -KILL " .. pid)
  return "killed (SIGKILL), pid " .. pid
end

function broker.publisher(where, server, seconds)
  start(table.concat({ arg[-1], "examples/demo/publisher.lua", server, seconds, where .. "/sent" }, " "))
end

return broker
