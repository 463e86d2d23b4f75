--- The generated parts of the pages in docs/reference, in Markdown, by the name that their mark has.
local catalog = require "reference.catalog"
local codes = require "reference.texts.codes"
local comments = require "reference.comments"
local core = require "holdfast.core"
local events = require "reference.texts.events"
local advice = require "reference.texts.advice"
local options = require "reference.options"
local readme = require "spec.support.readme"
local status = require "reference.texts.status"
local types = require "reference.types"

local pages = {}

local function code(text)
  return "`" .. text .. "`"
end

-- In a cell of a table.
local function cell(text)
  return (text:gsub("|", "\\|"))
end

local function writer()
  local lines = {}
  return function(pattern, ...)
    lines[#lines + 1] = select("#", ...) > 0 and pattern:format(...) or pattern
  end, function()
    return (table.concat(lines, "\n"):gsub("\n\n\n+", "\n\n"):gsub("\n+$", ""))
  end
end

--- How a call is written, with its optional arguments in brackets.
-- @tparam table call of the catalog
-- @tparam table about its comment
-- @treturn string
function pages.signature(call, about)
  local words = {}
  for index, parameter in ipairs(about.parameters) do
    if not (call.bound and index == 1) and parameter.name ~= "self" then
      local comma = #words > 0 and ", " or ""
      words[#words + 1] = parameter.optional and ("[%s%s]"):format(comma, parameter.name) or comma .. parameter.name
    end
  end
  return ("%s(%s)"):format(call.heading, table.concat(words))
end

local CLASS_PAGES = {
  status = "status.md", attempt = "status.md", metrics = "status.md", reason = "status.md", message = "status.md",
  reason_row = "status.md", event = "events.md", event_name = "events.md", options = "options.md",
}
local OBJECTS = {
  client = "a-client", subscription = "a-subscription", task = "a-task", backoff = "a-backoff", engine = "an-engine",
  closer = "what-closes-a-loop-over-messages", latest = "what-clientevent-answers",
}

-- A type with a link to what it is.
local function linked(name)
  return (types.of_comment_words(name):gsub("holdfast%.([%w_.]+)", function(class)
    local plural = class:match "^(.-)s$"
    local page = CLASS_PAGES[class] or CLASS_PAGES[plural] or class:find "^options" and "options.md"
    local shown = class:gsub("_", " "):gsub("^options%.?(.*)$", function(of)
      return "options" .. (of ~= "" and " of " .. of or "")
    end)
    if class == "event_name" then
      return "the name of an [event](events.md)"
    elseif class:find "^options" then
      local of = class:match "%.(.*)$"
      return ("[%s](options.md#%s)"):format(shown, not of and "holdfastnew" or options.is_nested(of) and of
        or "holdfastoptions" .. of)
    elseif page == "events.md" then
      return ("[%s](events.md)"):format(shown)
    elseif page then
      return ("[%s](status.md#holdfast%s)"):format(shown, CLASS_PAGES[class] and class or plural)
    end
    return ("[%s](#%s)"):format(shown, OBJECTS[class] or OBJECTS[plural])
  end))
end

local function parameters(put, call, about)
  local rows = {}
  for index, each in ipairs(about.parameters) do
    if not (call.bound and index == 1) and each.name ~= "self" then
      local kind = each.type == "any" and "any" or linked(each.type)
      local may = each.optional and ", optional" or each.may_be_nil and ", or nil" or ""
      rows[#rows + 1] = ("| %s | %s%s | %s |"):format(code(each.name), cell(kind), may, cell(each.text))
    end
  end
  if rows[1] then
    put "| parameter | type | |\n|---|---|---|"
    put("%s", table.concat(rows, "\n"))
    put ""
  end
end

local function returned(each)
  local kind = each.type == "any" and "" or linked(each.type)
  local words = each.text
  if each.codes then
    return "a code, or nil"
  elseif each.name == "message" then
    words = words ~= "" and words or "in words, why not"
  elseif kind == "boolean" and words:find "^true" then
    kind, words = "", words:gsub("^true", "`true`")
  end
  kind = kind .. (each.may_be_nil and kind ~= "" and ", or nil" or "")
  words = words .. (each.may_be_nil and kind == "" and "; or nil" or "")
  return kind .. (kind ~= "" and words ~= "" and ": " or "") .. words
end

local function returns(put, about)
  local of_codes
  for index, each in ipairs(about.returns) do
    put("%s%d. %s", index == 1 and "Returns\n\n" or "", index, returned(each))
    of_codes = of_codes or each.codes
  end
  put(about.returns[1] and "" or "Returns nothing.\n")
  if of_codes then
    put "| code | when |\n|---|---|"
    for _, each in ipairs(of_codes) do
      put("| `%s` | %s |", each.word, cell(each.note or assert(codes[each.word], each.word)))
    end
    put ""
  end
end

--- A heading a call.
function pages.calls()
  local put, all = writer()
  for _, group in ipairs(catalog) do
    put("## %s\n", group.title)
    for _, call in ipairs(group.calls) do
      local about = comments.of(call.module, call.item)
      put("### %s\n", call.heading)
      put("**`%s`**%s\n", pages.signature(call, about), call.waits and " · waits" or "")
      put("%s\n", about.text)
      parameters(put, call, about)
      returns(put, about)
      if about.raise then
        put("Throws %s.\n", about.raise)
      end
      put("```lua\n%s\n```\n", assert(about.example, call.heading))
    end
  end
  return all()
end

local function option(put, level, title, each)
  local row = each.row
  local default = types.default(row)
  local standing = row.required and "required" or default and "default " .. code(default)
    or row.group == "defaults" and "default: as below" or "optional"
  put("%s %s\n", level, title)
  put("%s · %s\n", types.words(row), standing)
  if each.text ~= "" then
    put("%s.\n", each.text:sub(1, 1):upper() .. each.text:sub(2))
  end
end

--- A heading an option.
function pages.options()
  local put, all = writer()
  put "## holdfast.new\n"
  local main = options.by_class["holdfast.options"]
  for _, each in ipairs(main.rows) do
    option(put, "###", code(each.name), each)
    local inner = each.row.group and options.by_class["holdfast.options." .. each.name]
    for _, of in ipairs(inner and inner.rows or {}) do
      option(put, "####", code(of.row.name), of)
    end
  end
  for _, class in ipairs(options.classes) do
    if class ~= main and not class.nested then
      put("## %s\n", class.name)
      put("%s\n", class.title)
      for _, each in ipairs(class.rows) do
        option(put, "###", code(each.name), each)
      end
    end
  end
  return all()
end

local function fields(put, rows)
  put "| field | type | |\n|---|---|---|"
  for _, row in ipairs(rows) do
    local kind, optional = row[2]:gsub("%?$", "")
    local class, many = kind:match "^holdfast%.([%w_]+)(.*)$"
    local words = class and class:gsub("_", " ")
    local shown = class and ("%s[%s](status.md#holdfast%s)"):format(many ~= "" and "list of " or "", words, class)
      or kind:gsub("%[%]$", "s")
    put("| `%s` | %s%s%s | %s |", row[1], shown, row[3] and ", " .. row[3] or "",
      optional > 0 and ", or absent" or "", cell(row[4]))
  end
  put ""
end

--- A heading an event, with its fields.
function pages.events()
  local put, all = writer()
  for _, event in ipairs(events) do
    put("## %s\n", event[1])
    put("%s\n", event[2])
    fields(put, event[3])
  end
  return all()
end

--- What calls answer, and what stands in it and in events.
function pages.status()
  local put, all = writer()
  for _, class in ipairs(status) do
    put("## %s\n", class[1])
    put("%s\n", class[2])
    fields(put, class[3])
  end
  return all()
end

local ORDINALS = { "1st", "2nd", "3rd" }
local OF_THE_WIRE = { connack = true, disconnect = true, suback = true, unsuback = true, puback = true }

local function is_of_the_rest(row)
  return core.reason.find(row.source, 32767).row == row.row or core.reason.find(row.source, -32768).row == row.row
    and row.source == "paho"
end

--- A heading a reason: who says it, what it means, what follows, and what to do.
function pages.reasons()
  local names, rows = {}, {}
  for _, row in ipairs(core.reason.all()) do
    if not rows[row.name] then
      names[#names + 1], rows[row.name] = row.name, {}
    end
    table.insert(rows[row.name], row)
  end
  table.sort(names)
  local put, all = writer()
  for _, name in ipairs(names) do
    put("## %s\n", name)
    put "| source | code | class | meaning |\n|---|---|---|---|"
    for _, row in ipairs(rows[name]) do
      local number = is_of_the_rest(row) and "any other"
        or OF_THE_WIRE[row.source] and ("`0x%02X`"):format(row.code) or ("`%d`"):format(row.code)
      local class = row.after > 0 and ("%s, %s from the %s in a row on"):format(row.class, row.later,
        ORDINALS[row.after]) or row.class
      put("| `%s` | %s | %s | %s |", row.source, number, class, cell(row.text))
    end
    put("\n%s\n", assert(advice[name], name))
  end
  return all()
end

-- The tables that give an overview.
local tables = { optiontable = "options", calltable = "calls", reasontable = "reasons", statetable = "states" }
for name, of in pairs(tables) do
  pages[name] = function()
    return table.concat(readme[of](), "\n")
  end
end

return pages
