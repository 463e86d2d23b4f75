#include "mqtt/inside.h"

/* The fixed header (MQTT 5 section 2.1), and what can be told of a packet before the rest of it has come. */

/* Of a type that no broker sends. */
static bool refuse_type(hf_packet_type type, hf_violation *violation) {
  switch (type) {
  case HF_PACKET_CONNECT:
    return hf_violate(violation, HF_PROTOCOL_ERROR, "CONNECT from a broker");
  case HF_PACKET_SUBSCRIBE:
    return hf_violate(violation, HF_PROTOCOL_ERROR, "SUBSCRIBE from a broker");
  case HF_PACKET_UNSUBSCRIBE:
    return hf_violate(violation, HF_PROTOCOL_ERROR, "UNSUBSCRIBE from a broker");
  case HF_PACKET_PINGREQ:
    return hf_violate(violation, HF_PROTOCOL_ERROR, "PINGREQ from a broker");
  case HF_PACKET_DISCONNECT:
    return hf_violate(violation, HF_PROTOCOL_ERROR, "DISCONNECT from a broker of MQTT 3.1.1");
  case HF_PACKET_AUTH:
    return hf_violate(violation, HF_MALFORMED, "AUTH in MQTT 3.1.1");
  case HF_PACKET_CONNACK:
  case HF_PACKET_PUBLISH:
  case HF_PACKET_PUBACK:
  case HF_PACKET_PUBREC:
  case HF_PACKET_PUBREL:
  case HF_PACKET_PUBCOMP:
  case HF_PACKET_SUBACK:
  case HF_PACKET_UNSUBACK:
  case HF_PACKET_PINGRESP:
    break;
  }
  return hf_violate(violation, HF_MALFORMED, "packet of the reserved type 0");
}

static bool type_is_fine(hf_packet_type type, uint8_t protocol) {
  switch (type) {
  case HF_PACKET_CONNACK:
  case HF_PACKET_PUBLISH:
  case HF_PACKET_PUBACK:
  case HF_PACKET_PUBREC:
  case HF_PACKET_PUBREL:
  case HF_PACKET_PUBCOMP:
  case HF_PACKET_SUBACK:
  case HF_PACKET_UNSUBACK:
  case HF_PACKET_PINGRESP:
    return true;
  case HF_PACKET_DISCONNECT:
  case HF_PACKET_AUTH:
    return protocol == 5;
  case HF_PACKET_CONNECT:
  case HF_PACKET_SUBSCRIBE:
  case HF_PACKET_UNSUBSCRIBE:
  case HF_PACKET_PINGREQ:
    break;
  }
  return false;
}

static bool read_flags(uint8_t flags, hf_packet *packet, hf_violation *violation) {
  if (packet->type != HF_PACKET_PUBLISH)
    return flags == (packet->type == HF_PACKET_PUBREL ? 2 : 0) ||
           hf_violate(violation, HF_MALFORMED, hf_text_of_packet(packet->type, HF_PACKET_BAD_FLAGS));
  packet->duplicate = flags & 8;
  packet->qos = flags >> 1 & 3;
  packet->retain = flags & 1;
  if (packet->qos == 3) return hf_violate(violation, HF_MALFORMED, "PUBLISH with QoS 3");
  if (packet->duplicate && packet->qos == 0) return hf_violate(violation, HF_MALFORMED, "PUBLISH with QoS 0 and DUP");
  return true;
}

/* The text of a Remaining Length that a packet of this type cannot have, or NULL. The rest of it need not come then. */
static const char *length_problem(hf_packet_type type, uint8_t protocol, size_t rest) {
  switch (type) {
  case HF_PACKET_PINGRESP:
    return rest > 0 ? hf_text_of_packet(type, HF_PACKET_TOO_LONG) : NULL;
  case HF_PACKET_PUBACK:
  case HF_PACKET_PUBREC:
  case HF_PACKET_PUBREL:
  case HF_PACKET_PUBCOMP:
  case HF_PACKET_UNSUBACK:
    return protocol == 4 && rest > 2 ? hf_text_of_packet(type, HF_PACKET_TOO_LONG) : NULL;
  case HF_PACKET_CONNECT:
  case HF_PACKET_CONNACK:
  case HF_PACKET_PUBLISH:
  case HF_PACKET_SUBSCRIBE:
  case HF_PACKET_SUBACK:
  case HF_PACKET_UNSUBSCRIBE:
  case HF_PACKET_PINGREQ:
  case HF_PACKET_DISCONNECT:
  case HF_PACKET_AUTH:
    break;
  }
  return NULL;
}

static const hf_packet_properties absent = {
    .receive_maximum = 65535,
    .maximum_qos = 2,
    .retain_available = true,
    .wildcard_available = true,
    .identifiers_available = true,
    .shared_available = true,
};

hf_read hf_packet_read(const hf_packet_rules *rules, hf_bytes bytes, hf_packet *packet, hf_violation *violation) {
  const uint8_t *at = (const uint8_t *)bytes.data;
  packet->length = 0;
  if (bytes.length == 0) return HF_READ_MORE;
  packet->type = (hf_packet_type)(at[0] >> 4);
  packet->qos = packet->code = 0;
  packet->duplicate = packet->retain = packet->session_present = false;
  packet->packet_id = 0;
  if (!type_is_fine(packet->type, rules->protocol)) {
    refuse_type(packet->type, violation);
    return HF_READ_VIOLATION;
  }
  if (!read_flags(at[0] & 15, packet, violation)) return HF_READ_VIOLATION;

  size_t header = 1, rest = 0;
  uint8_t byte;
  /*@ loop invariant 1 <= header <= 5 && header <= bytes.length;
      loop assigns header, rest, byte, *violation; loop variant 5 - header; */
  do {
    if (header == 5) { /* a fourth byte that says there is a fifth */
      hf_violate(violation, HF_MALFORMED, hf_text_of_packet(packet->type, HF_PACKET_BAD_LENGTH));
      return HF_READ_VIOLATION;
    }
    if (header == bytes.length) return HF_READ_MORE;
    byte = at[header];
    rest |= (size_t)(byte & 0x7F) << 7 * (header - 1);
    header++;
  } while (byte & 0x80);
  /* MQTT 3.1.1 does not ask for the shortest form, [MQTT-1.5.5-1] does. */
  if (byte == 0 && header > 2 && rules->protocol == 5) {
    hf_violate(violation, HF_MALFORMED, hf_text_of_packet(packet->type, HF_PACKET_BAD_LENGTH));
    return HF_READ_VIOLATION;
  }
  if (rules->maximum_packet_size > 0 && header + rest > rules->maximum_packet_size) {
    hf_violate(violation, HF_PACKET_TOO_LARGE, hf_text_of_packet(packet->type, HF_PACKET_OVERSIZE));
    return HF_READ_VIOLATION;
  }
  const char *problem = length_problem(packet->type, rules->protocol, rest);
  if (problem) {
    hf_violate(violation, HF_MALFORMED, problem);
    return HF_READ_VIOLATION;
  }
  packet->length = header + rest;
  if (bytes.length - header < rest) return HF_READ_MORE;
  /*@ assert header + rest <= bytes.length; */

  hf_cursor from = {at + header, rest};
  packet->topic = packet->payload = packet->codes = (hf_bytes){NULL, 0};
  packet->properties = absent;
  return hf_packet_read_body(rules, &from, packet, violation) ? HF_READ_PACKET : HF_READ_VIOLATION;
}
