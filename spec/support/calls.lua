--- Who needs whom among the objects of csrc that were built, as nm tells it: by a call, or by the address of a function
-- or of data. Rooms are named by floor and file: "keeper/driver".
local tree = require "spec.support.tree"

local calls = {}

-- Every name that an object has or wants. Objects that know nothing of Lua lie beside the folder of this Lua.
local function each_name(fn)
  local build = assert(package.cpath:match "([^;]+)/spec/%?%.so", "spec/run.lua puts the build in front")
  local of_a_source = {}
  for _, path in ipairs(tree.files("csrc", "*.c")) do -- else it is what is left of one that was removed
    of_a_source[path:match "^csrc/(.+)%.c$"] = true
  end
  local list = "find " .. build .. "/../obj " .. build .. "/obj/lua -name '*.o'"
  for _, line in ipairs(tree.command(list .. " | LC_ALL=C xargs nm -A -P")) do
    local room, name, kind = line:match "([^/]+/[^/]+)%.o: (%S+) (%a)"
    if of_a_source[room] then
      fn(room, name, kind)
    end
  end
end

--- needs[room][other room] is the name of something of the other's that the room uses.
function calls.graph()
  local home, wants, needs = {}, {}, {}
  each_name(function(room, name, kind)
    wants[room] = wants[room] or {}
    if kind == "U" then
      wants[room][name] = true
    elseif kind:match "%u" then
      home[name] = room
    end
  end)
  for room, names in pairs(wants) do
    needs[room] = {}
    for name in pairs(names) do
      if home[name] and home[name] ~= room then
        needs[room][home[name]] = name
      end
    end
  end
  return needs
end

--- A circle of rooms that need each other, as "a -> b -> a", or nil. Only rooms for which `counts` is true are looked
-- at.
function calls.circle(needs, counts)
  local done, path = {}, {}

  local function visit(room)
    for i, on_the_way in ipairs(path) do
      if on_the_way == room then
        return table.concat(path, " -> ", i) .. " -> " .. room
      end
    end
    if done[room] or not counts(room) then
      return nil
    end
    path[#path + 1] = room
    for other in pairs(needs[room]) do
      local circle = visit(other)
      if circle then
        return circle
      end
    end
    path[#path] = nil
    done[room] = true
    return nil
  end

  for room in pairs(needs) do
    local circle = visit(room)
    if circle then
      return circle
    end
  end
  return nil
end

return calls
