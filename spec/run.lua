--- Runs the spec files under the interpreter that runs this, each in a process of its own (a crash costs one
-- file and is told): `lua5.4 spec/run.lua [--only=text] [--jobs=N] [--transport=name] [--road=name] [--limit=seconds]
-- [--tags=..] [--exclude-tags=..] [busted options] [path ...]`. Paths are files or folders, below spec/ by default.
-- Most of what specs do is wait, so `--jobs` of them run at once (1 unless told). Clients that do not say which
-- transport they want take that of `--transport`; with `--road` they take our own, and go that road to every mosquitto:
-- unix, ws, wss, quic, or through a proxy (http_proxy, https_proxy, socks5, socks5h). What failed is named again below
-- all else, each with what it said in a few lines that begin with two blanks; the last line counts; status 0 only if
-- nothing failed.

local LIMIT = 300 -- seconds for one file unless told: a hang is a failure too
local MESSAGE = 20 -- lines of what a failure said that are repeated
local COUNTS = "^(%d+) passed, (%d+) failed, (%d+) skipped$"

if arg[1] == "--one-file" then
  table.remove(arg, 1)
  if os.getenv "HOLDFAST_COLLECTOR" then -- of `make test-gc`
    require "spec.support.collector"
  end
  return require "busted.runner" { standalone = false }
end

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function read_lines(pipe)
  local lines = {}
  for line in pipe:lines() do
    lines[#lines + 1] = line
  end
  pipe:close()
  return lines
end

local function lines_of(command)
  return read_lines(assert(io.popen(command)))
end

local root = lines_of("cd " .. quote((arg[0]:match "^(.*)/[^/]*$" or ".") .. "/..") .. " && pwd -P")[1]
local interpreter = arg[-1]
local version = jit and "luajit" or _VERSION:match "%d%.%d"

-- Clients that do not say which transport they want take that one, in every interpreter that a spec starts.
local function transport_words(name, road)
  local words = { "HOLDFAST_SPEC_TRANSPORT=" .. quote(name),
    "HOLDFAST_SPEC_SCHEMA=" .. quote(root .. "/lua/holdfast/schema.lua"),
    "LUA_INIT=" .. quote("@" .. root .. "/spec/support/default_transport.lua") }
  for key, value in pairs(road) do
    words[#words + 1] = key .. "=" .. quote(value)
  end
  return words
end

local build = os.getenv "HOLDFAST_BUILD" or (root .. "/build/" .. version)
package.path = root .. "/lua/?.lua;" .. root .. "/lua/?/init.lua;" .. root .. "/?.lua;" .. package.path
package.cpath = build .. "/?.so;" .. build .. "/spec/?.so;" .. package.cpath

local function environment(transport, road)
  local path, cpath = quote(package.path), quote(package.cpath)
  local suffix = version:match "^5%.[2-9]$" and "_" .. version:gsub("%.", "_") or nil
  local words = { "LUA=" .. quote(interpreter), "LUA_PATH=" .. path, "LUA_CPATH=" .. cpath }
  if suffix then -- it may be set, and would hide the plain ones
    words[#words + 1] = "LUA_PATH" .. suffix .. "=" .. path
    words[#words + 1] = "LUA_CPATH" .. suffix .. "=" .. cpath
  end
  for _, word in ipairs(transport and transport_words(transport, road) or {}) do
    words[#words + 1] = word
  end
  return table.concat(words, " ")
end

local function arguments()
  local only, jobs, limit, transport, road, paths, options = nil, 1, LIMIT, nil, nil, {}, {}
  for _, word in ipairs(arg) do
    local key, text = word:match "^%-%-(%a+)=(.*)$"
    if key == "only" then
      only = text
    elseif key == "jobs" then
      jobs = assert(tonumber(text), "--jobs wants a number")
    elseif key == "limit" then
      limit = assert(tonumber(text), "--limit wants a number")
    elseif key == "transport" then
      transport = text
    elseif key == "road" then
      transport, road = "native", text
    elseif word:sub(1, 1) == "-" then
      options[#options + 1] = quote(word)
    else
      paths[#paths + 1] = quote(word)
    end
  end
  if #paths == 0 then
    paths[1] = "spec"
  end
  return only, jobs, limit, transport, road, table.concat(paths, " "), table.concat(options, " ")
end

local only, jobs, limit, transport, road, paths, options = arguments()
local enter = "cd " .. quote(root) .. " && "

-- A file that nowhere has the tag that is asked for is not started.
local function has_tag(file)
  local tag = options:match "'%-%-tags=(%w+)'"
  if not tag then
    return true
  end
  local handle = assert(io.open(file:sub(1, 1) == "/" and file or root .. "/" .. file))
  local text = handle:read "*a"
  handle:close()
  return text:find("#" .. tag, 1, true) ~= nil
end

local files, programs, matching = {}, 0, 0
for _, file in ipairs(lines_of(enter .. "find " .. paths .. " -type f -name '*_spec.lua' | sort")) do
  matching = matching + ((not only or file:find(only, 1, true)) and 1 or 0)
  if (not only or file:find(only, 1, true)) and has_tag(file) then
    -- What takes longest begins first, so that nothing is waited for alone at the end.
    programs = programs + (file:find("spec/workloads/", 1, true) and 1 or 0)
    table.insert(files, file:find("spec/workloads/", 1, true) and programs or #files + 1, file)
  end
end

local roads = road and require "spec.support.roads"
local missing = roads and roads.missing(road)
if missing then
  print(("the road %s is %s"):format(road, missing))
  print(("0 passed, 0 failed, %d skipped"):format(#files))
  return
end

local folder = lines_of("mktemp -d")[1]
local words = environment(transport, roads and roads.begin(road, folder) or {})
local start = enter .. "export " .. words .. "; timeout --foreground -k 10 " .. limit .. " " ..
  quote(interpreter) .. " spec/run.lua --one-file -o spec/support/output.lua " .. options .. " "

local total = { passed = 0, failed = 0, skipped = 0 }
local failures = {}

local function say(...)
  io.write(...)
  io.flush()
end

-- What busted says about a failure, from that line on: what is wrong, without where it was called from.
local function message(lines, first)
  local said = {}
  for i = first, #lines do
    local line = lines[i]
    if line:find "^stack traceback:" or line:find "^%a+ %-> %S+ @ %d+$" or line:match(COUNTS) or #said == MESSAGE then
      break
    elseif line:find "%S" then
      said[#said + 1] = "\n  " .. line:sub(1, 300)
    end
  end
  return table.concat(said)
end

local function judge(file, lines)
  local status = tonumber(table.remove(lines):match "^status (%d+)$")
  if lines[#lines] == "" then
    lines[#lines] = nil
  end
  local passed, failed, skipped, seconds, last
  for i, line in ipairs(lines) do
    local p, f, s = line:match(COUNTS)
    if p then
      passed, failed, skipped, last = tonumber(p), tonumber(f), tonumber(s), i
    end
    seconds = line:match ": ([%d.]+) seconds$" or seconds
    local where, at = line:match "^%a+ %-> (%S+) @ (%d+)$"
    if where and not line:match "^Pending" then
      failures[#failures + 1] = ("%s:%s: %s%s"):format(where, at, lines[i + 1] or "", message(lines, i + 2))
    end
  end

  local trouble
  if status == 124 or status == 137 then
    trouble = "took more than " .. limit .. " s"
  elseif not passed then
    trouble = "ended without a count, status " .. status
  elseif failed == 0 and status ~= 0 then
    trouble = "failed after its last test, status " .. status
  end
  passed, failed, skipped = passed or 0, (failed or 0) + (trouble and 1 or 0), skipped or 0
  total.passed, total.failed, total.skipped = total.passed + passed, total.failed + failed, total.skipped + skipped

  if failed + skipped > 0 then
    -- After a plain failure busted leaves Lua 5.1 by an empty error; what it prints then says nothing.
    say(table.concat(lines, "\n", 1, trouble and #lines or last - 1), "\n")
  end
  if passed + failed + skipped > 0 then
    say(string.format("%-44s %4d passed%s%s%s\n", file, passed, failed > 0 and ", " .. failed .. " FAILED" or "",
      skipped > 0 and ", " .. skipped .. " skipped" or "", seconds and string.format("  %.1f s", seconds) or ""))
  end
  if trouble then
    say(file, ": ", trouble, "\n")
    failures[#failures + 1] = file .. ": " .. trouble .. message(lines, math.max(#lines - MESSAGE + 1, 1))
  end
end

-- What a child says is kept in a file, and it rings the bell when it has said all. The bell is a FIFO, open for writing
-- here too, so that it has no end.
os.execute("mkfifo " .. folder .. "/bell")
local bell = assert(io.open(folder .. "/bell", "r+"))
local running, next_file = 0, 1
local children = {}

local function launch(index)
  local work = start .. quote(files[index]) .. [[; printf '\nstatus %s\n' $?]]
  local ring = ("echo %d > %s/bell"):format(index, folder)
  children[index] = assert(io.popen(("(%s) > %s/%d 2>&1; %s"):format(work, folder, index, ring)))
end

while next_file <= #files or running > 0 do
  while next_file <= #files and running < jobs do
    launch(next_file)
    next_file, running = next_file + 1, running + 1
  end
  local index = bell:read "*n"
  children[index]:close()
  running = running - 1
  judge(files[index], read_lines(assert(io.open(folder .. "/" .. index))))
end
bell:close()
if roads then
  roads.finish()
end
os.execute("rm -rf " .. folder)
if matching == 0 then
  total.failed = 1
  failures[1] = "no spec file matches"
end
for _, failure in ipairs(failures) do
  say("FAILED: ", failure, "\n")
end
say(string.format("%d passed, %d failed, %d skipped\n", total.passed, total.failed, total.skipped))
os.exit(total.failed == 0 and 0 or 1)
