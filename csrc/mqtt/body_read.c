#include "mqtt/inside.h"

#include "core/topic.h"

/* Everything after the fixed header, packet by packet: MQTT 5 sections 3.2 to 3.15, MQTT 3.1.1 the same. */

typedef struct body {
  const hf_packet_rules *rules;
  hf_cursor *from;
  hf_packet *packet;
  hf_violation *violation;
} body;

static bool violates(const body *b, uint8_t code, const char *text) {
  return hf_violate(b->violation, code, text);
}

static bool has_problem(const body *b, uint8_t code, hf_packet_problem problem) {
  return hf_violate(b->violation, code, hf_text_of_packet(b->packet->type, problem));
}

static bool read_properties(const body *b) {
  return hf_packet_read_properties(b->packet->type, b->from, &b->packet->properties, b->violation);
}

static bool read_packet_id(const body *b) {
  if (!hf_take_two(b->from, &b->packet->packet_id)) return has_problem(b, HF_MALFORMED, HF_PACKET_CUT_SHORT);
  return b->packet->packet_id != 0 || has_problem(b, HF_PROTOCOL_ERROR, HF_PACKET_ID_ZERO);
}

static bool ends(const body *b) {
  return b->from->left == 0 || has_problem(b, HF_MALFORMED, HF_PACKET_TOO_LONG);
}

/* Codes are passed on whatever they are: the connection is over with any but 0, and the reason table has a name for
 * what nobody has assigned, too.
 *
 * A broker that speaks one protocol refuses the other in its own: one of 3.1.1 answers a CONNECT of MQTT 5 in two
 * bytes without properties (its section 3.1.2.2), one of MQTT 5 a CONNECT of 3.1.1 with properties (its section
 * 3.1.2.2). So a refusal is read in both forms. */
static bool read_connack(const body *b) {
  uint8_t flags;
  if (!hf_take_one(b->from, &flags) || !hf_take_one(b->from, &b->packet->code))
    return has_problem(b, HF_MALFORMED, HF_PACKET_CUT_SHORT);
  if (flags > 1) return violates(b, HF_MALFORMED, "CONNACK with reserved flags set");
  b->packet->session_present = flags;
  if (flags && b->packet->code) /* [MQTT-3.2.2-6] */
    return violates(b, HF_PROTOCOL_ERROR, "CONNACK with Session Present and a refusal");
  if (b->from->left == 0 && (b->rules->protocol == 4 || b->packet->code)) return true;
  if (b->rules->protocol == 4 && !b->packet->code) return ends(b);
  return read_properties(b) && ends(b);
}

static bool read_topic(const body *b) {
  hf_bytes *topic = &b->packet->topic;
  if (!hf_take_text(b->from, topic)) return violates(b, HF_MALFORMED, "PUBLISH that ends before its Topic Name does");
  if (hf_utf8_malformed(*topic))
    return violates(b, HF_MALFORMED, "PUBLISH with a Topic Name that is not UTF-8, or has U+0000");
  if (hf_topic_has_wildcard(*topic)) return violates(b, HF_PROTOCOL_ERROR, "PUBLISH with a wildcard in its Topic Name");
  return true;
}

static bool read_publish(const body *b) {
  hf_packet *packet = b->packet;
  if (!read_topic(b)) return false;
  if (packet->qos > 0 && !read_packet_id(b)) return false;
  if (b->rules->protocol == 5 && !read_properties(b)) return false;
  if (packet->topic.length == 0 && !packet->properties.has_topic_alias)
    return violates(b, HF_PROTOCOL_ERROR,
                    b->rules->protocol == 5 ? "PUBLISH with neither a Topic Name nor a Topic Alias"
                                            : "PUBLISH with an empty Topic Name");
  return hf_take_bytes(b->from, b->from->left, &packet->payload);
}

/* Those of MQTT 5 sections 3.4.2.1, 3.5.2.1, 3.6.2.1, 3.7.2.1 and, from a broker, 3.15.2.1. */
static bool code_is_known(hf_packet_type type, uint8_t code) {
  switch (type) {
  case HF_PACKET_PUBACK:
  case HF_PACKET_PUBREC:
    return code == 0x00 || code == 0x10 || code == 0x80 || code == 0x83 || code == 0x87 || code == 0x90 ||
           code == 0x91 || code == 0x97 || code == 0x99;
  case HF_PACKET_PUBREL:
  case HF_PACKET_PUBCOMP:
    return code == 0x00 || code == 0x92;
  case HF_PACKET_AUTH:
    return code == 0x00 || code == 0x18;
  case HF_PACKET_CONNECT:
  case HF_PACKET_CONNACK:
  case HF_PACKET_PUBLISH:
  case HF_PACKET_SUBSCRIBE:
  case HF_PACKET_SUBACK:
  case HF_PACKET_UNSUBSCRIBE:
  case HF_PACKET_UNSUBACK:
  case HF_PACKET_PINGREQ:
  case HF_PACKET_PINGRESP:
  case HF_PACKET_DISCONNECT:
    break;
  }
  return true;
}

static bool read_code(const body *b) {
  if (!hf_take_one(b->from, &b->packet->code)) return has_problem(b, HF_MALFORMED, HF_PACKET_CUT_SHORT);
  return code_is_known(b->packet->type, b->packet->code) || has_problem(b, HF_PROTOCOL_ERROR, HF_PACKET_BAD_CODE);
}

/* Code and properties may be left out, the second without the first. */
static bool read_acknowledgement(const body *b) {
  if (!read_packet_id(b)) return false;
  if (b->from->left == 0) return true;
  if (!read_code(b)) return false;
  return b->from->left == 0 || (read_properties(b) && ends(b));
}

/* Codes that nobody has assigned are passed on, against [MQTT-3.9.3-2]: one filter is refused then, and no connection
 * ends that all others live on. */
static bool read_verdicts(const body *b) {
  if (!read_packet_id(b)) return false;
  if (b->rules->protocol == 5 && !read_properties(b)) return false;
  if (b->packet->type == HF_PACKET_UNSUBACK && b->rules->protocol == 4) return ends(b);
  if (b->from->left == 0)
    return violates(b, HF_PROTOCOL_ERROR,
                    b->packet->type == HF_PACKET_SUBACK ? "SUBACK without a Reason Code"
                                                        : "UNSUBACK without a Reason Code");
  return hf_take_bytes(b->from, b->from->left, &b->packet->codes);
}

/* The code is passed on whatever it is, as that of CONNACK. */
static bool read_disconnect(const body *b) {
  if (b->from->left == 0) return true;
  if (!read_code(b)) return false;
  return b->from->left == 0 || (read_properties(b) && ends(b));
}

/* Section 3.15.2.1 lets a success without properties be empty, although section 3.15.2.2.2 wants the method in each. */
static bool read_auth(const body *b) {
  if (b->from->left == 0) return true;
  if (!read_code(b) || !read_properties(b) || !ends(b)) return false;
  return b->packet->properties.authentication_method.data ||
         violates(b, HF_PROTOCOL_ERROR, "AUTH without an Authentication Method");
}

bool hf_packet_read_body(const hf_packet_rules *rules, hf_cursor *from, hf_packet *packet, hf_violation *violation) {
  const body b = {rules, from, packet, violation};
  switch (packet->type) {
  case HF_PACKET_CONNACK:
    return read_connack(&b);
  case HF_PACKET_PUBLISH:
    return read_publish(&b);
  case HF_PACKET_PUBACK:
  case HF_PACKET_PUBREC:
  case HF_PACKET_PUBREL:
  case HF_PACKET_PUBCOMP:
    return read_acknowledgement(&b);
  case HF_PACKET_SUBACK:
  case HF_PACKET_UNSUBACK:
    return read_verdicts(&b);
  case HF_PACKET_DISCONNECT:
    return read_disconnect(&b);
  case HF_PACKET_AUTH:
    return read_auth(&b);
  case HF_PACKET_PINGRESP:
  case HF_PACKET_CONNECT:
  case HF_PACKET_SUBSCRIBE:
  case HF_PACKET_UNSUBSCRIBE:
  case HF_PACKET_PINGREQ: /* these are refused before */
    break;
  }
  return ends(&b);
}
