--- `holdfast pub`.
-- @module holdfast.command.pub
local exit = require "holdfast.command.exit"
local options = require "holdfast.command.options"

local pub = { name = "pub", summary = "Publish, through any outage.", synopsis = "" }

function pub.declare(command)
  options.declare(command)
end

function pub.run()
  return exit.failed
end

return pub
