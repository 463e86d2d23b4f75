--- The lines of the standard input, each of which leaves it only after it has been dealt with.
-- What is in a pipe, a socket or a file stays there until `taken` is called: who is killed before, and is started again
-- on the same input, finds the line once more. A line of which a second has not brought the end, or that is larger than
-- the pipe, is in memory instead, and so is whatever a terminal gives.
-- @module holdfast.command.lines
local core = require "holdfast.core"

local console = core.console

local lines = {}

local Lines = {}
Lines.__index = Lines

local PATIENCE = 1 -- seconds
lines.PAUSE = 0.05 -- before half a line is looked at again

--- Begins with what the standard input has now.
-- @treturn table
function lines.new()
  return setmetatable({ held = "", bytes = "", at = 1, input = "left", room = console.input_room(), ended = false },
    Lines)
end

-- What is seen goes into memory.
local function hold(self)
  local rest = self.bytes:sub(self.at)
  if self.input ~= "taken" then
    assert(console.drop(#rest))
  end
  self.held, self.bytes, self.at, self.since = self.held .. rest, "", 1, nil
end

-- Half a line: whether there will be more of it, and whether to wait for that where it is.
local function judge(self, hung_up)
  if self.bytes == "" then
    self.ended = true
  elseif self.input == "taken" or #self.bytes >= self.room then
    hold(self)
  elseif self.input == "file" or hung_up then
    self.ended = true
  elseif self.since and self.seen == #self.bytes and core.now() > self.since + PATIENCE then
    hold(self)
  elseif self.seen ~= #self.bytes or not self.since then
    self.seen, self.since = #self.bytes, core.now()
  end
end

--- Looks at the input once more. Where `next` has no line, and there is input.
-- @tparam boolean hung_up nobody writes to it any more
-- @treturn ?boolean true; nil and what is wrong
function Lines:look(hung_up)
  local bytes, input = console.peek()
  if bytes == nil then
    return nil, input
  elseif bytes then
    self.bytes, self.at, self.input = bytes, 1, input
    if not bytes:find("\n", 1, true) then
      judge(self, hung_up)
    else
      self.since = nil
    end
  end
  return true
end

--- The next line, without its end; the same one until `taken` is called.
-- @treturn ?string nil: look again, or it is the end
function Lines:next()
  local stop = self.bytes:find("\n", self.at, true)
  if stop then
    self.stop = stop
    return self.held .. self.bytes:sub(self.at, stop - 1)
  elseif self.ended and (self.held ~= "" or self.at <= #self.bytes) then
    self.stop = #self.bytes
    return self.held .. self.bytes:sub(self.at)
  end
end

--- The line that `next` gave is dealt with, and leaves the input.
function Lines:taken()
  if self.input ~= "taken" and self.stop >= self.at then
    assert(console.drop(self.stop - self.at + 1))
  end
  self.held, self.at = "", self.stop + 1
  if self.input == "taken" and self.at <= #self.bytes and not self.bytes:find("\n", self.at, true) then
    hold(self)
  end
end

--- Whether half a line is waited for where it is, for `lines.PAUSE`.
-- @treturn boolean
function Lines:is_half()
  return self.since ~= nil
end

--- Whether there is no more, once `next` has none.
-- @treturn boolean
function Lines:is_over()
  return self.ended
end

return lines
