--- The command `holdfast`: `watch`, `sub`, `pub`, `check` and `bench`.
--
-- Each is a module holdfast.command.NAME with `name`, `summary`, `synopsis` (what follows the options),
-- `declare(command)`, which adds its options to a command of argparse, and `run(arguments)`, which answers the exit
-- status (@{holdfast.command.exit}); and, for help and manual, `examples`, a list of { what it does, command line }.
-- @module holdfast.command
local core = require "holdfast.core"
local exit = require "holdfast.command.exit"

local command = {}

--- The subcommands, in the order in which they are shown.
command.names = { "watch", "sub", "pub", "check", "bench" }

local MISSING = "the Lua module argparse is missing, which reads the command line: install Debian's package "
  .. "lua-argparse, or say `luarocks install argparse`"

local WIDTH = 96 -- of help

local function examples_of(module)
  local lines = { "Examples:" }
  for _, example in ipairs(module.examples or {}) do
    lines[#lines + 1] = ("\n  %s:\n    %s"):format(example[1], example[2])
  end
  lines[#lines + 1] = "\nExit status, and all else: the manual page holdfast(1)."
  return table.concat(lines, "\n")
end

-- argparse has `-h` for help, which is the broker's host here.
local function add_help(parser, wanted)
  parser:add_help(false)
  parser:flag "--help":description "Show this text.":action(function()
    wanted.help = wanted.help or parser
  end)
end

local function shaped(parser)
  return parser:help_max_width(WIDTH):usage_max_width(WIDTH):help_vertical_space(0):help_description_margin(28)
end

--- Makes the parser.
-- @tparam table argparse the library
-- @tparam table wanted gets `help`, the parser whose help is wanted, or `version`
-- @treturn table
-- @treturn table the subcommands' parsers, by name
function command.parser(argparse, wanted)
  local parser = shaped(argparse("holdfast", "An MQTT client for the shell that keeps its connection."))
  parser:usage "Usage: holdfast COMMAND [OPTION ...]"
  add_help(parser, wanted)
  parser:flag "--version":description "Show the version.":action(function()
    wanted.version = true
  end)
  parser:command_target "command"
  local commands = {}
  for _, name in ipairs(command.names) do
    local module = require("holdfast.command." .. name)
    local made = shaped(parser:command(name, module.summary):summary(module.summary))
    add_help(made, wanted)
    module.declare(made)
    made:usage(("Usage: holdfast %s [OPTION ...] %s"):format(name, module.synopsis))
    made:epilog(examples_of(module))
    commands[name] = made
  end
  parser:epilog "holdfast COMMAND --help tells more; so does the manual page holdfast(1)."
  return parser, commands
end

--- The options of a parser that take exactly one argument, by their names.
-- @tparam table parser
-- @treturn table name = option
function command.options_with_value(parser)
  local found = {}
  for _, option in ipairs(parser._options) do
    for _, alias in ipairs(option._minargs == 1 and option._maxargs == 1 and option._aliases or {}) do
      found[alias] = option
    end
  end
  return found
end

-- What follows an option that takes a value is that value, also where it begins with a hyphen, as a temperature may.
local function joined(words, commands)
  local with_value = commands[words[1]] and command.options_with_value(commands[words[1]]) or {}
  local made, place = {}, 1
  while words[place] do
    local word, next_word = words[place], words[place + 1]
    if word == "--" then
      break
    elseif with_value[word] and next_word and next_word:sub(1, 1) == "-" then
      made[#made + 1] = word:sub(1, 2) == "--" and word .. "=" .. next_word or word .. next_word
      place = place + 2
    else
      made[#made + 1] = word
      place = place + 1
    end
  end
  for rest = place, #words do
    made[#made + 1] = words[rest]
  end
  return made
end

-- Those that end well at a signal do so from here on, be it that one comes while they are read.
local CATCHING = { watch = true, sub = true, pub = true, bench = true }

-- Those that look at each line whether it can be written, and know who is gone.
local MINDING = { watch = true, sub = true }

local function complain(err, name, problem)
  err:write("holdfast", name and " " .. name or "", ": ", problem, "\n")
end

--- Runs the command.
-- @tparam table words its arguments
-- @tparam[opt] file out where help goes; default: the standard output
-- @tparam[opt] file err where complaints go; default: the standard error
-- @treturn number the exit status
function command.main(words, out, err)
  out, err = out or io.stdout, err or io.stderr
  core.console.complete()
  if CATCHING[words[1]] then
    core.console.catch()
  else
    core.console.let()
  end
  local found, argparse = pcall(require, "argparse")
  if not found then
    complain(err, nil, MISSING)
    return exit.failed
  end
  local wanted = {}
  local parser, commands = command.parser(argparse, wanted)
  local fine, arguments = parser:pparse(joined(words, commands))
  if wanted.help then
    out:write(wanted.help:get_help(), "\n")
    return exit.done
  elseif wanted.version then
    out:write("holdfast ", core.VERSION, "\n")
    return exit.done
  elseif not fine then
    local name = commands[words[1]] and words[1]
    complain(err, name, arguments)
    err:write("holdfast ", name and name .. " " or "", "--help tells more\n")
    return exit.wrong
  end
  local status = require("holdfast.command." .. arguments.command).run(arguments)
  local written, problem, number = out:flush()
  if not written and status == exit.done and number ~= exit.EPIPE and not MINDING[arguments.command] then
    complain(err, arguments.command, "the standard output: " .. problem)
    return exit.failed
  end
  return status
end

return command
