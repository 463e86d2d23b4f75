--- What became of numbered messages: the account at the end of a workload.
--
--     local account = accounts.new()
--     account:posted("in/1", 7)     -- handed over; or :refused, if that was said aloud
--     account:told("in/1", 7)       -- its publisher was told that it arrived
--     account:arrived("in/1", 7)    -- somebody else saw it
--     account:handled("in/1", 7)    -- the program under test was done with it
--     account:weigh(program)        -- its memory, descriptors and threads, now
--     account:close { gap = { 0, 5 }, doubled = { 0 } }   -- or :must, for a look in between
--
-- `await` is for `holdfast.run` only. Streams are what order is kept within (a topic); the numbers of one are posted in
-- rising order. A workload fails on what the account shows, with the whole of it as the message.
local core = require "holdfast.core"
local holdfast = require "holdfast"

local accounts = {}

local Account = {}
Account.__index = Account

--- An empty account; the clock runs from here.
function accounts.new()
  local kinds = { posted = {}, refused = {}, told = {}, arrived = {}, handled = {} }
  return setmetatable({ began = core.now(), kinds = kinds, weights = {}, words_of = {}, programs = {} }, Account)
end

-- One entry: how often, when first, when last, and of the kind as a whole the newest of each stream, what came out of
-- order and the longest time without any.
local function enter(self, kind, stream, number)
  local book, now, key = self.kinds[kind], core.now(), stream .. "#" .. number
  local entry = book[key]
  if not entry then
    entry = { stream = stream, number = number, times = 0, first = now }
    book[key] = entry
    local summary = self[kind .. "_summary"] or { newest = {}, disorder = 0, gap = 0, latest = now, count = 0 }
    self[kind .. "_summary"] = summary
    if number < (summary.newest[stream] or 0) then
      summary.disorder = summary.disorder + 1
    end
    summary.newest[stream] = math.max(number, summary.newest[stream] or 0)
    if now - summary.latest > summary.gap then
      summary.gap, summary.gap_before = now - summary.latest, key
    end
    summary.latest, summary.count = now, summary.count + 1
  end
  entry.times, entry.last = entry.times + 1, now
  return entry.times
end

for _, kind in ipairs { "posted", "refused", "told", "arrived", "handled" } do
  Account[kind] = function(self, stream, number)
    return enter(self, kind, stream, number)
  end
end

--- How many different ones there are of a kind.
function Account:count(kind)
  local summary = self[kind .. "_summary"]
  return summary and summary.count or 0
end

--- Whether one is of a kind.
function Account:has(kind, stream, number)
  return self.kinds[kind][stream .. "#" .. number] ~= nil
end

--- The highest number of a stream that has arrived, 0 if there is none.
function Account:highest(stream)
  return (self.arrived_summary or { newest = {} }).newest[stream] or 0
end

--- Seconds between the first `from` and the first `to` of each message that has both: a sorted array.
function Account:delays(from, to)
  local list = {}
  for key, entry in pairs(self.kinds[from]) do
    local other = self.kinds[to][key]
    if other then
      list[#list + 1] = other.first - entry.first
    end
  end
  table.sort(list)
  return list
end

--- Writes down something that the account is to show beside the numbers.
function Account:note(format, ...)
  table.insert(self.words_of, format:format(...))
end

--- Shows what a program (spec.support.program) has printed, too.
function Account:watch(program)
  table.insert(self.programs, program)
  return program
end

--- Weighs a process: resident KiB, open descriptors, threads.
function Account:weigh(process_id)
  local weight = { descriptors = 0 }
  for line in assert(io.open(("/proc/%d/status"):format(process_id))):lines() do
    weight.memory = tonumber(line:match "^VmRSS:%s+(%d+)") or weight.memory
    weight.threads = tonumber(line:match "^Threads:%s+(%d+)") or weight.threads
  end
  local pipe = assert(io.popen(("ls /proc/%d/fd | wc -l"):format(process_id)))
  weight.descriptors = pipe:read "*n"
  pipe:close()
  table.insert(self.weights, weight)
  return weight
end

-- Those of one kind that are not of another.
local function missing(self, kind, other)
  local count, example = 0, nil
  for key in pairs(self.kinds[kind]) do
    if not self.kinds[other][key] then
      count, example = count + 1, example or key
    end
  end
  return count, example
end

local function doubled(self, kind)
  local count = 0
  for _, entry in pairs(self.kinds[kind]) do
    count = count + entry.times - 1
  end
  return count
end

--- All of it, as numbers: of each kind its count, and
-- `lost` (posted and not arrived), `lied` (told and not arrived), `unhandled` (arrived and not handled), `untold`
-- (posted and not told), `invented` (arrived and not posted), `doubled`, `handled_twice` (surplus), `disorder`,
-- `handled_disorder`, `gap`, `handled_gap` (s), `memory` (KiB that it grew by between the first and the last weight),
-- `descriptors`, `threads` (the same)
function Account:report()
  local arrived, handled = self.arrived_summary or {}, self.handled_summary or {}
  local first, last = self.weights[1], self.weights[#self.weights]
  local report = {
    lost = missing(self, "posted", "arrived"), lied = missing(self, "told", "arrived"),
    unhandled = missing(self, "arrived", "handled"), untold = missing(self, "posted", "told"),
    invented = missing(self, "arrived", "posted"),
    doubled = doubled(self, "arrived"), handled_twice = doubled(self, "handled"),
    disorder = arrived.disorder or 0, handled_disorder = handled.disorder or 0,
    gap = arrived.gap or 0, handled_gap = handled.gap or 0,
    memory = first and last.memory - first.memory or 0, threads = first and last.threads - first.threads or 0,
    descriptors = first and last.descriptors - first.descriptors or 0,
  }
  for kind in pairs(self.kinds) do
    report[kind] = self:count(kind)
  end
  return report
end

--- The account, a few lines.
function Account:words()
  local r = self:report()
  local lines = {
    ("%.1f s: %d posted, %d refused, %d told, %d arrived, %d handled"):format(core.now() - self.began, r.posted,
      r.refused, r.told, r.arrived, r.handled),
    ("lost %d (%s), lied %d, untold %d, unhandled %d, invented %d; doubled %d, handled twice %d"):format(r.lost,
      select(2, missing(self, "posted", "arrived")) or "none", r.lied, r.untold, r.unhandled, r.invented, r.doubled,
      r.handled_twice),
    ("out of order %d, handled so %d; longest gap %.2f s, of handling %.2f s"):format(r.disorder, r.handled_disorder,
      r.gap, r.handled_gap),
    ("grown by %d KiB, %d descriptors, %d threads"):format(r.memory, r.descriptors, r.threads),
  }
  for _, words in ipairs(self.words_of) do
    lines[#lines + 1] = words
  end
  for _, program in ipairs(self.programs) do
    lines[#lines + 1] = ("the program, %s, has printed\n%s"):format(program.how or "running", program:words())
  end
  return table.concat(lines, "\n")
end

--- Waits until so many of a kind are there; after so many seconds it fails with the whole account.
function Account:await(kind, count, seconds)
  local deadline = core.now() + seconds
  while self:count(kind) < count do
    if core.now() > deadline then
      error(("%d of %g %s within %g s\n%s"):format(self:count(kind), count, kind, seconds, self:words()), 2)
    end
    holdfast.sleep(0.005)
  end
end

--- Fails with the whole account unless each number is as it must be: the number itself, or { least, most }.
function Account:must(wanted)
  local report, wrong = self:report(), {}
  for name, want in pairs(wanted) do
    local least, most = want, want
    if type(want) == "table" then
      least, most = want[1] or 0, want[2] or math.huge
    end
    local got = assert(report[name], "no such number in an account: " .. name)
    if got < least or got > most then
      wrong[#wrong + 1] = ("%s is %.10g, wanted %.10g to %.10g"):format(name, got, least, most)
    end
  end
  if wrong[1] then
    table.sort(wrong)
    error(table.concat(wrong, "; ") .. "\n" .. self:words(), 2)
  end
  return report
end

-- What a workload is held to where it says nothing else.
local HELD_TO = {
  lost = 0, lied = 0, invented = 0, doubled = 0, disorder = 0, handled_twice = 0, handled_disorder = 0,
  memory = { -math.huge, 20000 }, descriptors = { -5, 3 }, threads = { -math.huge, 2 },
}

--- The end of a workload: as `must`, of all of the account. What `wanted` does not name is as in HELD_TO; how long a
-- gap may be each has to say. What it needs of the machine must have been weighed before and after (`weighed = false`:
-- of a program that is over).
function Account:close(wanted)
  local whole = {}
  for name, want in pairs(HELD_TO) do
    whole[name] = want
  end
  for name, want in pairs(wanted) do
    whole[name] = want
  end
  assert(whole.gap, "an account that does not say how long a gap may be")
  assert(whole.weighed == false or self.weights[2], "an account of a program that was not weighed before and after")
  whole.weighed = nil
  return self:must(whole)
end

return accounts
