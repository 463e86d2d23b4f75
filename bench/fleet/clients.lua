--- Some of the real clients of calibrate: connects them, and prints when each attempt began and each connection came
-- and went, once all have been lost and are back.
-- usage: lua bench/fleet/clients.lua PORT CLIENTS SECONDS; says "up" when all are connected; gives up after SECONDS
local holdfast = require "holdfast"
local now = require("holdfast.core").now

local PORT, CLIENTS, LIMIT = arg[1], tonumber(arg[2]), tonumber(arg[3])

local lines, up, losses = {}, 0, 0

local function note(what)
  lines[#lines + 1] = ("%s %.3f"):format(what, now())
end

local clients = {}
for place = 1, CLIENTS do
  local client = holdfast.new { server = "mqtt://127.0.0.1:" .. PORT, keep_alive = 300 }
  client:on("connecting", function() note "attempt" end)
  client:on("connected", function()
    up = up + 1
    note "connected"
  end)
  client:on("lost", function()
    up = up - 1
    losses = losses + 1
    note "lost"
  end)
  clients[place] = client
end

local function await(condition)
  local deadline = now() + LIMIT
  while not condition() do
    if now() > deadline then
      error "not all clients came back in time"
    end
    holdfast.sleep(0.05)
  end
end

holdfast.run(function()
  for place, client in ipairs(clients) do
    client:start()
    if place % 20 == 0 then
      holdfast.sleep(0.02)
    end
  end
  await(function() return up == CLIENTS end)
  io.stderr:write "up\n"
  await(function() return losses >= CLIENTS and up == CLIENTS end)
  for _, client in ipairs(clients) do
    client:close()
  end
end)
print(table.concat(lines, "\n"))
