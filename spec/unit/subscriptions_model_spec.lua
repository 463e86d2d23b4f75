-- A set of subscriptions beside a model of a broker, through random wishes, losses, refusals and kept sessions:
-- whenever all is settled, the broker's session must hold exactly what is wished for, and messages find each wish once.
local probe = require "subscriptions_probe"
local matches = require("holdfast.core").topic_matches

local FILTERS = { "a", "a/b", "a/+", "a/#", "#", "+/b", "$share/g/a", "b", "b/c", "+" }
local TOPICS = { "a", "a/b", "b", "b/c", "a/b/c", "c" }

local function generator(seed)
  return function(high)
    seed = (seed * 16807) % 2147483647
    return math.floor(seed / 7) % high + 1
  end
end

local World = {}
World.__index = World

local function new_world(seed)
  return setmetatable({ set = probe.new(), pick = generator(seed), wishes = {}, last_wish = 0, session = {},
    refusing = {}, up = false, requests = {}, answers = {}, settled_checks = 0, copies_checks = 0 }, World)
end

function World:add()
  self.last_wish = self.last_wish + 1
  local wish = { filter = FILTERS[self.pick(#FILTERS)], qos = self.pick(3) - 1 }
  if self.pick(8) == 1 then
    wish.identifier = self.pick(12)
  end
  self.wishes[self.last_wish] = wish
  assert(self.set:add(self.last_wish, wish.filter, wish))
end

function World:remove()
  local numbers = {}
  for number in pairs(self.wishes) do
    numbers[#numbers + 1] = number
  end
  if #numbers > 0 then
    table.sort(numbers)
    local number = numbers[self.pick(#numbers)]
    self.wishes[number] = nil
    assert(self.set:remove(number))
  end
end

function World:connect()
  local kept = self.pick(3) > 1 and self.met
  if not kept then
    self.session = {}
  end
  self.up, self.met = true, true
  self.set:connected(kept)
end

-- Some requests that were on their way still arrive; no answer does.
function World:lose()
  while #self.requests > 0 and self.pick(2) == 1 do
    self:arrive()
  end
  self.requests, self.answers, self.up = {}, {}, false
  self.set:lost()
  assert(not self.set:next(), "asked for something without a connection")
end

function World:send()
  local request = self.set:next()
  if request then
    self.requests[#self.requests + 1] = request
  end
end

-- The broker takes the oldest request.
function World:arrive()
  local request = table.remove(self.requests, 1)
  if not request then
    return
  end
  local code = 0
  if not request.subscribe then
    self.session[request.filter] = nil
  elseif self.refusing[request.filter] then
    code = 0x87
  else
    self.session[request.filter] = { qos = request.qos, identifier = request.identifier }
    code = request.qos
  end
  self.answers[#self.answers + 1] = { ticket = request.ticket, code = code, filter = request.filter }
end

function World:hear()
  local answer = table.remove(self.answers, 1)
  if answer then
    for _, verdict in ipairs(self.set:answer(answer.ticket, answer.code)) do
      local wish = assert(self.wishes[verdict.wish], "a verdict for a wish that is gone")
      assert(wish.filter == answer.filter and verdict.code == answer.code)
      wish.verdict = verdict.code
    end
  end
end

function World:change_mind()
  local filter = FILTERS[self.pick(#FILTERS)]
  self.refusing[filter] = not self.refusing[filter] and self.pick(3) == 1 or nil
end

-- The wishes among these that have been granted: what reaches a refused one that an older subscription of the session
-- still serves is not promised.
function World:granted(list)
  local granted = {}
  for _, number in ipairs(list) do
    if self.wishes[number].verdict < 0x80 then
      granted[#granted + 1] = number
    end
  end
  table.sort(granted)
  return table.concat(granted, " ")
end

function World:expected_wishes(topic)
  local list = {}
  for number, wish in pairs(self.wishes) do
    if matches(wish.filter, topic) then
      list[#list + 1] = number
    end
  end
  return self:granted(list)
end

-- The wishes that the copies reach which the broker sends: one a subscription, or one with all identifiers.
function World:reached(topic, together)
  local reached, identifiers, plain = {}, {}, true
  for filter, subscription in pairs(self.session) do
    if matches(filter, topic) then
      identifiers[#identifiers + 1], plain = subscription.identifier, false
    end
  end
  if plain then
    return ""
  end
  for _, group in ipairs(together and { identifiers } or identifiers) do
    for _, number in ipairs((self.set:match(topic, together and group or { group }))) do
      reached[#reached + 1] = number
    end
  end
  return self:granted(reached)
end

-- One number for two filters is the user's doing, and a number that a refusal kept from changing is unknown to us:
-- copies with such numbers are told apart by their topics only.
function World:numbers_tell()
  local seen = {}
  for _, subscription in pairs(self.session) do
    if seen[subscription.identifier] then
      return false
    end
    seen[subscription.identifier] = true
  end
  for _, wish in pairs(self.wishes) do
    if wish.verdict >= 0x80 and self.session[wish.filter] then
      return false
    end
  end
  return true
end

function World:check()
  if not self.up or #self.requests > 0 or not self.set:facts().settled then
    return
  end
  self.settled_checks = self.settled_checks + 1
  local wanted, facts = {}, { granted = 0, refused = 0, wishes = 0 }
  for _, wish in pairs(self.wishes) do
    facts.wishes = facts.wishes + 1
    wanted[wish.filter] = math.max(wanted[wish.filter] or 0, wish.qos)
    assert(wish.verdict, "a wish has not heard its fate")
    local kind = wish.verdict < 0x80 and "granted" or "refused"
    facts[kind] = facts[kind] + 1
    if kind == "granted" then
      assert(self.session[wish.filter], "granted and not in the session: " .. wish.filter)
    end
  end
  for filter, subscription in pairs(self.session) do
    assert(wanted[filter], "the session holds what nobody wishes: " .. filter)
    local refused
    for _, wish in pairs(self.wishes) do
      refused = refused or (wish.filter == filter and wish.verdict >= 0x80)
    end
    assert(refused or subscription.qos == wanted[filter], "wrong QoS for " .. filter)
  end
  local told = self.set:facts()
  assert(told.wishes == facts.wishes and told.confirmed == facts.granted and told.refused == facts.refused,
    "wrong counts")
  local numbers_tell = self:numbers_tell()
  self.copies_checks = self.copies_checks + (numbers_tell and 1 or 0)
  for _, topic in ipairs(TOPICS) do
    local expected = self:expected_wishes(topic)
    assert(self:reached(topic, true) == expected, "a message with all identifiers on " .. topic)
    if numbers_tell then
      assert(self:reached(topic, false) == expected, "a message a subscription on " .. topic)
    end
  end
end

describe("a set beside a broker", function()
  it("agrees with it whenever all is settled", function()
    local checks, copies_checks = 0, 0
    for seed = 1, 60 do
      local world = new_world(seed)
      for step = 1, 600 do
        local what = world.pick(20)
        local act = world.up and (what <= 2 and "add" or what <= 4 and "remove" or what <= 9 and "send" or
          what <= 13 and "arrive" or what <= 17 and "hear" or what == 18 and "change_mind" or
          what == 19 and "lose" or "send") or (what <= 2 and "add" or what <= 4 and "remove" or "connect")
        if world.pick(25) == 1 and world.up then -- let it come to rest
          for _ = 1, 40 do
            world:send()
            world:arrive()
            world:hear()
          end
        end
        world[act](world)
        local ok, problem = pcall(world.check, world)
        if not ok then
          error("seed " .. seed .. ", step " .. step .. ": " .. tostring(problem))
        end
      end
      checks, copies_checks = checks + world.settled_checks, copies_checks + world.copies_checks
    end
    assert.is_true(checks > 2000 and copies_checks > 1000, checks .. " checks, of copies " .. copies_checks)
  end)
end)
