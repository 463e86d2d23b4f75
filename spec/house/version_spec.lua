-- One version, wherever it is written, and one name for where this comes from.
local tree = require "spec.support.tree"

describe("the version", function()
  it("is that of packaging/identity in the module", function()
    local version = tree.read("packaging/identity"):match "\nversion=(%C+)\n"
    assert.equal(version, require("holdfast.core").VERSION)
    assert.equal(version, require("holdfast")._VERSION)
  end)
end)

if _VERSION ~= "Lua 5.4" then return end -- the rest is the same for every Lua

describe(".ci/identity", function()
  -- In a copy of what it looks at.
  local function copied(script)
    return tree.command([[(
      set -e
      folder=$(mktemp -d /tmp/holdfast-spec-XXXXXX)
      trap 'rm -rf "$folder"' EXIT
      mkdir -p "$folder/csrc/lua"
      cp -r .ci rockspec packaging docs *.md "$folder"
      cp csrc/lua/module.c "$folder/csrc/lua"
      cd "$folder"
      ]] .. script .. ")")
  end

  it("finds nothing that differs from packaging/identity", function()
    local lines, ok = tree.command ".ci/identity check"
    assert.same({}, lines)
    assert.is_true(ok)
  end)

  it("names each place that does", function()
    for place, change in pairs {
      ["csrc/lua/module.c"] = "s/HF_VERSION \"/&9/",
      ["rockspec/holdfast-*.rockspec"] = 's/^local home = "/&x/',
      ["rockspec/quic/holdfast-quic-*.rockspec"] = "/^local issues/d",
      ["docs/transports/quic.md"] = "s/holdfast-quic-/&9/",
      ["packaging/debian/changelog"] = "1s/(/&9/",
      ["packaging/openwrt/Makefile"] = "s|^PKG_SOURCE_URL:=.*|&/else|",
      ["SECURITY.md"] = "s/^Write to </&not-/",
      ["CHANGELOG.md"] = "s/^## /&9/",
    } do
      local lines, ok = copied(("sed -i '%s' %s; echo %s; .ci/identity check"):format(change, place, place))
      assert.is_false(ok, place)
      assert.equal(2, #lines, table.concat(lines, "\n"))
      assert.equal(lines[1] .. ":", lines[2]:match "^%S+")
    end
  end)

  it("brings a new version and a new home to all but the changelogs", function()
    local lines, ok = copied [[
      sed -i 's/^version=.*/version=17.4.0/; s|^home=.*|home=https://git.example/a-b/holdfast|' packaging/identity
      .ci/identity write
      grep -l 17.4.0 csrc/lua/module.c rockspec/*-17.4.0-1.rockspec rockspec/quic/*-17.4.0-1.rockspec
      ls rockspec/*.rockspec rockspec/quic/*.rockspec | wc -l
      for log in $(grep -l '^## [0-9]' *.md); do sed -i 's/^## [0-9]/## 17.4.0\n&/' "$log"; done
      sed -i '1s/(.*-/(17.4.0-/' packaging/debian/changelog
      .ci/identity check
      cat rockspec/*.rockspec | grep '^local home']]
    assert.is_true(ok, table.concat(lines, "\n"))
    assert.same({ "csrc/lua/module.c", "rockspec/holdfast-17.4.0-1.rockspec",
      "rockspec/quic/holdfast-quic-17.4.0-1.rockspec", "2", 'local home = "https://git.example/a-b/holdfast"' }, lines)
  end)
end)
