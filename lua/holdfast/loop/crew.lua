--- Light threads of one nginx timer that run one task after the other.
-- nginx's Lua module keeps what it knows of a light thread until the request that made it ends, so in a context that
-- lives as long as its worker a thread for each task would be a leak; these are kept. Tasks begin in the order in which
-- they came. Whoever takes one that others stand behind first calls somebody for those, since it may wait. When nginx
-- ends the timer, another crew inherits the tasks: those that had begun fail, the others are begun there.
--
-- All threads together have a span of time. Once it is over none begins with a task before nginx has had its turn: they
-- stand by until they are told so. `ngx.sleep(0)` would do, but only where nginx has OpenResty's patch for it;
-- elsewhere each is a warning in the log, and a longer one costs its time.
--
-- LuaJIT has one hook for all coroutines, so that of a handler which waits may throw at any step in here. A task is in
-- the hand of its thread before it leaves the queue, and until `finish` has returned; a thread in whose round something
-- was thrown goes on with what it has there, and a bell that was not rung is rung by @{Crew:remind}.
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

-- The task that is next, which stays there. An interruption may have left places without one.
local function head(self)
  while self.first <= self.last do
    local task = self[self.first]
    if task then
      return task
    end
    self.first = self.first + 1
  end
end

local function empty(self)
  return head(self) == nil
end

local function take(self)
  local task = head(self)
  if task then
    local first = self.first
    self[first] = nil
    if first < self.last then
      self.first = first + 1
    else
      self.first = 1
      self.last = 0
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

local function tell(task, ...)
  task.finish(task.owner, task.item, ...)
  task.is_finished = true
end

local function perform(task)
  task.is_begun = true
  local fine, failure = xpcall(task.fn, explain, task.a, task.b, task.c)
  task.has_returned = fine
  if fine then
    return tell(task)
  end
  return tell(task, failure.err, failure.trace)
end

local function fail(task)
  return tell(task, ENDED, ENDED)
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
    return failure.trace
  end
end

-- Something was thrown around it, not in its function.
local function make_up_for(self, worker, task, problem)
  if not task.is_begun then
    problem = conclude(self, worker, perform, task) or problem
  end
  if not task.is_finished then
    conclude(self, worker, function()
      return tell(task, problem, problem)
    end, task)
  end
end

local function run(self, worker, task)
  local hook, mask, count = gethook()
  local problem = conclude(self, worker, perform, task)
  if problem then
    make_up_for(self, worker, task, problem)
  end
  self.running[worker] = nil
  if problem or not task.has_returned then
    self.failed()
  end
  if gethook() ~= hook then -- one that the task has left would end the next
    sethook(hook, mask, count)
  end
end

local function await_bell(self, worker)
  self.idle[worker] = true
  repeat until self.bell:wait(LONGEST)
  self.idle[worker] = nil
  self.called = false
end

-- Something was thrown in the round before.
local function pick_up(self, worker, problem)
  local task = self.running[worker]
  if task then
    make_up_for(self, worker, task, problem)
    self.running[worker] = nil
    self.failed()
  end
  if self.breathing then
    self:yield() -- for which nobody may have asked yet
  end
end

local function round(self, worker, problem)
  if problem then
    pick_up(self, worker, problem)
  else
    await_bell(self, worker)
  end
  if next(self.idle) == nil and not self.over then
    ngx.thread.spawn(self.work, self)
  end
  while not empty(self) and not self.breathing do
    if self.span.is_over() then
      self.breathing = true
      self:yield()
      break
    end
    local task = head(self)
    self.running[worker] = task
    take(self)
    if not empty(self) then
      call(self)
    end
    if task.is_begun then -- something was thrown before it had left the queue
      self.running[worker] = nil
    else
      run(self, worker, task)
    end
  end
end

local function dismiss(self)
  for _ in pairs(self.idle) do
    self.bell:post(1)
  end
end

local function work(self)
  local worker, problem = {}, nil
  workers[running()] = worker
  repeat
    local fine, failure = xpcall(round, explain, self, worker, problem)
    self.idle[worker] = nil
    problem = not fine and failure.trace or nil
    if problem then
      self.complain(problem)
    end
  until self.over and empty(self) and not problem
  dismiss(self) -- those that waited behind the last tasks
end

--- A crew without threads yet.
-- @tparam function complain `complain(words)` about what must not happen
-- @tparam table span for all of its threads; whoever knows that nginx has had its turn begins it
-- @tparam function yield `yield(crew)` has @{Crew:go_on} called once nginx has had its turn; may wait for that
-- @tparam function failed `failed()` after a task that has thrown, or its end, perhaps before it had said what it owes
-- @treturn table
function crew.new(complain, span, yield, failed)
  return setmetatable({
    first = 1, last = 0, bell = semaphore.new(0), complain = complain, span = span, breathing = false,
    yield = yield, work = work, failed = failed,
    idle = {}, -- workers that wait for the bell, as a set
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
    call(self)
    self.breathing = false
  end
end

--- Rings for tasks that nobody has been called for.
function Crew:remind()
  if not empty(self) and not self.breathing then
    local idle = 0
    for _ in pairs(self.idle) do
      idle = idle + 1
    end
    if idle > 0 and self.bell:count() <= -idle then
      self.called = true
      self.bell:post(1)
    end
  end
end

local function push(self, task)
  self[self.last + 1] = task
  self.last = self.last + 1
end

--- Adds a task: `fn(a, b, c)`, and `finish(owner, item[, err, traceback])` after it; one whose item is a number, and
-- the newest's, not a second time.
function Crew:add(finish, owner, item, fn, a, b, c)
  local newest = self[self.last]
  if type(item) ~= "number" or not newest or newest.item ~= item or newest.owner ~= owner then
    push(self, { finish = finish, owner = owner, item = item, fn = fn, a = a, b = b, c = c })
  end
  if self.begun then
    call(self)
  end
end

--- Takes over the tasks of a crew that is lost.
-- @tparam table lost
function Crew:inherit(lost)
  local first = head(lost)
  for _, task in pairs(lost.running) do
    if not task.is_begun and task ~= first then
      push(self, task)
    end
  end
  local task = take(lost)
  while task do
    push(self, task)
    task = take(lost)
  end
  for worker, begun in pairs(lost.running) do
    if begun.is_begun and not begun.is_finished then
      conclude(self, worker, fail, begun)
    end
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
  dismiss(self)
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
