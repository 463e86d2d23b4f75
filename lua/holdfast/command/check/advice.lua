--- What to do about each reason that `holdfast check` can come to.
-- By the name of the reason, or, where one name has several sources or an attempt can end in it in several phases, by
-- "source.name" and "name.phase".
-- @module holdfast.command.check.advice
local advice = {
  name_not_found = "Look at how the host is written, and whether the name servers of this machine know it: "
    .. "`getent hosts NAME`.",
  name_server_failing = "Look at /etc/resolv.conf, and whether its name servers can be reached.",
  connection_refused = "The machine is there, and nothing listens at that port: start the broker, look at its "
    .. "`listener`, and at the port (1883 as a rule, 8883 with TLS).",
  unreachable = "There is no route to the address: look at this machine's network, and whether the broker has an "
    .. "address of that family.",
  timed_out = "Nothing answers at that address: a firewall drops packets, or the machine is off.",
  connect_failed = "See what the system says of each address above.",
  connection_reset = "Something between here and the broker, or the broker itself, cuts the connection: look at "
    .. "firewalls, and at the broker's log.",
  permission_denied = "This user may not open that socket, or a firewall of this machine forbids it.",
  socket_not_found = "Look at the path, and whether the broker runs and has a `listener 0 PATH`.",
  closed_before_connack = "The broker hangs up on the first packet: look at its log. It may want TLS, another "
    .. "protocol version, or have too many connections.",
  connection_lost = "Look at the broker's log.",
  ["connect_timeout.dns"] = "The name servers of this machine do not answer in time: look at /etc/resolv.conf.",
  ["connect_timeout.tcp"] = "Nothing answers at that address: a firewall drops packets, or the machine is off.",
  ["connect_timeout.proxy"] = "The proxy does not answer, or finds no way to the broker: try it with another client.",
  ["connect_timeout.quic"] = "Nothing comes back by UDP: a firewall drops it, or nobody speaks QUIC there.",
  ["connect_timeout.tls"] = "What accepts the connection says nothing in TLS: it is a port without TLS, or hangs.",
  ["connect_timeout.websocket"] = "What accepts the connection does not answer the request of a WebSocket.",
  ["connect_timeout.connack"] = "What accepts the connection does not answer CONNECT: no broker, a port that waits for "
    .. "TLS, or a broker that hangs.",
  connect_timeout = "Look at what came last above; --timeout gives it longer.",

  tls_expired = "Have the certificate renewed and the broker read it anew; if it is good, set this machine's clock.",
  tls_not_yet_valid = "Set this machine's clock; if it is right, the certificate was made for later.",
  tls_unknown_ca = "Give the authority's certificate with --cafile; or the broker leaves an intermediate certificate "
    .. "out of its chain: its `certfile` must have it behind its own.",
  tls_self_signed = "Give that very certificate with --cafile if it is the one you expect, or its key with --pin.",
  tls_hostname = "Use a name that the certificate has (above), or have one made for this name.",
  tls_certificate = "See the chain above: the broker shows no certificate, or one that is not made for servers.",
  tls_handshake = "What answers does not speak TLS as it should: look at the port (8883 as a rule) and the broker's "
    .. "log.",
  tls_failed = "Look at the broker's log.",
  tls_client_certificate = "The broker wants a certificate of ours, by an authority that it knows: --cert and --key.",
  tls_file = "Look at the file named above: its path, who may read it, and whether it is PEM.",
  tls_version = "The broker speaks nothing newer than TLS 1.1: it must be updated.",
  tls_pin = "The broker has another key than --pin says: find out why before you trust it.",
  tls_revoked = "The certificate was revoked: the broker needs a new one.",
  tls_crl = "The list of --crl is too old, or of another authority: get a new one.",
  tls_ocsp = "The broker does not send a proof with its certificate: have it stapled, or leave --ocsp out.",
  tls_token = "See what the token says above.",
  tls_token_login = "Look at the token's PIN in --keypass: it locks itself after a few wrong ones.",

  proxy_407 = "Give the proxy a user name and password: --proxy http://user:password@host:port.",
  proxy_403 = "The proxy forbids it: have it allow the broker's host and port.",
  proxy_closed = "Look at the proxy's log, and whether it is one of that kind.",
  proxy_handshake = "Look at the scheme and the port of --proxy: what answers is no such proxy.",
  socks_authentication = "Give the proxy a user name and password: --proxy socks5://user:password@host:port.",
  socks_connection_refused = "The proxy reaches the machine, and nothing listens at that port.",
  socks_not_allowed = "The proxy forbids it: have it allow the broker's host and port.",

  http_401 = "The server wants credentials for the request itself: --header 'Authorization: ...'.",
  http_403 = "The server forbids it: look at who may open that path, and at what --header should say.",
  http_404 = "Nothing is at that path: brokers have /mqtt as a rule, or ask who runs it.",
  http_5xx = "Look at what stands in front of the broker, and whether that reaches it.",
  http_3xx = "Use the address that it names.",
  http_2xx = "That is a web server's page and no WebSocket: look at host, port and path.",
  websocket_handshake = "What answers is no WebSocket: look at scheme, host, port and path.",
  websocket_subprotocol = "It is a WebSocket of something else: look at the path.",

  quic_blocked = "Nothing comes back by UDP: a firewall drops it, or nobody speaks QUIC there. Try mqtts://.",
  quic_refused = "Look at the broker's log.",
  quic_version = "The broker speaks another version of QUIC: it must be updated.",
  quic_missing = "Install the package holdfast-quic.",

  unsupported_protocol_version = "Try the other version: --protocol-version mqttv311, or mqttv5.",
  bad_user_name_or_password = "Look at --username and --password; the broker's list of users must have them.",
  not_authorized = "Give --username and --password, a certificate, or have the broker's rules allow this client.",
  client_id_not_valid = "Give another --id: this one is too long, has characters that the broker does not take, or is "
    .. "not on its list; an empty one it does not take either.",
  banned = "Ask who runs the broker.",
  bad_authentication_method = "The broker does not know the method of --auth: leave it out, or use another one.",
  server_unavailable = "Look at the broker's log; it may be starting, or out of resources.",
  server_busy = "Wait, and look at the broker's load.",
  quota_exceeded = "A quota of the broker's is used up: connections, messages, or those of this account.",
  connection_rate_exceeded = "Wait: too many clients connect at once. A fleet needs a backoff that spreads.",
  server_shutting_down = "Wait until it is back.",
  use_another_server = "Use the server that it names, for now; holdfast follows it with `redirect`.",
  server_moved = "Use the server that it names, from now on.",
  ["connack.malformed_packet"] = "It may not speak this version of MQTT: --protocol-version mqttv311.",
  ["connack.protocol_error"] = "It may not speak this version of MQTT: --protocol-version mqttv311.",
  ["connack.unspecified_error"] = "The broker's log says why.",
  ["connack.implementation_specific"] = "The broker's log says why.",
  protocol_error = "What answers is no broker, or a broken one: look at host and port.",
  malformed_packet = "What answers is no broker, or a broken one: look at host and port.",

  ["suback.not_authorized"] = "The broker's rules forbid that subscription to this client: allow it, or give a "
    .. "--topic-prefix that it may use, or look without a message: --no-message.",
  ["puback.not_authorized"] = "The broker's rules forbid that message to this client: allow it, or give a "
    .. "--topic-prefix that it may use, or look without a message: --no-message.",
  message_not_returned = "The broker took the message and did not send it back: its rules may drop it silently. Allow "
    .. "this client to read and write below the topic, or give a --topic-prefix that it may use.",
  qos_not_supported = "Ask for no more than the broker's maximum QoS (above).",
  tls_expected = "Say mqtts:// or wss:// in the address.",
  tls_not_spoken = "Say mqtt:// or ws:// in the address, if nobody can listen in on the way; or have the broker speak "
    .. "TLS at that port.",
  only_mqtt_3 = "That is all right, if 3.1.1 is what you use: --protocol-version mqttv311 says so.",
  certificate_ends = "Have it renewed.",
  not_verified = "Anybody could be this broker: leave --insecure out.",
}

local OTHERWISE = {
  proxy = "Look at the proxy's log.",
  socks = "Look at the proxy's log.",
  http = "Look at the log of what answers.",
  websocket = "Look at the log of what answers.",
  quic = "Look at the broker's log.",
  suback = "The broker's log says why.",
  puback = "The broker's log says why.",
}

local general = "Look at the broker's log."

local function of(name, source, phase)
  return advice[name .. "." .. (phase or "")] or advice[(source or "") .. "." .. name] or advice[name]
    or OTHERWISE[source or ""] or general
end

return { of = of, all = advice }
