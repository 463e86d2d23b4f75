--- A client: one connection that is held, with its subscriptions and its queue.
-- @classmod holdfast.client
local check = require "holdfast.check"
local core = require "holdfast.core"
local defaults = require "holdfast.defaults"
local events = require "holdfast.events"
local late = require "holdfast.late"
local line = require "holdfast.line"
local loop = require "holdfast.loop"
local losses = require "holdfast.losses"
local mail = require "holdfast.mail"
local master = require "holdfast.master"
local options = require "holdfast.options"
local publish = require "holdfast.publish"
local registry = require "holdfast.registry"
local settings = require "holdfast.settings"
local waiting = require "holdfast.waiting"
local walk = require "holdfast.walk"

local authenticating = late.module "holdfast.authenticating"
local chronicle = late.module "holdfast.chronicle"
local handling = late.module "holdfast.handling"
local hands = late.module "holdfast.hands"
local hints = late.module "holdfast.hints"
local listening = late.module "holdfast.listening"
local requesting = late.module "holdfast.requesting"
local text = late.module "holdfast.text"
local wishing = late.module "holdfast.wishing"

local Client = {}
Client.__index = Client

local client = {}

losses.watch()

local CLOSED = "the client is closed"
local WEAK, FLEETING = { __mode = "k" }, { __mode = "v" }
local GRACE = 1 -- seconds beyond the time to flush, for the DISCONNECT

-- Says what is probably a mistake.
local function doubt(self, given, twin)
  local words = (given.keep_alive or given.connect_timeout) and hints.doubt(given)
  if words or twin then
    chronicle.doubts(self, words, twin)
  end
end

--- Makes a client.
-- @tparam table given options
-- @tparam[opt] function adapt `adapt(values)` may change the checked values; answers what is wrong, or nil and whether
-- nobody will ever come back under this client id, so that `close` ends the session
-- @treturn ?holdfast.client nil and what is wrong with the options
-- @local
function client.new(given, adapt)
  local misplaced, why = master()
  if misplaced then
    return nil, misplaced, why
  end
  local values, problem = options.check(given)
  if not values then
    return nil, problem
  end
  local own, ephemeral
  own, problem = defaults.new(values.defaults)
  if own and adapt then
    problem, ephemeral = adapt(values)
  end
  problem = problem or loop.choose(values.loop)
  if problem then
    return nil, problem
  end
  local handle, message, code = core.client(settings.build(values, ephemeral))
  if not handle then
    return nil, message, code
  end
  local self = setmetatable({
    handle = handle,
    protocol = values.protocol,
    holds_back = values.transport == "native", -- acknowledgements, until somebody has the message
    is_handled = values.acknowledge == "handled", -- or has handled it
    handle_attempts = values.handle_attempts,
    handle_pause = values.handle_pause,
    handles = values.acknowledge == "handled", -- or one of its subscriptions does
    trials = {}, -- messages whose handlers are under way, of those that wait for them
    inbox_bytes = values.inbox.bytes,
    defaults = own,
    handlers = {}, -- name of an event -> array of { fn, once }
    expected = {}, -- name of an event -> line of waiters
    observed = {}, -- name of an event -> set of what client:event has returned
    told = false, -- whether anybody hears of what becomes of a post
    shares = {}, -- item of one of several takers -> what they share
    wishes = {}, -- wish -> subscription
    last_wish = 0,
    outcomes = {}, -- id of a publish -> waiter
    line = line.new(), -- places of publishes that found the queue full
    waiters = setmetatable({}, WEAK), -- all who wait, for close
    connecting = line.new(), -- those of connect
    questions_asked = setmetatable({}, FLEETING), -- correlation data -> what waits for its answer
    questions = {}, -- "credentials", "backoff" -> ticket of the question that is open
    answering = {}, -- likewise -> coroutine in which the user's function runs
  }, Client)
  -- Each place in a constructor is memory, whatever is in it; these are empty as a rule.
  self.credentials = values.credentials
  self.headers = type(values.headers) ~= "string" and values.headers or nil -- the function
  self.proxy = values.proxy and values.proxy.ask -- likewise
  self.server = values.ask_server
  if values.auth then
    self.auth, self.auth_start, self.auth_continue = values.auth.method, values.auth.start, values.auth.continue
  end
  self.strategy, self.ttl = values.strategy, values.queue.ttl
  self.max_attempts, self.sleep_for = values.max_attempts, values.sleep_for
  self.name, self.response_topic = values.client_id, values.response_topic -- of its topic for answers
  self.servers = values.servers
  doubt(self, given, values.client_id and registry.twin(self))
  registry.add(self, mail)
  if values.tls and not values.tls.verify and not values.tls.pin then
    chronicle.unverified(self)
  end
  return self
end

function Client:__tostring()
  local status = self.handle:status() or {}
  return ("holdfast.client %s (%s)"):format(status.client_id or "", status.state or "forked")
end

-- __close on Lua 5.4. Whoever is left by an error has not said goodbye, nor has whoever is collected.
function Client:__close(problem)
  if self.handles and problem == nil then
    handling.caller_leaves(self)
    hands.part(self)
  end
  self.closing = true
  registry.part(self)
  self.handle:close(0, problem ~= nil and "without a word" or "goodbye")
end

--- Begins to hold the connection. A second call means nothing.
-- @treturn ?holdfast.client the client, or nil
-- @treturn ?string message
-- @treturn ?string code: "closed", "forked", "out_of_memory"
-- @usage
-- assert(client:start())
function Client:start()
  check.method(self, "handle", "client:start")
  if self.closing then
    return nil, CLOSED, "closed"
  end
  if not self.started then
    local fine, message, code = self.handle:start()
    if not fine then
      return nil, message, code
    end
    self.started = true
    loop.hold(self)
  end
  return self
end

local function timeout_words(self, timeout)
  local words = text.format("not ready within %g s", timeout)
  local reason = self.last_failure
  return reason and ("%s; the last failure is %s (%s)"):format(words, reason.name, reason.text) or words
end

local function wait_ready(self, timeout)
  local status, message, code = self.handle:status()
  if not status then
    return nil, message, code
  elseif self.asleep then
    return nil, mail.sleeping_words(self, self.asleep), "sleeping", self.asleep.reason
  elseif status.ready then
    return true
  end
  local waiter = {}
  line.join(self.connecting, waiter)
  waiting.park(self, waiter, timeout)
  if waiter.timed_out then
    line.leave(self.connecting, waiter)
    return nil, timeout_words(self, timeout), "timeout"
  elseif waiter.value then
    return true
  end
  return nil, waiter.message, waiter.code, waiter.reason
end

--- Starts the client and waits until it is ready: connected, and every subscription answered by the broker.
-- It goes on trying after a timeout. A client that sleeps is not woken, `wake` does that.
-- @tparam[opt] number timeout seconds; default: that of `client.defaults.connect`, or no end
-- @treturn ?boolean true, or nil
-- @treturn ?string message
-- @treturn ?string code: "timeout", "sleeping", "closed", "forked", "out_of_memory", "credentials", "backoff", "auth"
-- @treturn ?holdfast.reason why, when it sleeps
-- @raise when the timeout is no time, or the caller stands where nothing can wait; then it is not started
-- @usage
-- local ready, message, code = client:connect(10)
-- if not ready then
--   print(code, message) --> timeout   not ready within 10 s; the last failure is connection_refused (...)
-- end
function Client:connect(timeout)
  check.method(self, "handle", "client:connect")
  timeout = defaults.timeout(self, "connect", timeout)
  local problem = check.timeout_problem(timeout)
  if problem then
    error("connect: " .. problem, 2)
  end
  waiting.must_wait "connect"
  local fine, message, code = waiting.must_not_answer(self)
  if fine then
    fine, message, code = self:start()
  end
  if not fine then
    return nil, message, code
  end
  return wait_ready(self, timeout)
end

--- Waits until the client is ready: at once if it is, else as @{connect}, but it is not started.
-- @tparam[opt] number timeout seconds; default: that of `client.defaults.ready`, or no end
-- @treturn ?boolean true, or nil
-- @treturn ?string message
-- @treturn ?string code: "timeout", "sleeping", "closed", "forked", "credentials", "backoff", "auth"
-- @treturn ?holdfast.reason why, when it sleeps
-- @raise when the timeout is no time, or the client is not ready and the caller stands where nothing can wait
-- @usage
-- if client:ready(0) then
--   print "connected, and every subscription is in place"
-- end
function Client:ready(timeout)
  check.method(self, "handle", "client:ready")
  timeout = defaults.timeout(self, "ready", timeout)
  local problem = check.timeout_problem(timeout)
  if problem then
    error("ready: " .. problem, 2)
  elseif self.closing then
    return nil, CLOSED, "closed"
  end
  local status = self.handle:status()
  if status and not status.ready then
    waiting.must_wait "ready"
  end
  return wait_ready(self, timeout)
end

for _, name in ipairs { "on", "once", "off", "wait", "event" } do
  late.method(Client, name, listening)
end
late.method(Client, "subscribe", wishing)
late.method(Client, "forget_wish", wishing)
Client.publish, Client.post = publish.publish, publish.post
late.method(Client, "reauthenticate", authenticating)
late.method(Client, "request", requesting)
late.method(Client, "respond", requesting)

--- How the connection stands.
-- Over the native transport, while connected, it has `path`: `road` ("quic", "tcp", "websocket", "unix"); `rtt`,
-- `rtt_min`, `rtt_variance` (seconds; the first smoothed: RFC 9002 section 5.3, RFC 6298); `sent` and `retransmitted`
-- (packets; what is lost is sent again); with TLS `resumed`; over QUIC `migrations` (to another address of ours) and
-- `early` ("none", "accepted", "rejected": what the server made of CONNECT in 0-RTT). What the system does not tell is
-- absent. It was looked at `age` seconds ago: at the connect, and after each call of this function, once a second at
-- most. With a proxy it is the way to that.
-- @treturn ?holdfast.status or nil
-- @treturn ?string message
-- @treturn ?string code: "forked"
-- @usage
-- local status = client:status()
-- print(status.state, status.queued.messages, status.retry_in)
function Client:status()
  check.method(self, "handle", "client:status")
  return self.handle:status()
end

--- The latest attempts, 16 at most, oldest first. Of two servers that one attempt took, `quic` and behind it `mqtts` of
-- the same host (RFC 8305), `beside` is the one that was begun and not taken: `server`, `phase`, and `name`, `source`,
-- `code` where it failed and was not only slower.
-- @treturn ?{holdfast.attempt,...} or nil
-- @treturn ?string message
-- @treturn ?string code: "forked"
-- @usage
-- for _, attempt in ipairs(client:history()) do
--   print(attempt.server, attempt.phase, attempt.name, attempt.delay)
-- end
function Client:history()
  check.method(self, "handle", "client:history")
  return self.handle:history()
end

local function command(name)
  local call = "client:" .. name
  return function(self)
    check.method(self, "handle", call)
    if self.closing then
      return nil, CLOSED, "closed"
    end
    self.asleep = nil
    return self.handle[name](self.handle)
  end
end

--- Leaves the sleep.
-- @function Client:wake
-- @treturn ?boolean true, or nil
-- @treturn ?string message
-- @treturn ?string code: "closed", "forked", "out_of_memory"
-- @usage
-- client:on("sleeping", function(event)
--   if event.reason.name == "not_authorized" then
--     holdfast.sleep(600) -- until somebody has mended it
--     client:wake()
--   end
-- end)
Client.wake = command "wake"

--- Leaves the sleep, cuts a wait short; a connection that stands is made anew.
-- @function Client:reconnect
-- @treturn ?boolean true, or nil
-- @treturn ?string message
-- @treturn ?string code: "closed", "forked", "out_of_memory"
-- @usage
-- client:reconnect() -- with the certificate that has just been renewed
Client.reconnect = command "reconnect"

--- The network has changed: leaves the sleep, cuts a wait short, probes a connection that stands.
-- @function Client:network_changed
-- @treturn ?boolean true, or nil
-- @treturn ?string message
-- @treturn ?string code: "closed", "forked", "out_of_memory"
-- @usage
-- client:network_changed() -- the modem has dialled in again
Client.network_changed = command "network_changed"

--- The descriptor that is readable when there is something to hand out, for a loop of the user's own; with @{events}
-- and @{timeout} the client is an object that cqueues polls. What there is is handed out by a wait, were it
-- `holdfast.sleep(0)`. All clients of a Lua state share one; never read it, and let go of it before the last is closed.
-- @treturn number
-- @function Client:pollfd
-- @usage
-- local descriptor, seconds = client:pollfd(), client:timeout()
-- -- poll it for as long as that; then:
-- holdfast.sleep(0)
function Client.pollfd()
  return core.mailbox():pollfd()
end

--- What to poll the descriptor for.
-- @treturn string "r"
-- @function Client:events
-- @usage
-- assert(client:events() == "r")
function Client.events()
  return core.mailbox():events()
end

--- After which time there is something to do whether or not the descriptor is readable.
-- @treturn ?number seconds; nil: never
-- @function Client:timeout
-- @usage
-- local seconds = client:timeout() or math.huge
function Client.timeout()
  return core.mailbox():timeout() or loop.due()
end

--- As @{pollfd}; with @{dirty} the client is an object that LuaSocket's `select` takes.
-- @treturn number
-- @function Client:getfd
-- @usage
-- local socket = require "socket"
-- socket.select({ client }, nil, client:timeout())
-- holdfast.sleep(0)
Client.getfd = Client.pollfd

--- Whether there is something to do although the descriptor is not readable.
-- @treturn boolean
-- @function Client:dirty
-- @usage
-- if client:dirty() then
--   holdfast.sleep(0)
-- end
function Client.dirty()
  return Client.timeout() == 0
end

local function close_options(given)
  if type(given) == "table" then
    return walk.process("close", given)
  end
  return { timeout = given }, check.timeout_problem(given)
end

--- Disconnects for good. Nothing connects after it; calls that wait answer "closed". May be called from anywhere, again
-- and again. It says goodbye to the broker, which throws the will away (MQTT 5 section 3.14.4); a client that ends in
-- any other way has not said it, and the broker publishes the will. With `acknowledge = "handled"` no handler begins
-- any more, and those under way may end within the time; what has not been handled comes again in its session, if kept.
-- @tparam[opt=0] ?number|holdfast.options.close given seconds to deliver what is queued, at most; 0: does not wait at
-- all, what is queued is lost; or a table of options
-- @treturn ?boolean true, or nil
-- @treturn ?string message
-- @treturn ?string code: "forked"
-- @raise when an option is none, or the timeout is not 0 and the caller stands where nothing can wait; then it stays
-- open
-- @usage
-- client:close(5) -- gives what is queued up to five seconds
function Client:close(given)
  check.method(self, "handle", "client:close")
  local values, problem = close_options(given)
  if problem then
    error("close: " .. problem, 2)
  end
  local timeout = values.timeout or 0
  if timeout > 0 and not self.closed then
    waiting.must_wait "close"
  end
  if self.handles then
    handling.caller_leaves(self)
    hands.part(self)
  end
  if timeout > 0 and self.handles and not self.closed then
    local since = loop.now()
    handling.part(self, timeout, values.will or false)
    timeout = math.max(0, timeout - (loop.now() - since))
  end
  registry.part(self)
  local fine, message, code = self.handle:close(math.floor(timeout * 1000 + 0.5),
    values.will and "with the will" or "goodbye")
  if not fine then
    return nil, message, code
  end
  self.closing = true
  if timeout > 0 and not self.closed then
    local waiter = { is_blind = true }
    events.expect(self, "closed", waiter)
    waiting.park(self, waiter, timeout + GRACE)
    events.forget(self, "closed", waiter)
  end
  return true
end

-- What others have, and what is called something else here.
local strangers = {}
for _, name in ipairs { "disconnect", "unsubscribe", "is_connected", "loop_start", "loop_forever" } do
  strangers[name] = function()
    error(("client:%s: there is none; %s"):format(name, hints.calls[name]), 2)
  end
end
setmetatable(Client, { __index = strangers })

client.class = Client

return client
