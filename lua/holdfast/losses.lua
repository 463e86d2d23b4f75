--- That messages are lost with a client which nobody has closed.
-- @module holdfast.losses
local core = require "holdfast.core"
local log = require "holdfast.log"

local losses = {}

local LOSS = "a client that was not closed has ended, and %d of its messages may be lost; client:close(5) gives them "
  .. "up to 5 s"

local function tell_loss(messages, id)
  log.write("error", LOSS:format(messages), { client = id, event = "loss", messages = messages })
end

local is_watching = true

--- Has it said, even where nobody listens, that a client was let go of before its messages were delivered. At os.exit,
-- which collects nobody and runs no Lua any more, it can only be said on the standard error, and is if nobody listens.
-- @tparam[opt] boolean wanted false: never more, in a host where nothing is left by then that could be written to
function losses.watch(wanted)
  is_watching = is_watching and wanted ~= false
  core.on_loss(is_watching and tell_loss or nil, is_watching and not log.is_heard() and "holdfast: " .. LOSS or nil)
end

return losses
