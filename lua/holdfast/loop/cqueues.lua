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

local host = { is_running = cqueues.running, can_suspend = cqueues.running }

local kicks = setmetatable({}, { __mode = "k" }) -- controller that is served -> condition that makes it look again
local reserves = setmetatable({}, { __mode = "k" }) -- the same -> condition on which another coroutine stands by
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

-- Takes the turns of a controller as long as `kick` is its condition.
local function serve(controller, kick, mailbox, turn)
  while kicks[controller] == kick and (home[1] == controller or waiting[controller]) do
    if not reserves[controller] then
      pcall(stand_by, controller, mailbox, turn)
    end
    cqueues.poll(mailbox, kick)
    if kicks[controller] == kick then
      turn()
    end
  end
  if kicks[controller] == kick then
    dismiss(controller)
  end
  controller:cancel(mailbox:pollfd())
end

-- Whoever takes the turns ends by an error of one, and there may be no memory then for somebody else.
function stand_by(controller, mailbox, turn)
  local kick = condition.new()
  controller:wrap(function()
    if reserves[controller] == kick then
      kick:wait()
    end
    if kicks[controller] == kick then
      serve(controller, kick, mailbox, turn)
    end
  end)
  reserves[controller] = kick
end

function host.attach(mailbox, turn)
  local controller = cqueues.running() or own
  if kicks[controller] then
    return
  end
  local kick = condition.new()
  kicks[controller] = kick
  if controller ~= own and not kicks[home[1] or false] then
    home[1] = controller
  end
  controller:wrap(serve, controller, kick, mailbox, turn)
end

function host.relay()
  local controller = cqueues.running()
  local kick = reserves[controller]
  if kick then
    kicks[controller], reserves[controller] = kick, nil
    kick:signal()
  end
  return kick ~= nil
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
