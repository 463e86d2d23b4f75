--- `make manual`, or docs/tools/manual.lua [--check]: brings the tables of docs/command.md up to what the parser of the
-- command `holdfast` has, and makes the manual page docs/man/holdfast.1 of that page. With --check it changes nothing,
-- and names what is not up to date.
local argparse = require "argparse"
local command = require "holdfast.command"
local exit = require "holdfast.command.exit"

local PAGE, MANUAL = "docs/command.md", "docs/man/holdfast.1"

local function read(path)
  local file = io.open(path, "rb")
  local content = file and file:read "*a" or ""
  if file then
    file:close()
  end
  return content
end

-- What an option is called, and its values.
local function names_of(option)
  local words = {}
  local argname = option._argname
  local values = type(argname) == "table" and table.concat(argname, " ") or argname
  for place, alias in ipairs(option._aliases) do
    words[place] = "`" .. alias .. "`"
  end
  local shown = table.concat(words, ", ")
  return option._maxargs > 0 and values and shown .. " *" .. values .. "*" or shown
end

local function table_of(options)
  if #options == 0 then
    return nil
  end
  local lines = { "| option | |", "|---|---|" }
  for _, option in ipairs(options) do
    lines[#lines + 1] = ("| %s | %s |"):format(names_of(option), (option._description:gsub("|", "\\|")))
  end
  return table.concat(lines, "\n")
end

local function options_of(declare, skipped)
  local probe = argparse "probe":add_help(false)
  declare(probe)
  local found = {}
  for _, option in ipairs(probe._options) do
    if not (skipped and skipped[option._aliases[#option._aliases]]) then
      found[#found + 1] = option
    end
  end
  return found
end

local function keyed(...)
  local found = {}
  for _, options in ipairs { ... } do
    for _, option in ipairs(options) do
      found[option._aliases[#option._aliases]] = true
    end
  end
  return found
end

local function statuses(words)
  local lines = { "| status | |", "|---|---|" }
  for _, row in ipairs(words) do
    lines[#lines + 1] = ("| `%s` | %s |"):format(row[1], row[2])
  end
  return table.concat(lines, "\n")
end

local function tables()
  local options, broker = require "holdfast.command.options", require "holdfast.command.broker"
  local all, of_broker = options_of(options.declare), options_of(broker.declare)
  local of_sessions = options_of(options.declare_session)
  local skipped = keyed(all, of_broker, of_sessions)
  local found = { ["options of all"] = table_of(all), ["options of the broker"] = table_of(of_broker),
    ["options of sessions"] = table_of(of_sessions) }
  for _, name in ipairs(command.names) do
    found["options of " .. name] = table_of(options_of(require("holdfast.command." .. name).declare, skipped)) or ""
  end
  found["exit statuses"] = statuses(exit.words)
  found["statuses of check"] = statuses(require("holdfast.command.check.status").words)
  return found
end

local function filled(page)
  local found = tables()
  return (page:gsub("<!%-%- ([^\n]-) %-%->\n.-<!%-%- end %-%->", function(name)
    return found[name] and ("<!-- %s -->\n\n%s\n\n<!-- end -->"):format(name, found[name])
  end))
end

-- Markdown, as far as that page has it, as what man(7) understands ---------------------------------------------------

local function inline(text)
  text = text:gsub("\\|", "|"):gsub("\\", "\\e"):gsub("%-", "\\-")
  text = text:gsub("%[([^%]]*)%]%([^)]*%)", "%1")
  text = text:gsub("`([^`]*)`", "\\fB%1\\fP"):gsub("%*([^*%s][^*]*)%*", "\\fI%1\\fP")
  return (text:gsub("\n([.'])", "\n\\&%1"):gsub("^([.'])", "\\&%1"))
end

local function literal(text)
  return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("\n([.'])", "\n\\&%1"):gsub("^([.'])", "\\&%1"))
end

local function cells(line)
  local found = {}
  for cell in (line:gsub("\\|", "\1") .. "|"):sub(2):gmatch "%s*(.-)%s*|" do
    found[#found + 1] = (cell:gsub("\1", "|"))
  end
  if found[#found] == "" then
    found[#found] = nil
  end
  return found
end

local function row_of(line)
  local found = cells(line)
  return ".TP\n" .. inline(found[1]) .. "\n" .. inline(table.concat(found, ": ", 2))
end

local function block(text)
  if text:find "^<!%-%-" then
    return nil
  elseif text:find "^## " then
    return ".SH " .. text:sub(4):upper()
  elseif text:find "^### " then
    return ".SS " .. text:sub(5)
  elseif text:find "^    " then
    return ".PP\n.RS 4\n.nf\n" .. literal((text:gsub("^    ", ""):gsub("\n    ", "\n"))) .. "\n.fi\n.RE"
  elseif text:find "^|" then
    local rows, place = {}, 0
    for line in text:gmatch "[^\n]+" do
      place = place + 1
      if place > 2 then
        rows[#rows + 1] = row_of(line)
      end
    end
    return table.concat(rows, "\n")
  end
  return ".PP\n" .. inline(text)
end

local function list(text)
  local items = {}
  for line in text:gmatch "[^\n]+" do
    if line:find "^%- " then
      items[#items + 1] = line:sub(3)
    else
      items[#items] = items[#items] .. "\n" .. line:gsub("^%s+", "")
    end
  end
  for place, item in ipairs(items) do
    items[place] = ".IP \\(bu 2\n" .. inline(item)
  end
  return table.concat(items, "\n")
end

local HEAD = [[
.\" Made by docs/tools/manual.lua of docs/command.md.
.TH HOLDFAST 1 "" "holdfast" "User Commands"
.SH NAME
holdfast \- MQTT for the shell, through any outage
.SH SYNOPSIS
%s
.SH DESCRIPTION]]

local function synopsis()
  local lines = {}
  for _, name in ipairs(command.names) do
    local module = require("holdfast.command." .. name)
    lines[#lines + 1] = ("\\fBholdfast %s\\fP [\\fIOPTION\\fP ...] %s"):format(name, literal(module.synopsis))
  end
  return table.concat(lines, "\n.br\n")
end

local function examples()
  local lines = { ".SH EXAMPLES" }
  for _, name in ipairs(command.names) do
    for _, example in ipairs(require("holdfast.command." .. name).examples or {}) do
      local what = example[1]:gsub("^%l", string.upper)
      lines[#lines + 1] = (".PP\n%s:\n.PP\n.RS 4\n.nf\n%s\n.fi\n.RE"):format(inline(what), literal(example[2]))
    end
  end
  return table.concat(lines, "\n")
end

local function manual(page)
  local parts = { HEAD:format(synopsis()) }
  for text in (page:gsub("^# [^\n]*\n", "") .. "\n\n"):gmatch "\n*(.-)\n\n" do
    if text:find "^%- " then
      parts[#parts + 1] = list(text)
    elseif text ~= "" then
      parts[#parts + 1] = block(text)
    end
  end
  parts[#parts + 1] = examples()
  parts[#parts + 1] = ".SH SEE ALSO\n.BR holdfast-fleet (1),\n.BR mosquitto_sub (1),\n.BR mosquitto_pub (1)"
  return (table.concat(parts, "\n"):gsub("(\n%.S[HS][^\n]*)\n%.PP\n", "%1\n")) .. "\n"
end

local function keep(path, content)
  if arg[1] == "--check" then
    if read(path) ~= content then
      print(path .. " is not what docs/tools/manual.lua makes")
      os.exit(1)
    end
    return
  end
  local file = assert(io.open(path, "wb"))
  file:write(content)
  file:close()
end

local page = filled(read(PAGE))
keep(PAGE, page)
keep(MANUAL, manual(page))
