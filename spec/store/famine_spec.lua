-- One request for memory that fails, the n-th, for every n through a store's life, with enough afterwards: it cannot be
-- opened, or what was asked for is not done, and says so; the next try does it, and nothing is lost or there twice.
local process = require "process_probe"
local store_probe = require "store_probe"

local ENOUGH, COUNT = 1000, 6 -- points; messages
local LONG = ("p"):rep(2000)

describe("a request for memory that fails in a store", function()
  local folder

  before_each(function() folder = assert(process.temporary_folder()) end)
  after_each(function()
    store_probe.starve(0)
    process.remove_folder(folder)
  end)

  local function opened(path)
    local store, text, word = store_probe.open(path)
    if not store then
      assert.equal("out_of_memory", word, text)
      store = assert(store_probe.open(path))
    end
    return store
  end

  -- Answers the number that it has got.
  local function append(store, id)
    local message = { id = id, payload = tostring(id), qos = 1 + id % 2, content_type = id % 3 == 0 and LONG or "text" }
    local fine, problem = pcall(store.append, store, message)
    if not fine then
      assert.matches("no memory", problem)
      message.id = id + 1000 -- whoever posts it again has another number
      assert(store:append(message))
    end
    return message.id
  end

  local function read(store)
    local messages, text, word = store:read()
    if not messages then
      assert.equal("out_of_memory", word, text)
      messages = assert(store:read())
    end
    local payloads = {}
    for index, message in ipairs(messages) do
      payloads[index] = tonumber(message.payload)
      assert.equal(payloads[index] % 3 == 0 and LONG or "text", message.content_type)
    end
    table.sort(payloads)
    return payloads
  end

  -- Answers whether one failed.
  local function life(point)
    local path = folder .. "/" .. point
    local all = {}
    store_probe.starve(point)
    local store = opened(path)
    store:begin_session(5)
    for id = 1, COUNT do
      append(store, id)
      all[id] = id
      if id % 4 == 0 then store:sent(id, id) end
    end
    store:free()
    store = opened(path)
    assert.same(all, read(store), point)
    store:free()
    local failed = store_probe.starve(0)
    store = assert(store_probe.open(path))
    assert.same(all, read(store), point)
    store:free()
    return failed
  end

  it("costs one call of it", function()
    local point = 0
    repeat
      point = point + 1
    until not life(point) or point == ENOUGH
    assert.is_true(point > 25 and point < ENOUGH, point)
  end)

  it("costs a message more than there was room for, and no other: each can be done with", function()
    local ROOM = 64
    local point, refused = 0
    repeat
      point = point + 1
      local store = assert(store_probe.open(folder .. "/full" .. point))
      local all, numbers = {}, {}
      for id = 1, ROOM + 1 do
        store_probe.starve(id > ROOM and point or 0)
        all[id], numbers[id] = id, append(store, id)
      end
      refused = store_probe.starve(0)
      assert.same(all, read(store))
      for _, number in ipairs(numbers) do
        store:done(number)
      end
      store:commit()
      assert.same({}, read(store), point)
      store:free()
    until not refused
    assert.is_true(point > 3, point)
  end)
end)
