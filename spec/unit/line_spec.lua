-- The line in which waiters stand.
local line = require "holdfast.line"

describe("a line", function()
  local function all(queue)
    local found = {}
    for position = queue.first, queue.last do
      found[#found + 1] = queue[position] and queue[position].name
    end
    return found
  end

  local function standing(count)
    local queue, waiters = line.new(), {}
    for name = 1, count do
      waiters[name] = { name = name }
      line.join(queue, waiters[name])
    end
    return queue, waiters
  end

  -- How many fields a table takes, those of the line itself left out.
  local function size(queue)
    local count = -3
    for _ in pairs(queue) do
      count = count + 1
    end
    return count
  end

  it("keeps its order through all that leave", function()
    local queue, model, seed, name = line.new(), {}, 7, 0
    for _ = 1, 5000 do
      seed = (seed * 16807) % 2147483647
      local what = seed % 10
      if what < 5 then
        name = name + 1
        model[#model + 1] = { name = name }
        line.join(queue, model[#model])
      elseif what < 7 then
        local first = table.remove(model, 1)
        assert(line.shift(queue) == first)
      elseif model[1] then
        line.leave(queue, table.remove(model, seed % #model + 1))
      end
      local names = {}
      for index, waiter in ipairs(model) do
        names[index] = waiter.name
      end
      assert.same(names, all(queue))
      assert(line.head(queue) == model[1] and line.is_empty(queue) == (#model == 0) and size(queue) == #model)
    end
  end)

  -- Calls `fn`, in which an error strikes at an instruction of the line's; whether it has come to that one.
  local function strike(at, fn)
    local count, thread = 0, coroutine.create(fn)
    debug.sethook(thread, function()
      if debug.getinfo(2, "S").source:find("holdfast/line.lua", 1, true) then
        count = count + 1
        if count == at then
          debug.sethook()
          error("struck", 0)
        end
      end
    end, "", 1)
    coroutine.resume(thread)
    debug.sethook(thread)
    return count >= at
  end

  for _, what in ipairs { "join", "leave", "shift" } do
    it("may be struck anywhere in " .. what .. ", and who comes then is served", function()
      local at, struck = 1, true
      while struck do
        struck = false
        for count = what == "join" and 0 or 1, 2 do
          local queue, waiters = standing(count)
          local who = what == "join" and {} or waiters[count]
          struck = strike(at, function()
            line[what](queue, who)
          end) or struck
          local newest = {}
          line.join(queue, newest)
          local served
          repeat
            served = line.shift(queue)
          until served == newest or not served
          assert(served == newest, at)
          assert(line.is_empty(queue), at)
        end
        at = at + 1
      end
    end)
  end

  it("may be struck anywhere as it is gone through, and nobody is missing, out of order or there twice", function()
    local at, struck = 1, true
    while struck do
      local queue, waiters = standing(16)
      local wanted = {}
      for name = 1, 5 do
        line.leave(queue, waiters[name])
      end
      for name = 6, 16 do
        local is_over = name > 7 and name < 16 and name % 3 > 0 -- neither end
        waiters[name].done = is_over
        if not is_over then
          wanted[#wanted + 1] = name
        end
      end
      queue.limit = 8 -- the next to come has it gone through
      struck = strike(at, function()
        line.join(queue, { name = "new" })
      end)
      local served = {}
      local waiter = line.head(queue)
      while waiter do
        if not line.is_over(waiter) and waiter.name ~= "new" then
          served[#served + 1] = waiter.name
        end
        line.leave(queue, waiter)
        assert(line.head(queue) ~= waiter, at)
        waiter = line.head(queue)
      end
      assert.same(wanted, served)
      assert(line.is_empty(queue), at)
      at = at + 1
    end
  end)

  it("leaves alone who does not stand in it", function()
    local queue, waiters = standing(2)
    line.leave(queue, {})
    line.leave(queue, waiters[1])
    line.leave(queue, waiters[1])
    local other = standing(2)
    line.leave(other, waiters[2])
    assert.same({ { 2 }, { 1, 2 } }, { all(queue), all(other) })
  end)

  it("grows no longer than those who stand in it while others come and go behind one who stays", function()
    local queue, waiters = standing(3)
    for _ = 1, 1000 do
      local guest = {}
      line.join(queue, guest)
      line.leave(queue, guest)
    end
    assert.equal(3, queue.last)
    line.leave(queue, waiters[3])
    line.leave(queue, waiters[1])
    assert.same({ 2, 2 }, { queue.first, queue.last })
  end)

  it("lets go of those whose coroutine was ended when the next one comes", function()
    local queue, waiters = standing(5)
    for _, name in ipairs { 1, 2, 5 } do
      waiters[name].done = true
    end
    line.join(queue, { name = 6 })
    assert.same({ 3, 4, 6 }, all(queue))
    waiters[3].done, waiters[4].done, line.head(queue).done = true, true, true
    queue[queue.last].done = true
    line.join(queue, { name = 7 })
    assert.same({ { 7 }, 1 }, { all(queue), queue.last })
  end)

  it("holds no more than twice as many as stand in it when those between two who stay are ended", function()
    local queue, waiters = standing(1)
    local last = waiters[1]
    for _ = 1, 1000 do
      local guest = {}
      line.join(queue, guest)
      local after = { name = "after" }
      line.join(queue, after)
      guest.done = true
      line.leave(queue, last ~= waiters[1] and last or {})
      last = after
    end
    assert.is_true(queue.last - queue.first <= 32, queue.last - queue.first .. " positions")
    assert.same({ 1, "after" }, { all(queue)[1], last.name })
    assert.equal(last, queue[queue.last])
    assert.equal(waiters[1], line.shift(queue))
  end)

  it("holds no more than twice as many when more stay than one is gone through for", function()
    local queue = standing(40)
    local after = queue[40]
    for _ = 1, 1000 do
      local guest, next_one = {}, { name = "after" }
      line.join(queue, guest)
      line.join(queue, next_one)
      guest.done = true
      line.leave(queue, after)
      after = next_one
    end
    assert.is_true(queue.last - queue.first <= 2 * 42, queue.last - queue.first .. " positions")
    assert.equal(39, all(queue)[39])
  end)

  it("lets go of those whom a host has ended without a word", function()
    local loop = require "holdfast.loop"
    local before = loop.is_gone
    finally(function()
      loop.is_gone = before
    end)
    local queue = standing(3)
    function loop.is_gone(waiter)
      return waiter.name ~= 2
    end
    line.join(queue, { name = 2 })
    assert.same({ 2, 2 }, all(queue))
  end)
end)
