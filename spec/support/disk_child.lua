-- Run by damage_spec in a mount namespace of its own, with a folder to mount small disks in.
local store_probe = require "store_probe"

local disk = arg[1] .. "/disk"

local function run(command)
  command = "unset LD_PRELOAD; " .. command
  local first, _, code = os.execute(command)
  assert(first == true or first == 0 or code == 0, command)
end

run("mkdir " .. disk .. " && mount -t tmpfs -o size=4k holdfast " .. disk)
print("none made: " .. tostring((select(3, store_probe.open(disk .. "/queue")))))
run("mount -o remount,size=400k " .. disk)

local store = assert(store_probe.open(disk .. "/queue"))
local accepted = 0
local fine, word, _
repeat
  fine, _, word = store:append { id = accepted + 1, payload = ("x"):rep(1000) }
  accepted = accepted + (fine and 1 or 0)
until not fine or accepted > 1000
print("full: " .. tostring(word))
store:free()

-- A later process opens it, is rid of what has been sent, and has room again, all on the full disk.
local text
store, text, word = store_probe.open(disk .. "/queue")
print("opened: " .. tostring(store and #store:read() == accepted or ("%s, %s"):format(word, text)))
if store then
  for id = 1, accepted - 60 do
    store:sent(id % 60000 + 1, id)
    store:done(id)
  end
  for _ = 1, 3 do
    store:commit()
    store:tend()
  end
  print("taken: " .. tostring((store:append { id = accepted + 1, payload = ("x"):rep(1000) })))
  store:free()
  accepted = 61
end

run("mount -o remount,size=4m " .. disk)
store = assert(store_probe.open(disk .. "/queue"))
print("kept: " .. tostring(#store:read() == accepted and accepted > 50))
store:free()

run("mount -o remount,ro " .. disk)
print("read-only: " .. tostring((select(3, store_probe.open(disk .. "/queue")))))
