-- What a set of subscriptions and a line of messages do as they grow, in steps and not in seconds: work that shall not
-- depend on a number is the same for two of them, within what the length of a chain in a hash table may differ.
local probe = require "subscriptions_probe"

-- A set that is collected meanwhile would count.
local function work(fn)
  collectgarbage()
  collectgarbage()
  collectgarbage "stop"
  local before = probe.work()
  fn()
  local done = probe.work() - before
  collectgarbage "restart"
  return done
end

-- `measure(n)` is the work for n of something: all of n, of which each must cost the same.
local function grows_with(measure, small, large)
  local a, b = measure(small) / small, measure(large) / large
  assert.is_true(a > 0 and b > 0)
  assert.is_true(b <= 2 * a, ("%.1f steps each at %d, %.1f at %d"):format(a, small, b, large))
end

-- Of which all must cost the same.
local function is_flat(measure, small, large)
  local a, b = measure(small), measure(large)
  assert.is_true(a > 0 and b > 0)
  assert.is_true(b <= 2 * a, ("%d steps at %d, %d at %d"):format(a, small, b, large))
end

local function filled(n, filter, options)
  local set = probe.new()
  for i = 1, n do
    assert(set:add(i, filter:gsub("%%", i), options))
  end
  return set
end

local function answer_all(set)
  for request in function() return set:next() end do
    set:answer(request.ticket, 0)
  end
end

describe("the work for a message", function()
  it("grows with its identifiers, whether they are ours or not", function()
    local set = filled(50, "a/%")
    for _, filters in ipairs { set, filled(4000, "a/%") } do
      grows_with(function(n)
        return work(function() filters:crowd("a/7", 1, n) end)
      end, 250, 4000)
    end
  end)

  it("does not grow with the filters that do not match, by its topic or by its identifier", function()
    for _, filter in ipairs { "device/%/+/state", "$share/g/device/%/#", "+/%/#", "device/%" } do
      for _, identifiers in ipairs { {}, { 7 } } do
        is_flat(function(n)
          local set = filled(n, filter)
          return work(function() assert(set:match("device/7/x/state", identifiers)) end)
        end, 100, 5000)
      end
    end
  end)

  it("does not grow with the filters for which the user gave one identifier", function()
    is_flat(function(n)
      local set = filled(n, "device/%/#", { identifier = 9 })
      return work(function() assert.same({ 7 }, (set:match("device/7/x", { 9, 9 }))) end)
    end, 100, 5000)
  end)

  it("looks once at each byte of the topic, however many filters lead through it", function()
    local set = probe.new()
    for i = 0, 255 do
      local levels = {}
      for bit = 0, 7 do
        levels[bit + 1] = math.floor(i / 2 ^ bit) % 2 == 1 and "a" or "+"
      end
      set:add(i, table.concat(levels, "/") .. "/+/end")
    end
    local topic = ("a/"):rep(8)
    local short = work(function() set:match(topic .. "b/x") end)
    local long = work(function() set:match(topic .. ("b"):rep(20000) .. "/x") end)
    assert.is_true(long - short <= 5 * 20000, ("%d steps more for 20,000 bytes"):format(long - short))
  end)

  it("and its memory do not depend on how many levels the topic has, or a filter", function()
    local set = filled(1, ("+/"):rep(30000) .. "%")
    grows_with(function(n)
      return work(function() set:match(("/"):rep(n)) end)
    end, 1000, 30000)
    assert.same({ 1 }, (set:match(("a/"):rep(30000) .. "1")))
  end)
end)

describe("the work for a wish", function()
  it("does not grow with the wishes for the same filter, as they come, are granted and go", function()
    for _, options in ipairs { {}, { qos = 1, identifier = 3 } } do
      grows_with(function(n)
        local set = probe.new()
        set:connected(false)
        return work(function()
          for i = 1, n do
            set:add(i, "reply/to/me", options)
            answer_all(set)
          end
          for i = 1, n do
            set:remove(i)
            answer_all(set)
          end
        end)
      end, 150, 3000)
    end
  end)

  it("does not grow with the filters, be it that all have one identifier", function()
    for _, options in ipairs { {}, { identifier = 3 } } do
      for _, filter in ipairs { "a/%/b", "+/%/#", "$share/%/a" } do
        grows_with(function(n)
          local set = probe.new()
          return work(function()
            for i = 1, n do
              set:add(i, filter:gsub("%%", i), options)
            end
            for i = 1, n do
              set:remove(i)
            end
          end)
        end, 150, 3000)
      end
    end
  end)
end)

describe("the work of putting back into a line", function()
  local function numbers(from, to, step)
    local list = {}
    for id = from, to, step do
      list[#list + 1] = id
    end
    return list
  end

  local function sorted(ids)
    local line, steps, last_steps = probe.insert(ids)
    table.sort(ids)
    assert.same(ids, line)
    return steps, last_steps
  end

  it("does not grow with what stands in it, for those that come one after the other", function()
    grows_with(function(n) return sorted(numbers(1, n, 1)) end, 100, 5000)
    grows_with(function(n) return sorted(numbers(n, 1, -1)) end, 100, 5000)
    for _, step in ipairs { 1, -1 } do
      grows_with(function(n)
        local list = {}
        for _, from in ipairs { 2 * n, 1, n } do -- three runs, as of packet ids that have begun anew
          for i = 0, n - 2 do
            list[#list + 1] = step == 1 and from + i or from + n - 2 - i
          end
        end
        return sorted(list)
      end, 100, 3000)
    end
  end)

  it("does not grow with what stands in it, for those that go to its ends in turn", function()
    grows_with(function(n)
      local list = numbers(n, 2 * n, 1)
      for i = 1, n - 1 do
        list[#list + 1] = n - i
        list[#list + 1] = 2 * n + i
      end
      return sorted(list)
    end, 100, 3000)
  end)

  it("does not grow with what stands in it, for one that goes back to the front", function()
    is_flat(function(n)
      local list = numbers(2, n, 1)
      list[#list + 1] = 1
      return select(2, sorted(list))
    end, 100, 5000)
  end)

  it("puts each where it belongs, wherever that is", function()
    local seed = 7
    for round = 1, 50 do
      local taken, list = {}, {}
      for _ = 1, round do
        seed = (seed * 16807) % 2147483647
        local id = seed % 200 + 1
        if not taken[id] then
          taken[id] = true
          list[#list + 1] = id
        end
      end
      sorted(list)
    end
  end)
end)
