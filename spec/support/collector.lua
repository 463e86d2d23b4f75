--- Has the collector run as often as the specs can bear, in whichever way this Lua offers: for `make test-gc`.
--
-- HOLDFAST_COLLECTOR says how: "restless" begins a cycle as soon as one is over, "generational" collects the young all
-- the time (5.4), "emergency" refuses one request for memory in some thousands once, upon which Lua (5.2 and later)
-- collects everything right there, wherever that is.
local how = os.getenv "HOLDFAST_COLLECTOR"

if how == "restless" then
  collectgarbage("setpause", 0)
  collectgarbage("setstepmul", 10000)
elseif how == "generational" then
  assert(_VERSION == "Lua 5.4", "only Lua 5.4 has a generational collector")
  collectgarbage("generational", 1, 1)
elseif how == "emergency" then
  assert(not jit and _VERSION ~= "Lua 5.1", "this Lua has no emergency collections")
  require "starve_probe".pinch_always(5003)
else
  error("HOLDFAST_COLLECTOR must be restless, generational or emergency, not " .. how)
end
