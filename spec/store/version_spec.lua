-- A file that the version before has left.
local files = require "spec.support.files"
local process = require "process_probe"
local store_probe = require "store_probe"

describe("a store of the version before", function()
  local folder, path, store

  before_each(function()
    folder = assert(process.temporary_folder())
    path = folder .. "/queue"
    store = assert(store_probe.open(path))
  end)

  after_each(function()
    store:free()
    process.remove_folder(folder)
  end)

  it("which knew no priorities, is read, and kept as one of this version", function()
    assert(store:append { id = 1, topic = "a", payload = "x", qos = 2, retain = true })
    store:free()
    local bytes = files.read(path)
    assert.equal("\0\0\0\4", bytes:sub(61, 64))
    files.write(path, bytes:sub(1, 60) .. "\0\0\0\2" .. bytes:sub(65))
    store = assert(store_probe.open(path))
    assert.same({ { id = 1, topic = "a", payload = "x", qos = 2, retain = true } }, store:read())
    assert(store:append { id = 2, topic = "b", payload = "y", qos = 1, priority = 1 })
    store:free()
    assert.equal("\0\0\0\4", files.read(path):sub(61, 64))
    store = assert(store_probe.open(path))
    assert.equal(1, store:read()[2].priority)
  end)
end)
