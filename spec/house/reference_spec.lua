-- Nothing public is missing in docs/reference and library/, and what is generated there is what would be generated now.
package.path = "docs/tools/?.lua;" .. package.path

local catalog = require "reference.catalog"
local core = require "holdfast.core"
local holdfast = require "holdfast"
local schema = require "holdfast.schema"
local tree = require "spec.support.tree"
local types = require "reference.types"

local calls, library = tree.read "docs/reference/calls.md", tree.read "library/holdfast.lua"

-- Methods of objects by which the library's own modules call each other.
local OWN = {
  client = { forget_wish = true },
  subscription = { accept = true, accept_run = true, judge = true, is_ready = true, watch = true, unwatch = true },
  latest = { is_ready = true, watch = true, unwatch = true },
  task = { is_ready = true, watch = true, unwatch = true },
}

local function has(text, words, where)
  assert.is_truthy(("\n" .. text):find(words, 1, true), ("%s should have:\n%s"):format(where, words))
end

-- The functions of a table that are no metamethods, sorted.
local function functions_of(object)
  local names = {}
  for name, value in pairs(object) do
    if type(value) == "function" and type(name) == "string" and not name:find "^_" then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

-- What is read when it is first asked for stands in tables that only the metatable's function knows.
local function late_names(object)
  local index, names = getmetatable(object).__index, {}
  for place = 1, 255 do
    local called, value = debug.getupvalue(index, place)
    if called == "apart" or called == "calls" then
      for name in pairs(value) do
        names[#names + 1] = name
      end
    end
  end
  return names
end

local function documented(object)
  local names = {}
  for _, group in ipairs(catalog) do
    if group.object == object then
      for _, call in ipairs(group.calls) do
        names[call.heading:match "[%w_]+$"] = call
      end
    end
  end
  return names
end

local function rows_of(list, name)
  local names = {}
  for _, entry in ipairs(require("reference.texts." .. list)) do
    if entry[1] == name then
      for _, row in ipairs(entry[3]) do
        names[row[1]] = row
      end
      return names
    end
  end
  error(("docs/tools/reference/texts/%s.lua has no %s"):format(list, name), 0)
end

describe("the reference", function()
  local client, subscription

  before_each(function()
    client = holdfast.new { server = "mqtt://127.0.0.1:1" }
    subscription = client:subscribe "a"
  end)

  after_each(function()
    client:close()
  end)

  if _VERSION == "Lua 5.4" then -- one is enough
    it("is what would be generated now", function()
      local output, fine = tree.command "env -u LUA_INIT lua5.4 docs/tools/reference.lua --check"
      assert.is_true(fine, table.concat(output, "\n"))
    end)
  end

  it("has every call", function()
    local _, _, _, closer = subscription:messages(0)
    local objects = {
      holdfast = holdfast, client = getmetatable(client), subscription = getmetatable(subscription),
      closer = getmetatable(closer), latest = getmetatable(client:event "lost"),
      task = getmetatable(holdfast.spawn(function() end)), backoff = getmetatable(holdfast.backoff.new()),
      engine = getmetatable(holdfast.engine.new()), ["holdfast.backoff"] = holdfast.backoff,
      ["holdfast.engine"] = holdfast.engine, ["holdfast.reason"] = holdfast.reason,
      ["holdfast.topic"] = holdfast.topic, ["holdfast.fleet"] = holdfast.fleet,
    }
    local count = 0
    for object, value in pairs(objects) do
      local known = documented(object)
      for _, name in ipairs(functions_of(value)) do
        if not (OWN[object] and OWN[object][name]) then
          count = count + 1
          assert.is_truthy(known[name],
            ("%s of %s has no place in docs/tools/reference/catalog.lua"):format(name, object))
        end
      end
    end
    assert.is_true(count > 50, count)
  end)

  it("has every call of modules that only nginx can read", function()
    for module, object in pairs { ["resty/holdfast"] = "resty.holdfast",
      ["resty/holdfast/metrics"] = "resty.holdfast.metrics" } do
      local known, count, text = documented(object), 0, tree.read("lua/" .. module .. ".lua")
      for name in text:gmatch "\nfunction %l+%.([%l_]+)%(" do
        count = count + 1
        assert.is_truthy(known[name], object .. "." .. name)
      end
      assert.is_true(count >= 3, object)
      local fields = object == "resty.holdfast" and text:match "\nlocal holdfast = (%b{})" or "{}"
      for name in fields:gmatch "\n  (%l+) = base%." do
        assert.is_truthy(tree.read("library/" .. module .. ".lua"):find("@field " .. name .. " ", 1, true), name)
      end
    end
    assert.is_truthy(documented("client").set_timeouts)
  end)

  it("has what is read late", function()
    local known, count = documented "holdfast", 0
    for _, name in ipairs(late_names(holdfast)) do
      count = count + 1
      if type(holdfast[name]) == "function" then
        assert.is_truthy(known[name], name)
      else
        has(library, "\n---@field " .. name .. " holdfast.module." .. name, "library/holdfast.lua")
      end
    end
    assert.is_true(count >= 7, count)
  end)

  it("shows each of them in both places", function()
    local files = { ["resty.holdfast"] = "resty/holdfast", ["resty.holdfast.metrics"] = "resty/holdfast/metrics" }
    for _, group in ipairs(catalog) do
      local text = tree.read("library/" .. (files[group.object] or "holdfast") .. ".lua")
      for _, call in ipairs(group.calls) do
        has(calls, "\n### " .. call.heading .. "\n", "docs/reference/calls.md")
        local name = call.heading:match "[%w_]+$"
        assert.is_truthy(text:find("\nfunction %a+[.:]" .. name .. "%(") or call.heading == "holdfast.reason",
          call.heading)
      end
    end
  end)

  it("names no class that nobody declares", function()
    local resty, declared, count = tree.read "library/resty/holdfast.lua", {}, 0
    for _, kind in ipairs { "class", "alias" } do
      for name in (library .. resty):gmatch("\n%-%-%-@" .. kind .. " ([%w_.]+)") do
        declared[name] = true
      end
    end
    for line in (library .. resty):gmatch "%-%-%-@([^\n]*)" do
      for name in line:gsub("#.*", ""):gsub("`[^`]*`", ""):gmatch "%f[%w]holdfast%.[%l_.]*[%l_]%f[^%w_.]" do
        count = count + 1
        assert.is_true(declared[name], name)
      end
    end
    assert.is_true(count > 100, count)
  end)

  it("has every option, with its default", function()
    local page = tree.read "docs/reference/options.md"
    local function check(row, class)
      local default = types.default(row)
      local heading = row.name:find(".", 1, true) and "#### " or "### "
      local words = row.required and "required" or default and "default `" .. default .. "`"
        or row.group == "defaults" and "default: as below" or "optional"
      local shown = ("\n%s`%s`\n\n%s · %s\n"):format(heading, row.name, types.words(row), words)
      has(page, shown, "docs/reference/options.md")
      local fields = library:match("\n%-%-%-@class " .. class:gsub("%p", "%%%0") .. "\n(.-)\n\n")
      local field = ("\n" .. assert(fields, class) .. "\n"):match("\n%-%-%-@field " .. row.name:match "[%w_]+$"
        .. "%??( [^\n]*)")
      assert.is_truthy(field, ("library/holdfast.lua: %s of %s"):format(row.name, class))
      if default then
        has(field, "default " .. default .. ")", "library/holdfast.lua")
      end
    end
    for _, row in ipairs(schema) do
      local outer = row.name:match "^([%w_]+)%."
      check(row, "holdfast.options" .. (outer and "." .. outer or ""))
    end
    for _, call in ipairs(schema.calls) do
      for _, row in ipairs(call.argument and {} or call.rows) do
        check(row, "holdfast.options." .. call.call)
      end
    end
    for call, rows in pairs(schema.process) do
      for _, row in ipairs(rows) do
        check(row, "holdfast.options." .. call)
      end
    end
  end)

  it("has no option without words", function()
    for _, class in ipairs(require("reference.options").classes) do
      for _, each in ipairs(class.rows) do
        assert.not_equal("", each.text, class.name .. ": " .. each.name)
      end
    end
  end)

  it("has every event and each of its fields", function()
    local of_core = {}
    for _, event in ipairs(core.events) do
      of_core[event.name] = event
    end
    local page = tree.read "docs/reference/events.md"
    for _, name in ipairs(require("holdfast.events").names) do
      local known, count = rows_of("events", name), 0
      has(page, "\n## " .. name .. "\n", "docs/reference/events.md")
      for _, field in ipairs(of_core[name] or {}) do
        assert.is_truthy(known[field], name .. "." .. field)
      end
      for field in pairs(known) do
        count = count + 1
        local class = name == "message" and "holdfast.message" or "holdfast.event." .. name
        assert.is_truthy(library:match("%-%-%-@class " .. class .. "\n(.-)\n\n"):find("%-%-%-@field " .. field), field)
      end
      assert.is_true(not of_core[name] or count == #of_core[name], name .. " has fields that there are not")
    end
  end)

  it("has every reason, and what to do about it", function()
    local page, advice, known = tree.read "docs/reference/reasons.md", require "reference.texts.advice", {}
    for _, row in ipairs(core.reason.all()) do
      known[row.name] = true
      assert.is_truthy(advice[row.name], row.name)
      has(page, "\n## " .. row.name .. "\n", "docs/reference/reasons.md")
    end
    for name in pairs(advice) do
      assert.is_true(known[name], "there is no reason " .. name)
    end
  end)

  it("has every code that a call answers", function()
    local codes, known = require "reference.texts.codes", {}
    for code in calls:gmatch "\n| `([%l_]+)` | " do
      known[code] = true
    end
    for code in pairs(codes) do
      assert.is_true(known[code], "no call answers " .. code)
    end
    for _, module in ipairs(tree.files("lua", "*.lua")) do
      for code in tree.read(module):gmatch 'return nil, [^\n]-, "([%l_]+)"\n' do
        assert.is_truthy(codes[code], module .. ": " .. code)
      end
    end
  end)

  it("has every metric and every field of status and history", function()
    local source = tree.read "csrc/lua/status.c"
    local function in_source(name)
      local body = assert(source:match("int " .. name .. "%b() (%b{})"), name)
      local names = {}
      for field in body:gmatch 'set_%l+%(L, "([%l_]+)"' do
        names[#names + 1] = field
      end
      for field in body:gmatch 'lua_setfield%(L, %-2, "([%l_]+)"%)' do
        names[#names + 1] = field
      end
      assert.is_true(#names > 3, name)
      return names
    end
    local inner = { held = "holdfast.inbox", oldest = "holdfast.queued" }
    for _, field in ipairs(in_source "hf_lua_status") do
      assert.is_truthy(rows_of("status", inner[field] or "holdfast.status")[field], "status." .. field)
    end
    for _, field in ipairs(in_source "hf_lua_history") do
      assert.is_truthy(rows_of("status", "holdfast.attempt")[field], "history: " .. field)
    end
    for class, name in pairs { path = "set_path", rival = "set_beside" } do
      local body = assert(source:match("\nstatic void " .. name .. "%b() (%b{})"), name)
      for field in body:gmatch 'set_%l+%(L, "([%l_]+)"' do
        assert.is_truthy(rows_of("status", "holdfast." .. class)[field], class .. ": " .. field)
      end
    end
    local function same(answered, class, optional)
      local known = rows_of("status", class)
      for field in pairs(answered) do
        assert.is_truthy(known[field], class .. "." .. field)
      end
      for field, row in pairs(known) do
        assert.is_true(answered[field] ~= nil or row[2]:find "%?$" ~= nil or optional == field, class .. "." .. field)
      end
    end
    local status, metrics = client:status(), holdfast.metrics()
    same(status, "holdfast.status")
    same(status.counters, "holdfast.counters")
    same(metrics.states, "holdfast.states")
    same(metrics.queued, "holdfast.queued")
    same(metrics.inbox, "holdfast.inbox")
    same(status.queued, "holdfast.queued")
    same(status.inbox, "holdfast.inbox")
    same(metrics, "holdfast.metrics")
    same(metrics.drops, "holdfast.drops")
    same(metrics.dispatch, "holdfast.dispatch")
    same(metrics.dispatch.buckets[1], "holdfast.bucket")
    same(holdfast.reason("connack", 0x89), "holdfast.reason_row")
  end)

  it("has the properties that a packet takes", function()
    local properties, known = require "holdfast.properties", rows_of("status", "holdfast.properties")
    for _, packet in ipairs { "publish", "will", "subscribe", "connect" } do
      local _, problem = properties.check({ nonsense = 1 }, packet)
      local count = 0
      for name in problem:match("; (.*)$"):gsub("%f[%l]%l+ %l+ ", "", 1):gmatch "[%l_]+" do
        if name ~= "and" then
          count = count + 1
          assert.is_truthy(known[name], packet .. ": " .. name)
        end
      end
      assert.is_true(count > 0, problem)
    end
  end)

  it("draws each way from one state to another", function()
    local dot, drawing = tree.read "docs/reference/states.dot", tree.read "docs/reference/states.svg"
    for from, to in dot:gmatch "\n  (%l+) %-> (%l+) " do
      has(drawing, ("<title>%s&#45;&gt;%s</title>"):format(from, to), "docs/reference/states.svg")
    end
    for label in dot:gmatch 'label="([^"]+)"' do
      for line in label:gsub("\\n", "\n"):gmatch "[^\n]+" do
        has(drawing, ">" .. line .. "</text>", "docs/reference/states.svg")
      end
    end
  end)
end)
