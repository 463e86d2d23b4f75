--- `holdfast watch`.
-- @module holdfast.command.watch
local exit = require "holdfast.command.exit"
local options = require "holdfast.command.options"

local watch = { name = "watch", summary = "Hold a connection and show how it fares.", synopsis = "URL ..." }

function watch.declare(command)
  options.declare(command)
end

function watch.run()
  return exit.failed
end

return watch
