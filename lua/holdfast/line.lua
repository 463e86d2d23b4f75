--- Waiters in the order in which they came.
-- Thousands may stand in one line and give up in the same moment, so each knows its position: none looks for itself.
-- One whose coroutine was ended stays, done, until it is at an end of the line when the next one comes.
-- @module holdfast.line
local line = {}

--- An empty line.
-- @treturn table
function line.new()
  return { first = 1, last = 0 }
end

-- What has left from the middle is a gap, which goes when an end of the line comes to it.
local function close_ranks(self)
  while self.first <= self.last and not self[self.first] do
    self.first = self.first + 1
  end
  while self.first <= self.last and not self[self.last] do
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
  local waiter = self[self.first]
  if waiter then
    line.leave(self, waiter)
  end
  return waiter
end

--- Puts one at the end.
-- @tparam table self
-- @tparam table waiter gets `position`
function line.join(self, waiter)
  while self.last > 0 and self[self.last].done do
    line.leave(self, self[self.last])
  end
  while self.last > 0 and self[self.first].done do
    line.leave(self, self[self.first])
  end
  self.last = self.last + 1
  self[self.last], waiter.position = waiter, self.last
end

--- Whether nobody stands in it.
-- @tparam table self
-- @treturn boolean
function line.is_empty(self)
  return self.last == 0
end

return line
