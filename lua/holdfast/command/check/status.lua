--- With which statuses `holdfast check` ends, besides those that all subcommands have.
-- @module holdfast.command.check.status
local status = {
  warned = 10,
  no_name = 11,
  no_way = 12,
  proxy = 13,
  tls = 14,
  websocket = 15,
  no_mqtt = 16,
  version = 17,
  not_let_in = 18,
  unavailable = 19,
  elsewhere = 20,
  no_message = 21,
  lost = 22,
}

--- What each is, in the order of their numbers.
status.words = {
  { 0, "all is well" },
  { 10, "all is well, with a warning: a certificate that ends soon or is not checked, a broker of MQTT 3.1.1 alone" },
  { 11, "the name is not found, or no name server answers" },
  { 12, "there is no way to the server: refused, unreachable, no answer" },
  { 13, "the proxy opens no way to the server" },
  { 14, "TLS: a certificate that is not to be trusted, ours that is not accepted, a handshake that breaks off" },
  { 15, "the WebSocket is not taken up" },
  { 16, "what answers does not speak MQTT, breaks it, or says nothing" },
  { 17, "the broker speaks another version of MQTT" },
  { 18, "the broker does not let this client in: user name, password, client id, rights" },
  { 19, "the broker is not available: busy, overloaded, going down, a quota" },
  { 20, "the broker sends its clients to another server" },
  { 21, "the message did not come back: a subscription or a message that is refused, or is silently dropped" },
  { 22, "the connection was lost before the message was back" },
}

return status
