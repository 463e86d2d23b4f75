-- What docs/tools/terminal.lua makes of a recording, what the recording that README.md shows has come to, and whether
-- the pictures of fleets are those of the commands beside them.
local process = require "process_probe"
local tree = require "spec.support.tree"

describe("docs/tools/terminal.lua", function()
  local folder

  before_each(function()
    folder = process.temporary_folder()
  end)

  after_each(function()
    process.remove_folder(folder)
  end)

  local function write(name, text)
    local file = assert(io.open(folder .. "/" .. name, "wb"))
    file:write(text)
    file:close()
  end

  -- Each of the parts has come a second after the one before.
  local function picture(...)
    local timing = {}
    for i, part in ipairs { ... } do
      timing[i] = ("1.000000 %d\n"):format(#part)
    end
    write("output", "Script started\n" .. table.concat { ... } .. "\nScript done\n")
    write("timing", table.concat(timing))
    local lines, ok = tree.command('"$LUA" docs/tools/terminal.lua ' .. folder .. "/output " .. folder .. "/timing")
    return table.concat(lines, "\n"), ok
  end

  it("has one line below the other of what a line shows, in its colours, and when", function()
    local svg, ok = picture("\27[?25l\r\27[Kone <\27[32mtwo\27[0m>\r\nstays\r\n",
      "\27[2A\r\27[K\27[3", "1mthree\27[0m\r\n\r\nlate")
    assert.is_true(ok, svg)
    assert.truthy(svg:find('<text y="-5"><tspan x="0.0">one &lt;</tspan><tspan x="42.0" class="green">two</tspan>' ..
      '<tspan x="67.2">&gt;</tspan></text>', 1, true), svg)
    assert.truthy(svg:find('<text y="14"><tspan x="0.0" class="red">three</tspan></text>', 1, true), svg)
    assert.truthy(svg:find("#l1{animation:k1 7.0s step-end infinite}@keyframes k1{0.00%{transform:translateY(19px)}" ..
      "42.86%{transform:translateY(0px)}}", 1, true), svg)
    assert.truthy(svg:find('<g id="l2"><text y="14"><tspan x="0.0">stays</tspan></text></g>', 1, true), svg)
    assert.is_nil(svg:find("#l2{", 1, true), svg)
    assert.truthy(svg:find("@keyframes k3{0.00%{transform:translateY(19px)}42.86%", 1, true), svg)
  end)

  it("refuses what it does not know to draw", function()
    local problem, ok = picture "\27[5B"
    assert.is_false(ok)
    assert.truthy(problem:find("no terminal of ours knows ESC [ 5B", 1, true), problem)
  end)
end)

describe("docs/images/demo.svg", function()
  it("ends with every message received", function()
    local svg = tree.read "docs/images/demo.svg"
    local sent, received = svg:match "(%d+) sent, (%d+) received, 0 lost, 0 duplicates</tspan></text></g></svg>"
    assert.equal("480", sent)
    assert.equal(sent, received)
  end)
end)

describe("docs/backoff.md", function()
  local folder

  before_each(function()
    folder = process.temporary_folder()
  end)

  after_each(function()
    process.remove_folder(folder)
  end)

  local function words(path)
    local list = {}
    for text in tree.read(path):gmatch "<t[ei][^>]*>([^<]*)</t" do
      list[#list + 1] = (text:gsub("[%d.,]+", "N")) -- another libm may end a wait a millisecond later
    end
    return list
  end

  it("shows what its commands draw, and commands that run", function()
    local drawn, ran = 0, 0
    for _, line in tree.lines "docs/backoff.md" do
      local options = line:match "^    holdfast%-fleet (.*)$"
      if options then
        local picture
        options = options:gsub("%-%-svg (%S+)", function(name)
          picture = name
          return "--svg " .. folder .. "/" .. name
        end)
        local lines, ok = tree.command('"$LUA" bin/holdfast-fleet --quiet ' .. options)
        assert.is_true(ok, table.concat(lines, "\n"))
        ran = ran + 1
        if picture then
          assert.same(words("docs/images/" .. picture), words(folder .. "/" .. picture))
          drawn = drawn + 1
        end
      end
    end
    assert.same({ 3, 4 }, { drawn, ran })
  end)
end)
