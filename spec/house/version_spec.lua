-- One version, wherever it is written.
local tree = require "spec.support.tree"

describe("the version", function()
  local version = require("holdfast.core").VERSION

  it("is the same in the module, the rockspec and the changelog", function()
    local rockspec = tree.files("rockspec", "*.rockspec")[1]
    assert.equal(version, require("holdfast")._VERSION)
    assert.equal(version, tree.read(rockspec):match '\nversion = "(.-)%-%d+"')
    assert.equal(version, rockspec:match "holdfast%-(.-)%-%d+%.rockspec$")
    assert.equal(version, tree.read("CHANGELOG.md"):match "\n## ([%d.]+)")
  end)
end)
