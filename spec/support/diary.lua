--- Writes down what happens to a client, in order: the lifecycle events, with the time of each.
--
--     local diary = require("spec.support.diary").of(client)
--     diary:words()            -- "connecting connected ready"
--     diary:await("ready", 2)  -- until there are two of them
local holdfast = require "holdfast"
local now = require("holdfast.core").now

local diary = {}
diary.__index = diary

local NAMES = { "connecting", "connected", "ready", "failed", "lost", "sleeping", "closed", "error" }

function diary.of(client)
  local self = setmetatable({ entries = {} }, diary)
  for _, name in ipairs(NAMES) do
    client:on(name, function(event)
      self.entries[#self.entries + 1] = { name = name, event = event, at = now() }
    end)
  end
  return self
end

--- The names in order; with `without`, a set of names that do not count.
function diary:words(without)
  local words = {}
  for _, entry in ipairs(self.entries) do
    if not (without and without[entry.name]) then
      words[#words + 1] = entry.name
    end
  end
  return table.concat(words, " ")
end

function diary:all(name)
  local found = {}
  for _, entry in ipairs(self.entries) do
    if entry.name == name then
      found[#found + 1] = entry
    end
  end
  return found
end

function diary:count(name)
  return #self:all(name)
end

--- Waits until `name` has happened `count` times; the entry of the last.
function diary:await(name, count, seconds)
  local deadline = now() + (seconds or 10)
  count = count or 1
  while self:count(name) < count do
    if now() > deadline then
      error(("no %s #%d within %g s; so far: %s"):format(name, count, seconds or 10, self:words()), 2)
    end
    holdfast.sleep(0.005)
  end
  return self:all(name)[count]
end

--- What is wrong with the order of events, or nil: each fact once, each following from the one before.
function diary:disorder()
  local follows = {
    connecting = { start = true, failed = true, lost = true, sleeping = true },
    connected = { connecting = true },
    ready = { connected = true },
    failed = { connecting = true },
    lost = { connected = true, ready = true },
    sleeping = { failed = true, lost = true },
    closed = {
      start = true, connecting = true, connected = true, ready = true, failed = true, lost = true, sleeping = true,
    },
  }
  local before = "start"
  for index, entry in ipairs(self.entries) do
    if not (follows[entry.name] and follows[entry.name][before]) then
      return ("event %d: %s after %s, in: %s"):format(index, entry.name, before, self:words())
    end
    before = entry.name
  end
end

return diary
