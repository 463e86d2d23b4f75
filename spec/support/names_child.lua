-- Run by names_spec in a process whose names are looked up by names_probe: `names_child.lua port`.
local core = require "holdfast.core"
local holdfast = require "holdfast"

local port = arg[1]
local report = {}

local function new(host, more)
  local options = { server = "mqtt://" .. host .. ":" .. port, connect_timeout = 1,
    backoff = { strategy = "constant", min = 0.2, jitter = "none" } }
  for key, value in pairs(more or {}) do
    options[key] = value
  end
  return holdfast.new(options)
end

local function failure(host)
  local client = new(host)
  client:start()
  local event = assert(client:wait("failed", 5))
  local last = client:history()[1]
  client:close()
  return table.concat({ event.reason.name, event.reason.class, last.phase }, " ")
end

-- How many of so many clients, each with a name of its own that is found and a port where nobody listens, hear what.
local function many(count)
  local heard = {}
  for i = 1, count do
    local client = new("brief." .. i, { connect_timeout = 10 })
    client:once("failed", function(event)
      heard[#heard + 1] = event.reason.name
      client:close()
    end)
    client:start()
  end
  while #heard < count do
    holdfast.sleep(0.05)
  end
  table.sort(heard)
  return heard[1] .. " to " .. heard[count]
end

local function threads(name)
  local pipe = io.popen("cat /proc/" .. io.open("/proc/self/stat"):read "*n" .. "/task/*/comm")
  local count = 0
  for line in pipe:lines() do
    count = count + (line == name and 1 or 0)
  end
  pipe:close()
  return count
end

holdfast.run(function()
  -- Twenty clients wait for a name that has no answer; neither Lua nor another client notices.
  local stuck = {}
  for i = 1, 20 do
    stuck[i] = new "never.example"
    stuck[i]:start()
  end
  holdfast.sleep(0.1)
  report[#report + 1] = "lookups " .. threads "holdfast-dns"
  local latest = 0
  holdfast.spawn(function()
    while true do
      local before = core.now()
      holdfast.sleep(0.01)
      latest = math.max(latest, core.now() - before - 0.01)
    end
  end)
  local steady = new "broker.example"
  local before = core.now()
  assert(steady:connect(5))
  report[#report + 1] = "connected " .. (core.now() - before < 0.9 and "at once" or "late")
  before = core.now()
  for i = 1, 50 do
    assert(steady:publish("names", tostring(i), { qos = 1 }))
  end
  report[#report + 1] = "published " .. (core.now() - before < 2 and "at once" or "late")
  local event = stuck[1]:wait("failed", 5)
  report[#report + 1] = "never " .. event.reason.name .. " " .. stuck[1]:history()[1].phase
  report[#report + 1] = "missing " .. failure "missing.example"
  report[#report + 1] = "failing " .. failure "failing.example"
  local patient = new("slow.example", { connect_timeout = 8 })
  before = core.now()
  assert(patient:connect(8))
  report[#report + 1] = "slow " .. (core.now() - before >= 2.9 and "connected" or "too early")
  report[#report + 1] = "Lua " .. (latest < 0.3 and "never waited" or "waited " .. latest)
  port = 1
  report[#report + 1] = "many " .. many(300)
  for _, client in ipairs(stuck) do
    client:close()
  end
  steady:close(1)
  patient:close(1)
end)
print(table.concat(report, "\n"))
