--- Two million mutated packets of hostile brokers, or as many as there is time for; SEED repeats a run, PACKETS changes
-- the number, TRANSPORT is what the clients have. See spec/support/hostility.lua for what must hold.
local hostility = require "spec.support.hostility"

local seed = tonumber(os.getenv "SEED" or os.time())
local packets = tonumber(os.getenv "PACKETS" or 2000000)
local minutes = tonumber(os.getenv "MINUTES" or 10)

-- Pages that are resident, as KB.
local function resident()
  local file = assert(io.open "/proc/self/statm")
  local pages = tonumber(file:read "*a":match "^%d+ (%d+)")
  file:close()
  return pages * 4
end

io.stdout:setvbuf "line"
print(("seed %d, %d mutated packets"):format(seed, packets))
local told, first, first_at = 0, nil, 0
local total = hostility.attack {
  seed = seed, packets = packets, clients = 4, seconds = minutes * 60, transport = os.getenv "TRANSPORT",
  each = function(now)
    if now.mutated >= told + packets / 10 then
      told = now.mutated
      print(("  %d mutated, %d connections, %d KB resident"):format(now.mutated, now.connections, resident()))
      if not first then
        first, first_at = resident(), now.mutated
      end
    end
  end,
}
local reasons = {}
for name, count in pairs(total.reasons) do
  reasons[#reasons + 1] = ("%s %d"):format(name, count)
end
table.sort(reasons)
print(("%d packets, %d mutated, %d of them deadly to Paho, %d connections, %d messages arrived; %s"):format(
  total.packets, total.mutated, total.overruns, total.connections, total.messages, table.concat(reasons, ", ")))
if first and total.mutated > first_at then
  print(("%.1f bytes of memory a mutated packet"):format((resident() - first) * 1024 / (total.mutated - first_at)))
end
