-- What `make release` refuses, and what it makes, in a repository of its own whose make and luarocks only say what they
-- are asked.
local tree = require "spec.support.tree"

local SETUP = [[
  folder=$(mktemp -d /tmp/holdfast-spec-XXXXXX)
  trap 'rm -rf "$folder"' EXIT
  mkdir -p "$folder/one/csrc/lua" "$folder/bin"
  cp -r .ci rockspec packaging docs *.md "$folder/one"
  cp csrc/lua/module.c "$folder/one/csrc/lua"
  cd "$folder/one"
  export HOME="$folder" GIT_CONFIG_NOSYSTEM=1
  export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
  unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE DRY_RUN
  printf '#!/bin/sh\necho "make $*" >>"%s/made"\n[ "$*" != "$BREAKS" ]\n' "$folder" >"$folder/bin/make"
  printf '#!/bin/sh\ncase $* in */quic/*) touch q.rock ;; *) touch h.rock ;; esac\n' >"$folder/bin/luarocks"
  chmod +x "$folder"/bin/*
  PATH=$folder/bin:$PATH
  version=$(.ci/identity version)
  awk -v "title=## $version (2026-11-30)" '/^## / && !told++ { $0 = title } { print }' CHANGELOG.md >new
  mv new CHANGELOG.md
  printf 'build\n' >.gitignore
  git init -q -b main . && git add -A && git commit -q -m one
  tagged() { git tag --list | wc -l; }
]]

local function release(script)
  return tree.command("(\n" .. SETUP .. script .. "\n)")
end

-- What it is made of is the same for every Lua.
if _VERSION ~= "Lua 5.4" then return end

describe("make release", function()
  for what, broken in pairs {
    ["what is not committed"] = { "echo >>README.md", "not committed" },
    ["another branch"] = { "git checkout -q -b other", "made of main, this is other" },
    ["a commit without a branch"] = { "git checkout -q --detach", "this is no branch" },
    ["a version that differs"] = { "sed -i 's/^#define HF_VERSION \"/&9/' csrc/lua/module.c; git commit -qam two",
      "csrc/lua/module.c: #define HF_VERSION" },
    ["a changelog without a dated section"] = {
      "sed -i 's/^\\(## [0-9.]*\\) (.*/\\1 (unreleased)/' CHANGELOG.md; git commit -qam two",
      "CHANGELOG.md has no line '## " },
    ["a version that has its tag"] = { "git tag v$version", "there is a tag v" },
  } do
    it("refuses " .. what .. ", before anything is done", function()
      local lines, ok = release(broken[1] .. "\n" .. [[
        .ci/release; status=$?; ls "$folder/made" build 2>/dev/null; exit $status]])
      assert.is_false(ok)
      local said = table.concat(lines, "\n")
      assert.truthy(said:find("make release: ", 1, true) == 1 and said:find(broken[2], 1, true), said)
      assert.is_nil(said:find "/made")
    end)
  end

  it("says with DRY_RUN=1 what it would do, and does none of it", function()
    local lines, ok = release [[DRY_RUN=1 .ci/release && ls "$folder" && ls && tagged]]
    local said = table.concat(lines, "\n")
    assert.is_true(ok, said)
    for _, step in ipairs { "make lint", "make test", "make soak MINUTES=30", "make package", ".ci/archive", "rocks",
      "git tag --annotate v" } do
      assert.truthy(said:find("+ " .. step, 1, true), step)
    end
    assert.is_nil(said:find "\nmade\n")
    assert.is_nil(said:find "\nbuild\n")
    assert.equal("0", lines[#lines])
  end)

  it("makes archive, rocks, sums and tag, and pushes nothing", function()
    local lines, ok = release [[
      git init -q --bare "$folder/elsewhere" && git remote add origin "$folder/elsewhere"
      .ci/release >"$folder/said" || { cat "$folder/said"; exit 1; }
      cat "$folder/made"
      (cd build/release && sha256sum --quiet -c SHA256SUMS && ls)
      git cat-file -t "v$version"
      git tag --list -n1 "v$version"
      .ci/archive "$folder" && cmp "$folder/holdfast-$version.tar.gz" "build/release/holdfast-$version.tar.gz"
      tar -tzf "$folder/holdfast-$version.tar.gz" | sed "s/$version/V/" | grep -x 'holdfast-V/packaging/identity'
      git -C "$folder/elsewhere" for-each-ref
      grep -c 'lead nowhere' "$folder/said"]]
    local said = table.concat(lines, "\n")
    assert.is_true(ok, said)
    local version = tree.command(".ci/identity version")[1]
    assert.equal(([[
make lint
make test
make roads
make soak MINUTES=30
make soak MINUTES=30 TRANSPORT=native
make fuzz SECONDS=600
make prove
make package
SHA256SUMS
h.rock
holdfast-V-1.rockspec
holdfast-V.tar.gz
holdfast-quic-V-1.rockspec
q.rock
tag
vV          V (2026-11-30)
holdfast-V/packaging/identity
]]):gsub("V", version) .. (tree.read("packaging/identity"):find(".invalid", 1, true) and "1" or "0"), (said
      :gsub("holdfast%-V", "holdfast-" .. version)))
  end)

  it("tags nothing where a check has failed", function()
    local lines, ok = release [[export BREAKS=test; .ci/release 2>&1 | tail -n 1; tagged; ls build 2>/dev/null]]
    assert.is_false(ok)
    assert.same({ "make release: nothing is tagged: make test went wrong", "0" }, { lines[1], lines[2] })
  end)
end)
