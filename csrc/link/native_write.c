#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <string.h>

#include "link/native_link.h"

static uint8_t *room(hf_link *link, size_t length) {
  uint8_t *at = hf_out_reserve(&link->out, length);
  if (!at) link->starved = true;
  hf_native_flush_soon(link);
  return at;
}

/* Nothing follows DISCONNECT [MQTT-3.14.4-2]: what is owed then is owed to the next connection. */
bool hf_native_write_ack(hf_link *link, hf_packet_type type, uint16_t packet_id, uint8_t code) {
  if (link->state == HF_NATIVE_LEAVING) return true;
  uint8_t *at = room(link, HF_WRITE_ACK_MOST);
  hf_native_trace_sent(link, type, packet_id, code);
  if (at) hf_out_commit_answer(&link->out, hf_write_ack(at, type, link->protocol, packet_id, code));
  return at != NULL;
}

bool hf_native_write_pingreq(hf_link *link) {
  uint8_t *at = room(link, 2);
  hf_native_trace_sent(link, HF_PACKET_PINGREQ, 0, 0);
  if (at) hf_out_commit(&link->out, hf_write_pingreq(at));
  link->pings++;
  return at != NULL;
}

void hf_native_write_disconnect(hf_link *link, uint8_t code, int64_t session_expiry, const char *text) {
  size_t length = hf_write_disconnect(NULL, link->protocol, code, session_expiry, text);
  uint8_t *at = room(link, length);
  hf_native_trace_sent(link, HF_PACKET_DISCONNECT, 0, code);
  if (at) hf_out_commit(&link->out, hf_write_disconnect(at, link->protocol, code, session_expiry, text));
}

/* Kept aside until the stream has opened: what is in it was borrowed for the call of `open` alone. */
bool hf_native_write_connect(hf_link *link, const hf_link_attempt *attempt) {
  const hf_link_will *will = attempt->will;
  hf_connect connect = {.client_id = attempt->client_id,
                        .username = attempt->username,
                        .password = attempt->password,
                        .authentication_data = attempt->auth_data,
                        .properties = attempt->properties,
                        .session_expiry = attempt->session_expiry,
                        .maximum_packet_size = attempt->maximum_packet_size,
                        .keep_alive = attempt->keep_alive,
                        .receive_maximum = attempt->receive_maximum,
                        .topic_alias_maximum = HF_ALIASES_IN,
                        .protocol = attempt->protocol,
                        .request_response_information = true,
                        .clean_start = attempt->clean_start};
  if (attempt->auth_method)
    connect.authentication_method = (hf_bytes){attempt->auth_method, strlen(attempt->auth_method)};
  if (attempt->protocol < 5) connect.clean_start = attempt->session_expiry == 0 || attempt->clean_start;
  if (will) {
    connect.will_topic = will->topic;
    connect.will_payload = will->payload;
    connect.will_properties = will->properties;
    connect.will_qos = will->qos;
    connect.will_retain = will->retain;
  }
  link->connect_length = hf_write_connect(NULL, &connect);
  link->connect = malloc(link->connect_length);
  if (link->connect) hf_write_connect(link->connect, &connect);
  return link->connect != NULL;
}
