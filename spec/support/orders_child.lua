-- Run by orders_spec in a network namespace of its own whose names are looked up at 127.0.0.1: `orders_child.lua
-- folder`. Brokers by each road and behind each kind of proxy, the proxies and their name server are killed and come
-- back in each order; says for each what it was not, or "all is well".
local certificates = require "spec.support.certificates"
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local name_server = require("spec.support.named").new(arg[1])
local process = require "process_probe"
local proxies = require "spec.support.proxies"

local ROADS = {
  { "ws://other.example:%d/mqtt" }, { "wss://other.example:%d/mqtt" }, { "mqtt://other.example:%d", "http" },
  { "ws://other.example:%d/mqtt", "https" }, { "wss://other.example:%d/mqtt", "socks5" },
  { "mqtts://other.example:%d", "socks5h" },
}
local ORDERS = { { "broker", "proxy", "names" }, { "broker", "names", "proxy" }, { "proxy", "broker", "names" },
  { "proxy", "names", "broker" }, { "names", "broker", "proxy" }, { "names", "proxy", "broker" } }
local UNREACHABLE = { http = "proxy_5xx", https = "proxy_5xx", socks5 = "socks_connection_refused",
  socks5h = "socks_connection_refused" }

assert(os.execute "ip link set lo up")
local folder = certificates.make()
for _, kind in ipairs { ".pem", ".key" } do
  assert(os.rename(folder .. "/other" .. kind, folder .. "/server" .. kind))
end
name_server:write { "A other.example 127.0.0.1" }
name_server:start()

local function begin(road)
  local scheme, kind = road[1]:match "^%a+", road[2]
  local secure = scheme:find "s$" and scheme ~= "ws"
  local broker = mosquitto.start { persistent = true, websocket = scheme:find "^ws" ~= nil, lines = secure and {
    "certfile " .. folder .. "/server.pem", "keyfile " .. folder .. "/server.key" } or {} }
  local proxy = kind and (kind:find "^socks" and proxies.socks() or proxies.http())
  if kind == "https" then proxy = proxies.secure(proxy, folder) end
  local self = { name = road[1]:format(0) .. " " .. tostring(kind), kind = kind, broker = broker, proxy = proxy,
    sent = 0, heard = {} }
  self.client = holdfast.new { server = road[1]:format(broker.port), transport = "native", client_id = "kitchen",
    proxy = proxy and ("%s://other.example:%d"):format(kind, proxy.port), connect_timeout = 20,
    tls = (secure or kind == "https") and { ca = folder .. "/ca.pem" } or nil,
    backoff = { strategy = "constant", min = 0.1, max = 0.1, jitter = "none" },
    policy = { slow = { strategy = "constant", min = 0.1, max = 0.1, jitter = "none" } } }
  self.client:subscribe("t", { qos = 1 }, function(message) self.heard[message.payload] = true end)
  return self
end

local dead = {} -- "broker", "proxy", "names"

-- What an attempt fails by, and in which phase.
local function expected(one)
  if dead.names then return "name_server_failing", one.proxy and one.kind ~= "socks5" and "proxy" or "dns" end
  if dead.proxy and one.proxy then return "connection_refused", "proxy" end
  if dead.broker and one.proxy then return UNREACHABLE[one.kind], "proxy" end
  if dead.broker then return "connection_refused", "tcp" end
end

local function is_cut(one)
  return dead.broker or dead.proxy and one.proxy
end

local function await(condition)
  local deadline = core.now() + 15
  while not condition() and core.now() < deadline do holdfast.sleep(0.01) end
  return condition()
end

local function post(one)
  one.sent = one.sent + 1
  assert(one.client:post("t", tostring(one.sent), { qos = 1 }))
end

local function is_whole(one)
  for number = 1, one.sent do
    if not one.heard[tostring(number)] then return false end
  end
  return true
end

local LAST = 12 -- attempts that a failure shows

local function complain(one, ...)
  print(one.name, ...)
  local status, past = one.client:status(), one.client:history()
  print("  is " .. status.state, "queued " .. status.queued.messages, "posted " .. one.sent)
  for number = 1, one.sent do
    if not one.heard[tostring(number)] then print("  has not heard " .. number) end
  end
  for index = math.max(1, #past - LAST + 1), #past do
    local entry = past[index]
    print(("  %.1f s ago"):format(entry.started), entry.phase, entry.name, entry.source, entry.code)
  end
end

local function check(all, step)
  for _, one in ipairs(all) do
    post(one)
    local name, phase = expected(one)
    local fine = await(function()
      local past = one.client:history()
      local last = past[#past]
      if is_cut(one) or one.was_cut then
        return name and last.name == name and last.phase == phase or not name and one.client:status().ready
      end
      return one.client:status().ready
    end)
    one.was_cut = (is_cut(one) or one.was_cut) and name ~= nil
    if not fine then complain(one, step, "wanted", name, phase) end
  end
end

holdfast.run(function()
  local all = {}
  for index, road in ipairs(ROADS) do
    all[index] = begin(road)
    assert(all[index].client:connect(20))
  end
  local function each(part, call)
    for _, one in ipairs(all) do
      if one[part] then one[part][call](one[part]) end
    end
  end
  for _, order in ipairs(ORDERS) do
    local step = table.concat(order, " ")
    each("broker", "save")
    for _, part in ipairs(order) do
      dead[part] = true
      if part == "names" then name_server:kill() else each(part, "kill") end
      check(all, step .. ", " .. part .. " killed")
    end
    for _, part in ipairs(order) do
      dead[part] = nil
      if part == "names" then name_server:start() else each(part, part == "broker" and "restart" or "launch") end
      check(all, step .. ", " .. part .. " back")
    end
    for _, one in ipairs(all) do
      if not await(function() return is_whole(one) end) then complain(one, step, "messages are lost") end
    end
  end
  for _, one in ipairs(all) do one.client:close(1) end
end)
name_server:kill()
proxies.finish()
mosquitto.finish()
process.remove_folder(folder)
print "all is well"
