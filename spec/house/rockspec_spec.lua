-- The rockspec lists what there is, and installs without a network.
local tree = require "spec.support.tree"

local PATH = tree.files("rockspec", "holdfast-[0-9]*.rockspec")[1]
local QUIC = tree.files("rockspec", "holdfast-quic-*.rockspec")[1]

local function rockspec(path)
  local environment = {}
  if setfenv then
    setfenv(assert(loadfile(path)), environment)()
  else
    assert(loadfile(path, "t", environment))()
  end
  return environment
end

describe("the rockspec", function()
  local spec = rockspec(PATH)

  local function is_of_quic(source)
    return source:find("^csrc/quic/") ~= nil or source == "csrc/lua/quic.c"
  end

  it("lists every C source but the scripted link, which is for specs, and QUIC, which has its own", function()
    local sources, there = {}, {}
    for _, source in ipairs(spec.build.modules["holdfast.core"].sources) do
      sources[#sources + 1] = source
    end
    for _, source in ipairs(tree.files("csrc", "*.c")) do
      if source ~= "csrc/link/fake_link.c" and not is_of_quic(source) then
        there[#there + 1] = source
      end
    end
    assert.same(there, sources)
  end)

  it("of QUIC lists all of its sources, is of the same version and asks for it", function()
    local quic, there, listed = rockspec(QUIC), {}, {}
    for _, source in ipairs(quic.build.modules["holdfast.quic"].sources) do
      if is_of_quic(source) then
        listed[#listed + 1] = source
      end
    end
    for _, source in ipairs(tree.files("csrc", "*.c")) do
      if is_of_quic(source) then
        there[#there + 1] = source
      end
    end
    assert.same(there, listed)
    assert.equal(spec.version, quic.version)
    assert.same({ "lua >= 5.1", "holdfast == " .. spec.version:match "^[^-]+" }, quic.dependencies)
  end)

  it("lists every Lua module under its name", function()
    local listed, there = {}, {}
    for name, path in pairs(spec.build.modules) do
      if type(path) == "string" then
        listed[name] = path
      end
    end
    for _, path in ipairs(tree.files("lua", "*.lua")) do
      there[path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")] = path
    end
    assert.same(there, listed)
  end)

  it("says where it comes from, and QUIC's the same", function()
    local quic = rockspec(QUIC)
    local home = tree.command(".ci/identity home")[1]
    assert.equal("git+" .. home .. ".git", spec.source.url)
    assert.equal("v" .. spec.version:match "^[^-]+", spec.source.tag)
    assert.same(spec.source, quic.source)
    for _, one in ipairs { spec, quic } do
      assert.equal(home, one.description.homepage)
      assert.equal(tree.command(".ci/identity issues")[1], one.description.issues_url)
    end
  end)

  it("depends on Lua alone", function()
    assert.same({ "lua >= 5.1" }, spec.dependencies)
  end)

  -- One build with LuaRocks is enough: what differs from `make` is the list of files and the flags.
  if _VERSION == "Lua 5.4" then
    it("installs into a tree of its own, and what it installed works", function()
      local output, ok = tree.command([[
        set -e
        folder=$(mktemp -d /tmp/holdfast-spec-XXXXXX)
        trap 'rm -rf "$folder"' EXIT
        mkdir "$folder/source"
        cp -r bin csrc library lua rockspec LICENSE README.md "$folder/source"
        cd "$folder/source"
        unset LUA_PATH LUA_CPATH LUA_PATH_5_4 LUA_CPATH_5_4
        export HOME="$folder" http_proxy=http://127.0.0.1:1 https_proxy=http://127.0.0.1:1
        luarocks --lua-version=5.4 make --tree "$folder/tree"
        eval "$(luarocks --lua-version=5.4 path --tree "$folder/tree")"
        cd /
        "$folder/tree/bin/holdfast-fleet" --clients=100 --outage=1 | grep '^holdfast '
        lua5.4 -e 'local h = require "holdfast"; assert(package.searchpath("holdfast.core",
          package.cpath):match "^/tmp/holdfast%-spec%-"); print("works", h._VERSION)'
      ]])
      assert.is_true(ok, table.concat(output, "\n"))
      assert.equal("works\t" .. spec.version:match "^[^-]+", output[#output])
    end)
  end
end)
