--- What every subcommand that holds a connection does: it says on the standard error how that fares, waits for whatever
-- comes first of the broker, the standard streams and a signal, and ends with a goodbye.
-- @module holdfast.command.session
local core = require "holdfast.core"
local exit = require "holdfast.command.exit"
local holdfast = require "holdfast"
local options = require "holdfast.command.options"
local text = require "holdfast.text"

local console = core.console

local session = {}

local Session = {}
Session.__index = Session

--- Says something on the standard error.
-- @tparam string words
function Session:say(words)
  io.stderr:write("holdfast ", self.name, ": ", text.safe(words), "\n")
end

-- What goes wrong the library says itself.
local function tell_return(self, client)
  local troubled
  local function trouble()
    troubled = true
  end
  client:on("lost", trouble):on("failed", trouble):on("ready", function(event)
    if troubled then
      self:say(tostring(event))
    end
    troubled = false
  end)
end

--- Has a client that will not try again end the command: nobody wakes it.
-- @tparam holdfast.client client
function Session:depend_on(client)
  client:on("sleeping", function(event)
    if not event.wake_in then
      self.refusal = self.refusal or event.reason
    end
  end)
end

--- Makes a client, and says what goes wrong. Signals are caught by then.
-- @tparam string name of the subcommand
-- @tparam table arguments
-- @tparam[opt] function shape given the table for `holdfast.new` to change
-- @treturn ?table nil and the exit status
function session.open(name, arguments, shape)
  local self = setmetatable({ name = name, arguments = arguments }, Session)
  options.listen(holdfast, arguments, name)
  local made, problem = options.client(arguments)
  local status
  if made and shape then
    problem = shape(made)
  end
  if not problem then
    self.client, problem, status = options.new(holdfast, made)
  end
  if problem then
    self:say(problem)
    return nil, status or exit.wrong
  end
  if not arguments.quiet then
    tell_return(self, self.client)
  end
  self:depend_on(self.client)
  return self
end

--- Waits for whatever comes first, and lets handlers have their turn.
-- @tparam ?number seconds nil: no end
-- @tparam[opt] boolean wants_input the standard input counts, too
-- @treturn boolean whether there is input
-- @treturn boolean whether nobody writes to it any more
-- @treturn boolean whether nobody reads the standard output any more
function Session:wait(seconds, wants_input)
  local due = self.client:timeout()
  if not due or seconds and seconds < due then
    due = seconds
  end
  local input, hung_up, gone = console.wait(self.client:pollfd(), wants_input, due)
  holdfast.sleep(0)
  return input, hung_up, gone
end

--- Why it must end now: a signal, or a broker that will have none of us.
-- @tparam ?number of_signal the status for a signal; default: that signal's
-- @treturn ?number the exit status
function Session:over(of_signal)
  local signal = console.caught()
  if signal then
    return of_signal or exit.signal(signal)
  end
  return self.refusal and exit.refused or nil
end

--- Ends the connection with a goodbye.
-- @tparam[opt] number seconds for what is under way
function Session:close(seconds)
  self.client:close(seconds or 0)
end

return session
