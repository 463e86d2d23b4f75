--- What every part of the bench needs: processes, a private broker, medians.
local tools = {}

local FOLDER = os.getenv "BENCH_FOLDER"
local PEER = "build/bench/peer"

local function first_line(command)
  local pipe = assert(io.popen(command))
  local line = pipe:read "*l"
  pipe:close()
  return line
end
tools.first_line = first_line

--- The commands of the programs that are compared.
tools.programs = {
  raw = "build/bench/raw_paho",
  socket = "build/bench/raw_socket",
  mosquitto = "build/bench/raw_mosquitto",
  lua_mosquitto = arg[-1] .. " bench/lua_mosquitto.lua",
  mqttjs = "env NODE_PATH=" .. os.getenv "BENCH_MQTTJS" .. "/node_modules node bench/raw_mqttjs.js",
  paho = "env BENCH_TRANSPORT=paho " .. arg[-1] .. " bench/client.lua",
  native = "env BENCH_TRANSPORT=native " .. arg[-1] .. " bench/client.lua",
}

local function words(mode, arguments)
  local list = { mode }
  for key, value in pairs(arguments) do
    list[#list + 1] = key .. "=" .. tostring(value)
  end
  return table.concat(list, " ")
end

--- Starts a program whose lines are read one at a time; none outlives `limit` seconds (300).
function tools.start(program, mode, arguments, limit)
  return assert(io.popen("exec timeout " .. (limit or 300) .. " " .. program .. " " .. words(mode, arguments)))
end

--- The `key=value` words of the next line, as numbers.
function tools.answer(pipe, what)
  local line = pipe:read "*l"
  if not line then
    error((what or "a program") .. " ended without an answer", 0)
  end
  local answer = {}
  for key, value in line:gmatch "(%w+)=(%S+)" do
    answer[key] = tonumber(value)
  end
  return answer
end

--- Runs a program to its end and returns what it measured.
function tools.measure(program, mode, arguments, limit)
  local pipe = tools.start(program, mode, arguments, limit)
  local answer = tools.answer(pipe, program .. " " .. mode)
  pipe:close()
  return answer
end

--- Runs a command of the shell: the seconds it took, and its CPU with all that it started.
function tools.timed(command)
  local timing = [[bash -c 'TIMEFORMAT="%R %U %S"; { time "$@" >/dev/null 2>&1; } 2>&1' bash ]]
  local pipe = assert(io.popen(timing .. command))
  local wall, user, system = pipe:read("*n", "*n", "*n")
  pipe:close()
  return assert(wall), user + system
end

--- A peer (peer.c) in `mode`: its port, and the pipe to close once its client has gone.
function tools.peer(mode, arguments)
  local pipe = tools.start(PEER, mode, arguments)
  return assert(pipe:read "*n"), pipe
end

--- Starts to look for the moment at which a port first accepts; read the line to have it.
function tools.watch(port)
  return tools.start(PEER, "watch", { port = port }, 60)
end

local broker = {}
broker.__index = broker

function tools.free_port()
  return assert(tonumber(first_line(PEER .. " port")))
end

--- A mosquitto of our own on a free port, nothing kept on disk; `line` of configuration more if need be.
function tools.broker(line)
  local port = tools.free_port()
  local self = setmetatable({ port = port, file = FOLDER .. "/broker-" .. port .. ".conf" }, broker)
  local file = assert(io.open(self.file, "w"))
  file:write("listener ", port, " 127.0.0.1\nallow_anonymous true\npersistence false\n", line or "", "\n")
  file:close()
  self:start()
  return self
end

function broker:start()
  local watch = tools.watch(self.port)
  self.pid = assert(tonumber(first_line("mosquitto -c " .. self.file .. " >/dev/null 2>&1 & echo $!")))
  local file = assert(io.open(FOLDER .. "/pids", "a"))
  file:write(self.pid, "\n")
  file:close()
  local accepted = watch:read "*n"
  watch:close()
  if not accepted then
    error("mosquitto did not start on port " .. self.port, 0)
  end
  self.accepted = accepted
end

function broker:kill()
  os.execute("kill -KILL " .. self.pid)
end

function tools.sleep(seconds)
  os.execute(string.format("sleep %.3f", seconds))
end

function tools.median(values)
  local sorted = {}
  for i, value in ipairs(values) do
    sorted[i] = value
  end
  table.sort(sorted)
  local middle = math.floor(#sorted / 2)
  if #sorted % 2 == 1 then
    return sorted[middle + 1]
  end
  return (sorted[middle] + sorted[middle + 1]) / 2
end

--- The value below which `share` of them lie (nearest rank).
function tools.quantile(values, share)
  local sorted = {}
  for i, value in ipairs(values) do
    sorted[i] = value
  end
  table.sort(sorted)
  return sorted[math.max(1, math.ceil(share * #sorted))]
end

--- What the figures were taken on.
function tools.machine()
  local holdfast = require "holdfast"
  local paho = first_line "dpkg-query -W -f '${Version}' libpaho-mqtt1.3 2>/dev/null" or "?"
  local mosquitto = first_line "mosquitto -h 2>/dev/null" or "?"
  return {
    string.format("holdfast %s, %s, Paho C %s, %s", holdfast._VERSION, jit and jit.version or _VERSION, paho,
      mosquitto:match "^mosquitto version %S+" or "mosquitto ?"),
    string.format("%s, %s cores, Linux %s, load %s",
      first_line "sed -n 's/^model name.*: //p' /proc/cpuinfo" or "?", first_line "nproc",
      first_line "uname -r", first_line "cut -d' ' -f1 /proc/loadavg"),
  }
end

return tools
