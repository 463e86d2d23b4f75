--- The programs of spec/workloads at the sizes that people have, one after the other. They take what they take: with
-- less than half an hour they are not begun, and that is said. ONLY=text takes those whose path has it, in any time.
local LEAST = 30

local minutes = tonumber(os.getenv "MINUTES" or LEAST)
local only = os.getenv "ONLY"
if not only and minutes < LEAST then
  print(("not begun: at their whole size the workloads want %d minutes, and were given %.1f (make soak MINUTES=%d)")
    :format(LEAST, minutes, 9 * LEAST))
  os.exit(77) -- neither passed nor failed
end
local words = { "SOAK=1", arg[-1], "spec/run.lua", ("--limit=%d"):format(math.ceil(minutes * 60)),
  only and ("--only='%s'"):format(only) or "", "spec/workloads" }
local status = os.execute(table.concat(words, " "))
os.exit((status == true or status == 0) and 0 or 1)
