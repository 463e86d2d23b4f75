#include "quic/frames.h"

/* RFC 9000 section 19. */
enum {
  PADDING = 0x00,
  ACK = 0x02,
  ACK_ECN = 0x03,
  RESET_STREAM = 0x04,
  CRYPTO = 0x06,
  STREAM = 0x08, /* to 0x0f: the lowest bits are FIN, whether there is a length, and an offset */
  HAS_LENGTH = 0x02,
  HAS_OFFSET = 0x04,
  NEW_CONNECTION_ID = 0x18,
  PATH_CHALLENGE = 0x1a,
  PATH_RESPONSE = 0x1b,
  RESET_TOKEN = 16, /* bytes */
  PATH_DATA = 8,
};

typedef struct reader {
  const uint8_t *at, *end;
} reader;

static bool take(reader *r, uint64_t *value) {
  if (r->at == r->end) return false;
  size_t length = (size_t)1 << (*r->at >> 6);
  if ((size_t)(r->end - r->at) < length) return false;
  *value = *r->at++ & 0x3f;
  for (size_t i = 1; i < length; i++)
    *value = *value << 8 | *r->at++;
  return true;
}

static bool skip(reader *r, uint64_t length) {
  if ((uint64_t)(r->end - r->at) < length) return false;
  r->at += length;
  return true;
}

static bool skip_numbers(reader *r, uint64_t count) {
  uint64_t value;
  while (count > 0 && take(r, &value))
    count--;
  return count == 0;
}

static bool skip_ack(reader *r, bool ecn) {
  uint64_t ranges;
  return skip_numbers(r, 2) && take(r, &ranges) && skip_numbers(r, 1) && ranges <= (uint64_t)(r->end - r->at) &&
         skip_numbers(r, 2 * ranges + (ecn ? 3 : 0));
}

static bool skip_connection_id(reader *r) {
  return skip_numbers(r, 2) && r->at < r->end && skip(r, 1u + *r->at + RESET_TOKEN);
}

static bool read_stream(reader *r, unsigned type, uint64_t *from, uint64_t *length) {
  *from = 0;
  if (!skip_numbers(r, 1) || ((type & HAS_OFFSET) && !take(r, from))) return false;
  *length = (uint64_t)(r->end - r->at);
  return (!(type & HAS_LENGTH) || take(r, length)) && skip(r, *length);
}

/* How many numbers the others are made of; -1: what follows cannot be known. */
static int numbers_of(unsigned type) {
  static const int8_t numbers[] = {[0x01] = 0, [0x05] = 2, [0x10] = 1, [0x11] = 2, [0x12] = 1, [0x13] = 1,
                                   [0x14] = 1, [0x15] = 2, [0x16] = 1, [0x17] = 1, [0x19] = 1};
  return type < sizeof numbers && (numbers[type] || type == 0x01) ? numbers[type] : -1;
}

static bool skip_other(reader *r, unsigned type) {
  uint64_t length;
  switch (type) {
  case PADDING:
    return true;
  case ACK:
  case ACK_ECN:
    return skip_ack(r, type == ACK_ECN);
  case CRYPTO:
    return skip_numbers(r, 1) && take(r, &length) && skip(r, length);
  case NEW_CONNECTION_ID:
    return skip_connection_id(r);
  case PATH_CHALLENGE:
  case PATH_RESPONSE:
    return skip(r, PATH_DATA);
  default:
    return numbers_of(type) >= 0 && skip_numbers(r, (uint64_t)numbers_of(type));
  }
}

void hf_quic_frames_note(hf_quic_sent *sent, const uint8_t *payload, size_t length) {
  reader r = {payload, payload + length};
  uint64_t type, from, some;
  bool again = false;
  sent->packets++;
  while (take(&r, &type)) {
    if ((type & ~UINT64_C(7)) == STREAM) {
      if (!read_stream(&r, (unsigned)type, &from, &some)) break;
      again = again || (some > 0 && from < sent->end);
      if (from + some > sent->end) sent->end = from + some;
    } else if (type == RESET_STREAM) {
      sent->reset = true;
      if (!skip_numbers(&r, 3)) break;
    } else if (type > UINT8_MAX || !skip_other(&r, (unsigned)type)) {
      break;
    }
  }
  if (again) sent->again++;
}
