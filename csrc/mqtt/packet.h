/* packet.h: the packets of MQTT 3.1.1 and 5 that a client receives, read where they lie.
 *
 * Sans-I/O and total: any bytes are a packet, the beginning of one, or a named
 * violation with the reason code that MQTT 5 section 4.13 wants sent. Nothing is
 * copied; what a packet points to is the caller's bytes and lives as long as
 * they do. What depends on what went before (a second CONNACK, an unknown alias,
 * whether an id is in use) is the link's affair. Work is linear in the bytes.
 * Pure: any thread.
 */
#ifndef HF_MQTT_PACKET_H
#define HF_MQTT_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/message_block.h"
#include "core/properties.h"

typedef enum hf_packet_type {
  HF_PACKET_CONNECT = 1,
  HF_PACKET_CONNACK,
  HF_PACKET_PUBLISH,
  HF_PACKET_PUBACK,
  HF_PACKET_PUBREC,
  HF_PACKET_PUBREL,
  HF_PACKET_PUBCOMP,
  HF_PACKET_SUBSCRIBE,
  HF_PACKET_SUBACK,
  HF_PACKET_UNSUBSCRIBE,
  HF_PACKET_UNSUBACK,
  HF_PACKET_PINGREQ,
  HF_PACKET_PINGRESP,
  HF_PACKET_DISCONNECT,
  HF_PACKET_AUTH
} hf_packet_type;

/* The properties of a packet from a broker. What is absent has the value that MQTT 5 gives it then (section 3.2.2.3):
 * receive_maximum 65,535, maximum_qos 2, the ..._available true, and NULL or 0 for the rest; where 0 is a value of its
 * own, has_... tells. */
typedef struct hf_packet_properties {
  hf_bytes block; /* as they came, without their length */
  hf_bytes reason_string, server_reference, assigned_client_id, response_information;
  hf_bytes authentication_method, authentication_data;
  hf_bytes content_type, response_topic, correlation_data;
  size_t user_count, subscription_identifier_count;
  uint32_t subscription_identifier; /* the last of them */
  uint32_t session_expiry, maximum_packet_size, message_expiry;
  uint16_t receive_maximum, topic_alias_maximum, server_keep_alive, topic_alias;
  uint8_t maximum_qos, payload_format;
  bool retain_available, wildcard_available, identifiers_available, shared_available;
  bool has_session_expiry, has_server_keep_alive, has_message_expiry, has_payload_format, has_topic_alias;
} hf_packet_properties;

typedef struct hf_packet {
  hf_packet_type type;
  size_t length; /* all of it, fixed header included */
  uint8_t qos;   /* PUBLISH, and so the next two */
  bool duplicate;
  bool retain;
  bool session_present; /* CONNACK */
  uint8_t code;         /* CONNACK, PUBACK to PUBCOMP, DISCONNECT, AUTH; 0 when left out */
  uint16_t packet_id;   /* 0: the packet has none */
  hf_bytes topic;       /* PUBLISH; empty: the alias says it */
  hf_bytes payload;
  hf_bytes codes;                  /* SUBACK; UNSUBACK of MQTT 5 */
  hf_packet_properties properties; /* those that are absent have the values above, in MQTT 3.1.1 all */
} hf_packet;

typedef struct hf_packet_rules {
  uint32_t maximum_packet_size; /* that CONNECT told the broker; 0: no limit */
  uint8_t protocol;             /* 4 or 5 */
} hf_packet_rules;

typedef struct hf_violation {
  uint8_t code;     /* for DISCONNECT: 0x81 malformed, 0x82 protocol error, 0x94 alias invalid, 0x95 packet too large */
  const char *text; /* static, one line: "PUBLISH with QoS 3" */
} hf_violation;

typedef enum hf_read {
  HF_READ_PACKET,
  HF_READ_MORE,     /* packet->length: of the whole packet once that can be told, else 0 */
  HF_READ_VIOLATION /* `violation` says which; nothing that follows can be trusted */
} hf_read;

/* Reads the packet at the beginning of `bytes`. Of a packet that is there whole every field is defined: 0, false, NULL
 * where its type has no such field. A packet that is too large, has flags or a length that its type cannot have, or is
 * of a type that no broker sends, is a violation as soon as its header has come.
 *
 * Passed on although the text forbids them: codes of CONNACK and DISCONNECT that nobody has assigned (the connection
 * ends in either case, and the reason table has names for them), and those of SUBACK and UNSUBACK (one filter is
 * refused, and no connection ends that all others live on). A CONNACK that refuses may be in the form of the other
 * protocol: that is how a broker which does not speak ours says so. A Payload Format Indicator above 1 and a Response
 * Topic that is no topic name come from other clients through brokers that do not look. */
hf_read hf_packet_read(const hf_packet_rules *rules, hf_bytes bytes, hf_packet *packet, hf_violation *violation);

/* A PUBLISH as a message of its own, one block; `topic` in place of the packet's when an alias stood for it. NULL when
 * memory is short. Its mail is zero. */
hf_message *hf_packet_message(const hf_packet *packet, hf_bytes topic);

/* The same in a block that is open; NULL when it has no room for it, too. No more than so many bytes are wanted. */
hf_message *hf_packet_message_in(const hf_packet *packet, hf_bytes topic, hf_message_block *block);
size_t hf_packet_message_size(const hf_packet *packet, hf_bytes topic);

/* The properties that an application sees (user properties, reason string, server reference and those of a message),
 * one block; NULL when there are none, or memory is short. */
hf_properties *hf_packet_application_properties(const hf_packet *packet);

#endif
