--- A million bytes that are mutated, a third each in handshakes of TLS, in those of WebSockets and in their frames, or
-- as many as there is time for; SEED repeats a run, BYTES changes the number. See spec/support/handshakes.lua for what
-- must hold.
local certificates = require "spec.support.certificates"
local handshakes = require "spec.support.handshakes"
local process = require "process_probe"
local revocation = require "spec.support.revocation"

local seed = tonumber(os.getenv "SEED" or os.time())
local bytes = tonumber(os.getenv "BYTES" or 1000000) / 3
local minutes = tonumber(os.getenv "MINUTES" or 10)

io.stdout:setvbuf "line"
print(("seed %d"):format(seed))
local folder = certificates.make()
revocation.make(folder)
local told = handshakes.attack { seed = seed, bytes = bytes, folder = folder, seconds = minutes * 60 }
process.remove_folder(folder)
for road, all in pairs(told) do
  local reasons = {}
  for name, count in pairs(all.reasons) do
    reasons[#reasons + 1] = ("%s %d"):format(name, count)
  end
  table.sort(reasons)
  print(("%s: %d bytes mutated in %d connections; %s"):format(road, all.mutated, all.handshakes,
    table.concat(reasons, ", ")))
end
