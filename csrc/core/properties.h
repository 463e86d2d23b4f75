/* properties.h: MQTT 5 properties as an application sees them, in and out.
 *
 * One struct serves CONNECT, the will, PUBLISH, SUBSCRIBE and what the broker
 * answers; each packet uses the fields that MQTT 5 table 2-4 allows it. An
 * hf_properties made by hf_properties_copy is one block of memory, freed with
 * one free(); one filled by hand borrows what it points to. Pure: any thread,
 * as long as one at a time.
 */
#ifndef HF_CORE_PROPERTIES_H
#define HF_CORE_PROPERTIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that somebody else owns; always followed by a NUL when they came out
 * of hf_properties_copy, hf_publish_new or hf_message_new. */
typedef struct hf_bytes {
  const char *data; /* NULL: absent */
  size_t length;
} hf_bytes;

typedef struct hf_user_property {
  hf_bytes name;
  hf_bytes value;
} hf_user_property;

enum { /* which of the plain numbers are present */
       HF_PROPERTY_PAYLOAD_FORMAT = 1 << 0,
       HF_PROPERTY_MESSAGE_EXPIRY = 1 << 1,
       HF_PROPERTY_WILL_DELAY = 1 << 2,
};

typedef struct hf_properties {
  hf_bytes content_type;
  hf_bytes response_topic;
  hf_bytes correlation_data;
  hf_bytes reason_string;
  hf_bytes server_reference;
  const hf_user_property *user; /* in the order of the packet */
  size_t user_count;
  const uint32_t *subscription_identifiers;
  size_t subscription_identifier_count;
  uint32_t present;
  uint32_t message_expiry; /* seconds */
  uint32_t will_delay;     /* seconds */
  uint8_t payload_format;  /* 0 bytes, 1 UTF-8 */
} hf_properties;

/* A deep copy in one block, or NULL when memory is short (or `from` is NULL). */
hf_properties *hf_properties_copy(const hf_properties *from);

/* The same in memory of the caller: sizeof(hf_properties) + hf_properties_weight(from) bytes, aligned as for a pointer.
 * For structs that carry their properties inside their own block. */
hf_properties *hf_properties_copy_into(void *memory, const hf_properties *from);

/* Bytes that a copy takes beyond the struct itself; what a queue's byte bound counts. */
size_t hf_properties_weight(const hf_properties *properties);

bool hf_properties_empty(const hf_properties *properties); /* there is none */

/* Bytes that the properties of an MQTT 5 PUBLISH take in its packet, their length in front not counted; 0 for NULL. */
size_t hf_properties_publish_size(const hf_properties *properties);

#endif
