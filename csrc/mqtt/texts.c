#include "mqtt/inside.h"

#include <string.h>

/* Texts are whole and static, so that whoever is told of a violation may keep them. */

#define OF_EACH(text)                                                                                                  \
  {                                                                                                                    \
    [HF_PACKET_CONNACK] = "CONNACK" text, [HF_PACKET_PUBLISH] = "PUBLISH" text, [HF_PACKET_PUBACK] = "PUBACK" text,    \
    [HF_PACKET_PUBREC] = "PUBREC" text, [HF_PACKET_PUBREL] = "PUBREL" text, [HF_PACKET_PUBCOMP] = "PUBCOMP" text,      \
    [HF_PACKET_SUBACK] = "SUBACK" text, [HF_PACKET_UNSUBACK] = "UNSUBACK" text,                                        \
    [HF_PACKET_PINGRESP] = "PINGRESP" text, [HF_PACKET_DISCONNECT] = "DISCONNECT" text, [HF_PACKET_AUTH] = "AUTH" text \
  }

static const char *const of_packet[HF_PACKET_PROBLEMS][HF_PACKET_AUTH + 1] = {
    [HF_PACKET_CUT_SHORT] = OF_EACH(" that ends too early"),
    [HF_PACKET_TOO_LONG] = OF_EACH(" with bytes after its end"),
    [HF_PACKET_BAD_FLAGS] = OF_EACH(" with flags that it may not have"),
    [HF_PACKET_BAD_LENGTH] = OF_EACH(" with a malformed Remaining Length"),
    [HF_PACKET_OVERSIZE] = OF_EACH(" larger than the Maximum Packet Size"),
    [HF_PACKET_BAD_PROPERTIES] = OF_EACH(" with a malformed Property Length"),
    [HF_PACKET_ID_ZERO] = OF_EACH(" with Packet Identifier 0"),
    [HF_PACKET_BAD_CODE] = OF_EACH(" with a Reason Code that it may not have"),
};

const char *hf_text_of_packet(hf_packet_type type, hf_packet_problem problem) {
  return of_packet[problem][type];
}

/* One after the other, each with its NUL: an array of pointers to them would be ten times as long when it is loaded. */
#define MISPLACED(packet, identifier, name, text, kind) packet " with " text ", which it may not have\0"
#define MISPLACED_IN(packet)                                                                                           \
  case HF_PACKET_##packet:                                                                                             \
    return #packet " with an unknown property\0" HF_PROPERTY_TABLE(MISPLACED, #packet)

static const char *misplaced_in(hf_packet_type type) {
  switch (type) {
    MISPLACED_IN(CONNACK);
    MISPLACED_IN(PUBLISH);
    MISPLACED_IN(PUBACK);
    MISPLACED_IN(PUBREC);
    MISPLACED_IN(PUBREL);
    MISPLACED_IN(PUBCOMP);
    MISPLACED_IN(SUBACK);
    MISPLACED_IN(UNSUBACK);
    MISPLACED_IN(DISCONNECT);
    MISPLACED_IN(AUTH);
  case HF_PACKET_CONNECT:
  case HF_PACKET_SUBSCRIBE:
  case HF_PACKET_UNSUBSCRIBE:
  case HF_PACKET_PINGREQ:
  case HF_PACKET_PINGRESP:
    break;
  }
  return "packet with a property";
}

static const char *after(const char *text) {
  return text + strlen(text) + 1;
}

#define ASSIGNED(with, identifier, name, text, kind) | UINT64_C(1) << (identifier)
static const uint64_t assigned = 0 HF_PROPERTY_TABLE(ASSIGNED, );

static bool is_assigned(uint32_t identifier) {
  return identifier < HF_PROPERTY_IDS && assigned >> identifier & 1;
}

const char *hf_text_of_misplaced(hf_packet_type type, uint32_t identifier) {
  const char *text = misplaced_in(type);
  if (!is_assigned(identifier)) return text;
  text = after(text);
  for (uint32_t lower = 0; lower < identifier; lower++)
    if (is_assigned(lower)) text = after(text);
  return text;
}

_Static_assert(HF_PROPERTY_IDS <= 64, "each has a bit");

/* Of each property that a packet may have. The names are those of the table; the preprocessor cannot look them up. */
typedef struct property_texts {
  uint8_t type, identifier;
  const char *texts[3];
} property_texts;

#define OF(packet, name, text)                                                                                         \
  {                                                                                                                    \
    HF_PACKET_##packet, HF_PROPERTY_ID_##name, {                                                                       \
      [HF_PROPERTY_MALFORMED] = #packet " with a malformed " text, [HF_PROPERTY_TWICE] = #packet " with two of " text, \
      [HF_PROPERTY_OUT_OF_RANGE] = #packet " with a value of " text " that is not allowed"                             \
    }                                                                                                                  \
  }
#define OF_ANSWER(packet) OF(packet, REASON_STRING, "Reason String"), OF(packet, USER_PROPERTY, "User Property")

static const property_texts of_property[] = {
    OF(CONNACK, SESSION_EXPIRY, "Session Expiry Interval"),
    OF(CONNACK, ASSIGNED_CLIENT_ID, "Assigned Client Identifier"),
    OF(CONNACK, SERVER_KEEP_ALIVE, "Server Keep Alive"),
    OF(CONNACK, AUTHENTICATION_METHOD, "Authentication Method"),
    OF(CONNACK, AUTHENTICATION_DATA, "Authentication Data"),
    OF(CONNACK, RESPONSE_INFORMATION, "Response Information"),
    OF(CONNACK, SERVER_REFERENCE, "Server Reference"),
    OF(CONNACK, RECEIVE_MAXIMUM, "Receive Maximum"),
    OF(CONNACK, TOPIC_ALIAS_MAXIMUM, "Topic Alias Maximum"),
    OF(CONNACK, MAXIMUM_QOS, "Maximum QoS"),
    OF(CONNACK, RETAIN_AVAILABLE, "Retain Available"),
    OF(CONNACK, MAXIMUM_PACKET_SIZE, "Maximum Packet Size"),
    OF(CONNACK, WILDCARD_AVAILABLE, "Wildcard Subscription Available"),
    OF(CONNACK, IDENTIFIERS_AVAILABLE, "Subscription Identifier Available"),
    OF(CONNACK, SHARED_AVAILABLE, "Shared Subscription Available"),
    OF(PUBLISH, PAYLOAD_FORMAT, "Payload Format Indicator"),
    OF(PUBLISH, MESSAGE_EXPIRY, "Message Expiry Interval"),
    OF(PUBLISH, CONTENT_TYPE, "Content Type"),
    OF(PUBLISH, RESPONSE_TOPIC, "Response Topic"),
    OF(PUBLISH, CORRELATION_DATA, "Correlation Data"),
    OF(PUBLISH, SUBSCRIPTION_IDENTIFIER, "Subscription Identifier"),
    OF(PUBLISH, TOPIC_ALIAS, "Topic Alias"),
    OF(PUBLISH, USER_PROPERTY, "User Property"),
    OF(DISCONNECT, SERVER_REFERENCE, "Server Reference"),
    OF(AUTH, AUTHENTICATION_METHOD, "Authentication Method"),
    OF(AUTH, AUTHENTICATION_DATA, "Authentication Data"),
    OF_ANSWER(CONNACK),
    OF_ANSWER(PUBACK),
    OF_ANSWER(PUBREC),
    OF_ANSWER(PUBREL),
    OF_ANSWER(PUBCOMP),
    OF_ANSWER(SUBACK),
    OF_ANSWER(UNSUBACK),
    OF_ANSWER(DISCONNECT),
    OF_ANSWER(AUTH),
};

const char *hf_text_of_property(hf_packet_type type, uint32_t identifier, hf_property_problem problem) {
  for (size_t i = 0; i < sizeof of_property / sizeof of_property[0]; i++)
    if (of_property[i].type == type && of_property[i].identifier == identifier) return of_property[i].texts[problem];
  return hf_text_of_packet(type, HF_PACKET_BAD_PROPERTIES);
}
