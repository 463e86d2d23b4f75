/* put.h: bytes of a packet written one after another, or only counted. For csrc/mqtt.
 *
 * A pen without `at` counts, so that a packet's length is known before it is
 * written: whatever writes a packet is run twice, and so nothing that says how
 * long a part is can differ from what writes it. Pure: any thread.
 */
#ifndef HF_MQTT_PUT_H
#define HF_MQTT_PUT_H

#include <string.h>

#include "mqtt/inside.h"

typedef struct hf_pen {
  uint8_t *at; /* NULL: only count */
  size_t size; /* so far */
} hf_pen;

static inline void hf_put_one(hf_pen *pen, uint8_t value) {
  if (pen->at) pen->at[pen->size] = value;
  pen->size++;
}

static inline void hf_put_two(hf_pen *pen, uint16_t value) {
  hf_put_one(pen, (uint8_t)(value >> 8));
  hf_put_one(pen, (uint8_t)(value & 0xFF));
}

static inline void hf_put_four(hf_pen *pen, uint32_t value) {
  hf_put_two(pen, (uint16_t)(value >> 16));
  hf_put_two(pen, (uint16_t)(value & 0xFFFF));
}

static inline void hf_put_variable(hf_pen *pen, size_t value) {
  for (; value > 0x7F; value >>= 7)
    hf_put_one(pen, (uint8_t)((value & 0x7F) | 0x80));
  hf_put_one(pen, (uint8_t)value);
}

static inline void hf_put_text(hf_pen *pen, hf_bytes text) {
  hf_put_two(pen, (uint16_t)text.length);
  if (pen->at && text.length) memcpy(pen->at + pen->size, text.data, text.length);
  pen->size += text.length;
}

static inline void hf_put_text_property(hf_pen *pen, uint8_t identifier, hf_bytes text) {
  hf_put_one(pen, identifier);
  hf_put_text(pen, text);
}

static inline void hf_put_two_property(hf_pen *pen, uint8_t identifier, uint16_t value) {
  hf_put_one(pen, identifier);
  hf_put_two(pen, value);
}

static inline void hf_put_four_property(hf_pen *pen, uint8_t identifier, uint32_t value) {
  hf_put_one(pen, identifier);
  hf_put_four(pen, value);
}

/* Method and data, as far as there are any. */
static inline void hf_put_authentication(hf_pen *pen, hf_bytes method, hf_bytes data) {
  if (method.data) hf_put_text_property(pen, HF_PROPERTY_ID_AUTHENTICATION_METHOD, method);
  if (data.data) hf_put_text_property(pen, HF_PROPERTY_ID_AUTHENTICATION_DATA, data);
}

/* User properties alone; NULL: none. */
void hf_put_user(hf_pen *pen, const hf_properties *properties);

/* Those of a PUBLISH or a will; NULL: none. */
void hf_put_message_properties(hf_pen *pen, const hf_properties *properties);

typedef void hf_put_function(hf_pen *pen, const void *what);

/* A variable byte integer that says how long what follows is, and that. */
void hf_put_measured(hf_pen *pen, hf_put_function *put, const void *what);

/* A whole packet: the first byte, the Remaining Length, the rest. Its size. */
size_t hf_put_packet(uint8_t *at, uint8_t first, hf_put_function *put, const void *what);

#endif
