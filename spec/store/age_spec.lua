-- Deadlines over a restart, whatever the clock on the wall says: a process with clock_probe in it.
local shim = require "spec.support.shim"

local DAY = 86400
local RIGHT = 1800000000 -- 2027

--- What is left of a day, in hours, whenever the steps tell it: each time by another store, on the files as a process
-- leaves them that is killed.
local function left(steps)
  return shim.run("clock_probe", ([[
    local clock = require "clock_probe"
    local core = require "holdfast.core"
    local files = require "spec.support.files"
    local store_probe = require "store_probe"
    local path = ... .. "/queue"
    local stores = {}
    local function now()
      return core.now() * 1000
    end
    local function open()
      stores[#stores + 1] = assert(store_probe.open(path))
      return stores[#stores]
    end
    local function post()
      open():append { id = 1, deadline = now() + %d }
    end
    local function tell()
      files.copy_store(path, path .. "-again")
      path = path .. "-again"
      print(("%%.1f"):format((open():read()[1].deadline - now()) / 3600000))
    end
    %s
  ]]):format(DAY * 1000, steps:gsub("RIGHT", tostring(RIGHT)):gsub("HOUR", "3600")))
end

describe("a message that is kept", function()
  it("gets older by what passes", function()
    assert.equal("21.0\n", left [[clock.wall(RIGHT) post() clock.passes(3 * HOUR) tell()]])
  end)

  it("gets older while the machine is off", function()
    assert.equal("21.0\n", left [[
      clock.boot "1" clock.wall(RIGHT) post()
      clock.passes(3 * HOUR) clock.boot "2" tell()
    ]])
  end)

  it("does not notice that the clock on the wall has been set, in either direction", function()
    assert.equal("23.0\n22.0\n", left [[
      clock.wall(100) post()
      clock.wall(RIGHT) clock.passes(HOUR) tell()
      clock.wall(100) clock.passes(HOUR) tell()
    ]])
  end)

  it("gets no older by a start with a clock that is before what the store knows", function()
    assert.equal("24.0\n23.0\n", left [[
      clock.boot "1" clock.wall(RIGHT) post()
      clock.boot "2" clock.wall(100) tell()
      clock.passes(HOUR) tell()
    ]])
  end)

  it("is as old as it is once the clock is right again", function()
    assert.equal("24.0\n22.0\n", left [[
      clock.boot "1" clock.wall(RIGHT) post()
      clock.boot "2" clock.wall(100) tell()
      clock.boot "3" clock.wall(RIGHT + 2 * HOUR) tell()
    ]])
  end)

  it("gets no older by a clock that was before there was this code", function()
    assert.equal("24.0\n", left [[clock.boot "1" clock.wall(100) post() clock.boot "2" clock.wall(RIGHT) tell()]])
  end)

  it("gets older by a clock that was set while the store was open", function()
    assert.equal("20.0\n", left [[
      clock.boot "1" clock.wall(100) post()
      clock.passes(HOUR) clock.wall(RIGHT)
      stores[1]:append { id = 2 }
      stores[1]:tend()
      clock.boot "2" clock.wall(RIGHT + 3 * HOUR) tell()
    ]])
  end)
end)
