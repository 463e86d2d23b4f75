#include "core/quic_probe.h"

#include <string.h>

enum {
  LONG = 0x80, /* header; and the bit that is fixed */
  FIXED = 0x40,
  ID = 8, /* bytes of each connection id: the random number, and the same turned over */
  HEAD = 1 + 4 + 1 + ID + 1 + ID,
};

static const uint8_t reserved[4] = {0x1a, 0x2a, 0x3a, 0x4a}, negotiation[4] = {0}, first[4] = {0, 0, 0, 1};

static uint8_t *put_id(uint8_t *to, uint64_t id) {
  *to++ = ID;
  for (int shift = 56; shift >= 0; shift -= 8)
    *to++ = (uint8_t)(id >> shift);
  return to;
}

static void put_head(uint8_t *to, const uint8_t *version, uint64_t destination, uint64_t source) {
  *to++ = LONG | FIXED;
  memcpy(to, version, 4);
  put_id(put_id(to + 4, destination), source);
}

void hf_quic_probe_write(uint8_t datagram[HF_QUIC_PROBE], uint64_t random) {
  memset(datagram, 0, HF_QUIC_PROBE);
  put_head(datagram, reserved, random, ~random);
}

hf_quic_probed hf_quic_probe_read(const uint8_t *datagram, size_t length, uint64_t random) {
  uint8_t expected[HEAD];
  put_head(expected, negotiation, ~random, random);
  if (length < HEAD || !(datagram[0] & LONG) || memcmp(datagram + 1, expected + 1, HEAD - 1) != 0)
    return HF_QUIC_PROBED_NOT;
  for (size_t at = HEAD; at + 4 <= length; at += 4)
    if (memcmp(datagram + at, first, 4) == 0) return HF_QUIC_PROBED_ANSWERED;
  return HF_QUIC_PROBED_OTHERS;
}
