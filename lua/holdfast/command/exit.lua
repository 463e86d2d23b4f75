--- With which statuses the command `holdfast` ends.
-- `check` has those from 10 to 29 for what is wrong with a broker.
-- @module holdfast.command.exit
local exit = {
  done = 0, -- all that was asked for; of what has no end by itself also: a signal, or nobody reads the output any more
  failed = 1, -- the system says no: a file, memory, a library that is missing
  wrong = 2, -- an argument
  late = 3, -- not within the time given (-W, --wait)
  refused = 4, -- the broker does not take us, a subscription or a protocol, and asking again is no use
  undelivered = 5, -- messages were dropped, or the queue was not empty at the end
}

--- The number of the system for who no longer reads.
exit.EPIPE = 32

--- What each is, in the order of their numbers.
exit.words = {
  { 0, "all was done; where there is no end but a signal or a closed pipe, that came" },
  { 1, "the system said no: a file, memory, a library that is missing" },
  { 2, "an argument is wrong" },
  { 3, "it was not done within the time given by `-W` or `--wait`" },
  { 4, "the broker refused the client or every subscription, and asking again is no use" },
  { 5, "messages were dropped, or not delivered in the end" },
  { "128 + n", "signal n came before it was done (130: Ctrl-C, 143: SIGTERM)" },
}

local NUMBERS = { HUP = 1, INT = 2, TERM = 15 }

--- That of who was ended by a signal before all was done.
-- @tparam string name "INT", "TERM" or "HUP"
-- @treturn number
function exit.signal(name)
  return 128 + NUMBERS[name]
end

return exit
