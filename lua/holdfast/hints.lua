--- What other clients call things, and what they are called here: for who comes from one of them.
-- @module holdfast.hints
local text = require "holdfast.text"

local hints = {}

local SERVER = 'say server = "mqtt://host:1883", or mqtts:// for TLS'
local SESSION = "in MQTT 5 these are two things: clean_start = true for a new session, session_expiry = 0 for one that "
  .. "ends with the connection"
local CA = "say tls = { ca = ... }, with servers that begin with mqtts://"
local CERT = "say tls = { cert = ..., key = ... }, with servers that begin with mqtts://"
local KEPT = "a connection is always kept; backoff, max_attempts and policy say how"

--- What to say in place of an option.
hints.options = {
  host = SERVER, hostname = SERVER, address = SERVER, broker = SERVER, uri = SERVER, url = SERVER, port = SERVER,
  ssl = SERVER, secure = SERVER,
  clean_session = SESSION, cleansession = SESSION, clean = SESSION,
  cafile = CA, ca_file = CA, ca_certs = CA, capath = CA, ca_path = CA, cacert = CA,
  certfile = CERT, cert_file = CERT, cert = CERT, keyfile = CERT, key_file = CERT, key = CERT,
  reconnect = KEPT, auto_reconnect = KEPT,
}

--- What to call in place of a method that is none.
hints.calls = {
  disconnect = "client:close([timeout]) disconnects for good; one that is only to come back calls client:reconnect()",
  unsubscribe = "what client:subscribe returns is a subscription: call its subscription:remove()",
  is_connected = "ask client:status().ready, or wait with client:connect(timeout)",
  loop_start = "client:start() holds the connection from then on",
  loop_forever = "holdfast.run(fn) runs the loop for as long as fn does",
}

-- From here on the seconds are probably meant to be milliseconds.
local suspicious = { keep_alive = 5000, connect_timeout = 1000 }

--- What is probably not meant as it is written.
-- @tparam table given options
-- @treturn ?string
function hints.doubt(given)
  for name, least in pairs(suspicious) do
    local value = given[name]
    if type(value) == "number" and value >= least and value % 100 == 0 then
      local words = "%s = %g: times are in seconds, so that is %.1f h; if milliseconds are meant, say %s = %g"
      return text.format(words, name, value, value / 3600, name, value / 1000)
    end
  end
end

return hints
