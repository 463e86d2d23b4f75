--- Reads the text formats of Prometheus strictly: OpenMetrics 1.0 by its ABNF, and the classic one, version 0.0.4.
--
--     local read = openmetrics.read(text, "openmetrics")     -- or "text"; raises what is wrong, and the line
--     read.families.holdfast_attempts         -- { type, help, unit, samples = { { name, labels, value } } }
--     read:value("holdfast_attempts_total", { app = "x" })   -- of the one series with these labels, and others
local openmetrics = {}

local SUFFIXES = {
  counter = { _total = true }, info = { _info = true }, gauge = { [""] = true }, stateset = { [""] = true },
  histogram = { _bucket = true, _count = true, _sum = true },
}
local CLASSIC = { counter = { [""] = true }, gauge = { [""] = true }, histogram = SUFFIXES.histogram }

local Read = {}
Read.__index = Read

-- The labels between braces, from `at` on, and where they end.
local function labels_of(line, at)
  local labels, names = {}, {}
  while line:sub(at, at) ~= "}" do
    local name, quote = line:match('^([%a_][%w_]*)="()', at)
    assert(name, "no label")
    assert(not labels[name], "label twice: " .. name)
    local value, position = "", quote
    while true do
      local plain, stop = line:match('^([^\\"]*)()', position)
      local sign = line:sub(stop, stop)
      value = value .. plain
      if sign == '"' then
        position = stop + 1
        break
      end
      local escaped = ({ ["\\"] = "\\", ['"'] = '"', n = "\n" })[line:sub(stop + 1, stop + 1)]
      assert(sign == "\\" and escaped, "no such escape")
      value, position = value .. escaped, stop + 2
    end
    labels[name], names[#names + 1] = value, name
    if line:sub(position, position) == "," then
      position = position + 1
      assert(line:sub(position, position) ~= "}", "a comma and no label")
    else
      assert(line:sub(position, position) == "}", "neither comma nor brace")
    end
    at = position
  end
  return labels, at + 1
end

local function value_of(word)
  if word == "+Inf" then
    return math.huge
  end
  assert(word:find "^%-?%d+%.?%d*$" or word:find "^%-?%d+%.?%d*e[%+%-]%d+$", "no number: " .. word)
  return tonumber(word)
end

local function key_of(name, labels)
  local list = {}
  for label, value in pairs(labels) do
    list[#list + 1] = ("%s=%q"):format(label, value)
  end
  table.sort(list)
  return name .. "{" .. table.concat(list, ",") .. "}"
end

local function sample(read, family, line, format)
  local name, at = line:match "^([%a_:][%w_:]*)()"
  assert(family and name and name:sub(1, #family.name) == family.name, "a sample outside of its family")
  local suffix = name:sub(#family.name + 1)
  local allowed = (format == "text" and CLASSIC or SUFFIXES)[family.type]
  assert(allowed[suffix], ("%q is no suffix of a %s"):format(suffix, family.type))
  local labels = {}
  if line:sub(at, at) == "{" then
    labels, at = labels_of(line, at + 1)
  end
  local word = line:match("^ (%S+)$", at)
  assert(word, "a value after one blank, and nothing else, is wanted")
  assert((suffix == "_bucket") == (labels.le ~= nil), "le where none belongs, or none")
  if family.type == "stateset" then
    assert(labels[family.name] and (word == "0" or word == "1"), "no state")
  end
  local key = key_of(name, labels)
  assert(not read.keys[key], "twice: " .. key)
  read.keys[key] = true
  table.insert(family.samples, { name = name, labels = labels, value = value_of(word) })
end

local function comment(read, line, format)
  local what, name, rest = line:match "^# (%u+) ([%a_:][%w_:]*) (.*)$"
  assert(what, "no such comment")
  local family = read.open
  if not family or family.name ~= name then
    assert(not read.families[name], "the family is not in one piece")
    family = { name = name, samples = {} }
    read.families[name], read.open = family, family
    read.names[#read.names + 1] = name
  end
  assert(not family.samples[1], what .. " behind a sample")
  assert(not rest:find '[\\"]', "what would have to be escaped")
  local field = what:lower()
  assert(({ help = true, type = true, unit = format == "openmetrics" })[field] and not family[field], what)
  family[field] = rest
  if field == "type" then
    assert((format == "text" and CLASSIC or SUFFIXES)[rest], "unknown type " .. rest)
  elseif field == "unit" then
    assert(name:sub(-#rest - 1) == "_" .. rest, "the name does not end in the unit")
  end
end

-- OpenMetrics 1.0, "Histogram": buckets are cumulative, and the last is +Inf and as large as the count.
local function check_histogram(family)
  local last, bound = 0, -math.huge
  for _, one in ipairs(family.samples) do
    if one.name:find "_bucket$" then
      local le = value_of(one.labels.le)
      assert(le > bound and one.value >= last, "buckets of " .. family.name .. " go back")
      last, bound = one.value, le
    elseif one.name:find "_count$" then
      assert(bound == math.huge and one.value == last, "the last bucket of " .. family.name)
      last, bound = 0, -math.huge
    end
  end
end

--- Reads a whole exposition.
function openmetrics.read(text, format)
  local read = setmetatable({ families = {}, names = {}, keys = {} }, Read)
  assert(text:sub(-1) == "\n", "no end of the last line")
  local over
  for line in text:gmatch "([^\n]*)\n" do
    assert(not over, "something behind # EOF")
    local fine, problem = pcall(function()
      if line == "# EOF" and format == "openmetrics" then
        over = true
      elseif line:sub(1, 1) == "#" then
        comment(read, line, format)
      else
        sample(read, read.open, line, format)
      end
    end)
    assert(fine, ("%s: %s"):format(tostring(problem), line))
  end
  assert(over or format == "text", "no # EOF")
  for name, family in pairs(read.families) do
    assert(family.type and family.help and family.samples[1], name .. " is not whole")
    if family.type == "histogram" then
      check_histogram(family)
    end
  end
  return read
end

--- The value of the one series with these labels.
function Read:value(name, labels)
  local found
  for _, family in pairs(self.families) do
    for _, one in ipairs(family.samples) do
      local fits = one.name == name
      for label, value in pairs(labels or {}) do
        fits = fits and one.labels[label] == value
      end
      if fits then
        assert(not found, "more than one " .. name)
        found = one.value
      end
    end
  end
  return found
end

return openmetrics
