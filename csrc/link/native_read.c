#include <stdlib.h>
#include <string.h>

#include "link/native_link.h"

enum {
  READ = 64 * 1024,
  PARTIAL_AT_FIRST = 1024,
  TLS_ALERT = 21 /* begins a record that is one: RFC 8446 section 5.1 */
};

static uint8_t buffer[READ]; /* of the loop's thread: what a client owns is an unfinished packet alone */

/* ---- CONNACK ---- */

/* A broker that knows 3.1.1 only refuses MQTT 5 in the words of that version (MQTT 3.1.1 section 3.1.2.2). */
static hf_source source_of(const hf_link *link, uint8_t code) {
  return link->protocol == 5 && code >= 0x80 ? HF_SOURCE_CONNACK : HF_SOURCE_CONNACK_V3;
}

static void refused(hf_link *link, const hf_packet *packet) {
  const hf_packet_properties *properties = &packet->properties;
  char *text = link->protocol == 5 ? hf_native_text(properties->reason_string) : NULL;
  hf_native_end(link, (hf_native_ending){.kind = HF_LINK_FAILED,
                                         .source = source_of(link, packet->code),
                                         .code = packet->code,
                                         .phase = HF_PHASE_CONNACK,
                                         .text = text,
                                         .server_reference =
                                             link->protocol == 5 ? properties->server_reference : (hf_bytes){NULL, 0}});
  free(text);
}

static hf_link_connected *describe(const hf_link *link, const hf_packet *packet) {
  hf_link_connected *connected = calloc(1, sizeof *connected);
  if (!connected) return NULL;
  connected->session_present = packet->session_present;
  connected->session_expiry = link->session_expiry;
  connected->keep_alive = link->keep_alive;
  connected->receive_maximum = UINT16_MAX;
  connected->maximum_qos = 2;
  connected->retain_available = connected->wildcard_available = connected->shared_available = true;
  if (link->protocol < 5) return connected;
  const hf_packet_properties *properties = &packet->properties;
  connected->identifiers_available = properties->identifiers_available;
  connected->retain_available = properties->retain_available;
  connected->wildcard_available = properties->wildcard_available;
  connected->shared_available = properties->shared_available;
  connected->maximum_qos = properties->maximum_qos;
  connected->receive_maximum = properties->receive_maximum;
  connected->maximum_packet_size = properties->maximum_packet_size;
  if (properties->has_server_keep_alive) connected->keep_alive = properties->server_keep_alive;
  if (properties->has_session_expiry) connected->session_expiry = properties->session_expiry;
  if (properties->assigned_client_id.data) {
    connected->assigned_client_id = strndup(properties->assigned_client_id.data, properties->assigned_client_id.length);
    if (!connected->assigned_client_id) { /* without it nobody would find the session again */
      free(connected);
      return NULL;
    }
  }
  connected->response_information = hf_native_text(properties->response_information);
  connected->properties = hf_packet_application_properties(packet);
  connected->rival = hf_native_rival(link);
  return connected;
}

/* [MQTT-3.2.2-4] */
static void mismatched(hf_link *link) {
  hf_native_say_why(link, 0x82, "a session, though a clean start was asked for");
  hf_native_end(link, (hf_native_ending){.kind = HF_LINK_FAILED,
                                         .source = HF_SOURCE_CLIENT,
                                         .code = HF_CLIENT_SESSION_MISMATCH,
                                         .phase = HF_PHASE_CONNACK});
}

static void connack(hf_link *link, const hf_packet *packet) {
  hf_native_inspect_connack(link, packet);
  if (packet->code != 0) {
    refused(link, packet);
    return;
  }
  if (link->clean && packet->session_present) {
    mismatched(link);
    return;
  }
  if (!hf_native_auth_accepted(link, packet)) return;
  hf_link_connected *connected = describe(link, packet);
  if (!connected) {
    link->starved = true;
    return;
  }
  bool other = link->store && hf_store_protocol(link->store) != link->protocol;
  if (!packet->session_present)
    hf_native_session_gone(link);
  else if (other)
    hf_store_begin_session(link->store, link->protocol);
  link->session_expiry = connected->session_expiry;
  link->keep_alive = connected->keep_alive;
  link->state = HF_NATIVE_UP;
  link->connection++;
  link->forgetting = link->renewing = false;
  link->renew_below = UINT32_MAX;
  link->renew_at = HF_NATIVE_NEVER;
  link->aliases_most = link->protocol == 5 ? packet->properties.topic_alias_maximum : 0;
  hf_native_alive_connected(link);
  hf_native_tell(link, &connected->mail, HF_LINK_CONNECTED);
  hf_native_resumed(link);
}

/* ---- what packets mean ---- */

static void broker_left(hf_link *link, const hf_packet *packet) {
  bool up = link->state != HF_NATIVE_GREETING;
  char *text = hf_native_text(packet->properties.reason_string);
  hf_native_end(link, (hf_native_ending){.kind = up ? HF_LINK_DOWN : HF_LINK_FAILED,
                                         .source = HF_SOURCE_DISCONNECT,
                                         .code = packet->code,
                                         .phase = up ? HF_PHASE_UP : HF_PHASE_CONNACK,
                                         .text = text,
                                         .server_reference = packet->properties.server_reference});
  free(text);
}

static void handle(hf_link *link, const hf_packet *packet, size_t behind) {
  hf_packet_type type = packet->type;
  bool greeting = link->state == HF_NATIVE_GREETING;
  if (greeting && type != HF_PACKET_CONNACK && type != HF_PACKET_DISCONNECT && type != HF_PACKET_AUTH) {
    hf_native_violated(link, 0x82,
                       type == HF_PACKET_PUBLISH ? "PUBLISH before CONNACK" : "another packet before CONNACK");
    return;
  }
  switch (type) {
  case HF_PACKET_CONNACK:
    if (greeting)
      connack(link, packet);
    else
      hf_native_violated(link, 0x82, "a second CONNACK");
    break;
  case HF_PACKET_DISCONNECT:
    broker_left(link, packet);
    break;
  case HF_PACKET_AUTH:
    hf_native_auth_packet(link, packet);
    break;
  case HF_PACKET_PUBLISH:
    hf_native_message(link, packet, behind);
    break;
  case HF_PACKET_PUBREL:
    hf_native_released(link, packet->packet_id);
    break;
  case HF_PACKET_PUBACK:
  case HF_PACKET_PUBREC:
  case HF_PACKET_PUBCOMP:
    hf_native_answered(link, packet);
    break;
  case HF_PACKET_SUBACK:
  case HF_PACKET_UNSUBACK:
    hf_native_request_answered(link, packet);
    break;
  case HF_PACKET_PINGRESP:
    hf_native_pinged(link);
    break;
  case HF_PACKET_CONNECT:
  case HF_PACKET_SUBSCRIBE:
  case HF_PACKET_UNSUBSCRIBE:
  case HF_PACKET_PINGREQ: /* refused by the codec */
    break;
  }
}

/* ---- bytes ---- */

static bool reads(const hf_link *link) {
  return link->stream && !link->starved && link->state >= HF_NATIVE_GREETING && link->state <= HF_NATIVE_LEAVING;
}

/* "HTTP/1.1 302 Found" begins as a PUBACK would with flags that it never has. Whoever is behind a captive portal is not
 * to wait longer than for a server that is away: it goes as soon as somebody has agreed to something. */
static void unreadable(hf_link *link, const uint8_t *bytes, const hf_violation *violation) {
  bool greeting = link->state == HF_NATIVE_GREETING;
  if (!greeting || bytes[0] != 'H') {
    bool is_alert = greeting && bytes[0] == TLS_ALERT;
    hf_native_violated(link, violation->code, is_alert ? "who answered speaks TLS, as it seems" : violation->text);
    return;
  }
  hf_native_end(link, (hf_native_ending){.kind = HF_LINK_FAILED,
                                         .source = HF_SOURCE_NETWORK,
                                         .code = HF_NETWORK_CLOSED_BEFORE_CONNACK,
                                         .phase = HF_PHASE_CONNACK,
                                         .text = "who answered speaks HTTP: no broker, but maybe a captive portal"});
}

static hf_read look(hf_link *link, const uint8_t *bytes, size_t length, hf_packet *packet) {
  const hf_packet_rules rules = {.maximum_packet_size = link->maximum_packet_size, .protocol = link->protocol};
  hf_violation violation;
  hf_read read = hf_packet_read(&rules, (hf_bytes){(const char *)bytes, length}, packet, &violation);
  if (read == HF_READ_PACKET) {
    hf_native_trace_read(link, packet);
    handle(link, packet, length - packet->length);
  }
  if (read == HF_READ_VIOLATION) unreadable(link, bytes, &violation);
  return read;
}

void hf_native_drop_partial(hf_link *link) {
  free(link->partial);
  link->partial = NULL;
  link->partial_length = link->partial_room = link->partial_whole = 0;
}

/* It grows as bytes come, never by the length that a peer announces. */
static bool keep(hf_link *link, const uint8_t *bytes, size_t length) {
  size_t needed = link->partial_length + length;
  if (needed > link->partial_room) {
    size_t room = link->partial_room ? link->partial_room * 2 : PARTIAL_AT_FIRST;
    while (room < needed)
      room *= 2;
    if (link->partial_whole > needed && link->partial_whole < room) room = link->partial_whole;
    uint8_t *larger = realloc(link->partial, room);
    if (!larger) {
      link->starved = true;
      return false;
    }
    link->partial = larger;
    link->partial_room = room;
  }
  memcpy(link->partial + link->partial_length, bytes, length);
  link->partial_length = needed;
  return true;
}

/* Fills the unfinished packet up; answers how many bytes that took. */
static size_t complete(hf_link *link, const uint8_t *bytes, size_t length) {
  size_t missing = link->partial_whole ? link->partial_whole - link->partial_length : 1;
  size_t taken = missing < length ? missing : length;
  hf_packet packet;
  if (!keep(link, bytes, taken)) return length;
  uint8_t *whole = link->partial;
  if (look(link, whole, link->partial_length, &packet) == HF_READ_MORE)
    link->partial_whole = packet.length;
  else if (link->partial == whole) /* else the connection has ended, and with it what it had */
    hf_native_drop_partial(link);
  return taken;
}

static void take(hf_link *link, const uint8_t *bytes, size_t length) {
  while (length > 0 && reads(link)) {
    size_t taken = length;
    hf_packet packet;
    if (link->partial_length > 0)
      taken = complete(link, bytes, length);
    else if (look(link, bytes, length, &packet) == HF_READ_PACKET)
      taken = packet.length;
    else if (reads(link) && keep(link, bytes, length))
      link->partial_whole = packet.length;
    bytes += taken;
    length -= taken;
  }
}

void hf_native_read(hf_link *link) {
  if (!reads(link)) return;
  hf_stream *stream = link->stream;
  if (link->stuck_at != HF_NATIVE_NEVER && stream->operations->state(stream) != HF_STREAM_ENDED) return;
  ptrdiff_t count = stream->operations->read(stream, buffer, READ);
  if (count < 0) {
    hf_native_stream_ended(link);
    return;
  }
  if (count == 0) return;
  link->alive.received_at = hf_native_loop->now;
  take(link, buffer, (size_t)count);
  hf_native_messages_over();
  if (link->starved) hf_native_flush_soon(link);
  if (link->stream != stream) return;
  bool more = stream->operations->pending(stream) || stream->operations->state(stream) == HF_STREAM_ENDED;
  if (more) hf_loop_later(hf_native_loop, &link->again);
}
