-- What README.md and docs/ say is so: their tables are the code's, their code parses, their links lead somewhere.
local pages = require "spec.support.pages"
local readme = require "spec.support.readme"
local tree = require "spec.support.tree"

local unpack = table.unpack or unpack

local function has_table(path, lines)
  local wanted = table.concat(lines, "\n") .. "\n\n"
  assert.is_truthy((tree.read(path) .. "\n"):find(wanted, 1, true), path .. " should have:\n\n" .. wanted)
end

describe("README.md", function()
  local text = tree.read "README.md"

  it("shows code before line 20", function()
    local _, line = text:match "^(.-)\n```lua\n":gsub("\n", "")
    assert.is_true(line < 18, "the first code block begins in line " .. line + 2)
  end)

  it("is read in some minutes", function()
    local _, lines = text:gsub("\n", "")
    assert.is_true(lines <= 170, lines)
  end)

  it("has its first program in examples/hello.lua", function()
    assert.equal(tree.read "examples/hello.lua", pages.blocks("lua", "README.md")[1].text)
  end)

  it("leads to every page, or the contents of the site do", function()
    local led, waiting = { ["README.md"] = true }, { "README.md" }
    while #waiting > 0 do
      for _, link in ipairs(pages.links(table.remove(waiting))) do
        if link.path:match "%.md$" and not led[link.path] then
          led[link.path] = true
          waiting[#waiting + 1] = link.path
        end
      end
    end
    local contents = tree.read "docs/tools/mkdocs.yml"
    for _, path in ipairs(pages.all()) do
      assert.is_true(led[path] or contents:find(" " .. path:sub(#"docs/" + 1) .. "\n", 1, true) ~= nil,
        "nothing leads to " .. path)
    end
  end)
end)

describe("the reference", function()
  it("shows every option with its default", function()
    has_table("docs/reference/options.md", readme.options())
  end)

  it("shows every option of a call with its default", function()
    has_table("docs/reference/calls.md", readme.calls())
  end)

  it("shows the state machine", function()
    has_table("docs/reference/states.md", readme.states())
  end)

  it("shows the way to an attempt", function()
    has_table("docs/reference/states.md", readme.gates())
  end)

  it("shows every reason and its class", function()
    has_table("docs/reference/reasons.md", readme.reasons())
  end)

  it("names every event", function()
    local text = tree.read "docs/reference/events.md"
    for _, name in ipairs(require("holdfast.events").names) do
      assert.truthy(text:find("\n| `" .. name .. "` |", 1, true), name)
    end
  end)

  it("shows the fields of every event that the core tells", function()
    local text = tree.read "docs/reference/events.md"
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
    for what, name in tree.read("docs/reference/calls.md"):gmatch "\n| `(%w+)[.:]([%w_]+)" do
      if there[what] then
        named = named + 1
        assert.is_function(there[what][name], what .. "." .. name)
      end
    end
    assert.is_true(named > 20)
    client:close()
  end)
end)

describe("every page", function()
  it("has Lua that parses", function()
    local list = pages.blocks "lua"
    assert.is_true(#list >= 20, #list)
    for _, block in ipairs(list) do
      local chunk, problem = (loadstring or load)(block.text, "@" .. block.place)
      assert.is_truthy(chunk, problem)
    end
  end)

  it("has options that holdfast.new takes", function()
    local holdfast = require "holdfast"
    local anything = setmetatable({}, { __index = function() return "anything" end })
    local taken = 0
    for _, block in ipairs(pages.blocks "lua") do
      for options in block.text:gmatch "holdfast\"?%)?[.:]%l+%s*(%b{})" do
        local given = assert((loadstring or load)("local ngx, os = ... return " .. options))(anything, anything)
        if given.queue then given.queue.store = nil end -- a file that is somebody else's
        given.loop = nil -- of a library that this Lua may not have
        if given.server or given.servers then
          local fine, client, problem = pcall(holdfast.new, given)
          assert.is_truthy(fine and client, block.place .. ": " .. tostring(fine and problem or client))
          client:close()
          taken = taken + 1
        end
      end
    end
    assert.is_true(taken >= 15, taken)
  end)

  it("links to what is there", function()
    local checked = 0
    for _, path in ipairs(pages.all()) do
      for _, link in ipairs(pages.links(path)) do
        checked = checked + 1
        assert(io.open(link.path), path .. ": " .. link.path):close()
        if link.anchor then
          assert.is_true(pages.anchors(link.path)[link.anchor], path .. ": " .. link.path .. "#" .. link.anchor)
        end
      end
    end
    assert.is_true(checked > 40, checked)
  end)

  it("names targets that make knows", function()
    local help = table.concat((tree.command "unset MAKEFLAGS MAKELEVEL; make -s help"), "\n")
    for _, path in ipairs(pages.all()) do
      for target in tree.read(path):gmatch "`make (%l[%w-]+)" do
        assert.truthy(("\n" .. help):find("\n" .. target .. " ", 1, true), path .. ": " .. target)
      end
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
