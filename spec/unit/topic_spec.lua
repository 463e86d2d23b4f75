-- Topic names, topic filters, UTF-8 and matching: MQTT 5 sections 1.5.4 and 4.7.
local core = require "holdfast.core"

local EMPTY = "must not be empty"
local NUL = "must not contain a NUL character"
local UTF8 = "must be valid UTF-8"
local CONTROL = "must not contain control characters"
local NOBODY = "must not contain code points that are no characters"
local LONG = "must not be longer than 65,535 bytes"
local WILD = "must not contain the wildcards '+' and '#'"
local HASH = "must have '#' only as its whole last level"
local PLUS = "must have '+' only as a whole level"
local GROUP_AND_FILTER = "must have a group and a filter after '$share/'"
local GROUP = "must have a group after '$share/'"
local GROUP_WILD = "must not have a wildcard in the group after '$share/'"

-- For printing bytes in a test's name.
local function shown(text)
  return #text > 60 and #text .. " bytes" or (text:gsub("[^ -~]", function(c) return "\\" .. c:byte() end))
end

local function check(what, problem_of, cases)
  for _, case in ipairs(cases) do
    local text, problem = case[1], case[2]
    it(what .. " '" .. shown(text) .. "' " .. (problem or "is good"), function()
      assert.equal(problem, problem_of(text))
    end)
  end
end

describe("a topic name", function()
  check("topic", core.topic_problem, {
    { "a" }, { "/" }, { "//" }, { "a/b/c" }, { "/a" }, { "a/" }, { " " }, { "Accounts payable" }, { "$SYS/broker" },
    { "$share/g/a" }, { "caf\195\169/\240\159\152\128" }, { "\239\187\191bom" }, { ("x"):rep(65535) },
    { "", EMPTY }, { "a+", WILD }, { "#", WILD }, { "a/#/b", WILD }, { "+\0", WILD }, { "a\0b", NUL }, { "\0", NUL },
    { "a\255", UTF8 }, { ("x"):rep(65536), LONG }, { "junk/topic\t", CONTROL }, { "a\127", CONTROL }, { "a\t\0", NUL },
    { "a\t\255", UTF8 }, { "\194\133/a", CONTROL }, { "a/\239\191\190", NOBODY },
  })
end)

describe("a topic filter", function()
  check("filter", core.filter_problem, {
    { "a" }, { "#" }, { "+" }, { "/#" }, { "a/#" }, { "+/+" }, { "/+" }, { "+/" }, { "+/a/#" }, { "a/+/b/+/c/#" },
    { "$SYS/#" }, { "$share" }, { "$shared/x" }, { "$share/g/a" }, { "$share/g/#" }, { "$share/g//" },
    { "$share/g/+/a" }, { "\195\169/+" }, { ("x"):rep(65535) },
    { "", EMPTY }, { "a#", HASH }, { "#a", HASH }, { "#/", HASH }, { "a/#/b", HASH }, { "##", HASH }, { "a/#b", HASH },
    { "a+", PLUS }, { "+a", PLUS }, { "a/b+/c", PLUS }, { "++", PLUS }, { "a/+b", PLUS }, { "+#", PLUS },
    { "$share/", GROUP_AND_FILTER }, { "$share/g", GROUP_AND_FILTER }, { "$share/g/", GROUP_AND_FILTER },
    { "$share//a", GROUP }, { "$share/+/a", GROUP_WILD }, { "$share/g#/a", GROUP_WILD },
    { "$share/g/a#", HASH }, { "a\0", NUL }, { "a/\237\160\128", UTF8 }, { ("x"):rep(65536), LONG },
    { "a/+/\n", CONTROL }, { "$share/g\1/a", CONTROL }, { "#/\1", HASH }, { "+/\239\183\144", NOBODY },
  })
end)

local function encode(point)
  if point < 0x80 then
    return string.char(point)
  elseif point < 0x800 then
    return string.char(0xC0 + math.floor(point / 0x40), 0x80 + point % 0x40)
  elseif point < 0x10000 then
    return string.char(0xE0 + math.floor(point / 0x1000), 0x80 + math.floor(point / 0x40) % 0x40, 0x80 + point % 0x40)
  end
  return string.char(0xF0 + math.floor(point / 0x40000), 0x80 + math.floor(point / 0x1000) % 0x40,
    0x80 + math.floor(point / 0x40) % 0x40, 0x80 + point % 0x40)
end

describe("UTF-8", function()
  check("text", core.utf8_problem, {
    { "" }, { "plain" }, { "\194\160" }, { "\223\191" }, { "\224\160\128" }, { "\237\159\191" }, { "\238\128\128" },
    { "\239\191\189" }, { "\240\144\128\128" }, { "\244\143\191\189" }, { " ~" },
    { "\0", NUL }, { "\128", UTF8 }, { "\191", UTF8 }, { "\192\128", UTF8 }, { "\193\191", UTF8 }, { "\194", UTF8 },
    { "\194A", UTF8 }, { "\195\169\169", UTF8 }, { "\224\159\191", UTF8 }, { "\224\160", UTF8 }, { "\225\128A", UTF8 },
    { "\237\160\128", UTF8 }, { "\237\191\191", UTF8 }, { "\240\143\191\191", UTF8 }, { "\240\144\128", UTF8 },
    { "\240\144\128\192", UTF8 }, { "\244\144\128\128", UTF8 }, { "\245\128\128\128", UTF8 }, { "\254", UTF8 },
    { "\255", UTF8 }, { "a\0\255", NUL },
  })

  local function is_control(point)
    return point < 0x20 or point >= 0x7F and point <= 0x9F
  end

  local function is_noncharacter(point)
    return point % 0x10000 >= 0xFFFE or point >= 0xFDD0 and point <= 0xFDEF
  end

  it("takes every code point but surrogates, controls and non-characters, and every 31st of higher planes", function()
    local good, refused = {}, 0
    for point = 1, 0x10FFFF do
      local problem = point >= 0xD800 and point <= 0xDFFF and UTF8 or is_control(point) and CONTROL
        or is_noncharacter(point) and NOBODY
      if problem then
        refused = refused + 1
        assert(core.utf8_problem("a" .. encode(point) .. "b") == problem)
      elseif point < 0x10800 or point > 0x10FF00 or point % 31 == 0 then
        good[#good + 1] = encode(point)
      end
      if #good == 4096 or point == 0x10FFFF then
        assert.is_nil(core.utf8_problem(table.concat(good)), "up to U+" .. string.format("%X", point))
        good = {}
      end
    end
    assert.equal(2048 + 31 + 33 + 32 + 2 * 17, refused)
  end)

  it("takes of all two bytes exactly two characters and one of two bytes", function()
    local taken = 0
    for first = 1, 255 do
      for second = 1, 255 do
        local plain = first < 0x80 and second < 0x80 and not is_control(first) and not is_control(second)
        local one = first >= 0xC2 and first <= 0xDF and second >= 0x80 and second <= 0xBF
          and not (first == 0xC2 and second < 0xA0)
        local good = not core.utf8_problem(string.char(first, second))
        taken = taken + (good and 1 or 0)
        if good ~= (plain or one) then
          error(first .. ", " .. second)
        end
      end
    end
    assert.equal(95 * 95 + 30 * 64 - 32, taken)
  end)
end)

describe("matching", function()
  local yes = {
    { "a", "a" }, { "#", "a" }, { "#", "a/b/c" }, { "#", "/" }, { "+", "a" }, { "a/#", "a" }, { "a/#", "a/" },
    { "a/#", "a/b/c" }, { "a/+", "a/b" }, { "a/+", "a/" }, { "+/+", "/finance" }, { "/+", "/finance" },
    { "+/b/#", "a/b" }, { "+/b/#", "a/b/c/d" }, { "a/+/c", "a/b/c" }, { "a/+/c", "a//c" }, { "//", "//" },
    { "/#", "/" }, { "/#", "/a" }, { "+/#", "a" }, { "+/#", "/" }, { "$SYS/#", "$SYS" }, { "$SYS/#", "$SYS/a" },
    { "$SYS/+/x", "$SYS/b/x" }, { "a/$b", "a/$b" }, { "a/+", "a/$b" }, { "$share/g/a/+", "a/b" },
    { "$share/g/#", "a" }, { "$share/g//a", "/a" }, { "sport/tennis/player1/#", "sport/tennis/player1/ranking" },
  }
  local no = {
    { "a", "b" }, { "a", "A" }, { "a", "a/" }, { "a/", "a" }, { "a", "/a" }, { "+", "/a" }, { "+", "a/b" },
    { "a/+", "a" }, { "a/+", "a/b/c" }, { "a/#", "ab" }, { "a/#", "b/a" }, { "ab/#", "a" }, { "+/+", "a" },
    { "#", "$SYS/a" }, { "+/a", "$SYS/a" }, { "+", "$SYS" }, { "$share/g/#", "$SYS/a" }, { "$share/g/+/a", "$SYS/a" },
    { "$share/g/a", "$share/g/a" }, { "$share/g/a", "g/a" }, { "a/b/#", "a" }, { "abc", "ab" }, { "ab", "abc" },
    { "/", "//" }, { "sport/tennis/+", "sport/tennis/player1/ranking" },
  }
  for _, case in ipairs(yes) do
    it(case[1] .. " takes " .. case[2], function()
      assert.is_true(core.topic_matches(case[1], case[2]))
    end)
  end
  for _, case in ipairs(no) do
    it(case[1] .. " does not take " .. case[2], function()
      assert.is_false(core.topic_matches(case[1], case[2]))
    end)
  end

  local function levels(text)
    local list = {}
    for level in (text .. "/"):gmatch "([^/]*)/" do
      list[#list + 1] = level
    end
    return list
  end

  local function slowly(filter, name)
    local f, n = levels(filter), levels(name)
    if name:sub(1, 1) == "$" and (f[1] == "+" or f[1] == "#") then
      return false
    end
    for i = 1, #f do
      if f[i] == "#" then
        return #n >= i - 1
      elseif n[i] == nil or (f[i] ~= "+" and f[i] ~= n[i]) then
        return false
      end
    end
    return #f == #n
  end

  it("agrees with a slow one that splits into levels", function()
    local seed = 1
    local function pick(list)
      seed = (seed * 16807) % 2147483647
      return list[seed % #list + 1]
    end
    local function path(parts)
      local list = {}
      for i = 1, pick { 1, 1, 2, 2, 3, 4 } do
        list[i] = pick(parts)
      end
      return table.concat(list, "/")
    end
    local compared, matched = 0, 0
    while compared < 20000 do
      local filter, name = path { "", "a", "b", "ab", "$", "+", "+", "#" }, path { "", "a", "b", "ab", "$" }
      if not core.filter_problem(filter) and not core.topic_problem(name) then
        compared = compared + 1
        local expected = slowly(filter, name)
        matched = matched + (expected and 1 or 0)
        if core.topic_matches(filter, name) ~= expected then
          error(filter .. " and " .. name)
        end
      end
    end
    assert.is_true(matched > 2000 and matched < 18000, matched)
  end)
end)
