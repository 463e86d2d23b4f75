--- library/: what an editor with LuaLS is told of holdfast.
local catalog = require "reference.catalog"
local comments = require "reference.comments"
local events = require "reference.texts.events"
local options = require "reference.options"
local schema = require "holdfast.schema"
local status = require "reference.texts.status"
local types = require "reference.types"

local library = {}

local ROOT = "holdfast"
local APART = { ["resty.holdfast"] = true, ["resty.holdfast.metrics"] = true } -- in files of their own

-- Name of a class -> the variable that its functions are declared on.
local VARIABLES = {
  holdfast = "holdfast", ["holdfast.client"] = "Client", ["holdfast.subscription"] = "Subscription",
  ["holdfast.closer"] = "Closer", ["holdfast.latest"] = "Latest", ["holdfast.task"] = "Task",
  ["holdfast.module.backoff"] = "backoff", ["holdfast.backoff"] = "Backoff", ["holdfast.module.engine"] = "engine",
  ["holdfast.engine"] = "Engine", ["holdfast.module.reason"] = "reason", ["holdfast.module.topic"] = "topic",
  ["holdfast.module.fleet"] = "fleet", ["resty.holdfast"] = "holdfast",
  ["resty.holdfast.metrics"] = "metrics",
}

-- What the objects have besides calls.
local FIELDS = {
  holdfast = {
    { "_VERSION", "string", "" },
    { "backoff", "holdfast.module.backoff", "backoff by itself" },
    { "engine", "holdfast.module.engine", "the reconnect engine by itself" },
    { "fleet", "holdfast.module.fleet", "what a policy does to a fleet" },
    { "reason", "holdfast.module.reason", "the table of reasons by itself" },
    { "topic", "holdfast.module.topic", "topics by themselves" },
  },
  ["resty.holdfast"] = {
    { "_VERSION", "string", "" },
    { "backoff", "holdfast.module.backoff", "backoff by itself" },
    { "engine", "holdfast.module.engine", "the reconnect engine by itself" },
    { "reason", "holdfast.module.reason", "the table of reasons by itself" },
    { "topic", "holdfast.module.topic", "topics by themselves" },
    { "first", "fun(objects: table[], timeout?: number): table?, integer|string, string?", "as that of holdfast" },
    { "log", "fun(listener?: function|table, options?: holdfast.options.log): boolean?, string?, string?",
      "as that of holdfast" },
    { "metrics", "fun(): holdfast.metrics", "as that of holdfast" },
    { "prometheus", "fun(options?: holdfast.options.prometheus): string, string", "as that of holdfast" },
    { "spawn", "fun(fn: fun(...: any): any, ...: any): holdfast.task", "as that of holdfast" },
  },
  ["holdfast.client"] = {
    { "defaults", "holdfast.defaults", "options of calls that are not given any" },
  },
  ["holdfast.subscription"] = {
    { "filter", "string", "what was asked for" },
    { "dropped", "integer", "messages that were dropped while nobody read" },
  },
  ["holdfast.module.reason"] = {
    { "classes", "string[]", "`none`, `retry`, `slow`, `switch`, `stop`" },
    { "sources", "string[]", "`connack`, `disconnect`, `network`, `tls` ..." },
  },
}

local function writer()
  local lines = {}
  return function(pattern, ...)
    lines[#lines + 1] = select("#", ...) > 0 and pattern:format(...) or pattern
  end, function()
    return table.concat(lines, "\n") .. "\n"
  end
end

local function commented(put, text)
  for line in (text .. "\n"):gmatch "(.-)\n" do
    put("---%s", line)
  end
end

local function event_class(name)
  return name == "message" and "holdfast.message" or "holdfast.event." .. name
end

local function fields(put, rows)
  for _, row in ipairs(rows) do
    local kind, optional = row[2]:gsub("%?$", "")
    local words = (row[3] and row[3] .. ": " or "") .. row[4]
    put("---@field %s%s %s%s", row[1], optional > 0 and "?" or "", kind, words ~= "" and " " .. words or "")
  end
end

local function option_fields(put, class)
  for _, each in ipairs(class.rows) do
    local row = each.row
    local kind = row.group and "holdfast.options." .. row.name or types.luals(row)
    if row.name == "backoff" then
      kind = kind .. "|fun(failure: table): number|false|nil"
    end
    local default = types.default(row)
    local words = {}
    if not row.group then
      words[1] = types.words(row):gsub("%[(.-)%]%(.-%)", "%1")
    end
    words[#words + 1] = default and "default " .. default
    local text = each.text ~= "" and each.text .. " " or ""
    put("---@field %s%s %s %s(%s)", each.name, row.required and "" or "?", kind, text, table.concat(words, "; "))
  end
end

local function values(put)
  local names = {}
  for _, event in ipairs(events) do
    names[#names + 1] = '"' .. event[1] .. '"'
    if event[1] ~= "message" then
      put("---%s", event[2])
      put("---@class %s", event_class(event[1]))
      fields(put, event[3])
      put ""
    end
  end
  put("---@alias holdfast.event_name %s\n", table.concat(names, "|"))
  local classes = {}
  for index, event in ipairs(events) do
    classes[index] = event_class(event[1])
  end
  put("---@alias holdfast.event %s\n", table.concat(classes, "|"))
  for _, class in ipairs(status) do
    put("---%s", class[2])
    put("---@class %s", class[1])
    fields(put, class[3])
    put ""
  end
  for _, class in ipairs(options.classes) do
    put("---%s", class.title)
    put("---@class %s", class.name)
    option_fields(put, class)
    put ""
  end
  put "---Options of calls that are not given any, by the name of the call."
  put "---@class holdfast.defaults"
  for _, call in ipairs(schema.calls) do
    put("---@field %s? %s", call.call, call.argument and "{ timeout?: number }" or "holdfast.options." .. call.call)
  end
  put ""
end

local function return_line(each)
  local kind = types.of_comment(each.type)
  if each.codes then
    local words, seen = {}, {}
    for _, code in ipairs(each.codes) do
      if not seen[code.word] then
        seen[code.word] = true
        words[#words + 1] = '"' .. code.word .. '"'
      end
    end
    return ("---@return %s|nil code"):format(table.concat(words, "|"))
  end
  if each.may_be_nil then
    kind = kind:find("|", 1, true) and kind .. "|nil" or kind .. "?"
  end
  if each.name == "..." then
    return ("---@return any ... %s"):format(each.text)
  end
  local name = each.name and " " .. each.name or ""
  return ("---@return %s%s%s"):format(kind, name, each.text ~= "" and " # " .. each.text or "")
end

local function overloads(put, call)
  if call.heading == "client:on" or call.heading == "client:once" or call.heading == "client:off" then
    for _, event in ipairs(events) do
      put('---@overload fun(self: holdfast.client, name: "%s", fn: fun(event: %s, client: holdfast.client)): '
        .. "holdfast.client", event[1], event_class(event[1]))
    end
  elseif call.heading == "client:wait" then
    for _, event in ipairs(events) do
      put('---@overload fun(self: holdfast.client, name: "%s", timeout?: number): %s?, string?, string?', event[1],
        event_class(event[1]))
    end
  elseif call.heading == "client:subscribe" then
    put("---@overload fun(self: holdfast.client, filter: string, handler: fun(message: holdfast.message, "
      .. "subscription: holdfast.subscription)): holdfast.subscription?, string?, string?")
  elseif call.heading == "client:respond" then
    put("---@overload fun(self: holdfast.client, filter: string, fn: fun(question: holdfast.message, "
      .. "subscription: holdfast.subscription): string?, holdfast.options.post?): holdfast.subscription?, "
      .. "string?, string?")
  end
end

local function declare(put, call, variable)
  local about = comments.of(call.module, call.item)
  commented(put, about.text)
  put "---"
  commented(put, "```lua\n" .. about.example .. "\n```")
  local names = {}
  for index, each in ipairs(about.parameters) do
    if not (call.bound and index == 1) and each.name ~= "self" then
      names[#names + 1] = each.name
      local kind = types.of_comment(each.type)
      if each.may_be_nil then
        kind = kind:find("|", 1, true) and kind .. "|nil" or kind .. "?"
      end
      local words = each.text ~= "" and " " .. each.text or ""
      put("---@param %s%s %s%s", each.name, each.optional and "?" or "", kind, words)
    end
  end
  for _, each in ipairs(about.returns) do
    put(return_line(each))
  end
  overloads(put, call)
  local name = call.heading:match "[%w_]+$"
  put("function %s%s%s(%s) end\n", variable, call.colon and ":" or ".", name, table.concat(names, ", "))
end

local function objects(put, wanted)
  for _, group in ipairs(catalog) do
    if wanted(group) then
      put("---%s", group.title .. ".")
      put("---@class %s", group.class)
      for _, field in ipairs(FIELDS[group.class] or {}) do
        put("---@field %s %s%s", field[1], field[2], field[3] ~= "" and " " .. field[3] or "")
      end
      if group.class == "holdfast.module.reason" then
        put "---@overload fun(source: string, code: integer): holdfast.reason_row"
      end
      put("local %s = {}\n", VARIABLES[group.class])
      for _, call in ipairs(group.calls) do
        if call.heading ~= "holdfast.reason" then
          declare(put, call, VARIABLES[group.class])
        end
      end
    end
  end
end

local HEAD = "-- Made by `make reference` of the comments in lua/, its options and its events; not to be edited.\n"

--- library/holdfast.lua.
function library.holdfast()
  local put, all = writer()
  put("---@meta %s", ROOT)
  put(HEAD)
  values(put)
  objects(put, function(group)
    return not APART[group.class]
  end)
  put "return holdfast"
  return all()
end

--- library/resty/holdfast.lua, or library/resty/holdfast/metrics.lua.
-- @tparam string class
function library.resty(class)
  local put, all = writer()
  put("---@meta %s", class)
  put(HEAD)
  objects(put, function(group)
    return group.class == class
  end)
  put("return %s", VARIABLES[class])
  return all()
end

return library
