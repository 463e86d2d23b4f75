#include "mqtt/inside.h"

#include "core/topic.h"

#define KIND(with, identifier, name, text, kind) [identifier] = HF_KIND_##kind,
static const uint8_t kinds[HF_PROPERTY_IDS] = {HF_PROPERTY_TABLE(KIND, )};

static hf_property_kind kind_of(uint32_t identifier) {
  return identifier < HF_PROPERTY_IDS ? (hf_property_kind)kinds[identifier] : HF_KIND_NONE;
}

/* ---- which packet of a broker may have which (MQTT 5 section 2.2.2.2) ---- */

#define BIT(name) (UINT64_C(1) << HF_PROPERTY_ID_##name)
#define ANSWER (BIT(REASON_STRING) | BIT(USER_PROPERTY))

static const uint64_t allowed[HF_PACKET_AUTH + 1] = {
    [HF_PACKET_CONNACK] = ANSWER | BIT(SESSION_EXPIRY) | BIT(ASSIGNED_CLIENT_ID) | BIT(SERVER_KEEP_ALIVE) |
                          BIT(AUTHENTICATION_METHOD) | BIT(AUTHENTICATION_DATA) | BIT(RESPONSE_INFORMATION) |
                          BIT(SERVER_REFERENCE) | BIT(RECEIVE_MAXIMUM) | BIT(TOPIC_ALIAS_MAXIMUM) | BIT(MAXIMUM_QOS) |
                          BIT(RETAIN_AVAILABLE) | BIT(MAXIMUM_PACKET_SIZE) | BIT(WILDCARD_AVAILABLE) |
                          BIT(IDENTIFIERS_AVAILABLE) | BIT(SHARED_AVAILABLE),
    [HF_PACKET_PUBLISH] = BIT(PAYLOAD_FORMAT) | BIT(MESSAGE_EXPIRY) | BIT(CONTENT_TYPE) | BIT(RESPONSE_TOPIC) |
                          BIT(CORRELATION_DATA) | BIT(SUBSCRIPTION_IDENTIFIER) | BIT(TOPIC_ALIAS) | BIT(USER_PROPERTY),
    [HF_PACKET_PUBACK] = ANSWER,
    [HF_PACKET_PUBREC] = ANSWER,
    [HF_PACKET_PUBREL] = ANSWER,
    [HF_PACKET_PUBCOMP] = ANSWER,
    [HF_PACKET_SUBACK] = ANSWER,
    [HF_PACKET_UNSUBACK] = ANSWER,
    [HF_PACKET_DISCONNECT] = ANSWER | BIT(SERVER_REFERENCE), /* no Session Expiry Interval [MQTT-3.14.2-2] */
    [HF_PACKET_AUTH] = ANSWER | BIT(AUTHENTICATION_METHOD) | BIT(AUTHENTICATION_DATA),
};

/* A broker gives an identifier for each subscription that matched (section 3.3.2.3.8). */
static const uint64_t repeats = BIT(USER_PROPERTY) | BIT(SUBSCRIPTION_IDENTIFIER);

/* ---- one property ---- */

bool hf_property_take(hf_cursor *from, uint32_t identifier, hf_property *property) {
  uint8_t one;
  uint16_t two;
  property->identifier = identifier;
  switch (kind_of(identifier)) {
  case HF_KIND_BYTE:
    if (!hf_take_one(from, &one)) return false;
    property->number = one;
    return true;
  case HF_KIND_TWO:
    if (!hf_take_two(from, &two)) return false;
    property->number = two;
    return true;
  case HF_KIND_FOUR:
    return hf_take_four(from, &property->number);
  case HF_KIND_VARIABLE:
    return hf_take_variable(from, &property->number);
  case HF_KIND_BINARY:
  case HF_KIND_TEXT:
    return hf_take_text(from, &property->text);
  case HF_KIND_PAIR:
    return hf_take_text(from, &property->text) && hf_take_text(from, &property->value);
  case HF_KIND_NONE:
    break;
  }
  return false;
}

static bool text_is_fine(const hf_property *property) {
  hf_property_kind kind = kind_of(property->identifier);
  if (kind != HF_KIND_TEXT && kind != HF_KIND_PAIR) return true;
  return !hf_utf8_malformed(property->text) && (kind == HF_KIND_TEXT || !hf_utf8_malformed(property->value));
}

/* 0, or the code of a value that the property may not have.
 *
 * Not looked at are a Payload Format Indicator above 1 and a Response Topic that is empty or has wildcards
 * [MQTT-3.3.2-14]: brokers hand on from other clients what these say (mosquitto 2.0.11 does), and whoever publishes
 * could end the connection of all who subscribe, again and again while the message is waiting for them. */
static uint8_t value_problem(const hf_property *property) {
  switch ((hf_property_id)property->identifier) {
  case HF_PROPERTY_ID_MAXIMUM_QOS: /* 2 is said by leaving it out */
  case HF_PROPERTY_ID_RETAIN_AVAILABLE:
  case HF_PROPERTY_ID_WILDCARD_AVAILABLE:
  case HF_PROPERTY_ID_IDENTIFIERS_AVAILABLE:
  case HF_PROPERTY_ID_SHARED_AVAILABLE:
    return property->number > 1 ? HF_PROTOCOL_ERROR : 0;
  case HF_PROPERTY_ID_RECEIVE_MAXIMUM:
  case HF_PROPERTY_ID_MAXIMUM_PACKET_SIZE:
  case HF_PROPERTY_ID_SUBSCRIPTION_IDENTIFIER:
    return property->number == 0 ? HF_PROTOCOL_ERROR : 0;
  case HF_PROPERTY_ID_TOPIC_ALIAS:
    return property->number == 0 ? HF_TOPIC_ALIAS_INVALID : 0;
  case HF_PROPERTY_ID_PAYLOAD_FORMAT:
  case HF_PROPERTY_ID_MESSAGE_EXPIRY:
  case HF_PROPERTY_ID_CONTENT_TYPE:
  case HF_PROPERTY_ID_RESPONSE_TOPIC:
  case HF_PROPERTY_ID_CORRELATION_DATA:
  case HF_PROPERTY_ID_SESSION_EXPIRY:
  case HF_PROPERTY_ID_ASSIGNED_CLIENT_ID:
  case HF_PROPERTY_ID_SERVER_KEEP_ALIVE:
  case HF_PROPERTY_ID_AUTHENTICATION_METHOD:
  case HF_PROPERTY_ID_AUTHENTICATION_DATA:
  case HF_PROPERTY_ID_REQUEST_PROBLEM_INFORMATION:
  case HF_PROPERTY_ID_WILL_DELAY:
  case HF_PROPERTY_ID_REQUEST_RESPONSE_INFORMATION:
  case HF_PROPERTY_ID_RESPONSE_INFORMATION:
  case HF_PROPERTY_ID_SERVER_REFERENCE:
  case HF_PROPERTY_ID_REASON_STRING:
  case HF_PROPERTY_ID_TOPIC_ALIAS_MAXIMUM:
  case HF_PROPERTY_ID_USER_PROPERTY:
  case HF_PROPERTY_IDS:
    break;
  }
  return 0;
}

static void keep(hf_packet_properties *to, const hf_property *property) {
  switch ((hf_property_id)property->identifier) {
  case HF_PROPERTY_ID_PAYLOAD_FORMAT:
    to->has_payload_format = property->number <= 1; /* what is neither bytes nor text says nothing */
    to->payload_format = (uint8_t)property->number;
    break;
  case HF_PROPERTY_ID_MESSAGE_EXPIRY:
    to->has_message_expiry = true;
    to->message_expiry = property->number;
    break;
  case HF_PROPERTY_ID_CONTENT_TYPE:
    to->content_type = property->text;
    break;
  case HF_PROPERTY_ID_RESPONSE_TOPIC:
    to->response_topic = property->text;
    break;
  case HF_PROPERTY_ID_CORRELATION_DATA:
    to->correlation_data = property->text;
    break;
  case HF_PROPERTY_ID_SUBSCRIPTION_IDENTIFIER:
    to->subscription_identifier_count++;
    to->subscription_identifier = property->number;
    break;
  case HF_PROPERTY_ID_SESSION_EXPIRY:
    to->has_session_expiry = true;
    to->session_expiry = property->number;
    break;
  case HF_PROPERTY_ID_ASSIGNED_CLIENT_ID:
    to->assigned_client_id = property->text;
    break;
  case HF_PROPERTY_ID_SERVER_KEEP_ALIVE:
    to->has_server_keep_alive = true;
    to->server_keep_alive = (uint16_t)property->number;
    break;
  case HF_PROPERTY_ID_AUTHENTICATION_METHOD:
    to->authentication_method = property->text;
    break;
  case HF_PROPERTY_ID_AUTHENTICATION_DATA:
    to->authentication_data = property->text;
    break;
  case HF_PROPERTY_ID_RESPONSE_INFORMATION:
    to->response_information = property->text;
    break;
  case HF_PROPERTY_ID_SERVER_REFERENCE:
    to->server_reference = property->text;
    break;
  case HF_PROPERTY_ID_REASON_STRING:
    to->reason_string = property->text;
    break;
  case HF_PROPERTY_ID_RECEIVE_MAXIMUM:
    to->receive_maximum = (uint16_t)property->number;
    break;
  case HF_PROPERTY_ID_TOPIC_ALIAS_MAXIMUM:
    to->topic_alias_maximum = (uint16_t)property->number;
    break;
  case HF_PROPERTY_ID_TOPIC_ALIAS:
    to->has_topic_alias = true;
    to->topic_alias = (uint16_t)property->number;
    break;
  case HF_PROPERTY_ID_MAXIMUM_QOS:
    to->maximum_qos = (uint8_t)property->number;
    break;
  case HF_PROPERTY_ID_RETAIN_AVAILABLE:
    to->retain_available = property->number;
    break;
  case HF_PROPERTY_ID_USER_PROPERTY:
    to->user_count++;
    break;
  case HF_PROPERTY_ID_MAXIMUM_PACKET_SIZE:
    to->maximum_packet_size = property->number;
    break;
  case HF_PROPERTY_ID_WILDCARD_AVAILABLE:
    to->wildcard_available = property->number;
    break;
  case HF_PROPERTY_ID_IDENTIFIERS_AVAILABLE:
    to->identifiers_available = property->number;
    break;
  case HF_PROPERTY_ID_SHARED_AVAILABLE:
    to->shared_available = property->number;
    break;
  case HF_PROPERTY_ID_REQUEST_PROBLEM_INFORMATION: /* these are a client's own */
  case HF_PROPERTY_ID_WILL_DELAY:
  case HF_PROPERTY_ID_REQUEST_RESPONSE_INFORMATION:
  case HF_PROPERTY_IDS:
    break;
  }
}

static bool violate(hf_violation *violation, uint8_t code, hf_packet_type type, uint32_t identifier,
                    hf_property_problem problem) {
  return hf_violate(violation, code, hf_text_of_property(type, identifier, problem));
}

/* The next one; `seen` has a bit for each identifier that has come. */
static bool read_property(hf_packet_type type, hf_cursor *from, uint64_t *seen, hf_packet_properties *properties,
                          hf_violation *violation) {
  hf_property property;
  uint8_t identifier; /* a variable byte integer, but none beyond 127 has been assigned */
  if (!hf_take_one(from, &identifier)) return false;
  uint64_t bit = identifier < HF_PROPERTY_IDS ? UINT64_C(1) << identifier : 0;
  if (!(bit & allowed[type]))
    return hf_violate(violation, HF_MALFORMED, hf_text_of_misplaced(type, identifier)); /* section 2.2.2.2 */
  if (*seen & bit & ~repeats) return violate(violation, HF_PROTOCOL_ERROR, type, identifier, HF_PROPERTY_TWICE);
  *seen |= bit;
  if (!hf_property_take(from, identifier, &property) || !text_is_fine(&property))
    return violate(violation, HF_MALFORMED, type, identifier, HF_PROPERTY_MALFORMED);
  uint8_t problem = value_problem(&property);
  if (problem) return violate(violation, problem, type, identifier, HF_PROPERTY_OUT_OF_RANGE);
  keep(properties, &property);
  return true;
}

bool hf_packet_read_properties(hf_packet_type type, hf_cursor *from, hf_packet_properties *properties,
                               hf_violation *violation) {
  uint32_t length;
  hf_bytes block;
  if (!hf_take_variable(from, &length) || !hf_take_bytes(from, length, &block))
    return hf_violate(violation, HF_MALFORMED, hf_text_of_packet(type, HF_PACKET_BAD_PROPERTIES));
  properties->block = block;
  hf_cursor inside = {(const uint8_t *)block.data, block.length};
  uint64_t seen = 0;
  /*@ loop invariant \valid_read(inside.at + (0 .. inside.left - 1));
      loop assigns inside, seen, *properties, *violation; loop variant inside.left; */
  while (inside.left > 0)
    if (!read_property(type, &inside, &seen, properties, violation)) return false;
  return true;
}
