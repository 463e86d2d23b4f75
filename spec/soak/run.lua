--- Runs what takes minutes: `lua5.4 spec/soak/run.lua [file ...]`, by default every other .lua file of this folder,
-- each in a process of its own. MINUTES in the environment (10) is the time for all of them; each is told its share in
-- MINUTES, prints what it counts and exits with 0 when that is as it must be, with 77 when it had no time to begin.
-- TRANSPORT is what clients take that do not say which transport they want. The last line is `N passed, N failed, N
-- skipped`; status 0 only if nothing failed.
local GRACE = 60 -- seconds beyond its share after which one is ended

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function lines_of(command)
  local pipe, lines = assert(io.popen(command)), {}
  for line in pipe:lines() do
    lines[#lines + 1] = line
  end
  pipe:close()
  return lines
end

local folder = arg[0]:match "^(.*)/[^/]*$" or "."
local root = lines_of("cd " .. quote(folder .. "/../..") .. " && pwd -P")[1]

local function files()
  local list = {}
  for index = 1, #arg do
    list[index] = arg[index]
  end
  if list[1] then
    return list
  end
  for _, name in ipairs(lines_of("ls " .. quote(folder))) do
    if name:match "%.lua$" and name ~= "run.lua" then
      list[#list + 1] = folder .. "/" .. name
    end
  end
  return list
end

local minutes = tonumber(os.getenv "MINUTES" or 10)
if not minutes or minutes <= 0 then
  io.stderr:write "MINUTES must be a number above 0\n"
  os.exit(2)
end

local transport, words = os.getenv "TRANSPORT", "LUA=" .. quote(arg[-1]) .. " "
if transport then
  words = ("%sHOLDFAST_SPEC_TRANSPORT=%s HOLDFAST_SPEC_SCHEMA=lua/holdfast/schema.lua "
    .. "LUA_INIT=@spec/support/default_transport.lua "):format(words, quote(transport))
end

local finish = os.time() + minutes * 60
local list, passed, failed, skipped = files(), 0, 0, 0
for index, file in ipairs(list) do
  local share = math.max(finish - os.time(), 60) / (#list - index + 1)
  print(("== %s, %.1f minutes"):format(file, share / 60))
  io.stdout:flush()
  local status, _, code = os.execute(("cd %s && %sMINUTES=%.2f timeout -k 5 %d %s %s"):format(quote(root), words,
    share / 60, math.ceil(share) + GRACE, arg[-1], quote(file)))
  if status == true or status == 0 then
    passed = passed + 1
  elseif code == 77 or status == 77 * 256 then
    skipped = skipped + 1
  else
    failed = failed + 1
    print("FAILED: " .. file)
  end
end
print(("%d passed, %d failed, %d skipped"):format(passed, failed, skipped))
os.exit(failed == 0 and 0 or 1)
