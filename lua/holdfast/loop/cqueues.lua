--- In cqueues controllers, as many as there are.
-- A coroutine that takes the turns stands in the first controller in which a client is started or somebody waits, as
-- long as anything is left to do, and in any other one while somebody waits in it. A wait outside of every controller
-- steps one of ours until it is over. A handler may poll what it likes.
-- @module holdfast.loop.cqueues
local condition = require "cqueues.condition"
local cqueues = require "cqueues"
local guest = require "holdfast.loop.guest"
local workers = require "holdfast.loop.workers"

-- The oldest that has been tried; the release of 2020-07-26 says so of itself.
guest.require_version("cqueues", cqueues.VERSION, 20161215)

local create, resume, running = coroutine.create, coroutine.resume, coroutine.running
local status, yield = coroutine.status, coroutine.yield

local host = { is_running = cqueues.running, can_suspend = cqueues.running }

local kicks = setmetatable({}, { __mode = "k" }) -- controller that is served -> condition that makes it look again
local reserves = setmetatable({}, { __mode = "k" }) -- the same -> condition on which another coroutine stands by
local threads = setmetatable({}, { __mode = "kv" }) -- condition -> whose it is
local waiting = setmetatable({}, { __mode = "k" }) -- controller -> how many of its coroutines wait
local home = setmetatable({}, { __mode = "v" }) -- home[1]: the controller that is served as long as a client is held
local own = cqueues.new() -- for waits outside of every controller
waiting[own] = 1

local function dismiss(controller)
  local kick, reserve = kicks[controller], reserves[controller]
  kicks[controller], reserves[controller] = nil, nil
  if kick then
    kick:signal()
  end
  if reserve then
    reserve:signal()
  end
end

local stand_by

-- Takes the turns of a controller as long as `kick` is its condition; before that it stands by. Whoever takes the turns
-- ends by an error of one, and there may be no memory then for somebody else: the error waits with it then until
-- somebody stands by. Nobody would hear that it has ended for want of a place on the stack, and cqueues, which wants
-- some there to resume it, would step the controller no more: the room is made before it waits.
local function serve(controller, kick, mailbox, turn, stands_by)
  workers.make_room()
  if not stands_by then
    yield()
  elseif kicks[controller] and not reserves[controller] then
    threads[kick] = running()
    reserves[controller] = kick
    cqueues.poll(kick)
  end
  local trouble
  while kicks[controller] == kick and (home[1] == controller or waiting[controller]) do
    if not reserves[controller] then
      pcall(stand_by, controller, mailbox, turn)
    elseif trouble ~= nil then
      host.relay()
      if kicks[controller] ~= kick then
        error(trouble, 0)
      end
    end
    cqueues.poll(mailbox, kick)
    if kicks[controller] == kick then
      local fine, problem = pcall(turn)
      if not fine and kicks[controller] ~= kick then
        error(problem, 0)
      elseif not fine then
        trouble = problem == nil and "nil" or problem
      end
    end
  end
  if kicks[controller] == kick then
    dismiss(controller)
  end
  controller:cancel(mailbox:pollfd())
end

local function hire(controller, mailbox, turn)
  local kick, thread = condition.new(), create(serve)
  threads[kick] = thread
  local fine, problem = resume(thread, controller, kick, mailbox, turn)
  if not fine then
    error(problem, 0)
  end
  controller:attach(thread)
  return kick
end

function stand_by(controller, mailbox, turn)
  controller:wrap(serve, controller, condition.new(), mailbox, turn, true)
end

function host.attach(mailbox, turn)
  local controller = cqueues.running() or own
  local thread = threads[kicks[controller] or false]
  if thread and status(thread) ~= "dead" then
    return
  end
  dismiss(controller)
  local kick = hire(controller, mailbox, turn)
  if controller ~= own and not kicks[home[1] or false] then
    home[1] = controller
  end
  kicks[controller] = kick
end

function host.relay()
  local controller = cqueues.running()
  local kick = reserves[controller]
  local thread = threads[kick or false]
  reserves[controller] = nil
  if thread and status(thread) ~= "dead" then
    kicks[controller] = kick
    kick:signal()
  end
  return true -- it takes them on itself otherwise
end

function host.detach()
  for controller in pairs(kicks) do
    dismiss(controller)
  end
end

function host.suspend(waiter)
  local controller = cqueues.running()
  waiter.host = condition.new()
  waiting[controller] = (waiting[controller] or 0) + 1
  waiter.host:wait()
  waiting[controller] = waiting[controller] > 1 and waiting[controller] - 1 or nil
  if not waiting[controller] and home[1] ~= controller and kicks[controller] then
    kicks[controller]:signal()
  end
end

function host.wake(waiter)
  waiter.host:signal()
end

function host.step()
  local fine, problem = own:step()
  return not fine and problem or nil
end

function workers.foreign(worker, word, ...)
  if word == cqueues._POLL then
    workers.carry(worker, function(...)
      cqueues.running():wrap(...)
    end, cqueues.poll, ...)
  end
end

return guest.of("cqueues", host)
