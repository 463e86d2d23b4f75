--- Checked options as the core wants them: milliseconds, rows, plain tables.
-- @module holdfast.settings
local core = require "holdfast.core"
local options = require "holdfast.options"

local settings = {}

local function ms(seconds)
  return seconds and math.max(1, math.floor(seconds * 1000 + 0.5))
end

local function limits(given)
  local rate = given and given.publish_per_second or 0
  return given and {
    publish_per_second = rate, burst = given.burst or math.max(1, math.floor(rate)),
    bytes_per_second = given.bytes_per_second or 0,
  }
end

local function auth(given)
  return given and {
    method = given.method, username = given.username, password = given.password, ask_first = given.start ~= nil,
  }
end

--- Turns values into settings.
-- @tparam table values of `options.check`
-- @tparam[opt] boolean ephemeral the client id is for this client's life
-- @treturn table for `core.client`
function settings.build(values, ephemeral)
  local chosen = values.client_id
  return {
    servers = values.servers,
    ask_server = values.ask_server ~= nil,
    client_id = chosen == nil and core.random_id() or chosen or "",
    end_session = not chosen or ephemeral or false, -- nobody can come back to a session under an id that nobody knows
    protocol = values.protocol,
    fallback = values.fallback,
    transport = values.transport,
    window = values.window or 0,
    keep_alive = values.keep_alive,
    detect_within = ms(values.detect_within),
    clean_start = values.clean_start,
    session_expiry = values.session_expiry,
    username = values.username,
    password = values.password,
    ask_credentials = values.credentials ~= nil,
    headers = type(values.headers) == "string" and values.headers or nil,
    ask_headers = values.headers ~= nil and type(values.headers) ~= "string",
    proxy = values.proxy and values.proxy.plain,
    proxy_secure = values.proxy and values.proxy.secure,
    no_proxy = values.proxy and values.proxy.except,
    ask_proxy = values.proxy ~= nil and values.proxy.ask ~= nil,
    ask_delay = values.strategy ~= nil,
    inspect = values.inspect,
    auth = auth(values.auth),
    will = values.will,
    tls = values.tls,
    connect_timeout = ms(values.connect_timeout),
    stable_after = math.floor(values.stable_after * 1000 + 0.5),
    max_attempts = values.max_attempts or 0,
    sleep_for = ms(values.sleep_for) or 0,
    backoff = options.milliseconds(values.backoff),
    slow = options.milliseconds(values.slow),
    rules = values.rules,
    return_to_primary = ms(values.return_to_primary),
    watch_network = values.watch_network,
    zero_rtt = values.zero_rtt,
    redirect_allow = values.redirect and values.redirect.allow,
    redirect_hops = values.redirect and values.redirect.hops,
    queue = { messages = values.queue.messages, bytes = values.queue.bytes, overflow = values.queue.overflow,
      ttl = ms(values.queue.ttl), store = values.queue.store, sync = math.floor(values.queue.sync * 1000 + 0.5) },
    limits = limits(values.limits),
    inbox = { messages = values.inbox.messages, bytes = values.inbox.bytes },
    receive_maximum = values.receive_maximum,
    maximum_packet_size = values.maximum_packet_size or 0,
    properties = values.properties,
  }
end

return settings
