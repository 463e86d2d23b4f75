-- What `make -s env`, `make install` and the runner promise.
local tree = require "spec.support.tree"

local function run(command)
  local lines, ok = tree.command(command)
  assert.is_true(ok, table.concat(lines, "\n"))
  return lines
end

describe("make -s env", function()
  it("puts this checkout in front, keeps what was there, and ends with ;;", function()
    local root = run("pwd -P")[1]
    local lines = run([[
      unset LUA_PATH_5_4 LUA_CPATH_5_4 MAKEFLAGS MAKELEVEL
      export LUA_PATH="/a b/it's/?.lua;;./x/?.lua" LUA_CPATH=
      eval "$(make -s env LUA=lua5.4)"
      printf '%s\n' "$LUA_PATH" "$LUA_CPATH" "${LUA_PATH_5_4-unset}"
    ]])
    assert.equal(root .. "/lua/?.lua;" .. root .. "/lua/?/init.lua;/a b/it's/?.lua;./x/?.lua;;", lines[1])
    assert.equal(root .. "/build/5.4/?.so;;", lines[2])
    assert.equal("unset", lines[3])
  end)

  it("extends the variables of that Lua version if they are set, since they hide the plain ones", function()
    local lines = run([[
      unset MAKEFLAGS MAKELEVEL
      export LUA_PATH_5_3='/mine/?.lua;;' LUA_PATH=
      eval "$(make -s env LUA=5.3)"
      printf '%s\n' "$LUA_PATH_5_3"
    ]])
    assert.truthy(lines[1]:match "/lua/%?%.lua;.*;/mine/%?%.lua;;$")
  end)

  it("adds nothing when it is evaluated again", function()
    local lines = run([[
      unset MAKEFLAGS MAKELEVEL
      eval "$(make -s env LUA=luajit)"; first=$LUA_PATH:$LUA_CPATH
      eval "$(make -s env LUA=luajit)"
      [ "$first" = "$LUA_PATH:$LUA_CPATH" ] && printf '%s\n' "$LUA_CPATH"
    ]])
    assert.truthy(lines[1]:match "/build/luajit/%?%.so;")
  end)

  it("names the Luas it knows when asked for another", function()
    local lines, ok = tree.command "unset MAKEFLAGS MAKELEVEL; make -s env LUA=lua6"
    assert.is_false(ok)
    assert.truthy(lines[1]:match "lua5%.1 lua5%.2 lua5%.3 lua5%.4 luajit.*'lua6'")
  end)
end)

describe("make install", function()
  it("installs the command, with the interpreter it was built for", function()
    local lines = run([[
      unset MAKEFLAGS MAKELEVEL LUA_PATH LUA_CPATH LUA_PATH_5_4 LUA_CPATH_5_4
      folder=$(mktemp -d /tmp/holdfast-spec-XXXXXX)
      trap 'rm -rf "$folder"' EXIT
      make -s install LUA=lua5.4 DESTDIR="$folder" PREFIX=/usr >/dev/null
      head -n 1 "$folder/usr/bin/holdfast-fleet"
      export LUA_PATH="$folder/usr/share/lua/5.4/?.lua;$folder/usr/share/lua/5.4/?/init.lua"
      export LUA_CPATH="$folder/usr/lib/lua/5.4/?.so"
      cd / && env -u LUA_PATH -u LUA_CPATH "$folder/usr/bin/holdfast" --version && ls "$folder/usr/share/man/man1"
      "$folder/usr/bin/holdfast-fleet" --clients=100 --outage=1
    ]])
    assert.equal("#!/usr/bin/env lua5.4", lines[1])
    assert.truthy(lines[2]:find "^holdfast %d")
    assert.same({ "holdfast-fleet.1", "holdfast.1" }, { lines[3], lines[4] })
    assert.truthy(lines[6]:find "^holdfast ")
  end)

  -- Whether the command finds what it needs by itself, in a folder that no Lua looks in.
  local function installed(script)
    return run([[
      unset MAKEFLAGS MAKELEVEL LUA_PATH LUA_CPATH LUA_PATH_5_4 LUA_CPATH_5_4
      folder=$(mktemp -d /tmp/holdfast-spec-XXXXXX)
      trap 'rm -rf "$folder"' EXIT
      make_for() { make -s "$2" "LUA=$1" "PREFIX=$folder/opt" >/dev/null; }
      left() { find "$folder/opt" -type f -o -type l | sed "s|^$folder/||" | sort; }
      runs() {
        (cd / && "$@" "$folder/opt/bin/holdfast-fleet" --clients=100 --outage=1 | sed -n 's/^\(holdfast\) .*/\1/p')
      }
    ]] .. script)
  end

  it("installs where nobody looks, and the command runs there", function()
    assert.same({ "holdfast" }, installed [[make_for lua5.4 install; runs]])
    assert.same({ "holdfast" }, installed [[make_for lua5.4 install; ln -s ../opt/bin "$folder/linked"; runs lua5.4]])
    assert.same({ "holdfast" }, installed [[make_for lua5.4 install; mv "$folder/opt" "$folder/o'pt"
      mkdir -p "$folder/opt/bin"; ln -s "../../o'pt/bin/holdfast-fleet" "$folder/opt/bin"; runs]])
  end)

  it("makes one installation of those for Lua 5.1 and LuaJIT, which either of them runs", function()
    for _, order in ipairs { { "luajit", "lua5.1" }, { "lua5.1", "luajit" } } do
      local lines = installed(("make_for %s install; make_for %s install; runs lua5.1; runs luajit; runs"):format(
        order[1], order[2]))
      assert.same({ "holdfast", "holdfast", "holdfast" }, lines)
    end
  end)

  it("is undone by make uninstall, another Lua's left whole", function()
    assert.same({}, installed [[make_for lua5.4 install; make_for lua5.4 uninstall; left]])
    local lines = installed [[make_for lua5.4 install; left >"$folder/before"; make_for luajit install
      make_for lua5.4 install; make_for luajit uninstall; left | cmp - "$folder/before" && runs]]
    assert.same({ "holdfast" }, lines)
  end)

  it("leaves what others have put beside it", function()
    local lines = installed [[make_for lua5.4 install; touch "$folder/opt/share/lua/5.4/resty/other.lua"
      make_for lua5.4 uninstall; left]]
    assert.same({ "opt/share/lua/5.4/resty/other.lua" }, lines)
  end)
end)

describe("a warning of the compiler", function()
  it("is an error in our own checks, and nowhere else", function()
    local function strict(arguments)
      return #run("unset MAKEFLAGS MAKELEVEL WERROR; make -nB " .. arguments .. " | grep -e -Werror || :") > 0
    end
    assert.is_false(strict "all")
    assert.is_false(strict "all WERROR=0")
    assert.is_true(strict "all WERROR=1")
    for _, file in ipairs { ".ci/test", ".ci/checks", ".ci/machine" } do
      assert.truthy(tree.read(file):find("WERROR=1", 1, true), file)
    end
  end)
end)

describe("make help", function()
  it("lists every target of .PHONY but all's servants", function()
    local help = table.concat(run "unset MAKEFLAGS MAKELEVEL; make -s help", "\n")
    local phony = tree.read("Makefile"):match "\n%.PHONY: (.-[^\\])\n":gsub("\\\n", " ")
    for target in phony:gmatch "%S+" do
      if target ~= "bench-programs" and target ~= "fuzzers" then
        assert.truthy(("\n" .. help):find("\n" .. target .. " ", 1, true), target)
      end
    end
  end)
end)

describe("the runner", function()
  local arguments = ""

  before_each(function()
    arguments = ""
  end)

  local function outcome(...)
    local files = {}
    for i, text in ipairs { ... } do
      files[i] = "printf '%s' '" .. text:gsub("'", "'\\''") .. "' > \"$folder\"/" .. i .. "_spec.lua"
    end
    local lines, ok = tree.command([[
      folder=$(mktemp -d /tmp/holdfast-spec-XXXXXX)
      trap 'rm -rf "$folder"' EXIT
      ]] .. table.concat(files, "\n") .. "\n" .. (os.getenv "LUA") .. ' spec/run.lua "$folder" ' .. arguments)
    return lines[#lines], ok, table.concat(lines, "\n")
  end

  it("counts what passed, failed, erred and was skipped", function()
    local last, ok = outcome([[it("a", function() end) it("b", function() assert.equal(1, 2) end)]],
      [[it("c", function() error "x" end) it("d", function() pending "later" end)]])
    assert.equal("1 passed, 2 failed, 1 skipped", last)
    assert.is_false(ok)
  end)

  it("names what failed once more in front of the count, and says why", function()
    local _, _, text = outcome([[describe("a", function() it("b", function() assert.equal(1, 23) end) end)]],
      [[it("c", function() pending "later" end)]], [[it("d", function() print "last words" os.exit(0) end)]])
    assert.truthy(text:find("\nFAILED: %C+/1_spec%.lua:1: a b\n  %C+ Expected objects to be equal%.\n  Passed in:\n"
      .. "  %(number%) 23\n  Expected:\n  %(number%) 1\n"
      .. "FAILED: %C+/3_spec%.lua: ended without a count, status 0\n  last words\n%d+ passed%C+$"), text)
    assert.is_nil(text:find "FAILED: [^\n]+/2_spec")
  end)

  it("tells no more of a long message than its beginning", function()
    local _, _, text = outcome [[it("a", function() error(("x\n"):rep(100)) end)]]
    local said = text:match "\nFAILED: %C+\n(.-)%d+ passed%C+$"
    assert.equal(20, select(2, said:gsub("  %C+\n", "")), said)
  end)

  it("starts no file that has not the tag that is asked for", function()
    arguments = "--tags=broker"
    local last, ok, text = outcome([[error "is loaded"]], [[it("b #broker", function() end)]])
    assert.equal("1 passed, 0 failed, 0 skipped", last, text)
    assert.is_true(ok)
    assert.equal("0 passed, 0 failed, 0 skipped", (outcome [[it("a", function() end)]]))
  end)

  it("succeeds only when nothing failed", function()
    local last, ok = outcome [[it("a", function() end)]]
    assert.equal("1 passed, 0 failed, 0 skipped", last)
    assert.is_true(ok)
  end)

  it("counts an interpreter that dies as a failure and goes on", function()
    local last, ok = outcome([[it("a", function() os.exit(0) end)]],
      [[it("b", function() os.execute("kill -SEGV $PPID") end)]], [[it("c", function() end)]])
    assert.equal("1 passed, 2 failed, 0 skipped", last)
    assert.is_false(ok)
  end)

  it("counts a death after the last test", function()
    local last = outcome [[it("a", function() end) require "busted".subscribe({ "exit" }, function() os.exit(3) end)]]
    assert.equal("1 passed, 1 failed, 0 skipped", last)
  end)

  it("runs as many files at once as it is told", function()
    local meet = [[it("meets another", function()
      local folder = debug.getinfo(1, "S").source:match "^@(.*)/"
      assert(io.open(folder .. "/MINE", "w")):close()
      for _ = 1, 100 do
        local other = io.open(folder .. "/OTHER")
        if other then return other:close() end
        os.execute "sleep 0.05"
      end
      error "nobody came"
    end)]]
    arguments = "--jobs=2"
    local last = outcome((meet:gsub("MINE", "a"):gsub("OTHER", "b")), (meet:gsub("MINE", "b"):gsub("OTHER", "a")))
    assert.equal("2 passed, 0 failed, 0 skipped", last)
  end)

  it("counts a file that does not load, and a run without files", function()
    assert.equal("0 passed, 1 failed, 0 skipped", (outcome "it("))
    assert.equal("0 passed, 1 failed, 0 skipped", (outcome()))
  end)
end)
