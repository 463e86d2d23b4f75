/* write.h: the packets that a client sends, MQTT 3.1.1 and 5.
 *
 * Each function writes a packet at `at` and returns how many bytes it takes; with
 * `at` NULL it only counts, so that the caller can make room first. What is given
 * must be fit for the wire (sizes within the protocol's bounds, UTF-8 checked):
 * the caller has looked. Pure: any thread.
 */
#ifndef HF_MQTT_WRITE_H
#define HF_MQTT_WRITE_H

#include "core/message.h"
#include "core/subscriptions.h"
#include "mqtt/packet.h"

typedef struct hf_connect {
  const char *client_id;
  hf_bytes username, password;                         /* absent: data NULL */
  hf_bytes authentication_method, authentication_data; /* likewise */
  const hf_properties *properties;
  hf_bytes will_topic; /* absent: data NULL */
  hf_bytes will_payload;
  const hf_properties *will_properties;
  uint32_t session_expiry;
  uint32_t maximum_packet_size; /* 0: no limit is told */
  uint16_t keep_alive;
  uint16_t receive_maximum; /* 0: none is told */
  uint16_t topic_alias_maximum;
  uint8_t protocol; /* 4 or 5 */
  uint8_t will_qos;
  bool will_retain;
  bool request_response_information;
  bool clean_start; /* in 3.1.1 the session is clean too when `session_expiry` is 0 */
} hf_connect;

size_t hf_write_connect(uint8_t *at, const hf_connect *connect);

/* All of a PUBLISH but its payload, which follows it. `alias` 0: none; with `aliased` the topic is left out. */
size_t hf_write_publish_head(uint8_t *at, const hf_publish *publish, uint8_t protocol, uint16_t packet_id,
                             bool duplicate, uint16_t alias, bool aliased);

/* PUBACK, PUBREC, PUBREL, PUBCOMP. In 3.1.1 the code is left out. */
enum { HF_WRITE_ACK_MOST = 5 };
size_t hf_write_ack(uint8_t *at, hf_packet_type type, uint8_t protocol, uint16_t packet_id, uint8_t code);

size_t hf_write_subscribe(uint8_t *at, const hf_subscription_request *request, uint8_t protocol, uint16_t packet_id);
size_t hf_write_unsubscribe(uint8_t *at, const hf_subscription_request *request, uint8_t protocol, uint16_t packet_id);

size_t hf_write_pingreq(uint8_t *at); /* 2 bytes */

/* AUTH, of MQTT 5; no `data` where its pointer is NULL. */
size_t hf_write_auth(uint8_t *at, uint8_t code, hf_bytes method, hf_bytes data);

/* DISCONNECT; `session_expiry` < 0: as it was. In 3.1.1 both are left out. `reason` NULL: no Reason String. */
size_t hf_write_disconnect(uint8_t *at, uint8_t protocol, uint8_t code, int64_t session_expiry, const char *reason);

#endif
