--- `holdfast sub`.
-- @module holdfast.command.sub
local exit = require "holdfast.command.exit"
local options = require "holdfast.command.options"

local sub = { name = "sub", summary = "Print what comes, through any outage.", synopsis = "" }

function sub.declare(command)
  options.declare(command)
end

function sub.run()
  return exit.failed
end

return sub
