-- A disk whose syncs fail, or an SQLite that cannot be used from two threads: a process with disk_probe in it.
local shim = require "spec.support.shim"

local PRELUDE = [[
local disk = require "disk_probe"
local store_probe = require "store_probe"
local path = ... .. "/queue"
local function open()
  return assert(store_probe.open(path))
end
local function ids(store)
  local list = {}
  for i, message in ipairs(assert(store:read())) do
    list[i] = ("%d"):format(message.id)
  end
  return table.concat(list, " ")
end
]]

local function run(code)
  return shim.run("disk_probe", PRELUDE .. code)
end

describe("a sync", function()
  it("that a signal interrupts is asked for again", function()
    assert.equal("true\nnil\n1 2\n", run [[
      local store = open()
      store:append { id = 1 }
      disk.fail("EINTR", 3)
      print(store:sync() == "")
      print(tostring((store:news())))
      store:append { id = 2 }
      print(ids(store))
    ]])
  end)

  for name, call in pairs { EIO = "sync", ENOSPC = "tend", EDQUOT = "tend" } do
    it(("that fails once, %s, costs nothing: a fresh file has all that was in the old one"):format(name), function()
      assert.equal("\n\n1 2 3 5 6\n", run(([[
        local store = open()
        for id = 1, 4 do
          store:append { id = id, payload = ("x"):rep(2000) }
        end
        store:done(4)
        disk.fail(%q, 1)
        store:%s()
        store:append { id = 5 }
        print((store:news()))
        store:append { id = 6 }
        print(store:sync())
        store:free()
        print(ids(open()))
      ]]):format(name, call)))
    end)
  end

  -- Not every file system keeps in memory what it could not write: some have the file be as it was before.
  for name, call in pairs { sync = "sync", ["a look at it"] = "tend" } do
    it(("that fails by taking back what was written costs nothing: memory has it (%s)"):format(name), function()
      assert.equal("\n1 2 4 5 11 12\n4 17 false\n5 18 true\n11 19 false\n7 body\n", run(([[
        local store = open()
        disk.forget(path .. "-wal")
        for id = 1, 3 do
          store:append { id = id, payload = ("x"):rep(2000) }
        end
        store:sync()
        store:done(3)
        for id = 4, 11 do
          store:append { id = id, qos = 2, payload = ("y"):rep(500000) } -- more than SQLite has in mind
        end
        store:sent(17, 4)
        store:sent(18, 5)
        store:released(18)
        store:received(7, "body")
        store:note("sent", 19, 11)
        for id = 6, 10 do
          store:done(id)
        end
        store:commit()
        disk.fail("EIO", 1)
        store:%s()
        print((store:news()))
        store:append { id = 12 }
        store:free()
        disk.forget "/nowhere"
        store = open()
        print(ids(store))
        for _, message in ipairs(store:read()) do
          if message.packet_id then
            print(("%%d %%d %%s"):format(message.id, message.packet_id, tostring(message.released or false)))
          end
        end
        for id, packet in pairs(store:read_received()) do
          print(("%%d %%s"):format(id, packet))
        end
      ]]):format(call)))
    end)
  end

  it("is told by what the system said", function()
    assert.equal("store_full\nstore_full\n", run [[
      for _, name in ipairs { "ENOSPC", "EDQUOT" } do
        path = path .. name
        local store = open()
        store:append { id = 1 }
        disk.fail(name, 1000)
        store:tend()
        print((store:news()))
        disk.fail(name, 0)
        store:free()
      end
    ]])
  end)

  it("that goes on failing is told at once, and refuses what it could not keep, until it succeeds", function()
    assert.equal(table.concat({
      "store_failed: Input/output error",
      "store_failed",
      "true",
      "nil",
      "",
      "1 2 4",
      "",
    }, "\n"), run [[
      local store = open()
      store:append { id = 1 }
      store:append { id = 2 }
      disk.fail("EIO", 1000)
      store:tend()
      local word, text = store:news()
      print(word .. ": " .. text:match "%((.-)%)")
      print((select(3, store:append { id = 3 })))
      print(store:wants_tending())
      store:tend()
      print(tostring((store:news())))
      disk.fail("EIO", 0)
      store:tend()
      print((store:news()))
      store:append { id = 4 }
      store:free()
      print(ids(open()))
    ]])
  end)

  for which, after in pairs { ["of the log"] = 0, ["of the file"] = 2 } do -- between them SQLite syncs the folder
    it(("%s that fails in the middle of a fold costs nothing"):format(which), function()
      assert.equal("true\n\n1 2 7000\n", run(([[
        local store = open()
        for id = 1, 6000 do
          store:append { id = id, payload = ("x"):rep(3000) }
        end
        for id = 3, 6000 do
          store:done(id)
        end
        store:commit()
        store:sync()
        print(store:wants_tending())
        disk.fail("EIO", 1, %d)
        store:tend()
        print((store:news()))
        store:append { id = 7000 }
        store:free()
        print(ids(open()))
      ]]):format(after)))
    end)
  end
end)

describe("an SQLite that was built for a single thread", function()
  it("is refused by name", function()
    assert.truthy(run [[
      disk.built_alone()
      print(select(2, store_probe.open(path)))
    ]]:find("SQLITE_THREADSAFE=0", 1, true))
  end)
end)
