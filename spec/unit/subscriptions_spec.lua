-- What must be sent so that the application hears what it wants, through losses, refusals and changes of mind.
local probe = require "subscriptions_probe"

-- Takes what is due as words: "+filter qos" to subscribe, "-filter" to unsubscribe; answers everything with `code`.
local function take(set, code)
  local words, tickets = {}, {}
  while true do
    local request = set:next()
    if not request then
      break
    end
    words[#words + 1] = request.subscribe and "+" .. request.filter .. " " .. request.qos or "-" .. request.filter
    tickets[#tickets + 1] = request.ticket
  end
  local verdicts = {}
  if code then
    for _, ticket in ipairs(tickets) do
      for _, verdict in ipairs(set:answer(ticket, code)) do
        verdicts[#verdicts + 1] = verdict.wish .. "=" .. verdict.code
      end
    end
  end
  return words, verdicts, tickets
end

local function connected(...)
  local set = probe.new()
  for i, filter in ipairs { ... } do
    set:add(i, filter)
  end
  set:connected(false)
  return set
end

-- As `connected`, and everything granted.
local function granted(...)
  local set = connected(...)
  take(set, 0)
  return set
end

describe("after a connect", function()
  it("everything is asked for, in the order of first use, and every wish hears its fate", function()
    local set = connected("a", "b/+", "c/#")
    assert.is_false(set:facts().settled)
    local words, verdicts = take(set, 1)
    assert.same({ "+a 0", "+b/+ 0", "+c/# 0" }, words)
    assert.same({ "1=1", "2=1", "3=1" }, verdicts)
    assert.same({ settled = true, wishes = 3, refused = 0, confirmed = 3 }, set:facts())
  end)

  it("an empty set has nothing to ask and is settled", function()
    local set = connected()
    assert.is_nil(set:next())
    assert.is_true(set:facts().settled)
  end)

  it("without a session everything is asked for again", function()
    local set = granted("a", "b")
    set:lost()
    assert.is_nil(set:next())
    set:connected(false)
    assert.same({ "+a 0", "+b 0" }, (take(set, 0)))
  end)

  it("with the session nothing is asked for", function()
    local set = granted("a", "b")
    set:lost()
    set:connected(true)
    assert.is_nil(set:next())
    assert.same({ settled = true, wishes = 2, refused = 0, confirmed = 2 }, set:facts())
  end)

  it("the first of a process asks for everything, whatever an older session holds", function()
    local set = probe.new()
    set:add(1, "a")
    set:connected(true)
    assert.same({ "+a 0" }, (take(set, 0)))
  end)

  it("what had no answer is asked for again, with the session too", function()
    local set = connected("a", "b")
    local first = set:next()
    set:lost()
    assert.same({}, set:answer(first.ticket, 0))
    set:connected(true)
    assert.same({ "+a 0", "+b 0" }, (take(set, 0)))
  end)

  it("a code that grants no QoS is a refusal, whatever it is", function()
    for _, code in ipairs { 3, 0x7F, 0xFF } do
      local set = connected "a"
      local _, verdicts = take(set, code)
      assert.same({ "1=" .. code }, verdicts)
      assert.same({ settled = true, wishes = 1, refused = 1, confirmed = 0 }, set:facts())
    end
  end)

  it("what was refused is asked for again", function()
    local set = connected("a", "b")
    local _, verdicts = take(set, 0x87)
    assert.same({ "1=135", "2=135" }, verdicts)
    assert.same({ settled = true, wishes = 2, refused = 2, confirmed = 0 }, set:facts())
    set:lost()
    set:connected(true)
    assert.same({ "+a 0", "+b 0" }, (take(set, 2)))
    assert.same({ settled = true, wishes = 2, refused = 0, confirmed = 2 }, set:facts())
  end)
end)

describe("while away", function()
  it("what was added is asked for, and what was removed is taken back", function()
    local set = granted("a", "b", "c")
    set:lost()
    assert.is_true(set:remove(2))
    set:add(4, "d")
    set:connected(true)
    assert.same({ "-b", "+d 0" }, (take(set, 0)))
    assert.is_true(set:facts().settled)
  end)

  it("what was removed is not mentioned when there is no session", function()
    local set = granted("a", "b")
    set:lost()
    set:remove(1)
    set:connected(false)
    assert.same({ "+b 0" }, (take(set, 0)))
  end)

  it("what was removed before the broker knew of it is not mentioned at all", function()
    local set = probe.new()
    set:add(1, "a")
    set:remove(1)
    set:connected(true)
    assert.is_nil(set:next())
    assert.equal(0, set:facts().wishes)
  end)

  it("what was removed and wished for again is asked for, not taken back", function()
    local set = granted("a")
    set:lost()
    set:remove(1)
    set:add(2, "a")
    set:connected(true)
    local words, verdicts = take(set, 1)
    assert.same({ { "+a 0" }, { "2=1" } }, { words, verdicts })
  end)

  it("a request that may have arrived counts as known", function()
    local set = connected("a")
    set:next()
    set:lost()
    set:remove(1)
    set:connected(true)
    assert.same({ "-a" }, (take(set, 0)))
  end)

  it("an UNSUBSCRIBE without an answer is sent again", function()
    local set = granted("a")
    set:remove(1)
    set:next()
    set:lost()
    set:connected(true)
    assert.same({ "-a" }, (take(set, 0)))
  end)
end)

describe("two wishes for one filter", function()
  it("share a subscription at the higher QoS", function()
    local set = connected()
    set:add(1, "a", { qos = 0 })
    set:add(2, "a", { qos = 2 })
    set:add(3, "a", { qos = 1 })
    local words, verdicts = take(set, 2)
    assert.same({ { "+a 2" }, { "1=2", "2=2", "3=2" } }, { words, verdicts })
    assert.equal(3, set:facts().confirmed)
  end)

  it("added later subscribe again, for the verdict and the retained messages", function()
    local set = granted("a")
    set:add(2, "a", { qos = 1 })
    local request = set:next()
    assert.same({ "a", 1, 0 }, { request.filter, request.qos, request.retain_handling })
    assert.same({ { wish = 1, code = 1 }, { wish = 2, code = 1 } }, set:answer(request.ticket, 1))
  end)

  it("go down to the lower QoS when the higher goes, without the retained messages again", function()
    local set = connected()
    set:add(1, "a", { qos = 1 })
    set:add(2, "a", { qos = 2 })
    take(set, 2)
    set:remove(2)
    local request = set:next()
    assert.same({ "a", 1, 2 }, { request.filter, request.qos, request.retain_handling })
    set:answer(request.ticket, 1)
    set:remove(1)
    assert.same({ "-a" }, (take(set, 0)))
  end)

  it("need no packet when one goes that made no difference", function()
    local set = connected()
    set:add(1, "a", { qos = 1 })
    set:add(2, "a", { qos = 1 })
    take(set, 1)
    set:remove(1)
    assert.is_nil(set:next())
    assert.equal(1, set:facts().confirmed)
  end)

  it("subscribe again when the options of the newest go with it, be it one alone", function()
    for _, option in ipairs { "no_local", "retain_as_published" } do
      local set = connected("a")
      set:add(2, "a", { [option] = true })
      assert.is_true(set:next()[option])
      set:remove(2)
      local request = set:next()
      assert.is_false(request and request[option])
    end
  end)

  it("stay refused when one of them goes", function()
    local set = connected()
    set:add(1, "a", { qos = 1 })
    set:add(2, "a", { qos = 2 })
    take(set, 0x87)
    set:remove(2)
    assert.is_nil(set:next())
    assert.equal(1, set:facts().refused)
  end)

  it("take their other options and properties from the newest", function()
    local set = connected()
    set:add(1, "a", { no_local = true, retain_handling = 1, note = "1" })
    set:add(2, "a", { retain_as_published = true, retain_handling = 2, qos = 1, note = "2" })
    local request = set:next()
    request.ticket, request.identifier = nil, nil
    assert.same({ subscribe = true, filter = "a", qos = 1, no_local = false, retain_as_published = true,
      retain_handling = 2, note = "2" }, request)
    set:remove(2)
    request = set:next()
    assert.same({ 0, true, false, 1, "1" }, { request.qos, request.no_local, request.retain_as_published,
      request.retain_handling, request.note })
  end)
end)

describe("retained messages", function()
  it("come again when the session was lost, as the wish says", function()
    local set = granted("a")
    set:lost()
    set:connected(false)
    assert.equal(0, set:next().retain_handling)
  end)

  it("do not come again for a change while the session knows the filter", function()
    local set = connected()
    set:add(1, "a", { qos = 0 })
    set:add(2, "a", { qos = 1 })
    take(set, 1)
    set:lost()
    set:remove(2)
    set:connected(true)
    local request = set:next()
    assert.same({ 0, 2 }, { request.qos, request.retain_handling })
  end)

  it("are still expected after a refusal", function()
    local set = connected("a")
    take(set, 0x80)
    set:lost()
    set:connected(true)
    assert.equal(0, set:next().retain_handling)
  end)
end)

describe("an answer", function()
  it("counts once", function()
    local set = connected("a")
    local ticket = set:next().ticket
    assert.equal(1, #set:answer(ticket, 0))
    assert.same({}, set:answer(ticket, 0))
    assert.same({}, set:answer(ticket + 1, 0))
    assert.same({}, set:answer(0, 0))
  end)

  it("that a newer request has overtaken says nothing", function()
    local set = connected("a")
    local old = set:next()
    set:add(2, "a", { qos = 1 })
    assert.same({}, set:answer(old.ticket, 0))
    local new = set:next()
    assert.not_equal(old.ticket, new.ticket)
    assert.is_false(set:facts().settled)
    assert.equal(2, #set:answer(new.ticket, 1))
    assert.is_true(set:facts().settled)
  end)

  it("to an UNSUBSCRIBE ends the filter, whatever it says", function()
    for _, code in ipairs { 0, 0x11, 0x87 } do
      local set = granted("a")
      set:remove(1)
      assert.is_false(set:facts().settled)
      assert.same({}, set:answer(set:next().ticket, code))
      assert.is_true(set:facts().settled)
      set:lost()
      set:connected(true)
      assert.is_nil(set:next())
    end
  end)

  it("that refuses a higher QoS leaves the older subscription known", function()
    local set = granted("a")
    set:add(2, "a", { qos = 2 })
    set:answer(set:next().ticket, 0x97)
    assert.equal(2, set:facts().refused)
    set:remove(1)
    set:remove(2)
    assert.same({ "-a" }, (take(set, 0)))
  end)

  it("that refused needs no UNSUBSCRIBE", function()
    local set = connected("a")
    take(set, 0x87)
    set:remove(1)
    assert.is_nil(set:next())
  end)

  it("crosses with a change of mind", function()
    local set = connected("a")
    local subscribe = set:next()
    set:remove(1)
    local unsubscribe = set:next()
    assert.is_false(unsubscribe.subscribe)
    set:add(2, "a")
    local again = set:next()
    assert.is_true(again.subscribe)
    assert.same({}, set:answer(subscribe.ticket, 0))
    assert.same({}, set:answer(unsubscribe.ticket, 0))
    assert.same({ { wish = 2, code = 0 } }, set:answer(again.ticket, 0))
  end)
end)

describe("identifiers", function()
  local function identifiers(set)
    local list = {}
    for request in function() return set:next() end do
      list[#list + 1] = request.filter .. "=" .. request.identifier
    end
    return list
  end

  it("are small numbers in the order of first use, one a filter, and stay", function()
    local set = connected("a", "b", "a", "c")
    assert.same({ "a=1", "b=2", "c=3" }, identifiers(set))
    set:lost()
    set:connected(false)
    assert.same({ "a=1", "b=2", "c=3" }, identifiers(set))
  end)

  it("are the user's own where given, and the set keeps out of their way", function()
    local set = connected()
    set:add(1, "a")
    set:add(2, "b", { identifier = 2 })
    set:add(3, "c")
    assert.same({ "a=1", "b=2", "c=3" }, identifiers(set))
    set:add(4, "d", { identifier = 3 })
    assert.same({ "c=4", "d=3" }, identifiers(set))
  end)

  it("are the user's newest of several wishes, and the set's once those are gone", function()
    local set = connected()
    set:add(1, "a", { identifier = 70 })
    set:add(2, "a", { identifier = 80 })
    set:add(3, "a")
    assert.same({ "a=80" }, identifiers(set))
    set:remove(2)
    assert.same({ "a=70" }, identifiers(set))
    set:remove(1)
    assert.same({ "a=1" }, identifiers(set))
  end)

  it("that the user gives as the set has chosen them change nothing", function()
    local set = granted("a")
    set:add(2, "a", { identifier = 1 })
    assert.same({ "a=1" }, identifiers(set))
    set:remove(2)
    assert.same({}, identifiers(set))
  end)

  it("are not used again for another filter", function()
    local set = granted("a")
    set:remove(1)
    take(set, 0)
    set:add(2, "b")
    assert.same({ "b=2" }, identifiers(set))
  end)
end)

describe("a message", function()
  local function match(set, ...)
    local wishes, count = set:match(...)
    table.sort(wishes)
    assert.equal(#wishes, count)
    return wishes
  end

  it("goes to each wish once, by its topic", function()
    local set = granted("a/b", "a/+", "a/#", "#", "b", "a/b", "$share/g/a/b", "+")
    assert.same({ 1, 2, 3, 4, 6, 7 }, match(set, "a/b"))
    assert.same({ 3, 4, 8 }, match(set, "a"))
    assert.same({ 4, 5, 8 }, match(set, "b"))
    assert.same({}, match(set, "$SYS/x"))
    assert.same({}, match(set, "$share/g/a/b"))
  end)

  it("goes by its identifiers when they are ours", function()
    local set = granted("a/b", "a/+", "a/b")
    assert.same({ 2 }, match(set, "a/b", { 2 }))
    assert.same({ 1, 3 }, match(set, "a/b", { 1 }))
    assert.same({ 1, 2, 3 }, match(set, "a/b", { 2, 1, 2, 1 }))
  end)

  it("goes by its topic when an identifier is unknown, or belongs to another filter", function()
    local set = granted("a/b", "c")
    assert.same({ 1 }, match(set, "a/b", { 99 }))
    assert.same({ 1 }, match(set, "a/b", { 2 }))
    assert.same({ 1 }, match(set, "a/b", { 0 }))
    assert.same({ 1 }, match(set, "a/b", { 99, 1 }))
  end)

  it("of a filter that is being unsubscribed is for nobody, and not a copy for others", function()
    local set = granted("a/b", "a/#")
    set:remove(1)
    assert.same({}, match(set, "a/b", { 1 }))
    local unsubscribe = set:next()
    assert.same({}, match(set, "a/b", { 1 }))
    assert.same({ 2 }, match(set, "a/b", { 2 }))
    set:answer(unsubscribe.ticket, 0)
    assert.same({ 2 }, match(set, "a/b", { 1 }))
  end)

  it("does not go to a refused wish by its topic alone", function()
    local set = connected("a/#", "a/b")
    set:answer(set:next().ticket, 0x87)
    set:answer(set:next().ticket, 0)
    assert.same({ 2 }, match(set, "a/b"))
  end)

  it("does go to a refused wish whose older subscription the session still has", function()
    local set = granted("a")
    set:add(2, "a", { qos = 2 })
    take(set, 0x97)
    assert.same({ 1, 2 }, match(set, "a"))
  end)

  it("may be for more wishes than there is room", function()
    local set = granted("a", "a", "a", "#", "+")
    local wishes, count = set:match("a", nil, 2)
    assert.same({ 2, 5 }, { #wishes, count })
    assert.is_true(wishes[1] ~= wishes[2] and wishes[1] >= 1 and wishes[2] >= 1 and wishes[1] + wishes[2] <= 9)
    assert.same({ {}, 5 }, { set:match("a", nil, 0) })
  end)
end)

describe("a large set", function()
  it("finds its way", function()
    local set = probe.new()
    for i = 1, 5000 do
      assert(set:add(i, "device/" .. i .. "/state", { qos = i % 3 }))
    end
    set:connected(false)
    local tickets = {}
    for request in function() return set:next() end do
      tickets[#tickets + 1] = request.ticket
    end
    assert.equal(5000, #tickets)
    for i = #tickets, 1, -1 do
      assert(#set:answer(tickets[i], 1) == 1)
    end
    assert.is_true(set:facts().settled)
    for i = 1, 5000, 7 do
      assert.same({ i }, (set:match("device/" .. i .. "/state", { i })))
      assert.same({ i }, (set:match("device/" .. i .. "/state")))
    end
    for i = 1, 5000, 2 do
      assert.is_true(set:remove(i))
      assert.is_false(set:remove(i))
    end
    assert.equal(2500, #take(set, 0))
    assert.same({ settled = true, wishes = 2500, refused = 0, confirmed = 2500 }, set:facts())
  end)
end)
