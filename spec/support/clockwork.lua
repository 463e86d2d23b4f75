-- An engine on a clock that only the script moves: what it wants done and told, and when.
local core = require "holdfast.core"

local clockwork = {}
clockwork.__index = clockwork

local CONSTANT = { strategy = "constant", jitter = "none", min = 1000, max = 1000 }
local SLOW = { strategy = "constant", jitter = "none", min = 30000, max = 30000 }

--- An engine at time 0 with easy numbers: 1 s between attempts, 30 s when slow, 10 s to connect, 10 s to be stable.
function clockwork.new(changes, seed)
  local options = { backoff = CONSTANT, slow = SLOW, connect_timeout = 10000, stable_after = 10000 }
  for key, value in pairs(changes or {}) do
    options[key] = value
  end
  return setmetatable({ engine = core.engine.new(options, seed or 1, 0), now = 0, log = {} }, clockwork)
end

function clockwork:state()
  return self.engine:state()
end

local function note(self, actions)
  if #actions > 0 then
    self.log[#self.log + 1] = self.now .. " " .. table.concat(actions, " ")
  end
  return actions
end

--- Gives an input now.
function clockwork:step(input, ...)
  return note(self, self.engine:step(self.now, input, ...))
end

--- Lets time pass until `time`, with the timer at each deadline on the way.
function clockwork:until_time(time)
  while true do
    local deadline = self.engine:state().deadline
    if not deadline or deadline > time then
      break
    end
    self.now = math.max(self.now, deadline)
    local actions = note(self, self.engine:step(self.now, "timer"))
    assert(#actions > 0, "the timer did nothing at its deadline")
  end
  self.now = time
end

--- Lets time pass until the next attempt begins; answers when that is.
function clockwork:next_attempt()
  while self:state().state ~= "connecting" do
    self:until_time(assert(self:state().deadline, "no attempt follows"))
  end
  return self.now
end

--- What was done and told since the last look, as "time action action ...".
function clockwork:take()
  local log = self.log
  self.log = {}
  return log
end

--- Started and connected at time 0, with the log taken.
function clockwork.connected(changes, seed)
  local self = clockwork.new(changes, seed)
  self:step "start"
  self:step "connected"
  self:take()
  return self
end

return clockwork
