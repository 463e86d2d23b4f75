--- A real nginx with its Lua module for specs: loopback, own port, own folder, stopped by its process id.
--
--     local server = nginx.start { workers = 2, init_worker = "Lua code", http = "lines of nginx.conf",
--       locations = { ["/publish"] = "Lua code for content_by_lua" } }
--     server:get "/publish"                     -- status, body
--     server:reload() server:quit() server:stop()
--     nginx.finish()                            -- after each spec: stops all of them, removes their folders
--
-- The workers load lua/ of this checkout and the build for LuaJIT. Only specs that run on LuaJIT may use this: for the
-- others that build need not be there.

local process = require "process_probe"
local sockets = require "socket_probe"
local tree = require "spec.support.tree"

local nginx = {}

local Server = {}
Server.__index = Server

local started = {}

local MODULES = "/usr/lib/nginx/modules/"
local CONNECTIONS = 2048

local function working_folder()
  return tree.command("pwd -P")[1]
end

local function block(name, code)
  return code and name .. " {\n" .. code .. "\n}\n" or ""
end

function nginx.is_root()
  return tree.command("id -u")[1] == "0"
end

-- Workers are root's where the specs are; and may have as many descriptors as connections.
local function powers()
  local most = tonumber(tree.command("ulimit -n")[1])
  return (nginx.is_root() and "user root;" or "")
    .. (most and most < CONNECTIONS and (" worker_rlimit_nofile %d;"):format(CONNECTIONS) or "")
end

-- As in the interpreters of a run that names the transport.
local function choice(root)
  return os.getenv "HOLDFAST_SPEC_TRANSPORT" and ("dofile '%s/spec/support/default_transport.lua'\n"):format(root)
end

local function configuration(server, options)
  local root = working_folder()
  local lines = {
    "daemon off; " .. powers() .. " worker_processes " .. (options.workers or 1) .. "; pid nginx.pid;",
    "load_module " .. MODULES .. "ndk_http_module.so; load_module " .. MODULES .. "ngx_http_lua_module.so;",
    "error_log error.log info;",
    "events { worker_connections " .. CONNECTIONS .. "; }",
    "http {",
    "log_format ids '$request_id $status $uri'; access_log access.log ids;",
    "lua_package_path '" .. root .. "/lua/?.lua;" .. root .. "/lua/?/init.lua;;';",
    "lua_package_cpath '" .. package.cpath:match "[^;]*" .. ";;';",
  }
  for _, name in ipairs { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" } do
    lines[#lines + 1] = name .. "_temp_path temporary_" .. name .. ";"
  end
  lines[#lines + 1] = options.http
  lines[#lines + 1] = block("init_by_lua_block", choice(root) and choice(root) .. (options.init or "") or options.init)
  lines[#lines + 1] = block("init_worker_by_lua_block", options.init_worker)
  lines[#lines + 1] = "server { listen 127.0.0.1:" .. server.port .. " backlog=1024;"
  for path, code in pairs(options.locations or {}) do
    lines[#lines + 1] = "location = " .. path .. " { " .. block("content_by_lua_block", code) .. "}"
  end
  lines[#lines + 1] = options.server
  lines[#lines + 1] = "} }\n"
  return table.concat(lines, "\n")
end

local function launch(server, arguments)
  local words = { "env" }
  for _, word in ipairs(server.environment) do
    words[#words + 1] = word
  end
  for _, word in ipairs { "/usr/sbin/nginx", "-p", server.folder .. "/", "-c", server.folder .. "/nginx.conf" } do
    words[#words + 1] = word
  end
  for _, word in ipairs(arguments or {}) do
    words[#words + 1] = word
  end
  server.pid = assert(process.spawn(words, server.folder .. "/output"))
  local deadline = process.now() + 10000
  while not process.listens(server.port) do
    if process.wait(server.pid) then
      server.pid = nil
      error("nginx ended at once:\n" .. server:output() .. server:log(), 0)
    end
    assert(process.now() < deadline, "nginx does not listen")
    process.sleep(5)
  end
  return server
end

local function new(port)
  local server = setmetatable({ port = port or process.free_port(), folder = assert(process.temporary_folder()),
    expected = {}, environment = {} }, Server)
  started[#started + 1] = server
  return server
end

local function write(server, text)
  local file = assert(io.open(server.folder .. "/nginx.conf", "w"))
  file:write(text)
  file:close()
end

--- Starts an nginx and waits until it listens.
-- @tparam table options `workers` (1), `init`, `init_worker`, `locations` (Lua code), `http`, `server` (lines of
-- nginx.conf), `expects` (patterns of what it may log at "error" and above), `environment` ("NAME=value" words)
-- @treturn table server with `port`, `pid`, `folder`
function nginx.start(options)
  local server = new():expect((table.unpack or unpack)(options.expects or {}))
  server.environment = options.environment or server.environment
  write(server, configuration(server, options))
  return launch(server)
end

--- Starts an nginx with a configuration as it stands.
-- @tparam function text called with the port and the folder, answers the text of nginx.conf
-- @tparam[opt] table arguments more words for the command line
function nginx.run(text, arguments)
  local server = new()
  write(server, text(server.port, server.folder))
  return launch(server, arguments)
end

-- Lines of the error log from "error" on that the spec has not expected, and nginx's own "warn".
local function unexpected(server)
  local lines = {}
  for line in (server:log() .. server:output()):gmatch "[^\n]+" do
    local level = line:match "^%S+ %S+ %[([a-z]+)%] "
    local is_wanted = level ~= "error" and level ~= "crit" and level ~= "alert" and level ~= "emerg"
      and (level ~= "warn" or line:find "%[lua%] holdfast%.lua:%d+: holdfast: " or line:find "_G write guard")
    for _, pattern in ipairs(server.expected) do
      is_wanted = is_wanted or line:find(pattern)
    end
    if not is_wanted then
      lines[#lines + 1] = line
    end
  end
  return lines
end

--- Stops every nginx of this module and removes their folders.
-- @raise when the error log of one has a line that `expect` has not named
function nginx.finish()
  local lines = {}
  for _, server in ipairs(started) do
    server:stop()
    for _, line in ipairs(unexpected(server)) do
      lines[#lines + 1] = line
    end
    process.remove_folder(server.folder)
  end
  started = {}
  if lines[1] then
    error("nginx has logged:\n" .. table.concat(lines, "\n"), 2)
  end
end

--- Names lines of the error log, from "error" on, that belong to the spec.
-- @tparam string ... patterns
function Server:expect(...)
  for _, pattern in ipairs { ... } do
    table.insert(self.expected, pattern)
  end
  return self
end

--- One request on a connection of its own; with a body it is a POST.
-- @treturn number status; @treturn string body, or nil, why
function Server:get(path, timeout, body)
  local socket, problem = sockets.connect(self.port)
  if not socket then
    return nil, problem
  end
  local method, length = body and "POST " or "GET ", body and "Content-Length: " .. #body .. "\r\n" or ""
  assert(socket:send(method .. path .. " HTTP/1.0\r\nHost: localhost\r\n" .. length .. "\r\n" .. (body or "")))
  local _, why, answer = socket:receive(1000000, timeout or 10000)
  socket:close()
  local status, rest = answer:match "^HTTP/1%.%d (%d+).-\r\n\r\n(.*)$"
  if not status then
    return nil, why
  end
  return tonumber(status), rest
end

--- The body of a request that must be answered by 200, without its last line end.
function Server:answer(path)
  local status, body = self:get(path)
  if status ~= 200 then
    error(("%s: %s %s\n%s"):format(path, tostring(status), tostring(body), self:log()), 2)
  end
  return (body:gsub("\n$", ""))
end

--- Asks until the answer has the pattern.
-- @treturn string it
function Server:eventually(path, pattern)
  local deadline = process.now() + 10000
  local body
  repeat
    body = self:answer(path)
    if body:find(pattern) then
      return body
    end
    process.sleep(10)
  until process.now() > deadline
  error(("%s never said %s but\n%s\n%s"):format(path, pattern, body, self:log()), 2)
end

--- The process ids of the workers, those that are leaving included.
function Server:workers()
  local pids = {}
  for _, line in ipairs(tree.command("cat /proc/" .. self.pid .. "/task/*/children 2>/dev/null; echo")) do
    for pid in line:gmatch "%d+" do
      pids[#pids + 1] = tonumber(pid)
    end
  end
  return pids
end

--- SIGHUP, then waits until the workers of before are gone.
function Server:reload(timeout)
  local old = {}
  for _, pid in ipairs(self:workers()) do
    old[pid] = true
  end
  assert(process.kill(self.pid, "HUP"))
  local deadline = process.now() + (timeout or 10000)
  local new_ones, left
  repeat
    process.sleep(10)
    new_ones, left = 0, 0
    for _, pid in ipairs(self:workers()) do
      new_ones, left = new_ones + (old[pid] and 0 or 1), left + (old[pid] and 1 or 0)
    end
    assert(process.now() < deadline, "the workers of before do not leave:\n" .. self:log())
  until new_ones > 0 and left == 0
  return self
end

local function ends(server, signal, timeout)
  assert(process.kill(server.pid, signal))
  if not process.wait(server.pid, timeout) then
    return false
  end
  server.pid = nil
  return true
end

--- SIGQUIT: requests that have begun are answered. Whether it has ended within so many ms.
function Server:quit(timeout)
  return ends(self, "QUIT", timeout or 10000)
end

--- SIGTERM, and SIGKILL for what is left after 5 s.
function Server:stop()
  if self.pid then
    local workers = self:workers()
    if not ends(self, "TERM", 5000) then
      for _, pid in ipairs(workers) do
        process.kill(pid, "KILL")
      end
      ends(self, "KILL", 5000)
    end
  end
end

local function whole(path)
  local file = io.open(path, "rb")
  local text = file and file:read "*a" or ""
  if file then
    file:close()
  end
  return text
end

--- The error log.
function Server:log()
  return whole(self.folder .. "/error.log")
end

--- What it has said before it had a log.
function Server:output()
  return whole(self.folder .. "/output")
end

--- The access log: an array of { id, status, path }.
function Server:requests()
  local list = {}
  for id, status, path in whole(self.folder .. "/access.log"):gmatch "(%x+) (%d+) (%S+)\n" do
    list[#list + 1] = { id = id, status = tonumber(status), path = path }
  end
  return list
end

return nginx
