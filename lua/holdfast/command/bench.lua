--- `holdfast bench`.
-- @module holdfast.command.bench
local exit = require "holdfast.command.exit"
local options = require "holdfast.command.options"

local bench = { name = "bench", summary = "Measure a broker: messages a second, and latency.", synopsis = "URL" }

function bench.declare(command)
  options.declare(command)
end

function bench.run()
  return exit.failed
end

return bench
