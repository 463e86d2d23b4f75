-- The generator, the ring, the heap, and the blocks in which messages and properties travel.
local probe = require "core_probe"

describe("the generator", function()
  it("is SplitMix64", function() -- the first values for seed 1234567, as published with it
    assert.same({ "6457827717110365317", "3203168211198807973", "9817491932198370423", "4593380528125082431",
      "16408922859458223821" }, probe.random(1234567, 5))
  end)

  it("draws uniformly between any two bounds, both included", function()
    for _, bounds in ipairs { { 0, 9 }, { 5, 24 }, { 0, 4294967295 }, { 4294967286, 4294967295 }, { 0, 2999999999 } } do
      local cells = probe.between(77, bounds[1], bounds[2], 100000, 10)
      assert.equal(10, #cells)
      for _, count in ipairs(cells) do -- six standard deviations of 95
        assert.is_true(math.abs(count - 10000) < 570, count)
      end
    end
  end)

  it("makes no draw likelier than another where 2^32 is no multiple of their number", function()
    -- taken without rejection, every third of 3 * 2^30 values would come twice as often as the others
    for _, count in ipairs(probe.between(5, 0, 3 * 2 ^ 30 - 1, 90000, 3, true)) do
      assert.is_true(math.abs(count - 30000) < 850, count)
    end
  end)

  it("answers low when there is nothing between", function()
    assert.same({ 100 }, probe.between(1, 7, 7, 100, 1))
  end)
end)

describe("the ring", function()
  local function contents(ring)
    local list, i = {}, 0
    while ring:at(i) do
      list[#list + 1] = ring:at(i)
      i = i + 1
    end
    return list
  end

  it("keeps the newest and pushes out the oldest", function()
    local ring = probe.ring(3)
    assert.is_nil(ring:newest())
    assert.same({}, contents(ring))
    for i = 1, 7 do
      assert.is_true(ring:push(i))
      assert.equal(i, ring:newest())
    end
    assert.same({ 5, 6, 7 }, contents(ring))
    assert.equal(5, ring:shift())
    assert.same({ 6, 7 }, contents(ring))
    assert.is_true(ring:drop())
    ring:push(8)
    assert.same({ 7, 8 }, contents(ring))
    assert.equal(7, ring:shift())
    assert.equal(8, ring:shift())
    assert.is_nil(ring:shift())
    assert.is_false(ring:drop())
  end)

  it("of no length takes nothing", function()
    local ring = probe.ring(0)
    assert.is_false(ring:push(1))
    assert.is_nil(ring:newest())
    assert.is_nil(ring:at(0))
  end)
end)

describe("the heap", function()
  it("knows the earliest through 20,000 random changes", function()
    local COUNT = 60
    local heap, due, seed = probe.heap(COUNT), {}, 4
    local function pick(high)
      seed = (seed * 16807) % 2147483647
      return seed % high + 1
    end
    for change = 1, 20000 do
      local item, what = pick(COUNT), pick(10)
      if what <= 6 then
        due[item] = pick(1000) - 500
        heap:set(item, due[item])
      elseif what <= 8 then
        due[item] = nil
        heap:remove(item)
      else
        due[item] = nil
        heap:set(item, nil)
      end
      local earliest
      for i = 1, COUNT do
        if due[i] and (not earliest or due[i] < earliest) then
          earliest = due[i]
        end
      end
      local first, time = heap:first()
      if time ~= earliest or (first and due[first] ~= time) then
        error("change " .. change .. ": " .. tostring(time) .. " instead of " .. tostring(earliest))
      end
    end
  end)

  it("gives back in order what is left of it", function()
    local seed = 11
    local function pick(high)
      seed = (seed * 16807) % 2147483647
      return seed % high + 1
    end
    for _ = 1, 200 do
      local heap, left = probe.heap(100), {}
      for i = 1, 100 do
        left[i] = pick(1000)
        heap:set(i, left[i])
      end
      for _ = 1, 60 do
        local i = pick(100)
        left[i] = nil
        heap:remove(i)
      end
      local expected, given = {}, {}
      for _, due in pairs(left) do
        expected[#expected + 1] = due
      end
      table.sort(expected)
      for item, due in function() return heap:first() end do
        given[#given + 1] = due
        heap:remove(item)
      end
      assert.same(expected, given)
    end
  end)
end)

local FULL = {
  content_type = "text/plain", response_topic = "answer/here", correlation_data = "\0\1\2", reason_string = "because",
  server_reference = "other.example", message_expiry = 60, identifiers = { 1, 128, 268435455 },
  user = { { name = "a", value = "1" }, { name = "", value = "" }, { name = "a", value = "2\0" } },
}

describe("properties", function()
  it("are copied whole, into one block, with every byte of it counted", function()
    local copy, weight = probe.properties(FULL)
    assert.same(FULL, copy)
    local bytes = 0
    for _, name in ipairs { "content_type", "response_topic", "correlation_data", "reason_string",
      "server_reference" } do
      bytes = bytes + #FULL[name] + 1
    end
    local _, pair = probe.properties { user = { { name = "", value = "" } } }
    pair = pair - 2 -- of pointers and lengths, which are of 4 bytes or of 8
    assert.equal(bytes + (1 + 1) + (1 + 1) + 1 + 1 + (1 + 1) + (2 + 1) + 3 * 4 + 3 * pair, weight)
  end)

  it("tell empty from absent", function()
    assert.same({ content_type = "", message_expiry = 1 }, (probe.properties { content_type = "", message_expiry = 1 }))
    assert.same({}, (probe.properties {}))
    assert.same({ n = 2 }, { n = select("#", probe.properties(nil)), (probe.properties(nil)) })
  end)
end)

describe("a message in its block", function()
  for _, kind in ipairs { "message", "publish" } do
    it("holds topic, payload and properties: " .. kind, function()
      local payload = ("x\0"):rep(5000)
      assert.same({ "a/b", payload, FULL }, { probe[kind]("a/b", payload, FULL) })
      assert.same({ "t", "", { user = FULL.user } }, { probe[kind]("t", "", { user = FULL.user }) })
      assert.same({ "", "\0" }, { probe[kind]("", "\0") })
    end)
  end
end)
