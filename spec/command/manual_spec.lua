-- The manual pages and docs/command.md are what the parser says. Once is enough: they do not depend on the Lua.
local tree = require "spec.support.tree"

if _VERSION == "Lua 5.4" then
  describe("the manual", function()
    it("is up to date: `make manual` would change nothing", function()
      local lines, ok = tree.command((os.getenv "LUA") .. " docs/tools/manual.lua --check")
      assert.is_true(ok, table.concat(lines, "\n"))
    end)

    it("has every option of every subcommand, and so has the page", function()
      local command = require "holdfast.command"
      local page, manual = tree.read "docs/command.md", tree.read "docs/man/holdfast.1"
      local _, commands = command.parser(require "argparse", {})
      local seen = 0
      for _, name in ipairs(command.names) do
        for _, option in ipairs(commands[name]._options) do
          for _, alias in ipairs(option._description ~= "Show this text." and option._aliases or {}) do
            seen = seen + 1
            assert.truthy(page:find("| `" .. alias .. "`", 1, true)
              or page:find(", `" .. alias .. "`", 1, true), "docs/command.md: " .. alias)
            local escaped = "\\fB" .. alias:gsub("%-", "\\-") .. "\\fP"
            assert.truthy(manual:find(escaped, 1, true), "holdfast.1: " .. alias)
          end
        end
      end
      assert.is_true(seen > 150, seen)
    end)

    it("of holdfast-fleet has every option that its help has", function()
      local help = table.concat(tree.command((os.getenv "LUA") .. " bin/holdfast-fleet --help"), "\n")
      local manual = tree.read "docs/man/holdfast-fleet.1"
      local seen = 0
      for word in help:gmatch "\n  %-%-([%w-]+)" do
        seen = seen + 1
        assert.truthy(manual:find("\\fB\\-\\-" .. word:gsub("%-", "\\-"), 1, true), word)
      end
      assert.is_true(seen > 10, seen)
    end)
  end)
end
