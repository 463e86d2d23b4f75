--- Real proxies for specs: loopback, own port, own folder, stopped by their process ids.
--
--     local proxy = proxies.http { login = { "user", "password" } }      -- tinyproxy
--     local proxy = proxies.squid { login = { "user", "password" } }     -- squid, which not every machine has:
--     proxies.missing()   -- what there is not, or nil
--     local proxy = proxies.socks { login = { "user", "password" } }     -- microsocks
--     local proxy = proxies.secure(proxy, folder)   -- TLS in front of it, by nginx; the folder has server.pem
--     proxy.port       proxy:kill()       proxy:launch()
--     proxies.finish() -- after each spec
local files = require "spec.support.files"
local process = require "process_probe"

local proxies = {}

local Proxy = {}
Proxy.__index = Proxy

local started = {}

local function start(words)
  local self = setmetatable({ port = process.free_port(), folder = assert(process.temporary_folder()) }, Proxy)
  self.words = words(self)
  started[#started + 1] = self
  return self:launch()
end

function Proxy:launch()
  self.pid = assert(process.spawn(self.words, self.folder .. "/log"))
  local deadline = process.now() + 10000
  while not process.listens(self.port) do
    assert(process.now() < deadline, self.words[1] .. " does not listen: " .. (files.read(self.folder .. "/log") or ""))
    process.sleep(5)
  end
  return self
end

function Proxy:kill()
  if self.pid then
    process.kill(self.pid, "KILL")
    assert(process.wait(self.pid, 5000))
    self.pid = nil
  end
  return self
end

--- Ends this one alone.
function Proxy:finish()
  self:kill()
  process.remove_folder(self.folder)
end

--- @tparam[opt] table options `login` (user name and password), `ports` that a way is opened to (default: any)
function proxies.http(options)
  options = options or {}
  return start(function(self)
    local lines = { "Port " .. self.port, "Listen 127.0.0.1", "Timeout 600", "MaxClients 1000", "LogLevel Connect" }
    if options.login then
      lines[#lines + 1] = ("BasicAuth %s %s"):format(options.login[1], options.login[2])
    end
    for _, port in ipairs(options.ports or {}) do
      lines[#lines + 1] = "ConnectPort " .. port
    end
    files.write(self.folder .. "/conf", table.concat(lines, "\n") .. "\n")
    return { "tinyproxy", "-d", "-c", self.folder .. "/conf" }
  end)
end

local SQUID = [[
http_port 127.0.0.1:PORT
pid_filename FOLDER/pid
cache_log FOLDER/cache.log
access_log none
cache deny all
netdb_filename none
pinger_enable off
max_filedescriptors 1024
auth_param basic program /usr/lib/squid/basic_ncsa_auth FOLDER/users
auth_param basic children 1 startup=1
acl allowed port PORTS
acl known proxy_auth REQUIRED
http_access deny !known
http_access allow CONNECT allowed
http_access deny all
]]

--- @treturn ?string
function proxies.missing()
  local file = io.open "/usr/sbin/squid"
  if file then file:close() end
  return not file and "squid is not installed" or nil
end

--- @tparam table options `login` (user name and password), `ports` that a way is opened to
function proxies.squid(options)
  return start(function(self)
    local pipe = assert(io.popen("openssl passwd -apr1 " .. options.login[2]))
    files.write(self.folder .. "/users", ("%s:%s\n"):format(options.login[1], pipe:read "*l"))
    pipe:close()
    local words = { PORT = tostring(self.port), FOLDER = self.folder, PORTS = table.concat(options.ports, " ") }
    files.write(self.folder .. "/conf", (SQUID:gsub("%f[%u]%u+%f[%U]", words)))
    os.execute("chmod 777 " .. self.folder) -- it lives there as another user
    return { "/usr/sbin/squid", "-N", "-f", self.folder .. "/conf" }
  end)
end

--- @tparam[opt] table options `login` (user name and password)
function proxies.socks(options)
  local login = options and options.login
  return start(function(self)
    local words = { "microsocks", "-i", "127.0.0.1", "-p", tostring(self.port) }
    for _, word in ipairs(login and { "-u", login[1], "-P", login[2] } or {}) do
      words[#words + 1] = word
    end
    return words
  end)
end

local SECURE = [[
daemon off; master_process off; user root; pid nginx.pid; error_log error.log info;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
events { worker_connections 256; }
stream {
  server {
    listen 127.0.0.1:PORT ssl;
    ssl_certificate PATH/server.pem;
    ssl_certificate_key PATH/server.key;
    proxy_pass 127.0.0.1:BEHIND;
  }
}
]]

--- @tparam table behind one of the others
-- @tparam string folder of spec.support.certificates
function proxies.secure(behind, folder)
  return start(function(self)
    local words = { PORT = tostring(self.port), PATH = folder, BEHIND = tostring(behind.port) }
    files.write(self.folder .. "/conf", (SECURE:gsub("%u%u%u%u+", words)))
    return { "/usr/sbin/nginx", "-p", self.folder .. "/", "-c", self.folder .. "/conf" }
  end)
end

function proxies.finish()
  for _, proxy in ipairs(started) do proxy:finish() end
  started = {}
end

return proxies
