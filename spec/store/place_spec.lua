-- Who may open the file of a store, what the version before has left, what becomes of it when it is moved away, and
-- what is left beside it.
local files = require "spec.support.files"
local process = require "process_probe"
local store_probe = require "store_probe"

describe("the file of a store", function()
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

  local function ids(of)
    local list = {}
    for i, message in ipairs(assert(of:read())) do
      list[i] = message.id
    end
    return list
  end

  --- What another process is told that opens it.
  local function other_process()
    local log = folder .. "/log"
    local pid = process.spawn({ os.getenv "LUA" or "lua5.4", "-e",
      ([[print((select(3, require "store_probe".open(%q))))]]):format(path) }, log)
    assert(process.wait(pid, 10000))
    return files.read(log)
  end

  it("is for this user alone", function()
    assert.same({ "600", "600" }, { store_probe.mode(path), store_probe.mode(path .. "-wal") })
  end)

  it("of the version before, which knew no priorities, is read, and kept as one of this version", function()
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

  describe("stays locked when another descriptor of it is closed,", function()
    before_each(function()
      assert(store:append { id = 1 })
      files.read(path)
    end)

    it("against other processes", function()
      assert.equal("store_locked\n", other_process())
    end)

    it("and against this one", function()
      assert.equal("store_locked", (select(3, store_probe.open(path))))
      assert.equal("store_locked\n", other_process())
    end)
  end)

  it("is not unlocked by this process's asking for it", function()
    local function locks()
      local count = 0
      for line in files.read("/proc/locks"):gmatch "[^\n]+" do
        count = count + (line:find(("POSIX%%s+ADVISORY%%s+WRITE%%s+%d "):format(process.self())) and 1 or 0)
      end
      return count
    end
    local before = locks()
    assert.equal("store_locked", (select(3, store_probe.open(path))))
    assert.same({ true, before }, { before > 0, locks() })
  end)

  describe("is not kept shut by a child", function()
    it("whose parent has let it go", function()
      local child = process.fork(function()
        process.sleep(20000)
        return 0
      end)
      store:free()
      store = assert(store_probe.open(path))
      process.kill(child, "KILL")
      process.wait(child, 5000)
    end)

    it("whose parent was killed", function()
      store:free()
      local log = folder .. "/log"
      local parent = process.spawn({ os.getenv "LUA" or "lua5.4", "-e", ([[
        local process = require "process_probe"
        store = assert(require "store_probe".open(%q))
        process.fork(function()
          print("child " .. process.self() .. ".")
          io.stdout:flush()
          process.sleep(20000)
          return 0
        end)
        process.sleep(20000)]]):format(path) }, log)
      local deadline, child = process.now() + 10000
      repeat
        process.sleep(5)
        child = (files.read(log) or ""):match "child (%d+)%."
      until child or process.now() > deadline
      process.kill(parent, "KILL")
      assert(process.wait(parent, 5000))
      store = assert(store_probe.open(path))
      process.kill(tonumber(child), "KILL")
    end)
  end)

  describe("that is gone", function()
    before_each(function()
      for id = 1, 3 do
        assert(store:append { id = id, qos = 2, payload = ("x"):rep(5000) })
      end
      store:sent(7, 2)
      assert(store:tend())
      store:done(1)
      assert(store:append { id = 4 })
    end)

    local function made_anew()
      store:tend()
      local word, text = store:news()
      assert.equal("", word)
      assert.truthy(text:find(path .. ": the store has been made anew", 1, true))
      assert.is_nil(store:news())
      assert(store:append { id = 5 })
      files.copy_store(path, folder .. "/killed")
      local copy = assert(store_probe.open(folder .. "/killed"))
      assert.same({ 2, 3, 4, 5 }, ids(copy))
      assert.equal(7, copy:read()[1].packet_id)
      copy:free()
      assert.equal("store_locked\n", other_process())
      assert.equal("600", store_probe.mode(path))
    end

    it("with its log is made anew at the next tending", function()
      os.remove(path)
      os.remove(path .. "-wal")
      made_anew()
    end)

    it("alone is, too", function()
      os.remove(path)
      made_anew()
    end)

    it("or whose log is, likewise", function()
      os.remove(path .. "-wal")
      made_anew()
    end)

    it("with its folder is told, refuses what it could not keep, and comes back with the folder", function()
      assert(os.rename(folder, folder .. "-moved"))
      store:tend()
      local word, text = store:news()
      assert.equal("store_failed", word)
      assert.truthy(text:find(path, 1, true))
      assert.same({ nil, "store_failed" }, { store:append { id = 5 }, (select(3, store:append { id = 5 })) })
      assert.is_true(store:wants_tending())
      store:tend()
      assert.is_nil(store:news()) -- it has been said
      assert(os.rename(folder .. "-moved", folder))
      made_anew()
    end)
  end)

  it("in whose place another has been put is left alone, and told", function()
    assert(store:append { id = 1 })
    os.remove(path)
    files.write(path, "mine")
    store:tend()
    local word, text = store:news()
    assert.equal("store_failed", word)
    assert.truthy(text:find("another file has taken its place", 1, true))
    assert.equal("store_failed", (select(3, store:append { id = 2 })))
    store:tend()
    assert.equal("mine", files.read(path))
    os.remove(path)
    store:tend()
    assert.equal("", (store:news()))
    assert.same({ 1 }, ids(store))
  end)

  it("is found under its path wherever the program goes, and behind a link", function()
    store:free()
    assert(store_probe.link(path, folder .. "/link"))
    store = assert(store_probe.open(folder .. "/link"))
    assert(store:append { id = 1 })
    store:tend()
    assert.is_nil(store:news())
    os.remove(path)
    store:tend()
    assert.equal("", (store:news()))
    store:free()
    store = assert(store_probe.open(path))
    assert.same({ 1 }, ids(store))
  end)

  it("stays where it is when the way to it leads elsewhere", function()
    store:free()
    assert(store_probe.link(folder, folder .. "/way"))
    store = assert(store_probe.open(folder .. "/way/new"))
    os.remove(folder .. "/way")
    assert(store:append { id = 1 })
    store:tend()
    assert.is_nil(store:news())
  end)

  it("that was being made anew when the process was killed is the fresh one", function()
    assert(store:append { id = 1 })
    store:free()
    local other = assert(store_probe.open(folder .. "/other"))
    assert(other:append { id = 2 })
    other:free()
    store_probe.open(folder .. "/other"):free() -- folds its log
    assert(os.rename(folder .. "/other", path .. "-new-whole"))
    store = assert(store_probe.open(path))
    assert.same({ 2 }, ids(store))
    assert.is_nil(files.read(path .. "-new-whole"))
  end)

  it("is freed of what killed processes have left half made, and of nothing else", function()
    store:free()
    local ours = { "-new-0123456789abcdef", "-new-fedcba9876543210" }
    local others = { "-new-123", "-new-0123456789abcdeg", "-new-0123456789abcdef-", "2-new-0123456789abcdef" }
    for _, list in ipairs { ours, others } do
      for _, ending in ipairs(list) do
        files.write(path .. ending, "half")
      end
    end
    store = assert(store_probe.open(path))
    for _, ending in ipairs(ours) do
      assert.is_nil(files.read(path .. ending))
    end
    for _, ending in ipairs(others) do
      assert.equal("half", files.read(path .. ending))
    end
  end)
end)
