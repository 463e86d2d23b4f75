/* wire.h: a PUBLISH as MQTT writes it (MQTT 5 section 3.3), for what keeps messages as bytes; and packets' sizes.
 *
 * The store keeps properties in this form, and a link whose library wants its
 * packets back after a restart gets them from here. What is returned is
 * malloc'ed and belongs to the caller. Pure: any thread.
 */
#ifndef HF_CORE_WIRE_H
#define HF_CORE_WIRE_H

#include "core/message.h"
#include "core/subscriptions.h"

/* The properties of a PUBLISH, without the length in front; hf_properties_publish_size bytes are written. */
char *hf_wire_put_properties(char *at, const hf_properties *properties);

/* The same read back, one block as hf_properties_copy makes it. False when they make no sense (`wrong`) or memory is
 * short; no bytes are no properties: true, NULL. */
bool hf_wire_read_properties(hf_bytes from, hf_properties **properties, bool *wrong);

/* The whole packet, of MQTT 3.1.1 (`protocol` 4) or 5; DUP is not set. NULL when memory is short. */
char *hf_wire_publish(const hf_publish *publish, uint8_t protocol, uint16_t packet_id, size_t *length);

/* Bytes of a variable byte integer (MQTT 5 section 1.5.5). */
size_t hf_wire_number_size(size_t value);

/* Bytes of the SUBSCRIBE of MQTT 5 that asks for this (section 3.8). */
size_t hf_wire_subscribe_size(const hf_subscription_request *request);

#endif
