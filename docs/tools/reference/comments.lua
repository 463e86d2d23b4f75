--- What the LDoc comments in lua/ say of calls, as LDoc itself reads them.
local comments = {}

local function read_all()
  -- Whatever this Lua has been told of its modules is none of LDoc's business, which runs on another.
  local pipe = assert(io.popen "env -u LUA_PATH -u LUA_CPATH -u LUA_INIT ldoc --filter pl.pretty.dump lua 2>&1")
  local text = pipe:read "*a"
  pipe:close()
  local list = assert((loadstring or load)("return " .. (text:match "\n?({\n.*)$" or text)))()
  local modules = {}
  for _, module in ipairs(list) do
    modules[module.name] = module
  end
  return modules
end

local modules

local function joined(text)
  return (text:gsub("%s*\n%s*", " "):gsub("^%s+", ""):gsub("%s+$", ""))
end

-- LDoc's references become the names of calls in code.
local function plain(text)
  return (text:gsub("@{([%w_.:]+)}", function(name)
    return "`" .. name:gsub("^holdfast%.client%.", "client:") .. "`"
  end))
end

-- A description: paragraphs end at empty lines and before lists.
local function description(item)
  local text = plain(item.summary .. item.description):gsub("\n ", "\n")
  return (text:gsub("^%s+", ""):gsub("%s+$", ""))
end

-- An optional type begins with a question mark.
local function kind(modifiers)
  local name = modifiers.type or "any"
  local optional = name:sub(1, 1) == "?"
  return optional and name:sub(2) or name, optional
end

local function parameters(item)
  local list = {}
  for index, name in ipairs(item.params) do
    local modifiers = item.modifiers.param[index] or {}
    local type_name, may_be_nil = kind(modifiers)
    local default = modifiers.opt ~= true and modifiers.opt or nil
    list[index] = {
      name = name, type = type_name, optional = modifiers.opt ~= nil, may_be_nil = may_be_nil, default = default,
      text = plain(joined(item.params.map[name] or "")),
    }
  end
  return list
end

-- The words in quotes of a return that says "code:", with what stands in parentheses behind one.
local function codes(text)
  local list = {}
  for word, rest in text:gmatch '"([%l_]+)"([^"]*)' do
    list[#list + 1] = { word = word, note = rest:match "^ %(([^)]*)%)" }
  end
  return list
end

local function returns(item)
  local list = {}
  for _, group in ipairs(item.retgroups or {}) do
    for index, each in ipairs(group) do
      local type_name, may_be_nil = kind(each.mods)
      local text = plain(joined(each.text))
      if may_be_nil then -- is said by the type
        text = text:gsub("[;,]? ?or nil$", "")
      end
      local entry = { type = type_name, may_be_nil = may_be_nil, text = text }
      if text:find "^code: " then
        entry.name, entry.codes, entry.text = "code", codes(text), text
      elseif text == "message" or text:find "^message " then
        entry.name, entry.text = "message", text:sub(9)
      elseif text:find "^%.%.%. " then
        entry.name, entry.text = "...", text:sub(5)
      end
      list[index] = entry
    end
  end
  return list
end

--- A call.
-- @tparam string module its LDoc name
-- @tparam string name as LDoc calls it
-- @treturn table `text`, `parameters`, `returns`, `raise`, `example`
-- @raise when nobody has written a comment for it
function comments.of(module, name)
  modules = modules or read_all()
  for _, item in ipairs(assert(modules[module], module).items) do
    if item.name == name then
      return {
        text = description(item),
        parameters = parameters(item),
        returns = returns(item),
        raise = item.raise and plain(joined(item.raise)),
        example = item.usage and item.usage[1]:gsub("%s+$", ""),
      }
    end
  end
  error(("%s: no comment for %s"):format(module, name))
end

return comments
