-- The heap in which a loop keeps those who wait for a time.
local heap = require "holdfast.loop.heap"

describe("the heap of the timers", function()
  it("is whole again after interruptions, be it of its mending", function()
    local sethook = debug.sethook
    local pcall, is_over = pcall, true -- busted's globals are slow to come by
    local function interrupt()
      if not is_over then
        is_over = true
        error("interrupted", 0)
      end
    end
    if jit then
      jit.off()
      finally(jit.on)
    end
    local function attempt(after, fn, ...)
      pcall(function(...)
        is_over = false
        sethook(interrupt, "", after)
        fn(...)
        is_over = true
      end, ...)
      is_over = true
      sethook()
    end
    for first = 1, 120 do
      local items, entries = heap.new(), {}
      for n = 1, 9 do
        entries[n] = { due = n * 7 % 10 }
        heap.push(items, entries[n])
      end
      local removed = entries[3]
      for again = 1, 100, 9 do
        attempt(first, heap.remove, items, removed)
        attempt(again, heap.remove, items, entries[8])
      end
      heap.remove(items, removed)
      heap.remove(items, entries[8])
      local left = {}
      while items[1] do
        left[#left + 1] = items[1].due
        heap.remove(items, items[1])
      end
      assert.same({ 2, 3, 4, 5, 7, 8, 9 }, left, first)
      assert.equal(0, items.count)
    end
  end)

  it("gives up what is taken out of it, wherever it is", function()
    local items, entries, seed = heap.new(), {}, 42
    local function random(most)
      seed = (seed * 16807) % 2147483647
      return seed % most + 1
    end
    for _ = 1, 3000 do
      if #entries < 20 or random(2) == 1 then
        local entry = { due = random(50) }
        entries[#entries + 1] = entry
        heap.push(items, entry)
      else
        heap.remove(items, table.remove(entries, random(#entries)))
      end
      local wrong = #entries ~= items.count
      for place = 1, items.count do
        local parent = items[math.floor(place / 2)] or items[1]
        wrong = wrong or parent.due > items[place].due or place ~= items[place].place
      end
      assert.is_false(wrong)
    end
  end)
end)
