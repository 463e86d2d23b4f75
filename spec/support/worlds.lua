--- Where a link lives in the conformance spec: the scripted one with the little broker in it, or Paho with a
-- mosquitto. Both answer to the same calls, so that one list of behaviours runs against both.
--
-- A link of a world collects what it is told: `link:wait(kind[, timeout])` takes mails until one of that kind comes
-- (nil if none does) and keeps everything it saw in `link.seen`.

local certificates = require "spec.support.certificates"
local mosquitto = require "spec.support.mosquitto"
local probe = require "link_probe"
local process = require "process_probe"
local proxies = require "spec.support.proxies"
local quic_server = require "spec.support.quic_server"
local sockets = require "socket_probe"

local SOON = 5000

local Link = {}

function Link:__index(name)
  if Link[name] then return Link[name] end
  local raw = self.raw
  return function(_, ...) return raw[name](raw, ...) end
end

function Link:open(fields)
  local attempt = {}
  for name, value in pairs(self.world.attempt) do attempt[name] = value end
  for name, value in pairs(fields or {}) do attempt[name] = value end
  self.generation = self.raw:open(attempt)
  return self.generation
end

function Link:take(timeout)
  local mail = self.raw:take(timeout or 0)
  if mail then self.seen[#self.seen + 1] = mail end
  return mail
end

function Link:wait(kind, timeout)
  local deadline = process.now() + (timeout or SOON)
  repeat
    local mail = self:take(math.max(deadline - process.now(), 0))
    if mail and mail.kind == kind then return mail end
  until not mail
end

--- Opens and waits until it is connected.
function Link:connect(fields)
  self:open(fields)
  local mail = self:wait "connected"
  assert(mail, "not connected: " .. self:story())
  return mail
end

--- Everything that comes within so many ms.
function Link:rest(timeout)
  local mails = {}
  local deadline = process.now() + (timeout or 100)
  repeat
    local mail = self:take(math.max(deadline - process.now(), 0))
    mails[#mails + 1] = mail
  until not mail
  return mails
end

--- The kinds seen so far, in order: "connected delivered down".
function Link:story()
  local kinds = {}
  for _, mail in ipairs(self.seen) do
    kinds[#kinds + 1] = mail.kind == "delivered" and ("delivered:" .. mail.id .. ":" .. mail.result):gsub("%.0", "")
      or mail.kind
  end
  return table.concat(kinds, " ")
end

--- How often each publish came back, and with what last.
function Link:outcomes()
  local times, results = {}, {}
  for _, mail in ipairs(self.seen) do
    if mail.kind == "delivered" then
      times[mail.id] = (times[mail.id] or 0) + 1
      results[mail.id] = mail.result
    end
  end
  return times, results
end

function Link:forget()
  self.seen = {}
end

local function new_link(world)
  local link = setmetatable({ raw = probe.create(world.name), world = world, seen = {} }, Link)
  world.links[#world.links + 1] = link
  return link
end

local function end_links(world)
  for _, link in ipairs(world.links) do link:destroy() end
  world.links = {}
end

-- ---- the scripted link ----

local fake = { name = "fake", links = {}, attempt = {} }

function fake.begin() probe.fake_script {} end
function fake:finish() end_links(self) end
function fake.refuse() probe.fake_script { connect = "refuse" } end
function fake.vanish() probe.fake_script { connect = "refuse" } end
function fake.stay_silent() probe.fake_script { connect = "silent" } end
function fake.recover() probe.fake_script {} end
function fake.hold() probe.fake_hold(true) end
function fake.release(_, link) link:fake_release() end

--- The connection ends without a word; the broker keeps the session.
function fake.lose(_, link) link:fake_drop() end

--- The broker forgets every session.
function fake.forget_sessions() probe.fake_script {} end

-- ---- Paho ----

local paho = { name = "paho", links = {}, attempt = {} }

function paho:begin()
  self.broker = mosquitto.start { persistent = true, lines = { "max_inflight_messages 0" } }
  self.attempt.port = self.broker.port
end

function paho:finish()
  end_links(self)
  mosquitto.finish()
end

function paho:refuse()
  self.broker:stop()
  self.broker.authenticated = true
  self.broker:restart()
end

function paho:vanish() self.broker:kill() end

function paho:stay_silent()
  local port
  self.silence, port = sockets.listen()
  self.attempt.port = port
end

function paho:recover()
  self.broker.authenticated = nil
  self.attempt.port = self.broker.port
  self.broker:restart()
end

function paho:hold() self.broker:save():freeze() end
function paho:release() self.broker:resume() end

function paho:lose()
  process.sleep(50) -- what was published goes to the socket first
  self.broker:restart()
end


function paho:forget_sessions()
  self.broker:kill()
  os.remove(self.broker.folder .. "/mosquitto.db")
  self.broker:restart()
end

fake.link, paho.link = new_link, new_link

-- ---- our own, which is turned while somebody waits ----

local native = setmetatable({ name = "native", links = {}, attempt = {}, carries = true, loss = "connection_reset" },
  { __index = paho })

function native:lose()
  for _, link in ipairs(self.links) do link:rest(20) end
  self.broker:restart()
end

function native:hold()
  for _, link in ipairs(self.links) do link:rest(20) end
  paho.hold(self)
end

-- ---- and on other roads ----

local unix = setmetatable({ name = "native", title = "the native link over a unix socket", links = {}, attempt = {},
  loss = "connection_reset" }, { __index = native })

function unix:begin()
  self.broker = mosquitto.start { persistent = true, socket = true, lines = { "max_inflight_messages 0" } }
  self.attempt = { road = "unix", host = self.broker.socket }
end

function unix:stay_silent()
  self.silence = sockets.listen_path(self.broker.folder .. "/silence")
  self.attempt.host = self.broker.folder .. "/silence"
end

function unix:recover()
  native.recover(self)
  self.attempt.host = self.broker.socket
end

local websocket = setmetatable({ name = "native", title = "the native link over a WebSocket", links = {}, attempt = {},
  loss = "connection_reset" }, { __index = native })

function websocket:begin()
  self.broker = mosquitto.start { persistent = true, websocket = true, lines = { "max_inflight_messages 0" } }
  self.attempt = { road = "websocket", path = "/mqtt", port = self.broker.port }
end

local secure = setmetatable({ name = "native", title = "the native link over a WebSocket within TLS", links = {},
  attempt = {}, loss = "connection_reset" }, { __index = native })

function secure:begin()
  self.folder = self.folder or certificates.make()
  self.broker = mosquitto.start { persistent = true, websocket = true, lines = { "max_inflight_messages 0",
    "certfile " .. self.folder .. "/server.pem", "keyfile " .. self.folder .. "/server.key" } }
  self.attempt = { road = "websocket", path = "/mqtt", port = self.broker.port,
    tls = { ca = self.folder .. "/ca.pem", verify = true } }
end

function secure:over()
  if self.folder then process.remove_folder(self.folder) end
  self.folder = nil
end

-- The server in front of the broker stands for it: where the broker is silent, it is one that takes what is sent.
local quic = setmetatable({ name = "native", title = "the native link over QUIC", links = {}, attempt = {},
  loss = false, missing = quic_server.missing }, { __index = native })

function quic:begin()
  if not self.folder then probe.join_quic(require("holdfast.quic").part) end
  self.folder = self.folder or certificates.make()
  native.begin(self)
  self.server = quic_server.start { upstream = self.broker.port, folder = self.folder }
  self.attempt = { road = "quic", port = self.server.port, tls = { ca = self.folder .. "/ca.pem", verify = true } }
end

function quic:finish()
  native.finish(self)
  quic_server.finish()
end

function quic:vanish() self.server:kill() end

function quic:stay_silent()
  local port
  self.silence, port = sockets.listen()
  self.server:restart { upstream = port }
end

function quic:recover()
  native.recover(self)
  self.attempt.port = self.server.port
  self.server:restart { upstream = self.broker.port }
end

function quic:over()
  if self.folder then process.remove_folder(self.folder) end
  self.folder = nil
end

-- ---- and through proxies, one of each kind for all of its specs ----

local function through(scheme, loss)
  local world = setmetatable({ name = "native", title = "the native link through a proxy of " .. scheme, links = {},
    attempt = {}, loss = loss }, { __index = native })

  local function launch(self)
    self.proxy = scheme == "socks5" and proxies.socks() or proxies.http()
    if scheme ~= "https" then return end
    self.folder = certificates.make()
    self.proxy, self.attempt.proxy_ca = proxies.secure(self.proxy, self.folder), self.folder .. "/ca.pem"
  end

  function world:begin()
    if not self.proxy then launch(self) end
    native.begin(self)
    self.attempt.proxy = ("%s://localhost:%d"):format(scheme, self.proxy.port)
  end

  function world:over()
    proxies.finish()
    self.proxy = nil
    if self.folder then process.remove_folder(self.folder) end
    self.folder = nil
  end

  return world
end

local http_proxy, https_proxy, socks5 = through("http", false), through("https", false), through("socks5", false)

-- ---- Paho with whatever broker the spec brings ----

local alone = { name = "paho", links = {}, attempt = {} }

function alone:finish()
  end_links(self)
  self.attempt = {}
end

alone.link = new_link

return { fake = fake, paho = paho, native = native, unix = unix, websocket = websocket, secure = secure,
  quic = quic, http_proxy = http_proxy, https_proxy = https_proxy, socks5 = socks5, alone = alone }
