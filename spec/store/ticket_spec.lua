-- Tickets in a store: secrets that a later process comes back by, each under a key.
local files = require "spec.support.files"
local process = require "process_probe"
local store_probe = require "store_probe"

local PLACES, LARGEST = 8, 65536

local function key(number)
  return ("%032d"):format(number)
end

describe("a ticket in a store", function()
  local folder, path, store

  before_each(function()
    folder = assert(process.temporary_folder())
    path = folder .. "/queue"
    store = assert(store_probe.open(path))
  end)
  after_each(function()
    store_probe.starve(0)
    store:free()
    process.remove_folder(folder)
  end)

  local function reopen()
    store:free()
    store = assert(store_probe.open(path))
  end

  it("is there at once and, once committed, in another process", function()
    assert.equal("", store:ticket(key(1)))
    store:keep_ticket(key(1), "first\0")
    assert.equal("first\0", store:ticket(key(1)))
    assert.is_true(store:wants_commit())
    store:commit()
    assert.is_false(store:wants_commit())
    files.copy_store(path, folder .. "/killed") -- as a process leaves it that is killed
    local killed = assert(store_probe.open(folder .. "/killed"))
    assert.equal("first\0", killed:ticket(key(1)))
    killed:free()
    store:keep_ticket(key(1), ("second"):rep(1000))
    reopen() -- which writes what is left
    assert.equal(("second"):rep(1000), store:ticket(key(1)))
    assert.equal("600", store_probe.mode(path))
  end)

  it("is the one that was kept last under its key, and may be none", function()
    for number = 1, 3 do
      store:keep_ticket(key(1), "one " .. number)
      store:keep_ticket(key(2), "two " .. number)
    end
    store:keep_ticket(key(2), "")
    reopen()
    assert.same({ "one 3", "" }, { store:ticket(key(1)), store:ticket(key(2)) })
    store:keep_ticket(key(1), "")
    reopen()
    assert.equal("", store:ticket(key(1)))
  end)

  it("goes when there are others that were kept since, and is not kept where it is too long", function()
    for number = 1, PLACES do store:keep_ticket(key(number), "secret " .. number) end
    reopen()
    store:keep_ticket(key(1), "again")
    store:keep_ticket(key(PLACES + 1), "new")
    reopen()
    assert.same({ "again", "", "secret 3", "new" }, { store:ticket(key(1)), store:ticket(key(2)), store:ticket(key(3)),
      store:ticket(key(PLACES + 1)) })
    store:keep_ticket(key(3), ("x"):rep(LARGEST + 1))
    assert.equal("", store:ticket(key(3)))
    store:keep_ticket(key(3), ("x"):rep(LARGEST))
    reopen()
    assert.equal(LARGEST, #store:ticket(key(3)))
  end)

  it("is none of a message's affair, nor of a session's", function()
    store:keep_ticket(key(1), "stays")
    assert(store:append { id = 1, payload = "x" })
    store:begin_session(5)
    store:done(1)
    store:commit()
    reopen()
    assert.same({ "stays", {} }, { store:ticket(key(1)), store:read() })
  end)

  it("is in a store that has been made anew", function()
    store:keep_ticket(key(1), "stays")
    store:commit()
    assert(os.remove(path))
    store:tend()
    assert.matches("made anew", (select(2, store:news())))
    reopen()
    assert.equal("stays", store:ticket(key(1)))
  end)

  it("has its place in the stores of versions that did not know it", function()
    store:free()
    store_probe.sql(path, "DROP TABLE ticket")
    store = assert(store_probe.open(path))
    store:keep_ticket(key(1), "new")
    reopen()
    assert.equal("new", store:ticket(key(1)))
  end)

  it("costs no more than itself where memory is short, nor where its row is strange", function()
    local point = 0
    repeat
      point = point + 1
      store_probe.starve(point)
      store:keep_ticket(key(1), "hungry " .. point)
      store:commit()
      local said = store:ticket(key(1))
      local failed = store_probe.starve(0)
      assert.is_true(said == "" or said == "hungry " .. point, point)
      store:commit()
      reopen()
      said = store:ticket(key(1))
      assert.is_true(said == "" or said == "hungry " .. point, point)
    until not failed or point == 100
    assert.is_true(point > 2 and point < 100, point)
    store:free()
    store_probe.sql(path, "INSERT OR REPLACE INTO ticket VALUES (0, 'short', 'x', 1), (1, 7, 'x', -1), "
      .. "(99, zeroblob(32), 'x', 5), (2, zeroblob(32), zeroblob(70000), 6)")
    store = assert(store_probe.open(path))
    assert.equal("", store:ticket(("\0"):rep(32)))
  end)
end)
