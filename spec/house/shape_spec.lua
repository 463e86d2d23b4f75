-- What every file must look like.
local tree = require "spec.support.tree"

local PAGES = "README.md CHANGELOG.md SECURITY.md CONTRIBUTING.md"
local OURS = "csrc lua spec examples bench"

describe("every file", function()
  local offenders

  before_each(function()
    offenders = {}
  end)

  it("of C or Lua has at most 500 lines", function()
    for _, path in ipairs(tree.files(OURS, "*.c", "*.h", "*.lua")) do
      local _, lines = tree.read(path):gsub("\n", "")
      if lines > 500 then
        offenders[#offenders + 1] = path .. ": " .. lines
      end
    end
    assert.same({}, offenders)
  end)

  it("that is a header opens with a paragraph and guards itself by its path", function()
    for _, path in ipairs(tree.files("csrc bench", "*.h")) do
      local text = tree.read(path)
      local name = path:match "[^/]+$"
      local opening = text:match "^/%*%s*(.-)%*/"
      if not opening or opening:sub(1, #name + 2) ~= name .. ": " or #opening < 120 then
        offenders[#offenders + 1] = path .. " has no opening paragraph ('" .. name .. ": ...')"
      end
      local guard = "HF_" .. path:gsub("^csrc/", ""):gsub("[/.]", "_"):upper()
      if not text:find("\n#ifndef " .. guard .. "\n#define " .. guard .. "\n", 1, true) then
        offenders[#offenders + 1] = path .. " wants the guard " .. guard
      end
    end
    assert.same({}, offenders)
  end)

  it("that is a module of lua/ opens with its LDoc comment", function()
    for _, path in ipairs(tree.files("lua", "*.lua")) do
      if not tree.read(path):match "^%-%-%- [%u`]" then
        offenders[#offenders + 1] = path
      end
    end
    assert.same({}, offenders)
  end)

  it("has no note to self, no tab, no blank at a line's end, and a newline at its own", function()
    local words = { "TO" .. "DO", "FIX" .. "ME", "XX" .. "X" }
    for _, path in ipairs(tree.files(OURS .. " .ci docs rockspec packaging " .. PAGES, "*")) do
      -- What fuzzers begin with is bytes, and so is what LuaRocks leaves beside the sources.
      local text = (path:find("/corpus/", 1, true) or path:find "%.s?o$") and "\n" or tree.read(path)
      for _, word in ipairs(words) do
        if text:find("%f[%w]" .. word .. "%f[%W]") then
          offenders[#offenders + 1] = path .. " says " .. word
        end
      end
      local tab = text:find "\t" and not path:match "%.md$" -- a document shows what programs print
        and not path:match "/Makefile$" and not path:match "/rules$" and not path:match "/APKBUILD$"
      if tab or text:find "[ \r]\n" or not text:find "\n$" then
        offenders[#offenders + 1] = path .. " has a tab, a blank at a line's end, or no newline at its own"
      end
    end
    assert.same({}, offenders)
  end)

  -- The compiler says which kind a switch has left out, unless it has a default. What others number (Paho, OpenSSL,
  -- SQLite, the system, the wire) has more kinds than anybody names.
  it("of C has no default beside kinds of our own", function()
    local switches = 0
    for _, path in ipairs(tree.files("csrc", "*.c")) do
      local text = tree.read(path):gsub("/%*.-%*/", " ")
      for body in text:gmatch "%f[%w]switch%s*%b()%s*(%b{})" do
        switches = switches + 1
        local own = body:match "%f[%w]case%s+(HF_[%w_#]+)"
        if own and body:find "%f[%w]default%s*:" then
          offenders[#offenders + 1] = path .. ": beside " .. own
        end
      end
    end
    assert.same({}, offenders)
    assert.is_true(switches > 40)
  end)

  -- What has a row and is never set, or never counted, is waited for and shown for nothing.
  it("of the keeper has no deadline that nothing sets, and no counter that nothing counts", function()
    local code, rows = {}, 0
    for _, path in ipairs(tree.files("csrc/keeper", "*.c")) do
      code[#code + 1] = tree.read(path)
    end
    local text = table.concat(code)
    local function each(header, row, use)
      for name in tree.read("csrc/keeper/" .. header):gmatch(row) do
        rows = rows + 1
        if not text:find(use:format(name)) then offenders[#offenders + 1] = header .. ": " .. name end
      end
    end
    each("deadlines.h", "ROW%((%u[%u_]*),", "HF_DUE_%s%%f[^%%w_]")
    each("client.h", "EACH%((%l[%l_]*)%) *\\?\n", "HF_COUNT%%(%%w+, %s,")
    assert.same({}, offenders)
    assert.is_true(rows > 20, rows)
  end)
end)

describe("the built module", function()
  it("exports its luaopen function and nothing else", function()
    local core = assert(package.searchpath and package.searchpath("holdfast.core", package.cpath)
      or package.cpath:match "[^;]+":gsub("?", "holdfast/core"))
    local exported = {}
    for _, line in ipairs((tree.command("nm -D --defined-only '" .. core .. "'"))) do
      exported[#exported + 1] = line:match "%S+$"
    end
    assert.same({ "luaopen_holdfast_core" }, exported)
  end)
end)
