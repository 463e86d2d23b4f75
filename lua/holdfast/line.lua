--- Waiters in the order in which they came.
-- Thousands may stand in one line and give up in the same moment, so each knows its position: none looks for itself.
-- One whose coroutine was ended stays until it is at an end of the line when the next one comes, or until the line is
-- twice as long as it was when it was last gone through.
-- @module holdfast.line
local loop = require "holdfast.loop"

local line = {}

local LEAST = 32 -- positions below which no line is gone through

--- An empty line.
-- @treturn table
function line.new()
  return { first = 1, last = 0, limit = LEAST }
end

-- Whether it is somebody's own position: one who was moved to another when that was interrupted is left in both.
local function stands(self, position)
  local waiter = self[position]
  return waiter and waiter.position == position
end

-- What has left from the middle is a gap, which goes when an end of the line comes to it.
local function close_ranks(self)
  while self.first <= self.last and not stands(self, self.first) do
    self[self.first] = nil
    self.first = self.first + 1
  end
  while self.first <= self.last and not stands(self, self.last) do
    self[self.last] = nil
    self.last = self.last - 1
  end
  if self.first > self.last then
    self.first, self.last = 1, 0
  end
end

--- Who is next.
-- @tparam table self
-- @treturn ?table nil when it is empty
function line.head(self)
  if not stands(self, self.first) then
    close_ranks(self)
  end
  return self[self.first]
end

--- Takes one out, wherever it stands; one that does not is left alone.
-- @tparam table self
-- @tparam table waiter
function line.leave(self, waiter)
  if waiter.position and self[waiter.position] == waiter then
    self[waiter.position] = nil
    close_ranks(self)
  end
end

--- Takes out who is next.
-- @tparam table self
-- @treturn ?table nil when it is empty
function line.shift(self)
  local waiter = line.head(self)
  if waiter then
    line.leave(self, waiter)
  end
  return waiter
end

--- Whether a waiter's coroutine was ended while it waited.
-- @tparam table waiter that stands in a line
-- @treturn boolean
function line.is_over(waiter)
  return waiter.done or loop.is_gone(waiter)
end

-- Towards the end; each has its new position before it loses the old one, so that nobody is missing from the line if
-- this is interrupted.
local function go_through(self)
  local free = self.last
  for position = self.last, self.first, -1 do
    local waiter = self[position]
    if not stands(self, position) or line.is_over(waiter) then
      self[position] = nil
    else
      if position < free then
        self[free] = waiter
        waiter.position = free
        self[position] = nil
      end
      free = free - 1
    end
  end
  self.first, self.limit = free + 1, math.max(LEAST, 2 * (self.last - free))
  close_ranks(self)
end

--- Puts one at the end.
-- @tparam table self
-- @tparam table waiter gets `position`
function line.join(self, waiter)
  close_ranks(self) -- a join or a leave may have been interrupted
  while self.last > 0 and line.is_over(self[self.last]) do
    line.leave(self, self[self.last])
  end
  while self.last > 0 and line.is_over(self[self.first]) do
    line.leave(self, self[self.first])
  end
  if self.last - self.first >= self.limit then
    go_through(self)
  end
  local position = self.last + 1
  self[position], waiter.position = waiter, position
  self.last = position
end

--- Whether nobody stands in it.
-- @tparam table self
-- @treturn boolean
function line.is_empty(self)
  return self.last == 0
end

return line
