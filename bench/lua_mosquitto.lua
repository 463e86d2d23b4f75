-- lua-mosquitto, in the loop that a script writes: `pace` of bench/raw_mosquitto.c, with LuaSocket's clock and select.
-- lua_mosquitto.lua pace port=.. qos=.. count=.. rate=..
local mosquitto = require "mosquitto"
local socket = require "socket"
local now, cpu = socket.gettime, os.clock

local TOPIC, TURN = "bench/topic", 0.1
local WITHOUT_DELAY = 11 -- MOSQ_OPT_TCP_NODELAY, for which lua-mosquitto has no name

if arg[1] ~= "pace" then
  io.stderr:write "usage: see the head of bench/lua_mosquitto.lua\n"
  os.exit(2)
end
local given = {}
for i = 2, #arg do
  local key, value = arg[i]:match "^(%w+)=(%d+)$"
  given[key] = tonumber(value)
end

mosquitto.init()
local client = mosquitto.new()
client:option(mosquitto.OPT_PROTOCOL_VERSION, mosquitto.MQTT_PROTOCOL_V5)
client:option(WITHOUT_DELAY, 1)
local received, is_subscribed = 0, false
client.ON_CONNECT = function()
  assert(client:subscribe(TOPIC, given.qos))
end
client.ON_SUBSCRIBE = function()
  is_subscribed = true
end
client.ON_MESSAGE = function()
  received = received + 1
end
assert(client:connect("127.0.0.1", given.port, 60))
while not is_subscribed do
  assert(client:loop(TURN * 1000, 1))
end

local descriptor = {
  getfd = function() return client:socket() end,
}
local watched, none = { descriptor }, {}

local function wait_until(time)
  local writable = client:want_write() and watched or none
  local to_read, to_write = socket.select(watched, writable, math.max(0, time - now()))
  if to_read[1] then
    assert(client:loop_read(1))
  end
  if to_write[1] then
    assert(client:loop_write(1))
  end
  assert(client:loop_misc())
end

local payload, sent, start, start_cpu = ("\0"):rep(64), 0, now(), cpu()
while sent < given.count or received < given.count do
  local due = start + sent / given.rate
  if sent < given.count and due <= now() then
    assert(client:publish(TOPIC, payload, given.qos))
    sent = sent + 1
  else
    wait_until(sent < given.count and due or now() + TURN)
  end
end
print(("messages=%d seconds=%.6f cpu=%.6f"):format(given.count, now() - start, cpu() - start_cpu))
