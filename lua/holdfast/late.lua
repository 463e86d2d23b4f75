--- Modules that are read when something of them is first used: a script that publishes once and ends has no use for
-- what receives, prints, or words a complaint, and most of its time would go into reading that.
--
--     local buffer = require("holdfast.late").module "holdfast.buffer"
--
-- They come from where this module came from, whatever becomes of `package.path`, of the current folder and of
-- `package.loaded` meanwhile. Where files cannot be read any more (chroot, a sandbox), or may be replaced by those of
-- another version, @{holdfast.whole} reads all of them at once.
-- @module holdfast.late
local core = require "holdfast.core"

local late = {}

local package, require = package, require -- whatever a program puts in their place
local loaded, early_path = package.loaded, package.path
local family = {} -- name of a module -> the one that belongs to this one; false: not read yet

-- The folder that holdfast/late.lua lies in; nil, where it is no file.
local function home()
  local source = debug and debug.getinfo(1, "S").source or ""
  local found = source:match "^@(.*)holdfast[/\\]late%.lua$"
  if found and not found:find "^/" then
    found = core.absolute(found == "" and "." or found)
    found = found and found .. "/"
  end
  return found
end

local folder = home()
local templates = folder and ("%s?.lua;%s?/init.lua;"):format(folder, folder) or ""

local function is_ours(name)
  return type(name) == "string" and (name == "holdfast" or name:find "^holdfast%." ~= nil)
end

--- What has been read until now belongs together.
function late.remember()
  for name, module in pairs(loaded) do
    if is_ours(name) and type(module) == "table" then -- what is being read is something else, on Lua 5.1 and LuaJIT
      family[name] = module
    end
  end
end

-- On Lua 5.1 and LuaJIT what could not be read, were it for want of memory, cannot be read again otherwise.
local function forget_failed()
  for name, module in pairs(loaded) do
    if is_ours(name) and type(module) ~= "table" then
      loaded[name] = nil
    end
  end
end

-- `require` knows that there is no such file, but not why: too many may be open.
local function why_not(name)
  local file, why
  if folder and io then
    file, why = io.open(folder .. name:gsub("%.", "/") .. ".lua")
  end
  if file then
    file:close()
  end
  return why and ("\n\t" .. why) or ""
end

local function read(name)
  local path = package.path
  package.path = templates .. (path and path .. ";" or "") .. early_path
  local fine, module = pcall(require, name)
  package.path = path
  if not fine then
    forget_failed()
    error(tostring(module) .. why_not(name), 0)
  end
  late.remember()
end

-- Another holdfast has been read since, by somebody who had emptied `package.loaded`.
local function read_apart(name)
  local others = {}
  for other, module in pairs(loaded) do
    if is_ours(other) then
      others[other], loaded[other] = module, nil
    end
  end
  for own, module in pairs(family) do
    loaded[own] = module or nil
  end
  local fine, problem = pcall(read, name)
  for own in pairs(family) do
    loaded[own] = nil
  end
  for other, module in pairs(others) do
    loaded[other] = module
  end
  if not fine then
    error(problem, 0)
  end
end

--- Reads a module, unless it has been read.
-- @tparam string name
-- @return the module, or nil
-- @return why it cannot be read
function late.fetch(name)
  local fine, problem = true, nil
  if not family[name] then
    fine, problem = pcall(loaded["holdfast.late"] == late and read or read_apart, name)
  end
  if fine then
    return family[name]
  end
  return nil, problem
end

--- Likewise, for those who cannot do without.
-- @tparam string name
-- @return the module
-- @raise when it cannot be read: why
function late.load(name)
  local module, problem = late.fetch(name)
  if not module then
    error(("holdfast: %s, which this needs, cannot be read: %s"):format(name, tostring(problem)), 0)
  end
  return module
end

local function stand_aside(self, name)
  local module = late.load(name)
  return setmetatable(self, { __index = module, __newindex = module })
end

--- There is such a module, for @{load_all}.
-- @tparam string name
function late.expect(name)
  family[name] = family[name] or false
end

--- What stands for a module until something of it is asked for.
-- @tparam string name
-- @treturn table
function late.module(name)
  late.expect(name)
  return setmetatable({}, {
    __index = function(self, key)
      return stand_aside(self, name)[key]
    end,
    __newindex = function(self, key, value)
      stand_aside(self, name)[key] = value
    end,
  })
end

-- Lua 5.1 knows no caller behind a tail call, and misuse is told at the caller's line.
local has_callers = _VERSION ~= "Lua 5.1" or rawget(_G, "jit") ~= nil

--- A method of a module that is read when the method is first called.
-- @tparam table class to which it is given
-- @tparam string name
-- @tparam table module as @{module} answers it
function late.method(class, name, module)
  class[name] = has_callers and function(...)
    class[name] = module[name]
    return class[name](...)
  end or module[name]
end

--- Reads all that there is.
function late.load_all()
  repeat
    local missing
    for name, module in pairs(family) do
      missing = not module and name or missing
    end
    if missing then
      late.load(missing)
    end
  until not missing
end

return late
