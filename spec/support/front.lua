--- A real nginx in front of a broker's WebSockets, without its Lua module: loopback, own port, own folder, stopped by
-- its process id.
--
--     local front = front.start { port = 8080, certificates = folder }   -- the broker's port; for TLS
--     front.port       front:kill()       front:launch()
--     front.finish()   -- after each spec
local files = require "spec.support.files"
local process = require "process_probe"

local front = {}
front.__index = front

local started = {}

local CONFIGURATION = [[
daemon off; master_process off; user root; pid nginx.pid; error_log error.log info;
events { worker_connections 256; }
http {
  access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;
  uwsgi_temp_path t4; scgi_temp_path t5;
  server {
    listen 127.0.0.1:PORT SECURE;
    location /mqtt {
      proxy_pass http://127.0.0.1:BROKER;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
    }
    location /away { return 302 /mqtt; }
    location /forbidden { return 403; }
    location /busy { add_header Retry-After 2 always; return 429; }
  }
}
]]

--- @tparam table options `port` of the broker, `certificates` (a folder of spec.support.certificates: TLS)
function front.start(options)
  local self = setmetatable({ port = process.free_port(), folder = assert(process.temporary_folder()) }, front)
  local where = options.certificates
  local secure = where and ("ssl; ssl_certificate PATH/server.pem; ssl_certificate_key PATH/server.key")
    :gsub("PATH", where)
  local words = { PORT = tostring(self.port), SECURE = secure or "", BROKER = tostring(options.port) }
  files.write(self.folder .. "/nginx.conf", (CONFIGURATION:gsub("%u%u%u%u+", words)))
  started[#started + 1] = self
  return self:launch()
end

function front:launch()
  self.pid = assert(process.spawn({ "/usr/sbin/nginx", "-p", self.folder .. "/", "-c", self.folder .. "/nginx.conf" },
    self.folder .. "/log"))
  local deadline = process.now() + 10000
  while not process.listens(self.port) do
    assert(process.now() < deadline, "nginx does not listen: " .. (files.read(self.folder .. "/log") or ""))
    process.sleep(5)
  end
  return self
end

function front:kill()
  if self.pid then
    process.kill(self.pid, "KILL")
    assert(process.wait(self.pid, 5000))
    self.pid = nil
  end
end

function front.finish()
  for _, one in ipairs(started) do
    one:kill()
    process.remove_folder(one.folder)
  end
  started = {}
end

return front
