--- Light threads of one nginx timer that run one task after the other.
-- nginx's Lua module keeps what it knows of a light thread until the request that made it ends, so in a context that
-- lives as long as its worker a thread for each task would be a leak; these are kept. Tasks begin in the order in which
-- they came. Whoever takes one that others stand behind first calls somebody for those, since it may wait. When nginx
-- ends the timer, another crew inherits the tasks: those that had begun fail, the others are begun there.
--
-- All threads together have a span of time. Once it is over none begins with a task before nginx has had its turn: they
-- stand by until they are told so. `ngx.sleep(0)` would do, but only where nginx has OpenResty's patch for it;
-- elsewhere each is a warning in the log, and a longer one costs its time.
-- @module holdfast.loop.crew
local explain = require("holdfast.loop.workers").explain
local semaphore = require "ngx.semaphore"

local crew = {}

local Crew = {}
Crew.__index = Crew

local running, gethook, sethook = coroutine.running, debug.gethook, debug.sethook

local ENDED = "nginx has ended the timer in which this handler ran: it, or another one, has called ngx.exit"
local LONGEST = 86400 -- seconds that a thread waits for the bell before it waits for it again

local workers = setmetatable({}, { __mode = "k" }) -- coroutine -> { task }

local function empty(self)
  return self.first > self.last
end

local function take(self)
  local task = self[self.first]
  if task then
    self[self.first] = nil
    self.first = self.first + 1
    if empty(self) then
      self.first, self.last = 1, 0
    end
  end
  return task
end

local function call(self)
  if not self.called then
    self.called = true
    self.bell:post(1)
  end
end

local function perform(task)
  local fine, failure = xpcall(task.fn, explain, task.a, task.b, task.c)
  task.has_returned = fine
  if fine then
    return task.finish(task.owner, task.item)
  end
  return task.finish(task.owner, task.item, failure.err, failure.trace)
end

local function fail(task)
  return task.finish(task.owner, task.item, ENDED, ENDED)
end

-- Calls `how(task)`, after which the task is over.
local function conclude(self, worker, how, task)
  local fine, failure = xpcall(how, explain, task)
  if worker.task then
    worker.task.has_returned = task.has_returned
    worker.task.over, worker.task = true, nil
  end
  if not fine then
    self.complain(failure.trace)
  end
end

local function run(self, worker, task)
  local hook, mask, count = gethook()
  self.running[worker] = task
  conclude(self, worker, perform, task)
  self.running[worker] = nil
  if gethook() ~= hook then -- one that the task has left would end the next
    sethook(hook, mask, count)
  end
end

local function work(self)
  local worker = {}
  workers[running()] = worker
  repeat
    self.idle = self.idle + 1
    repeat until self.bell:wait(LONGEST)
    self.idle = self.idle - 1
    self.called = false
    if self.idle == 0 and not self.over then
      ngx.thread.spawn(work, self)
    end
    while not empty(self) and not self.breathing do
      if self.span.is_over() then
        self.breathing = true
        self:yield()
        break
      end
      local task = take(self)
      if not empty(self) then
        call(self)
      end
      run(self, worker, task)
    end
  until self.over and empty(self)
  if self.idle > 0 then -- for those that waited behind the last tasks
    self.bell:post(self.idle)
  end
end

--- A crew without threads yet.
-- @tparam function complain `complain(words)` about what must not happen
-- @tparam table span for all of its threads; whoever knows that nginx has had its turn begins it
-- @tparam function yield `yield(crew)` has @{Crew:go_on} called once nginx has had its turn; may wait for that
-- @treturn table
function crew.new(complain, span, yield)
  return setmetatable({
    first = 1, last = 0, idle = 0, bell = semaphore.new(0), complain = complain, span = span, breathing = false,
    yield = yield,
    running = {}, -- worker -> task
  }, Crew)
end

--- Makes the first thread, in the context that all of them are to live in. A second call means nothing.
function Crew:begin()
  if self.begun or self.over and empty(self) then
    return
  end
  self.begun = true
  ngx.thread.spawn(work, self)
  if not empty(self) then
    call(self)
  end
end

--- nginx has had its turn, and the span has begun again.
function Crew:go_on()
  if self.breathing then
    self.breathing = false
    call(self)
  end
end

local function push(self, task)
  self.last = self.last + 1
  self[self.last] = task
end

--- Adds a task: `fn(a, b, c)`, and `finish(owner, item[, err, traceback])` after it.
function Crew:add(finish, owner, item, fn, a, b, c)
  push(self, { finish = finish, owner = owner, item = item, fn = fn, a = a, b = b, c = c })
  if self.begun then
    call(self)
  end
end

--- Takes over the tasks of a crew that is lost.
-- @tparam table lost
function Crew:inherit(lost)
  local task = take(lost)
  while task do
    push(self, task)
    task = take(lost)
  end
  for worker, begun in pairs(lost.running) do
    conclude(self, worker, fail, begun)
  end
end

--- Whether there is a task that is not over.
-- @treturn boolean
function Crew:is_busy()
  return not empty(self) or next(self.running) ~= nil
end

--- Has every thread end that has nothing to do, and the others when they are done.
function Crew:finish()
  self.over, self.breathing = true, false
  if self.idle > 0 then
    self.bell:post(self.idle)
  end
end

--- Whether the context of the threads has ended under them: one of them always waits for the bell, though it may have
-- been rung already.
-- @treturn boolean
function Crew:is_lost()
  return self.begun and not self.over and self.bell:count() >= (self.called and 1 or 0)
end

--- What stands for the task that the caller runs in.
-- @treturn ?table with `over` true once it has ended; nil outside of every task
function crew.task()
  local worker = workers[running() or 0]
  if worker then
    worker.task = worker.task or {}
    return worker.task
  end
end

return crew
