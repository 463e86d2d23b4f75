--- What specs show of our own transport in small, at the sizes that it must bear: 8 MB over 200 KB/s, and 100,000
-- messages that wait in a session for a reader or handler which publishes them on, in nginx as well where this runs on
-- LuaJIT. It takes what it takes: with less than half an hour it is not begun, and that is said.
local LEAST = 30

local minutes = tonumber(os.getenv "MINUTES" or LEAST)
if minutes < LEAST then
  print(("not begun: at their whole size the links want %d minutes, and were given %.1f"):format(LEAST, minutes))
  os.exit(77) -- neither passed nor failed
end
local words = { "SOAK=1", arg[-1], "spec/run.lua", ("--limit=%d"):format(math.ceil(minutes * 60)), "--jobs=2",
  "spec/broker/native_links_spec.lua", "spec/openresty/bridge_spec.lua" }
local status = os.execute(table.concat(words, " "))
os.exit((status == true or status == 0) and 0 or 1)
