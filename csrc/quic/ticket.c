#define _DEFAULT_SOURCE
#include "quic/ticket.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

/* mark, flags, came, expires, limits, protocol, session, count of the chain, each of the chain; then the sum of all
 * that. Numbers in the order of the network, bytes behind their length. */
enum { MARK = 0x48465132 /* "HFQ2" */, SUM = 32, EARLY = 1 };

/* ---- writing ---- */

static void put_number(uint8_t **at, uint64_t number, size_t size) {
  for (size_t i = size; i-- > 0;)
    *(*at)++ = (uint8_t)(number >> 8 * i);
}

static void put_bytes(uint8_t **at, hf_bytes bytes) {
  put_number(at, bytes.length, 4);
  if (bytes.length) memcpy(*at, bytes.data, bytes.length);
  *at += bytes.length;
}

hf_bytes hf_quic_ticket_pack(const hf_quic_ticket *ticket) {
  size_t length = 4 + 1 + 8 + 8 + 8 * HF_QUIC_LIMITS + 4 + ticket->protocol.length + 4 + ticket->session.length + 1;
  for (size_t i = 0; i < ticket->chain_length; i++)
    length += 4 + ticket->chain[i].length;
  uint8_t *bytes = length + SUM <= HF_QUIC_TICKET_MOST ? malloc(length + SUM) : NULL, *at = bytes;
  if (!bytes) return (hf_bytes){0};
  put_number(&at, MARK, 4);
  put_number(&at, ticket->takes_early ? EARLY : 0, 1);
  put_number(&at, (uint64_t)ticket->came, 8);
  put_number(&at, (uint64_t)ticket->expires, 8);
  for (size_t i = 0; i < HF_QUIC_LIMITS; i++)
    put_number(&at, ticket->limits[i], 8);
  put_bytes(&at, ticket->protocol);
  put_bytes(&at, ticket->session);
  put_number(&at, ticket->chain_length, 1);
  for (size_t i = 0; i < ticket->chain_length; i++)
    put_bytes(&at, ticket->chain[i]);
  const hf_bytes packed = {(char *)bytes, length + SUM};
  if (gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, length, at) == 0) return packed;
  hf_quic_ticket_free(packed);
  return (hf_bytes){0};
}

void hf_quic_ticket_free(hf_bytes packed) {
  if (packed.data) explicit_bzero((char *)packed.data, packed.length);
  free((char *)packed.data);
}

/* ---- reading ---- */

typedef struct cursor {
  const uint8_t *at;
  size_t left;
  bool broken;
} cursor;

static uint64_t take_number(cursor *from, size_t size) {
  uint64_t number = 0;
  if (from->left < size) from->broken = true;
  for (size_t i = 0; i < size && !from->broken; i++)
    number = number << 8 | from->at[i];
  if (from->broken) return 0;
  from->at += size;
  from->left -= size;
  return number;
}

static hf_bytes take_bytes(cursor *from, size_t most) {
  size_t length = (size_t)take_number(from, 4);
  if (from->broken || length > from->left || length > most) {
    from->broken = true;
    return (hf_bytes){0};
  }
  const hf_bytes bytes = {(const char *)from->at, length};
  from->at += length;
  from->left -= length;
  return bytes;
}

static bool has_its_sum(hf_bytes packed) {
  uint8_t sum[SUM];
  size_t length = packed.length - SUM;
  return gnutls_hash_fast(GNUTLS_DIG_SHA256, packed.data, length, sum) == 0 &&
         memcmp(packed.data + length, sum, SUM) == 0;
}

bool hf_quic_ticket_read(hf_bytes packed, hf_quic_ticket *ticket) {
  *ticket = (hf_quic_ticket){0};
  if (packed.length <= SUM || packed.length > HF_QUIC_TICKET_MOST || !has_its_sum(packed)) return false;
  cursor from = {.at = (const uint8_t *)packed.data, .left = packed.length - SUM};
  if (take_number(&from, 4) != MARK) return false;
  ticket->takes_early = take_number(&from, 1) & EARLY;
  ticket->came = (int64_t)take_number(&from, 8);
  ticket->expires = (int64_t)take_number(&from, 8);
  for (size_t i = 0; i < HF_QUIC_LIMITS; i++)
    ticket->limits[i] = take_number(&from, 8);
  ticket->protocol = take_bytes(&from, HF_QUIC_PROTOCOL);
  ticket->session = take_bytes(&from, SIZE_MAX);
  ticket->chain_length = (size_t)take_number(&from, 1);
  if (ticket->chain_length > HF_QUIC_CHAIN) return false;
  for (size_t i = 0; i < ticket->chain_length; i++)
    ticket->chain[i] = take_bytes(&from, SIZE_MAX);
  return !from.broken && from.left == 0 && ticket->session.length > 0;
}
