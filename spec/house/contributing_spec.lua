-- What CONTRIBUTING.md and SECURITY.md name is there.
local tree = require "spec.support.tree"

for _, page in ipairs { "CONTRIBUTING.md", "SECURITY.md" } do
  describe(page, function()
    local text = tree.read(page)
    local makefile = "\n" .. tree.read "Makefile"

    it("names files that exist and targets of make", function()
      local named, missing = 0, {}
      local function look(name, there)
        named = named + 1
        if not there then missing[#missing + 1] = name end
      end
      for path in text:gmatch "spec/[%w_/]+%.lua" do look(path, io.open(path)) end
      for target in text:gmatch "`make ([%l-]+)%f[^%l-]" do
        look(target, makefile:find("\n" .. target:gsub("%-", "%%-") .. ":") ~= nil)
      end
      for path in text:gmatch "%]%(([^)#]+)" do look(path, io.open(path)) end
      assert.same({}, missing)
      assert.is_true(named > 8, named)
    end)
  end)
end

describe("CONTRIBUTING.md", function()
  it("has every folder with something of ours in its map, in less than 80 lines", function()
    local text = tree.read "CONTRIBUTING.md"
    local map = text:match "\n## Where things are\n(.-)\n## "
    local missing = {}
    for _, folder in ipairs((tree.command "ls -d */ csrc/*/ lua/*/ spec/*/ | sed 's,/$,,'")) do
      local last = folder:match "[^/]+$"
      if not ({ build = 1, csrc = 1, lua = 1, spec = 1, support = 1, holdfast = 1 })[last]
        and not map:find("`" .. folder .. "`", 1, true)
        and not (folder:find "^spec/" and map:find("`" .. last .. "`", 1, true)) then
        missing[#missing + 1] = folder
      end
    end
    assert.same({}, missing)
    assert.is_true(select(2, text:gsub("\n", "")) < 80)
  end)
end)
