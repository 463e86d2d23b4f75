--- What arguments of the command are made of: converters for argparse, which name the option, what was wanted and what
-- came.
-- @module holdfast.command.values
local text = require "holdfast.text"

local values = {}

local function wrong(option, wanted, value)
  return nil, ("%s wants %s, got %s"):format(option, wanted, text.describe(value))
end

local function bounds(what, from, to)
  if from and to then
    return ("%s from %s to %s"):format(what, text.describe(from), text.describe(to))
  elseif from then
    return ("%s of at least %s"):format(what, text.describe(from))
  end
  return what
end

local function is_number(number, from, to)
  return number and number == number and math.abs(number) < math.huge and (not from or number >= from)
    and (not to or number <= to)
end

--- A whole number.
-- @tparam string option its name, for messages
-- @tparam[opt] number from
-- @tparam[opt] number to
-- @treturn function
function values.whole(option, from, to)
  return function(word)
    local number = word:find "^%-?%d+$" and tonumber(word)
    if not is_number(number, from, to) then
      return wrong(option, bounds("a whole number", from, to), word)
    end
    return number
  end
end

--- A number; of seconds, say.
-- @tparam string option its name, for messages
-- @tparam string what "a number of seconds"
-- @tparam[opt] number from
-- @tparam[opt] number to
-- @treturn function
function values.number(option, what, from, to)
  return function(word)
    local number = word:find "^%-?[%d.]+$" and tonumber(word)
    if not is_number(number, from, to) then
      return wrong(option, bounds(what, from, to), word)
    end
    return number
  end
end

--- One of some words.
-- @tparam string option its name, for messages
-- @tparam table choices what each word stands for
-- @tparam table shown the words, as messages show them
-- @treturn function
function values.choice(option, choices, shown)
  return function(word)
    if choices[word] == nil then
      return wrong(option, text.list(shown), word)
    end
    return choices[word]
  end
end

--- One of some words, as it is.
-- @tparam string option its name, for messages
-- @tparam table words
-- @treturn function
function values.word(option, words)
  local choices = {}
  for _, word in ipairs(words) do
    choices[word] = word
  end
  return values.choice(option, choices, words)
end

--- A quality of service.
-- @tparam string option its name, for messages
-- @treturn function
function values.qos(option)
  return values.choice(option, { ["0"] = 0, ["1"] = 1, ["2"] = 2 }, { "0", "1", "2" })
end

--- Reads a file, all of it.
-- @tparam string path
-- @treturn ?string nil and what is wrong
function values.read(path)
  local file, problem = io.open(path, "rb")
  if not file then
    return nil, problem
  end
  local content, why = file:read "*a"
  file:close()
  return content, not content and ("%s: %s"):format(path, why) or nil
end

return values
