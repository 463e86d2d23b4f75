-- What a store keeps in memory of what it has written, until that is on the medium.
local process = require "process_probe"
local store_probe = require "store_probe"

describe("a store", function()
  local folder, store

  before_each(function()
    folder = assert(process.temporary_folder())
    store = assert(store_probe.open(folder .. "/queue"))
  end)

  after_each(function()
    store:free()
    process.remove_folder(folder)
  end)

  it("has no copy in memory of what is on the medium, nor of what is done", function()
    local before = process.heap()
    for id = 1, 200 do
      store:append { id = id, payload = ("x"):rep(100000) }
      store:sync()
    end
    for id = 201, 400 do
      store:append { id = id, payload = ("x"):rep(100000) }
      store:done(id)
      store:commit()
      store:received(5, ("x"):rep(100000))
    end
    assert.is_true(process.heap() - before < 6000000, process.heap() - before)
  end)
end)
