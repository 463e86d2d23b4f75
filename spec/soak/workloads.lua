--- The programs of spec/workloads at the sizes that people have: of each program a case (transport, protocol, event
-- loop ...), then of each another one, by lot, for as long as one fits into MINUTES; how many had no time is said.
-- ONLY=text takes the programs whose path has it, whatever time they take; HOST=luv (cqueues, copas) has all of them
-- run in that event loop. What nginx runs is there on LuaJIT alone, as copas is.
local tree = require "spec.support.tree"

local MINUTES_OF = { -- that a case takes at most; others 1
  bridge = 6, container = 3, dashboard = 2, deploy = 2, device = 2, gateway = 17, library = 4, slow_worker = 20,
  tenants = 5, traveller = 8, update = 9, web_api = 2, web_feed = 2, year = 40,
}
local MOST = 60 -- minutes for one, with ONLY

local only, host = os.getenv "ONLY", os.getenv "HOST"
local finish = os.time() + 60 * tonumber(os.getenv "MINUTES" or 30)

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- Of each program its cases, in any order.
local function programs()
  local list, of = {}, {}
  local command = ("SOAK=1 %s spec/run.lua --one-file --list spec/workloads"):format(arg[-1])
  for _, line in ipairs(tree.command(command)) do
    local path, name = line:match "^(%S+):%d+: (.+)$"
    if path and (not only or path:find(only, 1, true)) then
      if not of[path] then
        of[path] = { path = path, minutes = MINUTES_OF[path:match "([%w_]+)_spec%.lua$"] or 1 }
        list[#list + 1] = of[path]
      end
      table.insert(of[path], math.random(#of[path] + 1), name)
    end
  end
  table.sort(list, function(one, other)
    return one.minutes < other.minutes
  end)
  return list
end

local function run(program, name, minutes)
  print("-- " .. name)
  io.stdout:flush()
  local words = { "SOAK=1", host and "HOLDFAST_SPEC_HOST=" .. quote(host) or "", arg[-1], "spec/run.lua",
    ("--limit=%d"):format(minutes * 60), quote("--filter=^" .. name:gsub("%p", "%%%0") .. "$"), program.path }
  local status = os.execute(table.concat(words, " "))
  return status == true or status == 0
end

math.randomseed(os.time())
local list, rounds, begun, failed, left = programs(), 0, 0, 0, 0
for _, program in ipairs(list) do
  rounds = math.max(rounds, #program)
end
for round = 1, rounds do
  for _, program in ipairs(list) do
    local name, has_time = program[round], only or os.time() + program.minutes * 60 <= finish
    if name and has_time then
      begun = begun + 1
      failed = failed + (run(program, name, only and MOST or program.minutes) and 0 or 1)
    elseif name then
      left = left + 1
    end
  end
end
print(("%d cases, %d failed; %d had no time: a longer MINUTES, or ONLY=text"):format(begun, failed, left))
os.exit(failed > 0 and 1 or begun == 0 and 77 or 0) -- 77: neither passed nor failed
