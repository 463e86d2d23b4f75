#include "mqtt/write.h"

#include "core/wire.h"
#include "mqtt/put.h"

/* MQTT 5 sections 3.3 to 3.14. */

size_t hf_write_publish_head(uint8_t *at, const hf_publish *publish, uint8_t protocol, uint16_t packet_id,
                             bool duplicate, uint16_t alias, bool aliased) {
  hf_bytes topic = aliased ? (hf_bytes){NULL, 0} : publish->topic;
  size_t properties = hf_properties_publish_size(publish->properties) + (alias ? 1 + 2 : 0);
  size_t rest = 2 + topic.length + (publish->qos > 0 ? 2 : 0) + publish->payload.length;
  if (protocol == 5) rest += hf_wire_number_size(properties) + properties;
  hf_pen pen = {.at = at};
  hf_put_one(&pen, (uint8_t)(HF_PACKET_PUBLISH << 4 | (duplicate ? 8 : 0) | publish->qos << 1 | publish->retain));
  hf_put_variable(&pen, rest);
  hf_put_text(&pen, topic);
  if (publish->qos > 0) hf_put_two(&pen, packet_id);
  if (protocol != 5) return pen.size;
  hf_put_variable(&pen, properties);
  if (alias) hf_put_two_property(&pen, HF_PROPERTY_ID_TOPIC_ALIAS, alias);
  hf_put_message_properties(&pen, publish->properties);
  return pen.size;
}

size_t hf_write_ack(uint8_t *at, hf_packet_type type, uint8_t protocol, uint16_t packet_id, uint8_t code) {
  bool coded = protocol == 5 && code != 0;
  hf_pen pen = {.at = at};
  hf_put_one(&pen, (uint8_t)(type << 4 | (type == HF_PACKET_PUBREL ? 2 : 0)));
  hf_put_one(&pen, coded ? 3 : 2);
  hf_put_two(&pen, packet_id);
  if (coded) hf_put_one(&pen, code);
  return pen.size;
}

/* ---- SUBSCRIBE and UNSUBSCRIBE, of one filter ---- */

typedef struct asking {
  const hf_subscription_request *request;
  uint16_t packet_id;
  uint8_t protocol;
} asking;

static void put_subscribe_properties(hf_pen *pen, const void *what) {
  const hf_subscription_request *request = what;
  if (request->options.identifier > 0) {
    hf_put_one(pen, HF_PROPERTY_ID_SUBSCRIPTION_IDENTIFIER);
    hf_put_variable(pen, request->options.identifier);
  }
  hf_put_user(pen, request->properties);
}

static void put_subscribe(hf_pen *pen, const void *what) {
  const asking *ask = what;
  const hf_wish_options *options = &ask->request->options;
  unsigned wanted = options->qos;
  if (ask->protocol == 5)
    wanted |= (options->no_local ? 4u : 0u) | (options->retain_as_published ? 8u : 0u) | options->retain_handling << 4;
  hf_put_two(pen, ask->packet_id);
  if (ask->protocol == 5) hf_put_measured(pen, put_subscribe_properties, ask->request);
  hf_put_text(pen, ask->request->filter);
  hf_put_one(pen, (uint8_t)wanted);
}

size_t hf_write_subscribe(uint8_t *at, const hf_subscription_request *request, uint8_t protocol, uint16_t packet_id) {
  asking ask = {request, packet_id, protocol};
  return hf_put_packet(at, HF_PACKET_SUBSCRIBE << 4 | 2, put_subscribe, &ask);
}

static void put_unsubscribe_properties(hf_pen *pen, const void *what) {
  const hf_subscription_request *request = what;
  hf_put_user(pen, request->properties);
}

static void put_unsubscribe(hf_pen *pen, const void *what) {
  const asking *ask = what;
  hf_put_two(pen, ask->packet_id);
  if (ask->protocol == 5) hf_put_measured(pen, put_unsubscribe_properties, ask->request);
  hf_put_text(pen, ask->request->filter);
}

size_t hf_write_unsubscribe(uint8_t *at, const hf_subscription_request *request, uint8_t protocol, uint16_t packet_id) {
  asking ask = {request, packet_id, protocol};
  return hf_put_packet(at, HF_PACKET_UNSUBSCRIBE << 4 | 2, put_unsubscribe, &ask);
}

/* ---- PINGREQ, AUTH, DISCONNECT ---- */

size_t hf_write_pingreq(uint8_t *at) {
  hf_pen pen = {.at = at};
  hf_put_one(&pen, HF_PACKET_PINGREQ << 4);
  hf_put_one(&pen, 0);
  return pen.size;
}

typedef struct proving {
  hf_bytes method, data;
  uint8_t code;
} proving;

static void put_auth_properties(hf_pen *pen, const void *what) {
  const proving *prove = what;
  hf_put_authentication(pen, prove->method, prove->data);
}

static void put_auth(hf_pen *pen, const void *what) {
  const proving *prove = what;
  hf_put_one(pen, prove->code);
  hf_put_measured(pen, put_auth_properties, prove);
}

size_t hf_write_auth(uint8_t *at, uint8_t code, hf_bytes method, hf_bytes data) {
  proving prove = {method, data, code};
  return hf_put_packet(at, HF_PACKET_AUTH << 4, put_auth, &prove);
}

typedef struct leaving {
  int64_t session_expiry;
  const char *reason;
  uint8_t code;
} leaving;

static void put_disconnect_properties(hf_pen *pen, const void *what) {
  const leaving *leave = what;
  if (leave->session_expiry >= 0)
    hf_put_four_property(pen, HF_PROPERTY_ID_SESSION_EXPIRY, (uint32_t)leave->session_expiry);
  if (leave->reason)
    hf_put_text_property(pen, HF_PROPERTY_ID_REASON_STRING, (hf_bytes){leave->reason, strlen(leave->reason)});
}

static void put_disconnect(hf_pen *pen, const void *what) {
  const leaving *leave = what;
  bool properties = leave->session_expiry >= 0 || leave->reason;
  if (!properties && leave->code == 0) return;
  hf_put_one(pen, leave->code);
  if (properties) hf_put_measured(pen, put_disconnect_properties, leave);
}

static void put_nothing(hf_pen *pen, const void *what) {
  (void)pen;
  (void)what;
}

size_t hf_write_disconnect(uint8_t *at, uint8_t protocol, uint8_t code, int64_t session_expiry, const char *reason) {
  leaving leave = {session_expiry, reason, code};
  return hf_put_packet(at, HF_PACKET_DISCONNECT << 4, protocol == 5 ? put_disconnect : put_nothing, &leave);
}
