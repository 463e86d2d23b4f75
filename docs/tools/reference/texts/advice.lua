--- What to do about a reason, by its name. What holds for several stands once, below.
local advice = {
  administrative_action = "Ask whoever runs the broker. The client comes back after a minute at least.",
  auth_server = "The broker, or who stands in its place, does not know the password: see that `server` and `auth` "
    .. "belong together. Nothing secret has been sent.",
  backoff_stopped = "`backoff` is `none`, or your function has answered false: `client:wake()` when it is time.",
  bad_authentication_method = "Choose an `auth.method` that the broker has, or leave `auth` out.",
  bad_user_name_or_password = "Correct `username` and `password`. A `credentials` function is asked anew at each "
    .. "attempt, so a token that has run out mends itself.",
  banned = "Ask whoever runs the broker, then `client:wake()`. Look first whether the client has reconnected too "
    .. "often.",
  channel_binding = "Take an `auth.method` without `-PLUS`, or have the broker speak TLS 1.3, or 1.2 with the "
    .. "extended master secret.",
  client_id_not_valid = "Give a `client_id` of the form that the broker wants; with MQTT 3.1.1 up to 23 letters and "
    .. "digits are taken everywhere.",
  closed = "Nothing: your program has closed the client. Make another with `holdfast.new`.",
  closed_before_connack = "See that an MQTT broker listens at this port, with TLS or without as the address says. "
    .. "Some close so over MQTT 5 (`fallback`), a client id, credentials or a limit: the broker's log knows.",
  collected = "Keep the client in a variable for as long as it is wanted, and say `close` at the end.",
  connect_failed = "Look at `reason.text`, and whether the broker runs; natively the name is finer.",
  connect_timeout = "Look whether the address is right and a firewall lets it through; over a slow link raise "
    .. "`connect_timeout`.",
  connection_lost = "Nothing, if it is rare. If not: the broker's log, the link, a NAT that forgets (lower "
    .. "`keep_alive`), another client with the same `client_id`.",
  connection_rate_exceeded = "Widen the backoff of the fleet (`spread`, or a larger `backoff.max`); `holdfast-fleet` "
    .. "shows what is enough.",
  connection_refused = "See that the broker runs and listens at this address and port.",
  connection_reset = "The broker, or something between, has cut the connection: its log, a firewall, a load "
    .. "balancer's limit.",
  credentials_failed = "Mend your function (`credentials`, `headers`, `proxy`, `server`, `auth`): the text has what "
    .. "it threw or answered.",
  credentials_timeout = "Your function has to answer within `connect_timeout`; give what it waits for a shorter time.",
  disconnect_with_will = "A fault of the broker's: 0x04 is a client's code. Report it there.",
  downgraded = "Nothing. With `protocol = 4` the detour is spared.",
  granted_qos_0 = "Nothing: this is how a broker says yes. Below what was asked for, its Maximum QoS is lower.",
  http_2xx = "The server is a web server, or the path is a page's: give the path of the WebSocket (often `/mqtt`).",
  http_3xx = "Give the address that it sends to, or allow its host in `redirect.allow`.",
  http_401 = "Correct what `headers` sends. A function is asked anew at each attempt.",
  http_403 = "Look at what `headers` sends, `Origin` among it, and at who is let in there.",
  http_404 = "Correct the path in `server`.",
  http_429 = "Nothing: a `Retry-After` is obeyed. If it stays, fewer attempts: `backoff`, `holdfast.limit`.",
  http_4xx = "`reason.code` is the status. Look at the path and at `headers`.",
  http_5xx = "What stands in front of the broker has lost it, or fails: its log.",
  implementation_specific = "Ask the broker's log: the code says no more.",
  keep_alive_timeout = "The link, or the process, stood still for longer than one and a half `keep_alive`. Raise it, "
    .. "or see who held the process up.",
  malformed_packet = "Something between does not speak MQTT, or one of the two has a fault: note the broker's version "
    .. "and take a trace (`holdfast.log` with `trace`).",
  max_attempts = "As you have asked: `client:wake()`, or set `sleep_for`.",
  maximum_connect_time = "Nothing: the broker grants each connection so long, and the client is back.",
  message_rate_too_high = "Set `limits.publish_per_second` to what the broker allows.",
  name_not_found = "Correct the name in `server`, or see to the name server. Behind a captive portal it passes.",
  name_server_failing = "See to the name server (`/etc/resolv.conf`): it has not answered.",
  no_matching_subscribers = "Nothing: the broker has it. Somebody should perhaps subscribe.",
  no_subscription_existed = "Nothing: it had ended already.",
  normal_disconnection = "Nothing, if it is rare: the broker has let us go.",
  not_authorized = "Correct what this client may do at the broker. Of a subscription or message only that one is "
    .. "refused.",
  out_of_memory = "Give the process more memory or descriptors (`ulimit -n`).",
  packet_too_large = "Send less at once, or raise the broker's limit; for what comes, raise `maximum_packet_size`.",
  payload_format_invalid = "A payload that says it is UTF-8 (`payload_format`) has to be that.",
  permission_denied = "See that this process may use the network: a firewall, a sandbox, the rights of a unix socket.",
  probe_timeout = "Nothing: the network has changed, and the old connection was dead.",
  protocol_error = "One of the two has a fault, or an option is none of this broker's: its log, its version, and a "
    .. "trace (`holdfast.log` with `trace`).",
  proxy_3xx = "Correct the address in `proxy`: what is there is no proxy for CONNECT.",
  proxy_403 = "Have the proxy allow CONNECT to the broker's host and port.",
  proxy_407 = "Correct user and password in `proxy`. A function is asked anew at each attempt.",
  proxy_429 = "Fewer attempts: `backoff`, `holdfast.limit`.",
  proxy_4xx = "`reason.code` is the status. Look at what the proxy allows.",
  proxy_5xx = "The proxy does not get through to the broker: whether that runs, and whether the proxy finds its name.",
  proxy_closed = "See that `proxy` has the right scheme and port; if it worked before, that the proxy runs.",
  proxy_handshake = "Correct the scheme in `proxy`: `http`, `https`, `socks5` or `socks5h`.",
  proxy_variable = "Take `http_proxy` and `https_proxy` out of the environment, or `transport = \"native\"`: Paho "
    .. "would obey them for MQTT.",
  qos_not_supported = "Publish with the QoS that the broker takes; of a `will`, lower `will.qos`.",
  quic_blocked = "Put an `mqtts` server behind it in `servers`: something between does not let UDP through.",
  quic_closed = "The event has the server's code and words.",
  quic_failed = "See `reason.text`; put an `mqtts` server behind it in `servers`.",
  quic_idle_timeout = "Nothing, if it is rare. A NAT may forget UDP sooner: lower `keep_alive`.",
  quic_missing = "Install the package `holdfast-quic`, or build where `libngtcp2-dev` and its companions are.",
  quic_refused = "See that the broker has a QUIC listener at this port (14567 unless said otherwise), with ALPN "
    .. "`mqtt`.",
  quic_version = "The server speaks no QUIC version 1: bring it up to date, or take `mqtts`.",
  quota_exceeded = "Ask whoever runs the broker for more, or send and connect less.",
  receive_maximum_exceeded = "A fault: the broker's window was overrun. Over Paho `transport = \"native\"` keeps to "
    .. "it.",
  reconnect = "Nothing: your program, or the way back to the first server, has asked for it.",
  retain_not_supported = "Publish without `retain`; of a `will`, without `will.retain`.",
  server_busy = "Nothing: the client waits for 30 s to 300 s. If it stays, the broker is too small.",
  server_moved = "Put the new address into `server`, or allow it in `redirect.allow`; `server_reference` names it.",
  server_shutting_down = "Nothing: the client comes back, to another of `servers` if there is one.",
  server_unavailable = "Nothing, if it passes. If not: the broker's log.",
  session_mismatch = "A fault of the broker's: it kept a session that was to end. The client tries again.",
  session_taken_over = "Give each client a `client_id` of its own: two have the same one.",
  shared_subscriptions_not_supported = "Subscribe without `$share`, or take a broker that has it.",
  slow_consumer = "Handle messages faster, or have less waiting in handlers; raise `inbox.messages` and "
    .. "`inbox.bytes`; natively the broker's window does it without a loss.",
  socket_not_found = "See that the broker runs and that `server` has the right path of its unix socket.",
  socks_address_not_supported = "Take `socks5` in place of `socks5h`, or the other way round.",
  socks_authentication = "Correct user and password in `proxy`.",
  socks_command_not_supported = "This is no proxy for connections: ask whoever runs it.",
  socks_connection_refused = "The proxy works; the broker behind it does not listen.",
  socks_not_allowed = "Have the proxy allow the broker's host and port.",
  subscribe_timeout = "The text says which filters were unanswered: remove one that the broker does not bear.",
  subscription_identifiers_not_supported = "Subscribe without `identifier`.",
  success = "Nothing.",
  timed_out = "The link is dead or the broker stands still: look whether others reach it.",
  tls_certificate = "The text says what is wrong with the server's certificate: mend it there.",
  tls_client_certificate = "Give `tls.cert` and `tls.key` that the server accepts: its authority, its dates.",
  tls_crl = "Renew `tls.crl`: a list of each authority in the chain. Or set the clock.",
  tls_expired = "Renew the server's certificate, or set the clock.",
  tls_failed = "See `reason.text`; `openssl s_client` shows the same handshake.",
  tls_file = "The text says which file and why: a path, rights, a missing `tls.key_password`.",
  tls_handshake = "See that TLS is spoken at this port. With a shared key: that key and identity are the broker's.",
  tls_hostname = "Use the name that is in the certificate in `server`, or have a certificate made for this one.",
  tls_not_yet_valid = "Set the clock: a device without one begins in 1970. When it is set the client tries at once.",
  tls_ocsp = "Have the server staple OCSP responses, or say `ocsp = \"ask\"`. Or set the clock.",
  tls_pin = "If the key was changed on purpose, add the one in `reason.text` to `tls.pin`. If not, somebody stands "
    .. "between.",
  tls_revoked = "The server needs another certificate. Do not go on with this one.",
  tls_self_signed = "Give the server's certificate as `tls.ca`, or `tls.pin` with its key.",
  tls_token = "See that the module is found (`PKCS11_MODULE_PATH`) and the URI names the object; the card may be out.",
  tls_token_login = "Correct the PIN in `tls.key_password`, then `client:wake()`: a card locks itself after a few.",
  tls_unknown_ca = "Give the authority that has signed it as `tls.ca`; the server has to send what is between.",
  tls_version = "Have the server speak TLS 1.2 or 1.3.",
  topic_alias_invalid = "A fault of the client's or the broker's: report it with a trace.",
  topic_filter_invalid = "Correct the filter, or ask what the broker allows.",
  topic_name_invalid = "Correct the topic, or ask what the broker allows; some keep `$` for themselves.",
  unreachable = "There is no route: look at the network of this machine.",
  unspecified_error = "Ask the broker's log: it does not say more.",
  unsupported_protocol_version = "Set `protocol = 4`, or `fallback = true`.",
  upgraded = "Nothing. With `protocol = 5` the detour is spared.",
  use_another_server = "Allow the server that is named in `redirect.allow`, or put it into `servers`; "
    .. "`server_reference` names it.",
  websocket_closed = "`reason.code` is the code that the server closed with. If it is rare, nothing.",
  websocket_going_away = "Nothing: the server restarts, and the client comes back.",
  websocket_handshake = "See that there is a WebSocket at this path, and `wss` where TLS is spoken.",
  websocket_policy_violation = "Look at what `headers` sends, and at the server's log.",
  websocket_service_restart = "Nothing: the client comes back.",
  websocket_subprotocol = "The WebSocket at this path is not MQTT's: correct the path.",
  websocket_try_again_later = "Nothing: the client waits for longer. If it stays, the server is too small.",
  websocket_violation = "A fault of the server's, or of what stands between: report it there.",
  wildcard_subscriptions_not_supported = "Subscribe to whole topics, without `+` and `#`.",
  will_topic_empty = "Give `will.topic`.",
  disconnected = "Nothing, if it is rare: the library had no connection any more.",
  persistence_error = "Report it: holdfast gives the library no store.",
  tls_not_supported = "Take the Paho that has TLS (`libpaho-mqtt3as`), or `transport = \"native\"`.",
}

local function also(words, ...)
  for _, name in ipairs { ... } do
    advice[name] = words
  end
end

also(advice.granted_qos_0, "granted_qos_1", "granted_qos_2")
also(advice.proxy_407, "proxy_401")
also(advice.connection_lost, "operation_incomplete")
also("The proxy works, but finds no way to the broker: whether that runs, and what the proxy says.", "socks_failure",
  "socks_host_unreachable", "socks_network_unreachable", "socks_ttl_expired")
also("A fault of the client's or the broker's, of one message or filter: report it with a trace.",
  "packet_identifier_in_use", "packet_identifier_not_found")
also("The Paho library was busy or short of something, and the client tries again. If it stays, report it.",
  "buffer_full", "command_ignored", "no_more_packet_ids", "too_many_in_flight")
also("Options are checked before Paho sees them, so this is a fault of holdfast's: report it. `client:wake()` tries "
  .. "again.",
  "bad_mqtt_option", "bad_protocol", "bad_qos", "bad_structure", "bad_utf8", "null_parameter", "topic_name_truncated",
  "wrong_mqtt_version")
also("A code that no standard has: `reason.code` and the log of who sent it.", "unknown_client", "unknown_connack",
  "unknown_disconnect", "unknown_http", "unknown_network", "unknown_paho", "unknown_proxy", "unknown_puback",
  "unknown_socks", "unknown_suback", "unknown_tls", "unknown_unsuback")

return advice
