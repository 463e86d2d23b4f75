--- `holdfast check`.
-- @module holdfast.command.check
local exit = require "holdfast.command.exit"
local options = require "holdfast.command.options"

local check = { name = "check", summary = "Look at a broker, and name what is wrong with it.", synopsis = "URL" }

function check.declare(command)
  options.declare(command)
end

function check.run()
  return exit.failed
end

return check
