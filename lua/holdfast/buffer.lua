--- Messages of one subscription that nobody has taken yet, oldest first.
-- Next to each lie its *item* (see @{holdfast.delivery}), what is still owed to the client's inbox for it, and its
-- size, because the message itself is a table that its other takers may change. Rings: a window that slides through a
-- plain Lua table has it rehashed again and again.
-- @module holdfast.buffer
local buffer = {}

local LEAST = 16

--- An empty buffer.
-- @treturn table whose `count` and `bytes` tell how much is in it
function buffer.new()
  return { messages = {}, items = {}, sizes = {}, room = LEAST, first = 0, count = 0, bytes = 0 }
end

local function unrolled(self, list)
  local straight = {}
  for index = 1, self.count do
    straight[index] = list[(self.first + index - 1) % self.room + 1]
  end
  return straight
end

local function grow(self)
  self.messages, self.items, self.sizes = unrolled(self, self.messages), unrolled(self, self.items),
    unrolled(self, self.sizes)
  self.first, self.room = 0, self.room * 2
end

--- Adds the newest.
-- @tparam table self
-- @tparam table message
-- @param item
-- @tparam number size bytes
function buffer.push(self, message, item, size)
  if self.count == self.room then
    grow(self)
  end
  local place = (self.first + self.count) % self.room + 1
  self.messages[place], self.items[place], self.sizes[place] = message, item, size
  self.count = self.count + 1
  self.bytes = self.bytes + size
end

--- Takes the oldest out.
-- @tparam table self
-- @treturn ?table nil when it is empty
-- @return its item
function buffer.shift(self)
  if self.count == 0 then
    return nil
  end
  local place = self.first + 1
  local message, item = self.messages[place], self.items[place]
  self.messages[place], self.items[place] = false, false
  self.bytes = self.bytes - self.sizes[place]
  self.first, self.count = place % self.room, self.count - 1
  return message, item
end

--- Pays for everything in it, so that it owes nothing any more.
-- @tparam table self
-- @tparam function pay called as `pay(client, item)`
-- @tparam table client
function buffer.settle(self, pay, client)
  for index = 0, self.count - 1 do
    local place = (self.first + index) % self.room + 1
    local item = self.items[place]
    self.items[place] = false
    pay(client, item)
  end
end

return buffer
