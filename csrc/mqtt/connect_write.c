#include "mqtt/write.h"

#include "mqtt/put.h"

/* CONNECT: MQTT 5 section 3.1, MQTT 3.1.1 section 3.1. */

static void put_properties(hf_pen *pen, const void *what) {
  const hf_connect *connect = what;
  hf_put_user(pen, connect->properties);
  if (connect->session_expiry > 0) hf_put_four_property(pen, HF_PROPERTY_ID_SESSION_EXPIRY, connect->session_expiry);
  if (connect->receive_maximum > 0) hf_put_two_property(pen, HF_PROPERTY_ID_RECEIVE_MAXIMUM, connect->receive_maximum);
  if (connect->maximum_packet_size > 0)
    hf_put_four_property(pen, HF_PROPERTY_ID_MAXIMUM_PACKET_SIZE, connect->maximum_packet_size);
  if (connect->topic_alias_maximum > 0)
    hf_put_two_property(pen, HF_PROPERTY_ID_TOPIC_ALIAS_MAXIMUM, connect->topic_alias_maximum);
  hf_put_authentication(pen, connect->authentication_method, connect->authentication_data);
  if (connect->request_response_information) {
    hf_put_one(pen, HF_PROPERTY_ID_REQUEST_RESPONSE_INFORMATION);
    hf_put_one(pen, 1);
  }
}

static void put_will_properties(hf_pen *pen, const void *what) {
  const hf_properties *properties = what;
  hf_put_message_properties(pen, properties);
  if (properties && properties->present & HF_PROPERTY_WILL_DELAY)
    hf_put_four_property(pen, HF_PROPERTY_ID_WILL_DELAY, properties->will_delay);
}

/* A clean session of MQTT 3.1.1 is one that is neither found nor left: a session that is not to be kept is clean. */
static uint8_t flags_of(const hf_connect *connect) {
  bool clean = connect->clean_start || (connect->protocol == 4 && connect->session_expiry == 0);
  unsigned flags = clean ? 2 : 0;
  if (connect->will_topic.data) flags |= 4u | (unsigned)connect->will_qos << 3 | (connect->will_retain ? 0x20u : 0u);
  if (connect->password.data) flags |= 0x40;
  if (connect->username.data) flags |= 0x80;
  return (uint8_t)flags;
}

static void put_connect(hf_pen *pen, const void *what) {
  const hf_connect *connect = what;
  hf_put_text(pen, (hf_bytes){"MQTT", 4});
  hf_put_one(pen, connect->protocol);
  hf_put_one(pen, flags_of(connect));
  hf_put_two(pen, connect->keep_alive);
  if (connect->protocol == 5) hf_put_measured(pen, put_properties, connect);
  hf_put_text(pen, (hf_bytes){connect->client_id, strlen(connect->client_id)});
  if (connect->will_topic.data) {
    if (connect->protocol == 5) hf_put_measured(pen, put_will_properties, connect->will_properties);
    hf_put_text(pen, connect->will_topic);
    hf_put_text(pen, connect->will_payload);
  }
  if (connect->username.data) hf_put_text(pen, connect->username);
  if (connect->password.data) hf_put_text(pen, connect->password);
}

size_t hf_write_connect(uint8_t *at, const hf_connect *connect) {
  return hf_put_packet(at, HF_PACKET_CONNECT << 4, put_connect, connect);
}
