--- busted's plain terminal output, closed by one line that counts.
-- The last line of a run is `N passed, N failed, N skipped`; errors are failures. spec/run.lua reads it, and takes its
-- absence for a crash.
local busted = require "busted"
local plain = require "busted.outputHandlers.plainTerminal"

return function(options)
  local handler = plain(options)
  local passed, failed, skipped = 0, 0, 0

  busted.subscribe({ "suite", "end" }, function()
    passed = passed + handler.successesCount
    failed = failed + handler.failuresCount + handler.errorsCount
    skipped = skipped + handler.pendingsCount
    return nil, true
  end)

  busted.subscribe({ "exit" }, function()
    io.write(string.format("%d passed, %d failed, %d skipped\n", passed, failed, skipped))
    io.flush()
    return nil, true
  end)

  return handler
end
