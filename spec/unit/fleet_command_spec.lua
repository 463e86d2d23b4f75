-- The command holdfast-fleet: what it prints, draws and refuses.
local command = require "holdfast.fleet.command"
local tree = require "spec.support.tree"

local spread = table.unpack or unpack

local function sink()
  return { text = "", write = function(self, ...)
    self.text = self.text .. table.concat { ... }
    return self
  end, flush = function() end }
end

local function run(...)
  local out, err = sink(), sink()
  local status = command.main({ "--quiet", ... }, out, err)
  return status, out.text, err.text
end

local SMALL = { "--clients=500", "--accept-rate", "50", "--outage=5" }

local function small(...)
  local words = {}
  for _, word in ipairs(SMALL) do
    words[#words + 1] = word
  end
  for _, word in ipairs { ... } do
    words[#words + 1] = word
  end
  return run(spread(words))
end

local function with_file(content, suffix, use)
  local name = os.tmpname() .. suffix
  local file = assert(io.open(name, "w"))
  file:write(content)
  file:close()
  local ok, problem = pcall(use, name)
  os.remove(name)
  assert(ok, problem)
end

-- Enough of XML to know that every element is closed by its own name and nothing is left unescaped.
local function well_formed(svg)
  local open, seen = {}, {}
  local rest = svg:gsub("<style>.-</style>", "")
  for before, closing, name, attributes, own in rest:gmatch "([^<]*)<(/?)(%a+)([^<>]-)(/?)>" do
    assert.is_nil(before:gsub("&%a+;", ""):find "[&>]", before)
    local left = attributes:gsub('%s+[%w:-]+="[^"<]*"', "")
    assert.equal("", left)
    if closing == "/" then
      assert.equal(name, table.remove(open))
    elseif own ~= "/" then
      open[#open + 1] = name
    end
    seen[name] = (seen[name] or 0) + 1
  end
  assert.equal(0, #open)
  return seen
end

describe("the version of the command", function()
  it("is holdfast's", function()
    assert.same({ 0, "holdfast-fleet " .. require("holdfast")._VERSION .. "\n", "" }, { run "--version" })
  end)
end)

describe("holdfast-fleet", function()
  it("explains itself", function()
    local status, out = run "--help"
    assert.equal(0, status)
    for _, words in ipairs { "usage: holdfast-fleet", "--compare", "--svg", "--advise", "nanosdk paho rumqttc" } do
      assert.truthy(out:find(words, 1, true), words)
    end
  end)

  it("prints a line a policy", function()
    local status, out, err = small("--compare",
      "paho,mosquitto,nanosdk,hivemq,autopaho,mqttjs,aws,grpc,holdfast,spread")
    assert.equal(0, status)
    assert.equal("", err)
    local names = {}
    for name, t50, t99 in out:gmatch "\n(%w+) +([%d.]+) +([%d.]+)" do
      names[#names + 1] = name
      assert.is_true(tonumber(t50) <= tonumber(t99))
    end
    assert.equal("paho mosquitto nanosdk hivemq autopaho mqttjs aws grpc holdfast spread", table.concat(names, " "))
    assert.same({ small "--compare=holdfast" }, { small() })
  end)

  it("knows that nobody is lost in an outage of no length", function()
    local status, out = small "--outage=0"
    assert.equal(0, status)
    assert.truthy(out:find "\nholdfast +0%.0 +0%.0 +0%.0 +0%.00 +0%.00 +0%.00 +0%.0 ", out)
    assert.equal(0, (small("--outage=0", "--advise")))
    with_file("", ".svg", function(name)
      assert.equal(0, (small("--outage=0", "--svg", name)))
      local file = assert(io.open(name))
      local svg = file:read "*a"
      file:close()
      well_formed(svg)
      assert.is_nil(svg:find "nan" or svg:find "inf")
    end)
  end)

  it("takes a Lua file, and the words after it win", function()
    with_file("return { clients = 300, accept_rate = 10, outage = 3, backoff = { max = 5 } }", ".lua", function(name)
      local status, out = run(name)
      assert.equal(0, status)
      assert.truthy(out:find "\nyours ")
      local _, other = run("--seed=2", name)
      assert.not_equal(out, other)
    end)
    with_file("return { clients = 300, policies = { { name = 'short', backoff = { max = 5 } }, { name = 'plain' } } }",
      ".lua", function(name)
        local _, out = run(name)
        assert.truthy(out:find "\nshort .*\nplain ")
      end)
  end)

  it("shows how far it is where the standard error is a terminal", function()
    local shell = (os.getenv "LUA" or "lua5.4") .. " bin/holdfast-fleet --clients=500 --outage=5"
    local bar = "[##############################] 100 %"
    local output = table.concat((tree.command("script -qec '" .. shell .. "' /dev/null </dev/null")), "\n")
    assert.truthy(output:find(bar, 1, true), output)
    assert.truthy(output:find("policy  +t50", 1), output)
    output = table.concat((tree.command(shell)), "\n")
    assert.is_nil(output:find("100 %", 1, true), output)
  end)

  it("draws a panel a policy", function()
    with_file("", ".svg", function(name)
      local status = small("--compare=paho,spread", "--svg", name)
      assert.equal(0, status)
      local file = assert(io.open(name))
      local svg = file:read "*a"
      file:close()
      local seen = well_formed(svg)
      assert.equal(2, seen.polyline)
      assert.truthy(svg:find("500 clients, 50 handshakes a second, away for 5 s", 1, true))
      assert.truthy(svg:find("prefers-color-scheme: dark", 1, true))
      assert.truthy(svg:find("@media print", 1, true))
      assert.is_nil(svg:find "nan" or svg:find "inf")
    end)
    local picture = require "holdfast.fleet.picture"
    local series = { attempts = { 0, 3, 5 }, connected = { 0, 1, 2 } }
    well_formed(picture.draw('a < b & "c"', { { name = "<&>", note = "'", series = series, clients = 2, rate = 1,
      away = 0, back = 1, measured = { 0, 1, 2 } } }, 3))
  end)

  it("advises what is no worse than the default", function()
    local status, out = small "--advise"
    assert.equal(0, status)
    local now, found = out:match "default +t99 ([%d.]+) s.*found +t99 ([%d.]+) s"
    assert.is_true(tonumber(found) <= tonumber(now), out)
    assert.truthy(out:find('backoff = { strategy = "spread", clients = 500, rate = 50 }', 1, true))
    local source = out:match "found[^\n]+\n +backoff = (%b{})"
    local chosen = assert((loadstring or load)("return " .. source))()
    assert.truthy(require("holdfast").backoff.new(chosen))
  end)

  it("refuses what it does not know, and says where to read more", function()
    local cases = {
      { { "--client=3" }, 'unknown option "client"; did you mean "clients"?' },
      { { "--clients" }, "--clients wants a value" },
      { { "--clients=many" }, 'clients must be a whole number from 1 to 10,000,000, got "many"' },
      { { "--compare=pahoo" }, 'unknown policy "pahoo"; did you mean "paho"?' },
      { { "-x" }, "unknown option -x" },
      { { "a.lua", "b.lua" }, "one file at most, got 2" },
      { { "/nowhere/fleet.lua" }, "/nowhere/fleet.lua" },
      { { "--advise", "--svg=x.svg" }, "leave --svg out" },
      { { "--advise", "--compare=paho" }, "leave --compare out" },
    }
    for _, case in ipairs(cases) do
      local status, out, err = run(spread(case[1]))
      assert.equal(2, status)
      assert.equal("", out)
      assert.truthy(err:find(case[2], 1, true), err)
      assert.truthy(err:find("holdfast-fleet --help", 1, true))
    end
    with_file("return 5", ".lua", function(name)
      local status, _, err = run(name)
      assert.equal(2, status)
      assert.truthy(err:find("must return a table of options, got 5", 1, true), err)
    end)
    for content, words in pairs {
      ["policies = { { name = 'short', backoff = { max = 5 } }, { name = 'odd', backoff = { max = 0.5 } } }"] =
        "policies: odd: backoff.max must be at least backoff.min, which is 1 s, got 0.5 s",
      ["policies = { { bakoff = {} } }"] = 'policies: 1: unknown option "bakoff"; did you mean "backoff"?',
      ["backoff = { strategy = 'linear', factor = 2 }"] =
        'holdfast-fleet: backoff.factor needs strategy = "exponential", got "linear"',
    } do
      with_file("return { clients = 300, " .. content .. " }", ".lua", function(name)
        local status, out, err = run(name)
        assert.same({ 2, "" }, { status, out })
        assert.truthy(err:find(words, 1, true), err)
      end)
    end
    local status, _, err = small("--svg", "/nowhere/fleet.svg")
    assert.equal(1, status)
    assert.truthy(err:find("/nowhere/fleet.svg", 1, true))
  end)
end)
