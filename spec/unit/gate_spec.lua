-- The way to an attempt, as the table that the keeper goes by has it.
local probe = require "core_probe"

local unpack = table.unpack or unpack

local rows = probe.gates()

local function by_gate()
  local ways = {}
  for _, row in ipairs(rows) do
    ways[row.gate] = ways[row.gate] or {}
    ways[row.gate][row.input] = row
  end
  return ways
end

describe("the gates", function()
  local ways = by_gate()

  local function walk(...)
    local gate, done = "none", {}
    for _, input in ipairs { ... } do
      local row = ways[gate][input]
      assert.is_table(row, input .. " means nothing at " .. gate)
      gate = row.next
      for _, action in ipairs(row.actions) do
        done[#done + 1] = action
      end
    end
    return gate, table.concat(done, ", ")
  end

  local function is_at(gate, done, ...)
    local to, did = walk(...)
    assert.same({ gate, done }, { to, did })
  end

  it("lead to the link's open", function()
    is_at("none", "open", "begin", "left", "unplaced", "due", "given", "resolved", "trusted", "clear")
    is_at("none", "open", "begin", "left", "placed", "due", "given", "resolved", "trusted", "due", "clear")
  end)

  it("lead through the process's own line when Lua does not answer", function()
    is_at("budget", "", "begin", "left", "due")
  end)

  it("have who stands in line ask again when the budget is another one", function()
    for _, line in ipairs { "unplaced", "placed" } do
      is_at("asked", "", "begin", "left", line, "limited")
    end
    is_at("asked", "", "begin", "left", "limited")
  end)

  it("end the attempt where what it needs is not to be had", function()
    local way = { "begin", "left", "unplaced", "due" }
    for _, needed in ipairs { "given", "resolved", "trusted" } do
      way[#way + 1] = "refused"
      is_at("none", "fail", unpack(way))
      way[#way] = needed
    end
  end)

  it("hold a failure back for a look, which may have to wait", function()
    is_at("none", "tell the failure", "vague", "due", "found")
    is_at("look", "", "vague", "due", "refused")
    is_at("none", "give the place back, tell the failure", "vague", "timeout")
    is_at("none", "tell the failure", "unread", "due", "found")
    is_at("none", "tell the failure", "unread", "timeout")
  end)

  it("are left from each by abandoning, with the place given back that has not been used", function()
    local returned = {}
    for gate, way in pairs(ways) do
      if gate ~= "none" then
        assert.is_table(way.abandon, gate)
        assert.equal("none", way.abandon.next)
        if way.abandon.actions[1] then
          returned[#returned + 1] = gate .. ": " .. table.concat(way.abandon.actions, ", ")
        end
      end
    end
    table.sort(returned)
    assert.same({ "budget: give the place back", "look: give the place back" }, returned)
  end)

  it("are all come to", function()
    local reached, before = { none = true }, -1
    local function count()
      local number = 0
      for _ in pairs(reached) do
        number = number + 1
      end
      return number
    end
    while count() > before do
      before = count()
      for _, row in ipairs(rows) do
        if reached[row.gate] then
          reached[row.next] = true
        end
      end
    end
    for gate in pairs(ways) do
      assert.is_true(reached[gate] or false, gate)
    end
  end)
end)
