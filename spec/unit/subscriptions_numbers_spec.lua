-- The numbers that a set of subscriptions gives out, and what becomes of messages that come back with one.
local probe = require "subscriptions_probe"

local MOST_IDENTIFIER, MOST_TICKET = 268435455, 4294967295

local set

before_each(function()
  set = probe.new()
end)

-- What is due as "filter=identifier", all of it granted.
local function take()
  local list = {}
  for request in function() return set:next() end do
    list[#list + 1] = request.filter .. "=" .. request.identifier
    set:answer(request.ticket, 0)
  end
  return list
end

local function match(...)
  local wishes = set:match(...)
  table.sort(wishes)
  return wishes
end

describe("subscription identifiers", function()
  it("begin anew after the last that MQTT has, past those in use", function()
    set:add(1, "first")
    set:add(2, "the user's", { identifier = 3 })
    set:connected(false)
    assert.same({ "first=1", "the user's=3" }, take())
    set:last(MOST_IDENTIFIER - 1, 0)
    for wish, filter in ipairs { "last", "second", "fourth" } do
      set:add(wish + 2, filter)
    end
    assert.same({ "last=" .. MOST_IDENTIFIER, "second=2", "fourth=4" }, take())
    assert.same({ { 3 }, { 1 } }, { match("last", { MOST_IDENTIFIER }), match("first", { 1 }) })
  end)

  it("are free again once the filter is unsubscribed, and not before", function()
    set:add(1, "a")
    set:connected(false)
    take()
    set:remove(1)
    set:last(MOST_IDENTIFIER, 0)
    set:add(2, "b")
    assert.same({ "a=0", "b=2" }, take())
    set:last(MOST_IDENTIFIER, 0)
    set:add(3, "c")
    assert.same({ "c=1" }, take())
  end)

  it("that the set chose and the user has given to another filter since are not taken back", function()
    set:add(1, "a")
    set:connected(false)
    take()
    set:add(2, "a", { identifier = 80 })
    set:add(3, "b", { identifier = 1 })
    assert.same({ "a=80", "b=1" }, take())
    set:remove(2)
    assert.same({ "a=2" }, take())
  end)

  it("may be the same for any of the user's filters, as they come and go", function()
    for wish, filter in ipairs { "a", "a/#", "b" } do
      set:add(wish, filter, { identifier = 5 })
    end
    set:add(4, "#")
    set:connected(false)
    assert.same({ "a=5", "a/#=5", "b=5", "#=1" }, take())
    assert.same({ 1, 2 }, match("a", { 5 }))
    for _, wish in ipairs { 3, 1 } do
      set:remove(wish)
      take()
      assert.same({ 2 }, match("a/x", { 5 }))
    end
    set:remove(2)
    take()
    assert.same({ 4 }, match("a", { 5 }))
  end)
end)

describe("tickets", function()
  it("begin anew after the last, past those in use and without the probe's", function()
    set:connected(false)
    local tickets = {}
    local function ask(wish)
      set:add(wish, "f/" .. wish)
      local request = set:next()
      tickets[#tickets + 1] = request.ticket
      return request.ticket
    end
    ask(1)
    set:last(0, MOST_TICKET - 1)
    for wish = 2, 4 do
      ask(wish)
    end
    assert.same({ 1, MOST_TICKET, 2, 3 }, tickets)
    for wish, ticket in ipairs(tickets) do
      assert.same({ { wish = wish, code = 0 } }, set:answer(ticket, 0))
    end
  end)
end)

describe("a message with an identifier of ours", function()
  local function granted(...)
    for wish, filter in ipairs { ... } do
      set:add(wish, filter)
    end
    set:connected(false)
    take()
  end

  it("may come under what follows $queue/ and $exclusive/, as EMQX has it, or under all of it, as others do", function()
    for _, prefix in ipairs { "$queue/", "$exclusive/" } do
      set = probe.new()
      granted(prefix .. "a/+", "a/b")
      assert.same({ 1 }, match("a/b", { 1 }))
      assert.same({ 2 }, match("a/b", { 2 }))
      assert.same({ 1, 2 }, match("a/b", { 2, 1 }))
      assert.same({ 1 }, match(prefix .. "a/b", { 1 }))
      assert.same({ 1 }, match(prefix .. "a/b"))
    end
  end)

  it("and under the bare topic is for others when the identifier is none of ours, or another filter's", function()
    granted("$queue/a", "a", "b", "$queue/#")
    assert.same({ 2 }, match "a")
    assert.same({ 2 }, match("a", { 99 }))
    assert.same({ 2 }, match("a", { 3 }))
    assert.same({}, match("$SYS/x", { 4 }))
    set:remove(1)
    take()
    assert.same({ 2 }, match("a", { 1 }))
  end)

  it("is for nobody while its filter is being unsubscribed", function()
    granted("$exclusive/a", "a")
    set:remove(1)
    assert.same({}, match("a", { 1 }))
  end)
end)

describe("a topic without identifiers", function()
  it("is told from another whose hash is the same", function() -- FNV-1a has it so for these two words
    for wish, filter in ipairs { "liquid", "costarring", "liquid/+", "costarring/x/#", "liquid/y" } do
      set:add(wish, filter)
    end
    assert.same({ { 1 }, { 2 }, { 3 }, { 4 }, { 3, 5 }, {} }, { match "liquid", match "costarring", match "liquid/x",
      match "costarring/x", match "liquid/y", match "costarring/y" })
  end)

  it("leads to all filters that match it and to no others, as they come and go", function()
    local matches = require("holdfast.core").topic_matches
    local levels = { "a", "b", "", "+", "$x", "ab" }
    local seed = 11
    local function pick(n)
      seed = (seed * 16807) % 2147483647
      return math.floor(seed / 7) % n + 1
    end
    local function text(most)
      local list = {}
      for i = 1, pick(5) do
        list[i] = levels[pick(most)]
      end
      return table.concat(list, "/")
    end
    local filters, found = {}, 0
    for step = 1, 4000 do
      local wish = pick(60)
      if filters[wish] then
        set:remove(wish)
        filters[wish] = nil
      else
        local filter = text(#levels)
        if pick(3) == 1 then
          filter = filter .. "/#"
        elseif pick(8) == 1 then
          filter = "#"
        end
        if pick(6) == 1 then
          filter = "$share/" .. pick(2) .. "/" .. filter
        end
        if filter ~= "" and not filter:find "/$share/%d/$" then
          filters[wish] = filter
          set:add(wish, filter)
        end
      end
      local topic, expected = text(3) .. (pick(4) == 1 and "/$x" or ""), {}
      if pick(9) == 1 then
        topic = "$x/" .. topic
      end
      for number, filter in pairs(filters) do
        if matches(filter, topic) then
          expected[#expected + 1] = number
        end
      end
      table.sort(expected)
      found = found + #expected
      assert.same(expected, match(topic), "step " .. step .. ", topic " .. topic)
    end
    assert.is_true(found > 4000, found .. " found")
  end)
end)

describe("a wish for which there is no memory", function()
  after_each(function()
    probe.fail(0)
  end)

  it("changes nothing, at whichever request for memory it fails", function()
    set:add(1, "a/b/c")
    local needed = 0
    while true do
      probe.fail(needed + 1)
      local added = set:add(2, "$queue/a/+/c/d/e", { note = "kept" })
      probe.fail(0)
      if added then
        break
      end
      assert.same({ settled = false, wishes = 1, refused = 0, confirmed = 0 }, set:facts())
      assert.same({ { 1 }, {}, {} }, { match "a/b/c", match "$queue/a/b/c/d/e", match("a/b/c/d/e", { 2 }) })
      needed = needed + 1
    end
    assert.is_true(needed >= 13, needed .. " requests")
    assert.same({ { 1 }, { 2 }, { 2 } },
      { match "a/b/c", match "$queue/a/b/c/d/e", match("a/b/c/d/e", { 2 }) })
    assert.is_true(set:remove(2))
    set:connected(false)
    assert.same({ "a/b/c=1" }, take())
  end)

  it("is another thing than a table that cannot grow", function()
    for request = 5, 8 do -- after the wish, its filter and its two levels
      set = probe.new()
      set:add(1, "f/1")
      for wish = 2, 200 do
        probe.fail(request)
        assert(set:add(wish, "f/" .. wish))
      end
      probe.fail(0)
      for wish = 1, 200, 7 do
        assert.same({ wish }, match("f/" .. wish))
      end
    end
  end)
end)
