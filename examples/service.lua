-- A service: a reading every few seconds, kept on disk while the broker is away, and an orderly end when it is told to
-- stop (SIGTERM): lua5.4 examples/service.lua mqtt://localhost kitchen.queue [seconds]
-- Lua by itself knows no signals; luv does (Debian: lua-luv).
local holdfast = require "holdfast"
local luv = require "luv"

local address, store, interval = arg[1] or "mqtt://localhost", arg[2] or "kitchen.queue", tonumber(arg[3] or 10)

holdfast.log(function(level, message)
  if level ~= "debug" then
    io.stderr:write(level, ": ", message, "\n") -- which systemd's journal keeps
  end
end)

local client = assert(holdfast.new { -- nil where another process still has the file
  server = address,
  client_id = "kitchen",
  loop = "luv",
  queue = { store = store, ttl = 24 * 3600 },
  will = { topic = "kitchen/presence", payload = "gone", qos = 1, retain = true },
})

client:on("connected", function()
  client:post("kitchen/presence", "there", { qos = 1, retain = true })
end)
client:start()

local clock, stop = luv.new_timer(), luv.new_signal()

clock:start(0, interval * 1000, function()
  local id, problem = client:post("kitchen/temperature", ("%.1f"):format(20 + math.random()), { qos = 1 })
  if not id then
    io.stderr:write("not kept: ", problem, "\n") -- the queue is full, or the disk
  end
end)

stop:start("sigterm", function()
  clock:close()
  stop:close()
  holdfast.spawn(function()
    client:post("kitchen/presence", "gone", { qos = 1, retain = true }) -- since a goodbye brings no will
    client:close(5) -- what is not delivered by then waits in the file for the next start
  end)
end)

luv.run() -- which ends, since nothing is left
