/* cursor.h: bytes of a packet taken from their front, as MQTT writes numbers and strings (MQTT 5 section 1.5).
 *
 * Each function takes a value and answers true, or finds that it is not there
 * whole and answers false; nothing is ever read past `left`. A text that is
 * taken points into the packet. For csrc/mqtt. Pure: any thread.
 */
#ifndef HF_MQTT_CURSOR_H
#define HF_MQTT_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/properties.h"

typedef struct hf_cursor {
  const uint8_t *at;
  size_t left;
} hf_cursor;

static inline bool hf_take_one(hf_cursor *from, uint8_t *value) {
  if (from->left < 1) return false;
  *value = from->at[0];
  from->at += 1;
  from->left -= 1;
  return true;
}

static inline bool hf_take_two(hf_cursor *from, uint16_t *value) {
  if (from->left < 2) return false;
  *value = (uint16_t)((uint32_t)from->at[0] << 8 | from->at[1]);
  from->at += 2;
  from->left -= 2;
  return true;
}

static inline bool hf_take_four(hf_cursor *from, uint32_t *value) {
  if (from->left < 4) return false;
  *value = (uint32_t)from->at[0] << 24 | (uint32_t)from->at[1] << 16 | (uint32_t)from->at[2] << 8 | from->at[3];
  from->at += 4;
  from->left -= 4;
  return true;
}

/* At most four bytes, and no more of them than the value needs [MQTT-1.5.5-1]. */
static inline bool hf_take_variable(hf_cursor *from, uint32_t *value) {
  uint32_t sum = 0;
  /*@ loop invariant 0 <= shift <= 28 && shift % 7 == 0;
      loop invariant \valid_read(from->at + (0 .. from->left - 1)) && from->left <= \at(from->left, Pre);
      loop invariant from->at + from->left == \at(from->at + from->left, Pre);
      loop assigns *from, sum, shift; loop variant 28 - shift; */
  for (unsigned shift = 0; shift <= 21; shift += 7) {
    uint8_t byte;
    if (!hf_take_one(from, &byte)) return false;
    sum |= (uint32_t)(byte & 0x7F) << shift;
    if (byte & 0x80) continue;
    *value = sum;
    return byte != 0 || shift == 0;
  }
  return false;
}

static inline bool hf_take_bytes(hf_cursor *from, size_t length, hf_bytes *bytes) {
  if (from->left < length) return false;
  *bytes = (hf_bytes){(const char *)from->at, length};
  from->at += length;
  from->left -= length;
  return true;
}

/* Two bytes of length, then so many. */
static inline bool hf_take_text(hf_cursor *from, hf_bytes *text) {
  uint16_t length;
  return hf_take_two(from, &length) && hf_take_bytes(from, length, text);
}

#endif
