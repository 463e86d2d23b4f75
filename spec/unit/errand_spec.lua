-- The room of errands: so many threads and no more, a line, one answer for who asks the same, one way to end.
local errands = require "errand_probe"

local KNOCKS = 8 -- threads at most
local NAMES = 64

local function numbered(first, last, form)
  local list = {}
  for i = first, last do
    list[#list + 1] = form:format(i, i)
  end
  return list
end

local function sorted(list)
  table.sort(list)
  return list
end

describe("errands", function()
  before_each(function()
    errands.reset()
  end)

  it("go out up to so many of a kind, and the rest wait in line, in order", function()
    for i = 1, KNOCKS + 20 do
      assert.is_true(errands.send("knock", ("%03d"):format(i)))
    end
    assert.same(numbered(1, KNOCKS, "%03d"), sorted(errands.begun(KNOCKS)))
    for i = 1, 20 do
      errands.let(1)
      assert.equal(("%03d"):format(KNOCKS + i), errands.begun(KNOCKS + i)[KNOCKS + i])
    end
    errands.let(KNOCKS)
    assert.same(numbered(1, KNOCKS + 20, "%03d by %03d"), sorted(errands.answered(KNOCKS + 20)))
  end)

  it("of one kind do not wait for those of another", function()
    for i = 1, NAMES + 3 do
      assert.is_true(errands.send("name", ("%03d"):format(i)))
    end
    assert.equal(NAMES, #errands.begun(NAMES))
    assert.is_true(errands.send("disk", "disk"))
    assert.equal("disk", errands.begun(NAMES + 1)[NAMES + 1])
    errands.let(NAMES + 4)
    assert.equal(NAMES + 4, #errands.answered(NAMES + 4))
  end)

  it("that ask the same share the answer, whether it is being looked for or waits to be", function()
    for i = 1, KNOCKS do
      errands.send("knock", ("%d"):format(i), ("server %d"):format(i))
    end
    errands.begun(KNOCKS)
    errands.send("knock", "other", "server of its own")
    errands.send("knock", "again 3", "server 3")
    errands.send("knock", "other again", "server of its own")
    errands.send("name", "another kind", "server 3")
    assert.equal("another kind", errands.begun(KNOCKS + 1)[KNOCKS + 1])
    errands.let(KNOCKS + 2)
    local expected = numbered(1, KNOCKS, "%d by %d")
    for _, name in ipairs { "other", "another kind" } do
      expected[#expected + 1] = name .. " by " .. name
    end
    expected[#expected + 1] = "again 3 by 3"
    expected[#expected + 1] = "other again by other"
    assert.same(sorted(expected), sorted(errands.answered(KNOCKS + 4)))
    assert.equal(KNOCKS + 2, #errands.begun(0))
  end)

  it("without a key share nothing", function()
    errands.send("tls", "one")
    errands.send("tls", "two")
    assert.same({ "one", "two" }, sorted(errands.begun(2)))
    errands.let(2)
    assert.same({ "one by one", "two by two" }, sorted(errands.answered(2)))
  end)

  it("end: nothing more is begun or taken, and only what would be unsafe is waited for", function()
    errands.send("name", "name")
    errands.begun(1)
    assert.is_true(errands.finish(10) < 5)
    assert.is_false(errands.send("disk", "late"))
    errands.let(1)
    assert.same({ "name by name" }, errands.answered(1))
  end)
end)
