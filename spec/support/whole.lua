--- The whole library on virtual time: `holdfast` itself over a scripted broker, and a book of what each client said.
--
--     local whole = require "spec.support.whole"          -- before anything that requires holdfast
--     local world = whole.new()                            -- in before_each; world:finish() in after_each
--     local client, book = world:client { max_attempts = 3 }
--     client:start()
--     world:pass(20)                                       -- seconds; takes no time
--     assert.same({ "0 connecting", "0 connected", "0 ready" }, book:lines())
--     book:last("lost").event.retry_in
--
-- One world at a time, in a process of its own. `finish` closes every client and fails unless each was told so exactly
-- once and last.
local probe = require "keeper_probe"
package.loaded["holdfast.core"] = probe.core
local holdfast = require "holdfast.whole"

local whole = { holdfast = holdfast, probe = probe }

-- ---- what one client said ----

local Book = {}
Book.__index = Book

local NAMES = { "connecting", "connected", "ready", "failed", "lost", "sleeping", "closed", "error" }

local function book_of(world, client)
  local self = setmetatable({}, Book)
  for _, name in ipairs(NAMES) do
    client:on(name, function(event)
      self[#self + 1] = { name = name, event = event, at = world:now() }
    end)
  end
  return self
end

--- Every entry of one name.
function Book:all(name)
  local found = {}
  for _, entry in ipairs(self) do
    if entry.name == name then
      found[#found + 1] = entry
    end
  end
  return found
end

--- The newest entry of one name, or nil.
function Book:last(name)
  local all = self:all(name)
  return all[#all]
end

--- "second name" of each entry, oldest first.
function Book:lines()
  local lines = {}
  for index, entry in ipairs(self) do
    lines[index] = ("%.10g %s"):format(entry.at, entry.name)
  end
  return lines
end

--- The names alone, as one string.
function Book:words()
  local words = {}
  for index, entry in ipairs(self) do
    words[index] = entry.name
  end
  return table.concat(words, " ")
end

-- ---- the world ----

local World = {}
World.__index = World

--- Reads holdfast anew, so that another loop can be chosen.
-- @treturn table holdfast
function whole.anew()
  for name in pairs(package.loaded) do
    if name ~= "holdfast.core" and (name == "holdfast" or name:match "^holdfast%.") then
      package.loaded[name] = nil
    end
  end
  holdfast = require "holdfast.whole"
  whole.holdfast = holdfast
  return holdfast
end

--- A world without clients or sessions, at second 0 of its own.
function whole.new()
  probe.reset()
  return setmetatable({ began = probe.core.now(), clients = {}, books = {} }, World)
end

--- Seconds since this world began, to the millisecond.
function World:now()
  return math.floor((probe.core.now() - self.began) * 1000 + 0.5) / 1000
end

--- A client and its book; `server` is mqtt://a unless the options name one.
function World:client(options)
  local given = { server = not (options and options.servers) and "mqtt://a" or nil }
  for key, value in pairs(options or {}) do
    given[key] = value
  end
  local client = assert(holdfast.new(given))
  local book = book_of(self, client)
  self.clients[#self.clients + 1], self.books[#self.books + 1] = client, book
  return client, book
end

--- Lets time pass, and everything be told that happens on the way.
function World.pass(_, seconds)
  probe.turn()
  holdfast.sleep(seconds)
  probe.turn()
  holdfast.sleep(0)
end

function World:finish()
  probe.script { connect = "accept", hold_close = false, hold_publishes = false, hold_subscriptions = false }
  for _, client in ipairs(self.clients) do
    client:close()
  end
  self:pass(1)
  for index, book in ipairs(self.books) do
    assert(#book:all "closed" == 1 and book[#book].name == "closed", ("client %d: %s"):format(index, book:words()))
  end
  assert(probe.links() == 0, probe.links() .. " links are left")
end

return whole
