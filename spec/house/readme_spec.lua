-- What README.md says is so: its tables are the code's, its code runs, its links lead somewhere.
local readme = require "spec.support.readme"
local tree = require "spec.support.tree"

local text = tree.read "README.md"
local unpack = table.unpack or unpack

local function has_table(lines)
  local wanted = table.concat(lines, "\n") .. "\n\n"
  assert.is_truthy((text .. "\n"):find(wanted, 1, true), "README.md should have:\n\n" .. wanted)
end

local function blocks(language)
  local list = {}
  for block in text:gmatch("\n```" .. language .. "\n(.-\n)```") do
    list[#list + 1] = block
  end
  return list
end

describe("README.md", function()
  it("shows code before line 20", function()
    local _, line = text:match "^(.-)\n```lua\n":gsub("\n", "")
    assert.is_true(line < 18, "the first code block begins in line " .. line + 2)
  end)

  it("shows every option with its default", function()
    has_table(readme.options())
  end)

  it("shows every option of a call with its default", function()
    has_table(readme.calls())
  end)

  it("shows the state machine", function()
    has_table(readme.states())
  end)

  it("shows the way to an attempt", function()
    has_table(readme.gates())
  end)

  it("shows every reason and its class", function()
    has_table(readme.reasons())
  end)

  it("names every event", function()
    for _, name in ipairs(require("holdfast.events").names) do
      assert.truthy(text:find("\n| `" .. name .. "` |", 1, true), name)
    end
  end)

  it("shows the fields of every event that the core tells", function()
    for _, event in ipairs(require("holdfast.core").events) do
      local cell = text:match("\n| `" .. event.name .. "` | ([^|]+) |")
      local shown = {}
      for name in cell:gmatch "`([%w_]+)`" do
        shown[#shown + 1] = name
      end
      local known = { unpack(event) }
      assert.same(known, shown, event.name)
    end
  end)

  it("names calls that exist", function()
    local holdfast = require "holdfast"
    local client = holdfast.new { server = "mqtt://127.0.0.1:1" }
    local there = { client = client, subscription = client:subscribe "a", holdfast = holdfast }
    local named = 0
    for what, name in text:gmatch "\n| `(%w+)[.:]([%w_]+)" do
      if there[what] then
        named = named + 1
        assert.is_function(there[what][name], what .. "." .. name)
      end
    end
    assert.is_true(named > 20)
    client:close()
  end)

  it("has Lua that parses", function()
    local list = blocks "lua"
    assert.is_true(#list >= 3)
    for _, block in ipairs(list) do
      local _, problem = (loadstring or load)(block)
      assert.is_nil(problem)
    end
  end)

  it("has its first program in examples/hello.lua", function()
    assert.equal(tree.read "examples/hello.lua", blocks("lua")[1])
  end)

  it("links to what is there", function()
    local checked = 0
    for target in text:gmatch "%]%(([^)#]+)[^)]*%)" do
      if not target:match "^https?:" then
        checked = checked + 1
        assert(io.open(target), target):close()
      end
    end
    assert.is_true(checked > 0)
  end)

  it("names targets that make knows", function()
    local help = table.concat((tree.command "unset MAKEFLAGS MAKELEVEL; make -s help"), "\n")
    for target in text:gmatch "`make (%l[%w-]+)" do
      assert.truthy(("\n" .. help):find("\n" .. target .. " ", 1, true), target)
    end
  end)
end)

describe("every example", function()
  it("parses", function()
    for _, path in ipairs(tree.files("examples bench", "*.lua")) do
      assert(loadfile(path))
    end
  end)
end)
