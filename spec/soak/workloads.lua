--- The programs of spec/workloads at the sizes that people have, one after the other. They take what they take: give
-- them half an hour, or say ONLY=text for those whose path has it.
local minutes = tonumber(os.getenv "MINUTES" or 30)
local only = os.getenv "ONLY"
local words = { "SOAK=1", arg[-1], "spec/run.lua", ("--limit=%d"):format(minutes * 60),
  only and ("--only='%s'"):format(only) or "", "spec/workloads" }
local status = os.execute(table.concat(words, " "))
os.exit((status == true or status == 0) and 0 or 1)
