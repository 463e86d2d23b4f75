-- docs/metrics.md names every metric and no other; alerts and dashboard ask for metrics that there are, in words that
-- Prometheus takes.
local families = require "holdfast.families"
local holdfast = require "holdfast"
local json = require "dkjson"
local promtool = require "spec.support.promtool"
local tree = require "spec.support.tree"

local SUFFIX = { counter = "_total", info = "_info" }

-- A table of the page, by the first cell of its rows.
local function rows_under(heading)
  local text = ("\n" .. tree.read "docs/metrics.md" .. "\n#"):match("\n" .. heading .. "\n(.-)\n#") or error(heading)
  local rows = {}
  for name, rest in text:gmatch "\n| `([%w_]+)` |([^\n]*)|" do
    local cells = {}
    for cell in (rest .. "|"):gmatch " ?([^|]-) ?|" do
      cells[#cells + 1] = cell
    end
    assert(not rows[name], "twice: " .. name)
    rows[name] = cells
  end
  return rows
end

local function series_of(of)
  local all = {}
  for _, family in ipairs(families) do
    if not of or family.of == of then
      all[family.name .. (SUFFIX[family.type] or "")] = family
    end
  end
  return all
end

-- Every name that an expression asks for, as the family that has it.
local function names_in(expression)
  local names, known = {}, series_of()
  for name in expression:gsub('"[^"]*"', '""'):gmatch "holdfast_[%w_]+" do
    local base = name:gsub("_bucket$", "")
    names[#names + 1] = name
    assert.is_truthy(known[name] or known[base] and known[base].type == "histogram", name .. " in " .. expression)
  end
  return names
end

describe("docs/metrics.md", function()
  for of, heading in pairs { process = "### Of the process", client = "### Of a client" } do
    it("has each series " .. heading:lower():sub(5), function()
      local rows = rows_under(heading)
      for name, family in pairs(series_of(of)) do
        local labels = {}
        for _, label in ipairs(family.labels) do
          labels[#labels + 1] = label
        end
        if of == "client" then
          table.insert(labels, 1, "client")
        end
        local cells = rows[name] or error(name .. " is not there")
        assert.same({ family.type, family.unit or "", table.concat(labels, ", ") }, { cells[1], cells[2], cells[3] })
        rows[name] = nil
      end
      assert.is_nil(next(rows))
    end)
  end

  it("has each field of metrics()", function()
    local rows = rows_under "## As a table"
    for name in pairs(holdfast.metrics()) do
      assert.is_truthy(rows[name], name)
      rows[name] = nil
    end
    assert.is_nil(next(rows))
  end)

  it("has each cause for which messages are dropped", function()
    local cells = rows_under("### Of the process").holdfast_messages_dropped_total
    local causes = {}
    for cause in cells[4]:gmatch "`([%w_]+)`" do
      causes[cause] = true
    end
    for cause in pairs(holdfast.metrics().drops) do
      assert.is_true(causes[cause], cause)
      causes[cause] = nil
    end
    assert.is_nil(next(causes))
  end)

  it("has each alert", function()
    local rows, count = rows_under "## Alerts and a dashboard", 0
    for name in tree.read("examples/prometheus/alerts.yml"):gmatch "%- alert: (%w+)" do
      assert.is_truthy(rows[name], name)
      rows[name], count = nil, count + 1
    end
    assert.is_nil(next(rows))
    assert.is_true(count > 0)
  end)
end)

describe("examples/prometheus/alerts.yml", function()
  it("asks for metrics that there are", function()
    for expression in tree.read("examples/prometheus/alerts.yml"):gmatch "expr: (.-)\n%s+[%w]+:" do
      assert.is_true(#names_in(expression) > 0)
    end
  end)

  it("is what promtool takes, and fires when it is to", function()
    if not promtool.is_there() then
      pending "there is no promtool"
      return
    end
    local lines, fine = tree.command "promtool check rules examples/prometheus/alerts.yml"
    assert.is_true(fine, table.concat(lines, "\n"))
    lines, fine = tree.command "promtool test rules examples/prometheus/alerts_test.yml"
    assert.is_true(fine, table.concat(lines, "\n"))
  end)
end)

describe("examples/grafana/holdfast.json", function()
  local dashboard = assert(json.decode(tree.read "examples/grafana/holdfast.json"))

  -- Calls `fn(value)` with every table in it.
  local function walk(value, fn)
    fn(value)
    for _, inner in pairs(value) do
      if type(inner) == "table" then
        walk(inner, fn)
      end
    end
  end

  local function expressions()
    local list = {}
    walk(dashboard.panels, function(value)
      list[#list + 1] = value.expr
    end)
    assert(#list > 10)
    return list
  end

  it("is a dashboard whose panels have ids, places and queries of their own", function()
    assert.same({ "holdfast", "holdfast" }, { dashboard.uid, dashboard.title })
    assert.is_true(dashboard.schemaVersion >= 36)
    local ids, taken = {}, {}
    for _, panel in ipairs(dashboard.panels) do
      assert.is_nil(ids[panel.id], panel.title)
      ids[panel.id] = true
      local place = panel.gridPos
      assert.is_true(place.x >= 0 and place.w > 0 and place.x + place.w <= 24, panel.title)
      for y = place.y, place.y + place.h - 1 do
        for x = place.x, place.x + place.w - 1 do
          assert.is_nil(taken[y * 24 + x], panel.title)
          taken[y * 24 + x] = true
        end
      end
      local letters = {}
      for _, target in ipairs(panel.targets or {}) do
        assert.is_nil(letters[target.refId], panel.title)
        letters[target.refId] = true
      end
      assert.is_true(panel.type == "row" or next(letters) ~= nil, panel.title)
    end
  end)

  it("asks whichever Prometheus is chosen", function()
    local variable = dashboard.templating.list[1]
    assert.same({ "datasource", "datasource", "prometheus" }, { variable.type, variable.name, variable.query })
    local asked = 0
    walk(dashboard, function(value)
      if value.datasource then
        assert.same({ type = "prometheus", uid = "${datasource}" }, value.datasource)
        asked = asked + 1
      end
    end)
    assert.is_true(asked > 20)
  end)

  it("asks for metrics and variables that there are, and for each kind of trouble", function()
    local variables, used = { __rate_interval = true, __range = true }, {}
    local function check(expression)
      for _, name in ipairs(names_in(expression)) do
        used[name:gsub("^holdfast_client_", "holdfast_")] = true
      end
      for name in expression:gmatch "%$([%w_]+)" do
        assert.is_true(variables[name], name)
      end
    end
    for _, variable in ipairs(dashboard.templating.list) do
      if variable.type == "query" then
        check(variable.query.query) -- of those before it
      end
      variables[variable.name] = true
    end
    for _, expression in ipairs(expressions()) do
      check(expression)
    end
    for _, name in ipairs { "failures_total", "losses_total", "downtime_seconds_total", "queue_oldest_seconds",
      "messages_dropped_total", "messages_inbox_dropped_total", "dispatch_seconds_bucket" } do
      assert.is_true(used["holdfast_" .. name], name)
    end
  end)

  it("asks in words that Prometheus takes", function()
    if not promtool.is_there() then
      pending "there is no promtool"
      return
    end
    local lines = { "groups:", "  - name: dashboard", "    rules:" }
    for index, expression in ipairs(expressions()) do
      local plain = expression:gsub("%$__rate_interval", "5m"):gsub("%$__range", "6h"):gsub("%$%w+", ".*")
      lines[#lines + 1] = ("      - record: panel:%d"):format(index)
      lines[#lines + 1] = "        expr: '" .. plain .. "'"
    end
    local said, fine = promtool.run("check rules %s", table.concat(lines, "\n") .. "\n")
    assert.is_true(fine, said)
  end)
end)
