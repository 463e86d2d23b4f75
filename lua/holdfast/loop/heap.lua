--- Who is due next: a binary heap of tables by their `due`, first come first served among equals.
-- An entry carries its own place, so that it can be taken out again when the wait it bounds ends early;
-- without that, a program that publishes with a timeout would fill the heap with waits long over.
-- @module holdfast.loop.heap
local heap = {}

local floor = math.floor

local function before(a, b)
  return a.due < b.due or (a.due == b.due and a.serial < b.serial)
end

local function rise(items, entry, place)
  while place > 1 do
    local parent = floor(place / 2)
    local other = items[parent]
    if not before(entry, other) then
      break
    end
    items[place], other.place = other, place
    place = parent
  end
  items[place], entry.place = entry, place
end

local function sink(items, entry, place)
  local count = items.count
  while true do
    local child = place * 2
    if child > count then
      break
    end
    if child < count and before(items[child + 1], items[child]) then
      child = child + 1
    end
    local other = items[child]
    if not before(other, entry) then
      break
    end
    items[place], other.place = other, place
    place = child
  end
  items[place], entry.place = entry, place
end

--- An empty heap; `heap[1]` is the entry that is due first.
-- @treturn table
function heap.new()
  return { count = 0, serial = 0, moving = nil, leaving = nil, saved = nil }
end

-- All that is in the heap, in whatever order, while `moving` is in no place and what leaves may still be in one.
local function gather(items)
  local saved, seen = { top = items.count + 1 }, { [items.leaving or items] = true }
  for place = 0, saved.top do
    local entry = items[place]
    if place == 0 then
      entry = items.moving
    end
    if entry and not seen[entry] then
      seen[entry] = true
      saved[#saved + 1] = entry
    end
  end
  return saved
end

-- An operation that was interrupted half-way (Ctrl-C, a hook) has left the mark that it made first: what it moved, and
-- maybe what it took out. The next one makes a heap of what there is. That is interrupted, too: from `saved` it begins
-- anew.
local function mend(items)
  items.saved = items.saved or gather(items)
  local saved = items.saved
  for place = #saved + 1, saved.top do
    items[place] = nil
  end
  if items.leaving then
    items.leaving.place = nil
  end
  items.count = 0
  for place, entry in ipairs(saved) do
    items.count = place
    rise(items, entry, place)
  end
  items.moving = nil
  items.leaving = nil
  items.saved = nil
end

--- Puts an entry in.
-- @tparam table items the heap
-- @tparam table entry with `due`; gets `serial` and `place`
function heap.push(items, entry)
  if items.moving or items.saved then
    mend(items)
  end
  local serial, count = items.serial + 1, items.count + 1
  entry.serial, entry.place = serial, false
  items[count] = entry -- nothing from here on asks for memory: the heap is as it was, or whole
  items.moving = entry
  items.serial, items.count = serial, count
  rise(items, entry, count)
  items.moving = nil
end

--- Takes an entry out, wherever it is; one that is not in is left alone.
-- @tparam table items the heap
-- @tparam table entry
function heap.remove(items, entry)
  if items.moving or items.saved then
    mend(items)
  end
  local place = entry.place
  if not place then
    return
  end
  local count = items.count
  local last = items[count]
  items.leaving = entry
  items.moving = last
  items[count] = nil
  items.count = count - 1
  entry.place = nil
  if last ~= entry then
    sink(items, last, place)
    rise(items, last, last.place)
  end
  items.moving = nil
  items.leaving = nil
end

return heap
