/* reason_table.h: the one table of reasons, as an X-macro; include it through reason.h.
 *
 * HF_REASON_TABLE(ROW, OTHERS) expands one line a reason, in the order of
 * hf_source and, within a source, of the code:
 *
 *   ROW(source, code, name, class, later, after, flags, text)
 *   OTHERS(source, lowest, name, class, later, after, flags, text)   every code of the source that has no row
 *
 * "class, later, after" reads: `class` at first, `later` from the `after`-th in
 * a row on. The classes follow from what a second attempt could change: nothing
 * (STOP), only time (SLOW), a server (SWITCH, or the flag MOVE), or nothing need
 * change (RETRY). Flags: FRESH credentials are asked for anew; MOVE to another
 * server if there is one; WIDE first window; FLOOR60 the slow wait is at least
 * 60 s; FIGHT is not forgiven as soon as a connection is stable; PASSES is slow only where the server has never worked,
 * or once the outage has lasted for minutes. Codes and their meaning: MQTT 5
 * sections 2.4, 3.2.2.2, 3.4.2.1, 3.9.3, 3.11.3 and 3.14.2.1, MQTT 3.1.1 table 3.1, the header of Paho. Static data, no
 * memory, any thread.
 */
#ifndef HF_CORE_REASON_TABLE_H
#define HF_CORE_REASON_TABLE_H

// clang-format off
#define HF_REASON_TABLE(ROW, OTHERS)                                                                                   \
  ROW(CONNACK, 0x00, "success", NONE, NONE, 0, PLAIN, "the broker accepted the connection")                            \
  ROW(CONNACK, 0x80, "unspecified_error", RETRY, RETRY, 0, PLAIN, "the broker refused and does not say why")           \
  ROW(CONNACK, 0x81, "malformed_packet", STOP, STOP, 0, PLAIN, "the broker could not parse the CONNECT")               \
  ROW(CONNACK, 0x82, "protocol_error", STOP, STOP, 0, PLAIN, "the CONNECT broke the protocol")                         \
  ROW(CONNACK, 0x83, "implementation_specific", SLOW, STOP, 3, PLAIN, "the broker refused for a reason of its own")    \
  ROW(CONNACK, 0x84, "unsupported_protocol_version", STOP, STOP, 0, PLAIN,                                             \
      "the broker does not speak this MQTT version")                                                                   \
  ROW(CONNACK, 0x85, "client_id_not_valid", STOP, STOP, 0, PLAIN, "the broker does not allow this client id")          \
  ROW(CONNACK, 0x86, "bad_user_name_or_password", SLOW, SLOW, 0, FRESH,                                                \
      "the broker refused the user name or password")                                                                  \
  ROW(CONNACK, 0x87, "not_authorized", SLOW, SLOW, 0, FRESH, "the client is not authorized to connect")                \
  ROW(CONNACK, 0x88, "server_unavailable", RETRY, RETRY, 0, MOVE, "the broker is not available")                       \
  ROW(CONNACK, 0x89, "server_busy", SLOW, SLOW, 0, MOVE, "the broker is busy")                                         \
  ROW(CONNACK, 0x8A, "banned", STOP, STOP, 0, PLAIN, "the client has been banned by an administrator")                 \
  ROW(CONNACK, 0x8C, "bad_authentication_method", STOP, STOP, 0, PLAIN,                                                \
      "the broker does not support the authentication method")                                                         \
  ROW(CONNACK, 0x90, "topic_name_invalid", STOP, STOP, 0, PLAIN, "the broker does not accept the topic of the will")   \
  ROW(CONNACK, 0x95, "packet_too_large", STOP, STOP, 0, PLAIN, "the CONNECT is larger than the broker allows")         \
  ROW(CONNACK, 0x97, "quota_exceeded", SLOW, SLOW, 0, FLOOR60, "a quota of the broker has been exceeded")              \
  ROW(CONNACK, 0x99, "payload_format_invalid", STOP, STOP, 0, PLAIN, "the will is not in the format it claims")        \
  ROW(CONNACK, 0x9A, "retain_not_supported", STOP, STOP, 0, PLAIN,                                                     \
      "the broker keeps no retained messages, and the will is one")                                                    \
  ROW(CONNACK, 0x9B, "qos_not_supported", STOP, STOP, 0, PLAIN, "the broker does not support the QoS of the will")     \
  ROW(CONNACK, 0x9C, "use_another_server", SWITCH, SWITCH, 0, PLAIN, "the broker asks for another server, for now")    \
  ROW(CONNACK, 0x9D, "server_moved", SWITCH, SWITCH, 0, PLAIN, "the broker asks for another server, for good")         \
  ROW(CONNACK, 0x9F, "connection_rate_exceeded", SLOW, SLOW, 0, WIDE, "too many clients connect at this time")         \
  OTHERS(CONNACK, 0x01, "unknown_connack", SLOW, STOP, 2, PLAIN,                                                       \
      "the broker answered with a code that CONNACK does not have")                                                    \
                                                                                                                       \
  ROW(CONNACK_V3, 0, "success", NONE, NONE, 0, PLAIN, "the broker accepted the connection")                            \
  ROW(CONNACK_V3, 1, "unsupported_protocol_version", STOP, STOP, 0, PLAIN,                                             \
      "the broker does not speak this MQTT version")                                                                   \
  ROW(CONNACK_V3, 2, "client_id_not_valid", STOP, STOP, 0, PLAIN, "the broker does not allow this client id")          \
  ROW(CONNACK_V3, 3, "server_unavailable", RETRY, RETRY, 0, MOVE, "the broker is not available")                       \
  ROW(CONNACK_V3, 4, "bad_user_name_or_password", SLOW, SLOW, 0, FRESH,                                                \
      "the broker refused the user name or password")                                                                  \
  ROW(CONNACK_V3, 5, "not_authorized", SLOW, SLOW, 0, FRESH, "the client is not authorized to connect")                \
  OTHERS(CONNACK_V3, 6, "unknown_connack", SLOW, STOP, 2, PLAIN,                                                       \
      "the broker answered with a code that CONNACK does not have")                                                    \
                                                                                                                       \
  ROW(DISCONNECT, 0x00, "normal_disconnection", RETRY, RETRY, 0, PLAIN,                                                \
      "the broker closed the connection in an orderly way")                                                            \
  ROW(DISCONNECT, 0x04, "disconnect_with_will", SLOW, STOP, 2, PLAIN,                                                  \
      "the broker sent a code that only a client may send")                                                            \
  ROW(DISCONNECT, 0x80, "unspecified_error", RETRY, RETRY, 0, PLAIN,                                                   \
      "the broker closed the connection and does not say why")                                                         \
  ROW(DISCONNECT, 0x81, "malformed_packet", SLOW, STOP, 2, PLAIN, "the broker could not parse a packet")               \
  ROW(DISCONNECT, 0x82, "protocol_error", SLOW, STOP, 2, PLAIN, "a packet broke the protocol")                         \
  ROW(DISCONNECT, 0x83, "implementation_specific", SLOW, SLOW, 0, PLAIN,                                               \
      "the broker closed the connection for a reason of its own")                                                      \
  ROW(DISCONNECT, 0x87, "not_authorized", SLOW, SLOW, 0, FRESH, "the client is no longer authorized")                  \
  ROW(DISCONNECT, 0x89, "server_busy", SLOW, SLOW, 0, MOVE, "the broker is busy")                                      \
  ROW(DISCONNECT, 0x8B, "server_shutting_down", RETRY, RETRY, 0, MOVE_WIDE, "the broker is shutting down")             \
  ROW(DISCONNECT, 0x8C, "bad_authentication_method", STOP, STOP, 0, PLAIN,                                             \
      "the broker does not support the authentication method")                                                         \
  ROW(DISCONNECT, 0x8D, "keep_alive_timeout", RETRY, RETRY, 0, PLAIN,                                                  \
      "the broker heard nothing for one and a half keep alives")                                                       \
  ROW(DISCONNECT, 0x8E, "session_taken_over", SLOW, STOP, 2, FIGHT,                                                    \
      "another client has connected with the same client id")                                                          \
  ROW(DISCONNECT, 0x8F, "topic_filter_invalid", RETRY, RETRY, 0, PLAIN, "the broker does not accept a topic filter")   \
  ROW(DISCONNECT, 0x90, "topic_name_invalid", RETRY, RETRY, 0, PLAIN,                                                  \
      "the broker does not accept the topic of a message")                                                             \
  ROW(DISCONNECT, 0x93, "receive_maximum_exceeded", RETRY, RETRY, 0, PLAIN,                                            \
      "more messages were in flight than the broker allows")                                                           \
  ROW(DISCONNECT, 0x94, "topic_alias_invalid", RETRY, RETRY, 0, PLAIN, "the broker does not know a topic alias")       \
  ROW(DISCONNECT, 0x95, "packet_too_large", RETRY, RETRY, 0, PLAIN, "a packet was larger than the broker allows")      \
  ROW(DISCONNECT, 0x96, "message_rate_too_high", SLOW, SLOW, 0, PLAIN, "messages came faster than the broker allows")  \
  ROW(DISCONNECT, 0x97, "quota_exceeded", SLOW, SLOW, 0, FLOOR60, "a quota of the broker has been exceeded")           \
  ROW(DISCONNECT, 0x98, "administrative_action", SLOW, SLOW, 0, FLOOR60, "an administrator closed the connection")     \
  ROW(DISCONNECT, 0x99, "payload_format_invalid", RETRY, RETRY, 0, PLAIN, "a payload is not in the format it claims")  \
  ROW(DISCONNECT, 0x9A, "retain_not_supported", RETRY, RETRY, 0, PLAIN, "the broker keeps no retained messages")       \
  ROW(DISCONNECT, 0x9B, "qos_not_supported", RETRY, RETRY, 0, PLAIN,                                                   \
      "the broker does not support the QoS of a message")                                                              \
  ROW(DISCONNECT, 0x9C, "use_another_server", SWITCH, SWITCH, 0, PLAIN,                                                \
      "the broker asks for another server, for now")                                                                   \
  ROW(DISCONNECT, 0x9D, "server_moved", SWITCH, SWITCH, 0, PLAIN, "the broker asks for another server, for good")      \
  ROW(DISCONNECT, 0x9E, "shared_subscriptions_not_supported", RETRY, RETRY, 0, PLAIN,                                  \
      "the broker does not support shared subscriptions")                                                              \
  ROW(DISCONNECT, 0x9F, "connection_rate_exceeded", SLOW, SLOW, 0, WIDE, "too many clients connect at this time")      \
  ROW(DISCONNECT, 0xA0, "maximum_connect_time", RETRY, RETRY, 0, PLAIN,                                                \
      "the time that the broker grants a connection is over")                                                          \
  ROW(DISCONNECT, 0xA1, "subscription_identifiers_not_supported", RETRY, RETRY, 0, PLAIN,                              \
      "the broker does not support subscription identifiers")                                                          \
  ROW(DISCONNECT, 0xA2, "wildcard_subscriptions_not_supported", RETRY, RETRY, 0, PLAIN,                                \
      "the broker does not support wildcard subscriptions")                                                            \
  OTHERS(DISCONNECT, 0x01, "unknown_disconnect", SLOW, STOP, 2, PLAIN,                                                 \
      "the broker sent a code that its DISCONNECT does not have")                                                      \
                                                                                                                       \
  ROW(SUBACK, 0x00, "granted_qos_0", NONE, NONE, 0, PLAIN, "the broker granted QoS 0")                                 \
  ROW(SUBACK, 0x01, "granted_qos_1", NONE, NONE, 0, PLAIN, "the broker granted QoS 1")                                 \
  ROW(SUBACK, 0x02, "granted_qos_2", NONE, NONE, 0, PLAIN, "the broker granted QoS 2")                                 \
  ROW(SUBACK, 0x80, "unspecified_error", NONE, NONE, 0, PLAIN, "the broker refused the filter and does not say why")   \
  ROW(SUBACK, 0x83, "implementation_specific", NONE, NONE, 0, PLAIN,                                                   \
      "the broker refused the filter for a reason of its own")                                                         \
  ROW(SUBACK, 0x87, "not_authorized", NONE, NONE, 0, PLAIN, "the client is not authorized for the filter")             \
  ROW(SUBACK, 0x8F, "topic_filter_invalid", NONE, NONE, 0, PLAIN, "the broker does not accept the topic filter")       \
  ROW(SUBACK, 0x91, "packet_identifier_in_use", NONE, NONE, 0, PLAIN, "the packet identifier is in use")               \
  ROW(SUBACK, 0x95, "packet_too_large", NONE, NONE, 0, PLAIN,                                                          \
      "the SUBSCRIBE is larger than the broker takes (its Maximum Packet Size)")                                       \
  ROW(SUBACK, 0x97, "quota_exceeded", NONE, NONE, 0, PLAIN, "a quota of the broker has been exceeded")                 \
  ROW(SUBACK, 0x9E, "shared_subscriptions_not_supported", NONE, NONE, 0, PLAIN,                                        \
      "the broker does not support shared subscriptions")                                                              \
  ROW(SUBACK, 0xA1, "subscription_identifiers_not_supported", NONE, NONE, 0, PLAIN,                                    \
      "the broker does not support subscription identifiers")                                                          \
  ROW(SUBACK, 0xA2, "wildcard_subscriptions_not_supported", NONE, NONE, 0, PLAIN,                                      \
      "the broker does not support wildcard subscriptions")                                                            \
  OTHERS(SUBACK, 0x03, "unknown_suback", NONE, NONE, 0, PLAIN,                                                         \
      "the broker answered with a code that SUBACK does not have")                                                     \
                                                                                                                       \
  ROW(UNSUBACK, 0x00, "success", NONE, NONE, 0, PLAIN, "the broker ended the subscription")                            \
  ROW(UNSUBACK, 0x11, "no_subscription_existed", NONE, NONE, 0, PLAIN, "the broker had no such subscription")          \
  ROW(UNSUBACK, 0x80, "unspecified_error", NONE, NONE, 0, PLAIN, "the broker refused and does not say why")            \
  ROW(UNSUBACK, 0x83, "implementation_specific", NONE, NONE, 0, PLAIN, "the broker refused for a reason of its own")   \
  ROW(UNSUBACK, 0x87, "not_authorized", NONE, NONE, 0, PLAIN, "the client is not authorized to unsubscribe")           \
  ROW(UNSUBACK, 0x8F, "topic_filter_invalid", NONE, NONE, 0, PLAIN, "the broker does not accept the topic filter")     \
  ROW(UNSUBACK, 0x91, "packet_identifier_in_use", NONE, NONE, 0, PLAIN, "the packet identifier is in use")             \
  OTHERS(UNSUBACK, 0x01, "unknown_unsuback", NONE, NONE, 0, PLAIN,                                                     \
      "the broker answered with a code that UNSUBACK does not have")                                                   \
                                                                                                                       \
  ROW(PUBACK, 0x00, "success", NONE, NONE, 0, PLAIN, "the broker has the message")                                     \
  ROW(PUBACK, 0x10, "no_matching_subscribers", NONE, NONE, 0, PLAIN,                                                   \
      "the broker has the message, and nobody subscribes to it")                                                       \
  ROW(PUBACK, 0x80, "unspecified_error", NONE, NONE, 0, PLAIN, "the broker refused the message and does not say why")  \
  ROW(PUBACK, 0x83, "implementation_specific", NONE, NONE, 0, PLAIN,                                                   \
      "the broker refused the message for a reason of its own")                                                        \
  ROW(PUBACK, 0x87, "not_authorized", NONE, NONE, 0, PLAIN, "the client is not authorized to publish this")            \
  ROW(PUBACK, 0x90, "topic_name_invalid", NONE, NONE, 0, PLAIN, "the broker does not accept the topic")                \
  ROW(PUBACK, 0x91, "packet_identifier_in_use", NONE, NONE, 0, PLAIN, "the packet identifier is in use")               \
  ROW(PUBACK, 0x92, "packet_identifier_not_found", NONE, NONE, 0, PLAIN,                                               \
      "the broker does not know the packet identifier")                                                                \
  ROW(PUBACK, 0x97, "quota_exceeded", NONE, NONE, 0, PLAIN, "a quota of the broker has been exceeded")                 \
  ROW(PUBACK, 0x99, "payload_format_invalid", NONE, NONE, 0, PLAIN, "the payload is not in the format it claims")      \
  OTHERS(PUBACK, 0x01, "unknown_puback", NONE, NONE, 0, PLAIN,                                                         \
      "the broker answered with a code that PUBACK does not have")                                                     \
                                                                                                                       \
  ROW(PAHO, -99, "out_of_memory", RETRY, RETRY, 0, PLAIN, "the transport library ran out of memory")                   \
  ROW(PAHO, -18, "command_ignored", RETRY, RETRY, 0, PLAIN, "the transport library was busy with the same command")    \
  ROW(PAHO, -17, "will_topic_empty", STOP, STOP, 0, PLAIN, "the will has an empty topic")                              \
  ROW(PAHO, -16, "wrong_mqtt_version", STOP, STOP, 0, PLAIN,                                                           \
      "a call does not fit the MQTT version of the connection")                                                        \
  ROW(PAHO, -15, "bad_mqtt_option", STOP, STOP, 0, PLAIN, "an option does not fit the MQTT version")                   \
  ROW(PAHO, -14, "bad_protocol", STOP, STOP, 0, PLAIN,                                                                 \
      "the transport library does not know the scheme of the server address")                                          \
  ROW(PAHO, -13, "tls_not_supported", STOP, STOP, 0, PLAIN, "the transport library has been built without TLS")        \
  ROW(PAHO, -12, "buffer_full", RETRY, RETRY, 0, PLAIN, "the transport library's buffer is full")                      \
  ROW(PAHO, -11, "operation_incomplete", RETRY, RETRY, 0, PLAIN, "the connection ended before the answer came")        \
  ROW(PAHO, -10, "no_more_packet_ids", RETRY, RETRY, 0, PLAIN, "all packet identifiers are in use")                    \
  ROW(PAHO, -9, "bad_qos", STOP, STOP, 0, PLAIN, "the QoS is not 0, 1 or 2")                                           \
  ROW(PAHO, -8, "bad_structure", STOP, STOP, 0, PLAIN,                                                                 \
      "the transport library does not know a structure it was given")                                                  \
  ROW(PAHO, -7, "topic_name_truncated", STOP, STOP, 0, PLAIN, "a topic contains a NUL character")                      \
  ROW(PAHO, -6, "null_parameter", STOP, STOP, 0, PLAIN,                                                                \
      "the transport library was given nothing where it needs something")                                              \
  ROW(PAHO, -5, "bad_utf8", STOP, STOP, 0, PLAIN, "a string is not valid UTF-8")                                       \
  ROW(PAHO, -4, "too_many_in_flight", RETRY, RETRY, 0, PLAIN, "too many messages are in flight")                       \
  ROW(PAHO, -3, "disconnected", RETRY, RETRY, 0, PLAIN, "the transport library is not connected")                      \
  ROW(PAHO, -2, "persistence_error", RETRY, RETRY, 0, PLAIN, "the transport library's store failed")                   \
  ROW(PAHO, -1, "connect_failed", RETRY, RETRY, 0, MOVE, "the transport library failed and does not say why")          \
  ROW(PAHO, 0, "success", NONE, NONE, 0, PLAIN, "the transport library succeeded")                                     \
  OTHERS(PAHO, -32768, "unknown_paho", RETRY, RETRY, 0, PLAIN, "the transport library failed with an unknown code")    \
                                                                                                                       \
  ROW(NETWORK, HF_NETWORK_CONNECT_FAILED, "connect_failed", RETRY, RETRY, 0, MOVE,                                     \
      "no connection to the server could be opened")                                                                   \
  ROW(NETWORK, HF_NETWORK_REFUSED, "connection_refused", RETRY, RETRY, 0, MOVE, "the server refused the connection")   \
  ROW(NETWORK, HF_NETWORK_UNREACHABLE, "unreachable", RETRY, RETRY, 0, MOVE, "there is no way to the server")          \
  ROW(NETWORK, HF_NETWORK_RESET, "connection_reset", RETRY, RETRY, 0, MOVE, "the connection was reset")                \
  ROW(NETWORK, HF_NETWORK_TIMED_OUT, "timed_out", RETRY, RETRY, 0, MOVE, "the server did not answer in time")          \
  ROW(NETWORK, HF_NETWORK_NAME_NOT_FOUND, "name_not_found", SLOW, SLOW, 0, MOVE_PASSES, "the server's name does not exist")   \
  ROW(NETWORK, HF_NETWORK_NAME_SERVER_FAILING, "name_server_failing", RETRY, RETRY, 0, MOVE,                           \
      "no name server answered")                                                                                       \
  ROW(NETWORK, HF_NETWORK_CLOSED_BEFORE_CONNACK, "closed_before_connack", RETRY, SLOW, 3, MOVE_PASSES,                        \
      "the server closed the connection before it answered the CONNECT")                                               \
  ROW(NETWORK, HF_NETWORK_CONNECTION_LOST, "connection_lost", RETRY, RETRY, 0, PLAIN,                                  \
      "the connection to the server broke")                                                                            \
  ROW(NETWORK, HF_NETWORK_PROXY_VARIABLE, "proxy_variable", STOP, STOP, 0, PLAIN,                                      \
      "the environment names a proxy, which the transport library would send MQTT through")                            \
  ROW(NETWORK, HF_NETWORK_SOCKET_NOT_FOUND, "socket_not_found", RETRY, RETRY, 0, MOVE,                                 \
      "there is no socket at the server's path")                                                                       \
  ROW(NETWORK, HF_NETWORK_PERMISSION_DENIED, "permission_denied", SLOW, SLOW, 0, MOVE,                                 \
      "the system does not permit this process to connect to the server")                                              \
  OTHERS(NETWORK, 0, "unknown_network", RETRY, RETRY, 0, PLAIN, "the network failed in an unknown way")                \
                                                                                                                       \
  ROW(TLS, HF_TLS_FAILED, "tls_failed", SLOW, SLOW, 0, MOVE, "TLS could not be set up")                                \
  ROW(TLS, HF_TLS_CERTIFICATE, "tls_certificate", SLOW, SLOW, 0, MOVE, "the server's certificate is not trusted")      \
  ROW(TLS, HF_TLS_EXPIRED, "tls_expired", SLOW, SLOW, 0, MOVE,                                                         \
      "the server's certificate has expired, or the clock is wrong")                                                   \
  ROW(TLS, HF_TLS_NOT_YET_VALID, "tls_not_yet_valid", SLOW, SLOW, 0, MOVE,                                             \
      "the server's certificate is not valid yet, or the clock is wrong")                                              \
  ROW(TLS, HF_TLS_UNKNOWN_CA, "tls_unknown_ca", SLOW, SLOW, 0, MOVE,                                                   \
      "the server's certificate was issued by an unknown authority")                                                   \
  ROW(TLS, HF_TLS_SELF_SIGNED, "tls_self_signed", SLOW, SLOW, 0, MOVE, "the server's certificate is self-signed")      \
  ROW(TLS, HF_TLS_HOSTNAME, "tls_hostname", SLOW, SLOW, 0, MOVE, "the server's certificate is for another host name")  \
  ROW(TLS, HF_TLS_HANDSHAKE, "tls_handshake", RETRY, SLOW, 3, MOVE_PASSES, "the TLS handshake broke off")              \
  ROW(TLS, HF_TLS_CLIENT_CERTIFICATE, "tls_client_certificate", SLOW, SLOW, 0, PLAIN,                                  \
      "the server does not accept the client's certificate")                                                           \
  ROW(TLS, HF_TLS_FILE, "tls_file", SLOW, SLOW, 0, PLAIN, "a CA, certificate or key file cannot be read")              \
  ROW(TLS, HF_TLS_VERSION, "tls_version", SLOW, SLOW, 0, MOVE, "the server speaks no TLS from version 1.2 on")          \
  ROW(TLS, HF_TLS_OTHER_KEY, "tls_pin", SLOW, SLOW, 0, MOVE, "the server's key is none of those in tls.pin")           \
  ROW(TLS, HF_TLS_REVOKED, "tls_revoked", SLOW, SLOW, 0, MOVE, "the server's certificate has been revoked")            \
  ROW(TLS, HF_TLS_CRL, "tls_crl", SLOW, SLOW, 0, MOVE,                                                                 \
      "tls.crl says nothing of the server's certificate, or the clock is wrong")                                       \
  ROW(TLS, HF_TLS_OCSP, "tls_ocsp", SLOW, SLOW, 0, MOVE,                                                               \
      "the server does not prove that its certificate is not revoked")                                                 \
  ROW(TLS, HF_TLS_TOKEN, "tls_token", SLOW, SLOW, 0, PLAIN, "the token of tls.key does not give its key")               \
  ROW(TLS, HF_TLS_TOKEN_LOGIN, "tls_token_login", STOP, STOP, 0, PLAIN,                                                \
      "the token of tls.key does not accept the PIN, and would lock itself")                                           \
  OTHERS(TLS, 0, "unknown_tls", SLOW, SLOW, 0, PLAIN, "TLS failed in an unknown way")                                  \
                                                                                                                       \
  ROW(PROXY, HF_PROXY_HANDSHAKE, "proxy_handshake", SLOW, SLOW, 0, MOVE, "what the proxy answers is none of its kind") \
  ROW(PROXY, HF_PROXY_CLOSED, "proxy_closed", RETRY, SLOW, 3, MOVE_PASSES,                                             \
      "the proxy closed the connection instead of an answer")                                                          \
  ROW(PROXY, 300, "proxy_3xx", SLOW, SLOW, 0, MOVE, "the proxy sends its clients elsewhere")                           \
  ROW(PROXY, 400, "proxy_4xx", SLOW, SLOW, 0, MOVE, "the proxy refuses a way to the server")                           \
  ROW(PROXY, 401, "proxy_401", SLOW, SLOW, 0, FRESH, "the proxy wants other credentials")                              \
  ROW(PROXY, 403, "proxy_403", SLOW, SLOW, 0, MOVE, "the proxy does not allow a way to the server")                    \
  ROW(PROXY, 407, "proxy_407", SLOW, SLOW, 0, FRESH, "the proxy wants other credentials")                              \
  ROW(PROXY, 429, "proxy_429", SLOW, SLOW, 0, MOVE, "the proxy has too many requests of this client's")                \
  ROW(PROXY, 500, "proxy_5xx", RETRY, RETRY, 0, MOVE, "the proxy fails, or finds no way to the server")                \
  OTHERS(PROXY, 0, "unknown_proxy", SLOW, SLOW, 0, MOVE, "the proxy does not open a way to the server")                \
                                                                                                                       \
  ROW(SOCKS, HF_SOCKS_FAILURE, "socks_failure", RETRY, RETRY, 0, MOVE, "the proxy failed and does not say why")        \
  ROW(SOCKS, HF_SOCKS_NOT_ALLOWED, "socks_not_allowed", SLOW, SLOW, 0, MOVE,                                           \
      "the proxy does not allow a way to the server")                                                                  \
  ROW(SOCKS, HF_SOCKS_NETWORK_UNREACHABLE, "socks_network_unreachable", RETRY, RETRY, 0, MOVE,                         \
      "the proxy has no way to the server's network")                                                                  \
  ROW(SOCKS, HF_SOCKS_HOST_UNREACHABLE, "socks_host_unreachable", RETRY, RETRY, 0, MOVE,                               \
      "the proxy has no way to the server")                                                                            \
  ROW(SOCKS, HF_SOCKS_REFUSED, "socks_connection_refused", RETRY, RETRY, 0, MOVE,                                      \
      "the server refused the proxy's connection")                                                                     \
  ROW(SOCKS, HF_SOCKS_TTL_EXPIRED, "socks_ttl_expired", RETRY, RETRY, 0, MOVE,                                         \
      "the server did not answer the proxy in time")                                                                   \
  ROW(SOCKS, HF_SOCKS_COMMAND, "socks_command_not_supported", SLOW, SLOW, 0, MOVE,                                     \
      "the proxy opens no way to anywhere")                                                                            \
  ROW(SOCKS, HF_SOCKS_ADDRESS_TYPE, "socks_address_not_supported", SLOW, SLOW, 0, MOVE,                                \
      "the proxy does not know this kind of address")                                                                  \
  ROW(SOCKS, HF_SOCKS_AUTHENTICATION, "socks_authentication", SLOW, SLOW, 0, FRESH,                                    \
      "the proxy wants other credentials")                                                                             \
  OTHERS(SOCKS, 0, "unknown_socks", SLOW, SLOW, 0, MOVE, "the proxy answered with an unknown code")                    \
                                                                                                                       \
  ROW(HTTP, 200, "http_2xx", SLOW, SLOW, 0, MOVE, "the server answers as if it were asked for a page")                 \
  ROW(HTTP, 300, "http_3xx", SLOW, SLOW, 0, MOVE,                                                                      \
      "the server sends its clients elsewhere, and there is no `redirect` that allows it")                             \
  ROW(HTTP, 400, "http_4xx", SLOW, SLOW, 0, MOVE, "the server refuses the handshake of a WebSocket")                   \
  ROW(HTTP, 401, "http_401", SLOW, SLOW, 0, FRESH, "the server wants other credentials")                               \
  ROW(HTTP, 403, "http_403", SLOW, SLOW, 0, FRESH, "the server does not let this client in")                           \
  ROW(HTTP, 404, "http_404", SLOW, SLOW, 0, MOVE, "there is nothing at the server's path")                             \
  ROW(HTTP, 429, "http_429", SLOW, SLOW, 0, MOVE, "the server has too many requests of this client's")                 \
  ROW(HTTP, 500, "http_5xx", RETRY, RETRY, 0, MOVE, "the server, or what stands in front of it, fails")                \
  OTHERS(HTTP, 100, "unknown_http", SLOW, SLOW, 0, MOVE, "the server does not take up the WebSocket")               \
                                                                                                                       \
  ROW(WEBSOCKET, HF_WEBSOCKET_HANDSHAKE, "websocket_handshake", SLOW, SLOW, 0, MOVE,                                   \
      "the server's answer is none to the handshake of a WebSocket")                                                   \
  ROW(WEBSOCKET, HF_WEBSOCKET_SUBPROTOCOL, "websocket_subprotocol", SLOW, SLOW, 0, MOVE,                               \
      "the server speaks WebSocket, but not MQTT over it")                                                             \
  ROW(WEBSOCKET, HF_WEBSOCKET_VIOLATION, "websocket_violation", SLOW, SLOW, 0, PLAIN,                                  \
      "the server broke the protocol of WebSockets")                                                                   \
  ROW(WEBSOCKET, HF_WEBSOCKET_GOING_AWAY, "websocket_going_away", RETRY, RETRY, 0, MOVE_WIDE,                          \
      "the server is going away")                                                                                      \
  ROW(WEBSOCKET, HF_WEBSOCKET_POLICY, "websocket_policy_violation", SLOW, SLOW, 0, FRESH,                              \
      "the server's policy forbids it")                                                                                \
  ROW(WEBSOCKET, HF_WEBSOCKET_RESTART, "websocket_service_restart", RETRY, RETRY, 0, MOVE_WIDE, "the server restarts") \
  ROW(WEBSOCKET, HF_WEBSOCKET_TRY_LATER, "websocket_try_again_later", SLOW, SLOW, 0, MOVE, "the server is overloaded") \
  OTHERS(WEBSOCKET, 0, "websocket_closed", RETRY, RETRY, 0, MOVE, "the server closed the WebSocket")                   \
                                                                                                                       \
  ROW(QUIC, HF_QUIC_REFUSED, "quic_refused", RETRY, RETRY, 0, MOVE, "the server refused the connection over QUIC")      \
  ROW(QUIC, HF_QUIC_VERSION, "quic_version", SLOW, SLOW, 0, MOVE, "the server speaks no version of QUIC that is known") \
  ROW(QUIC, HF_QUIC_IDLE_TIMEOUT, "quic_idle_timeout", RETRY, RETRY, 0, MOVE,                                          \
      "nothing came over QUIC for longer than its idle timeout")                                                       \
  ROW(QUIC, HF_QUIC_BLOCKED, "quic_blocked", RETRY, RETRY, 0, MOVE,                                                    \
      "nothing came back by UDP: the server is not there, or something between does not let it through")               \
  ROW(QUIC, HF_QUIC_MISSING, "quic_missing", SLOW, SLOW, 0, MOVE,                                                      \
      "QUIC is in a module of its own, holdfast.quic of the package holdfast-quic, which is not loaded")               \
  ROW(QUIC, HF_QUIC_FAILED, "quic_failed", RETRY, SLOW, 3, MOVE, "the connection over QUIC failed")                    \
  OTHERS(QUIC, 0, "quic_closed", RETRY, RETRY, 0, MOVE, "the server closed the connection over QUIC")                  \
                                                                                                                       \
  ROW(CLIENT, HF_CLIENT_CONNECT_TIMEOUT, "connect_timeout", RETRY, RETRY, 0, MOVE,                                     \
      "the attempt took longer than connect_timeout")                                                                  \
  ROW(CLIENT, HF_CLIENT_CREDENTIALS_TIMEOUT, "credentials_timeout", SLOW, SLOW, 0, FRESH,                              \
      "a function asked before the attempt (credentials, headers ...) took longer than connect_timeout")               \
  ROW(CLIENT, HF_CLIENT_CREDENTIALS_FAILED, "credentials_failed", SLOW, SLOW, 0, FRESH,                                \
      "a function asked before the attempt (credentials, headers, server ...) failed")                                 \
  ROW(CLIENT, HF_CLIENT_SLOW_CONSUMER, "slow_consumer", RETRY, RETRY, 0, PLAIN,                                        \
      "messages came faster than they were handled")                                                                   \
  ROW(CLIENT, HF_CLIENT_SESSION_MISMATCH, "session_mismatch", RETRY, RETRY, 0, PLAIN,                                  \
      "the broker kept a session although a clean start was asked for")                                                \
  ROW(CLIENT, HF_CLIENT_MAX_ATTEMPTS, "max_attempts", STOP, STOP, 0, PLAIN, "max_attempts attempts have failed")       \
  ROW(CLIENT, HF_CLIENT_BACKOFF_STOPPED, "backoff_stopped", STOP, STOP, 0, PLAIN,                                      \
      "the backoff asks for no further attempt")                                                                       \
  ROW(CLIENT, HF_CLIENT_CLOSED, "closed", STOP, STOP, 0, PLAIN, "the client has been closed")                          \
  ROW(CLIENT, HF_CLIENT_COLLECTED, "collected", STOP, STOP, 0, PLAIN,                                                  \
      "the client has been collected as garbage, or its Lua state has ended")                                          \
  ROW(CLIENT, HF_CLIENT_RECONNECT, "reconnect", RETRY, RETRY, 0, PLAIN, "a new connection was asked for")              \
  ROW(CLIENT, HF_CLIENT_PROBE_TIMEOUT, "probe_timeout", RETRY, RETRY, 0, PLAIN,                                        \
      "the network has changed and the broker did not answer a probe")                                                 \
  ROW(CLIENT, HF_CLIENT_SUBSCRIBE_TIMEOUT, "subscribe_timeout", RETRY, RETRY, 0, PLAIN,                                \
      "the broker did not answer a subscription in time")                                                              \
  ROW(CLIENT, HF_CLIENT_OUT_OF_MEMORY, "out_of_memory", RETRY, RETRY, 0, PLAIN, "memory is short")                     \
  ROW(CLIENT, HF_CLIENT_DOWNGRADED, "downgraded", RETRY, RETRY, 0, PLAIN,                                              \
      "the broker refused MQTT 5; the next attempt speaks 3.1.1")                                                      \
  ROW(CLIENT, HF_CLIENT_UPGRADED, "upgraded", RETRY, RETRY, 0, PLAIN,                                                  \
      "the broker refused MQTT 3.1.1; the next attempt speaks 5")                                                      \
  ROW(CLIENT, HF_CLIENT_PROTOCOL_ERROR, "protocol_error", SLOW, SLOW, 0, PLAIN, "the broker broke the protocol")       \
  ROW(CLIENT, HF_CLIENT_MALFORMED_PACKET, "malformed_packet", SLOW, SLOW, 0, PLAIN,                                    \
      "the broker sent what is no packet of MQTT")                                                                     \
  ROW(CLIENT, HF_CLIENT_PACKET_TOO_LARGE, "packet_too_large", SLOW, SLOW, 0, PLAIN,                                    \
      "the broker sent a packet that is larger than it was told to send")                                              \
  ROW(CLIENT, HF_CLIENT_AUTH_SERVER, "auth_server", SLOW, SLOW, 0, FRESH,                                              \
      "the broker has not proven that it knows the secret")                                                            \
  ROW(CLIENT, HF_CLIENT_CHANNEL_BINDING, "channel_binding", SLOW, SLOW, 0, MOVE,                                       \
      "the method wants TLS 1.3, or 1.2 with the extended master secret, to bind itself to")                           \
  OTHERS(CLIENT, 0, "unknown_client", RETRY, RETRY, 0, PLAIN, "the client ended the connection for an unknown reason")
// clang-format on

#endif
