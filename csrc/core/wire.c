#include "core/wire.h"

#include <stdlib.h>
#include <string.h>

enum {
  PAYLOAD_FORMAT = 0x01, /* identifiers of MQTT 5 section 2.2.2.2 */
  MESSAGE_EXPIRY = 0x02,
  CONTENT_TYPE = 0x03,
  RESPONSE_TOPIC = 0x08,
  CORRELATION_DATA = 0x09,
  USER_PROPERTY = 0x26,
  PUBLISH = 3 << 4,
};

/* ---- writing ---- */

static char *put_number(char *at, uint32_t value, size_t bytes) {
  while (bytes-- > 0)
    *at++ = (char)(value >> 8 * bytes & 0xFF);
  return at;
}

static char *put_text(char *at, hf_bytes text) {
  at = put_number(at, (uint32_t)text.length, 2);
  if (text.length) memcpy(at, text.data, text.length);
  return at + text.length;
}

static char *put_property(char *at, int identifier, hf_bytes text) {
  if (!text.data) return at;
  *at = (char)identifier;
  return put_text(at + 1, text);
}

static char *put_variable(char *at, size_t value) {
  do {
    char byte = (char)(value & 0x7F);
    value >>= 7;
    *at++ = (char)(value ? byte | 0x80 : byte);
  } while (value);
  return at;
}

char *hf_wire_put_properties(char *at, const hf_properties *properties) {
  if (!properties) return at;
  if (properties->present & HF_PROPERTY_PAYLOAD_FORMAT) {
    *at++ = PAYLOAD_FORMAT;
    *at++ = (char)properties->payload_format;
  }
  if (properties->present & HF_PROPERTY_MESSAGE_EXPIRY) {
    *at++ = MESSAGE_EXPIRY;
    at = put_number(at, properties->message_expiry, 4);
  }
  at = put_property(at, CONTENT_TYPE, properties->content_type);
  at = put_property(at, RESPONSE_TOPIC, properties->response_topic);
  at = put_property(at, CORRELATION_DATA, properties->correlation_data);
  for (size_t i = 0; i < properties->user_count; i++) {
    *at++ = USER_PROPERTY;
    at = put_text(put_text(at, properties->user[i].name), properties->user[i].value);
  }
  return at;
}

size_t hf_wire_number_size(size_t value) {
  size_t size = 1;
  while (value >>= 7)
    size++;
  return size;
}

size_t hf_wire_subscribe_size(const hf_subscription_request *request) {
  size_t properties = hf_properties_publish_size(request->properties);
  if (request->options.identifier) properties += 1 + hf_wire_number_size(request->options.identifier);
  size_t rest = 2 + hf_wire_number_size(properties) + properties + 2 + request->filter.length + 1;
  return 1 + hf_wire_number_size(rest) + rest;
}

char *hf_wire_publish(const hf_publish *publish, uint8_t protocol, uint16_t packet_id, size_t *length) {
  size_t properties = hf_properties_publish_size(publish->properties);
  size_t rest = 2 + publish->topic.length + (publish->qos > 0 ? 2 : 0) + publish->payload.length;
  char prefix[4], *end = prefix;
  if (protocol == 5) {
    end = put_variable(prefix, properties);
    rest += (size_t)(end - prefix) + properties;
  }
  char *packet = malloc(1 + 4 + rest), *at = packet;
  if (!packet) return NULL;
  *at++ = (char)(PUBLISH | publish->qos << 1 | (publish->retain ? 1 : 0));
  at = put_variable(at, rest);
  at = put_text(at, publish->topic);
  if (publish->qos > 0) at = put_number(at, packet_id, 2);
  if (protocol == 5) {
    memcpy(at, prefix, (size_t)(end - prefix));
    at = hf_wire_put_properties(at + (end - prefix), publish->properties);
  }
  if (publish->payload.length) memcpy(at, publish->payload.data, publish->payload.length);
  *length = (size_t)(at - packet) + publish->payload.length;
  return packet;
}

/* ---- reading ---- */

typedef struct reader {
  const unsigned char *at;
  size_t left;
  bool wrong;
} reader;

static uint32_t take_number(reader *r, size_t bytes) {
  uint32_t value = 0;
  if (r->left < bytes) {
    r->wrong = true;
    r->left = bytes = 0;
  }
  r->left -= bytes;
  while (bytes-- > 0)
    value = value << 8 | *r->at++;
  return value;
}

static hf_bytes take_text(reader *r) {
  size_t length = take_number(r, 2);
  if (r->left < length) {
    r->wrong = true;
    r->left = length = 0;
  }
  hf_bytes text = {(const char *)r->at, length};
  r->at += length;
  r->left -= length;
  return text;
}

/* `user` NULL: user properties are only counted. */
static void take_property(reader *r, hf_properties *to, hf_user_property *user) {
  hf_user_property pair;
  switch (take_number(r, 1)) {
  case PAYLOAD_FORMAT:
    to->present |= HF_PROPERTY_PAYLOAD_FORMAT;
    to->payload_format = (uint8_t)take_number(r, 1);
    break;
  case MESSAGE_EXPIRY:
    to->present |= HF_PROPERTY_MESSAGE_EXPIRY;
    to->message_expiry = take_number(r, 4);
    break;
  case CONTENT_TYPE:
    to->content_type = take_text(r);
    break;
  case RESPONSE_TOPIC:
    to->response_topic = take_text(r);
    break;
  case CORRELATION_DATA:
    to->correlation_data = take_text(r);
    break;
  case USER_PROPERTY:
    pair.name = take_text(r);
    pair.value = take_text(r);
    if (user) user[to->user_count] = pair;
    to->user_count++;
    break;
  default:
    r->wrong = true;
    r->left = 0;
  }
}

static hf_properties take_all(hf_bytes from, hf_user_property *user, bool *wrong) {
  reader r = {.at = (const unsigned char *)from.data, .left = from.length};
  hf_properties properties = {.user = user};
  while (r.left > 0)
    take_property(&r, &properties, user);
  *wrong = r.wrong;
  return properties;
}

bool hf_wire_read_properties(hf_bytes from, hf_properties **properties, bool *wrong) {
  *properties = NULL;
  *wrong = false;
  if (from.length == 0) return true;
  hf_properties found = take_all(from, NULL, wrong);
  if (*wrong) return false;
  hf_user_property *user = malloc((found.user_count + 1) * sizeof *user);
  if (!user) return false;
  found = take_all(from, user, wrong);
  *properties = hf_properties_copy(&found);
  free(user);
  return *properties != NULL;
}
