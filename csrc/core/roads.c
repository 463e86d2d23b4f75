#include "core/roads.h"

#include <stddef.h>

/* Names know no case (RFC 4343). */
static uint64_t folded(char letter) {
  return letter >= 'A' && letter <= 'Z' ? (uint64_t)(letter - 'A' + 'a') : (uint64_t)(unsigned char)letter;
}

/* FNV-1a: two servers of one digest would have one head start between them, and nothing worse. */
static uint64_t digest(const char *host, uint16_t port) {
  uint64_t sum = UINT64_C(0xcbf29ce484222325);
  for (const char *at = host; *at; at++)
    sum = (sum ^ folded(*at)) * UINT64_C(0x100000001b3);
  sum = (sum ^ port) * UINT64_C(0x100000001b3);
  return sum ? sum : 1;
}

static size_t find(const hf_roads *roads, uint64_t server) {
  size_t at = 0;
  while (at < HF_ROADS && roads->blocked[at].server != server)
    at++;
  return at;
}

bool hf_roads_blocked(const hf_roads *roads, const char *host, uint16_t port, int64_t now) {
  size_t at = find(roads, digest(host, port));
  return at < HF_ROADS && now < roads->blocked[at].until;
}

static size_t oldest(const hf_roads *roads) {
  size_t at = 0;
  for (size_t i = 1; i < HF_ROADS; i++)
    if (roads->blocked[i].until < roads->blocked[at].until) at = i;
  return at;
}

void hf_roads_note(hf_roads *roads, const char *host, uint16_t port, int64_t now) {
  uint64_t sum = digest(host, port);
  size_t at = find(roads, sum);
  if (at == HF_ROADS) at = oldest(roads);
  roads->blocked[at].server = sum;
  roads->blocked[at].until = now + HF_ROADS_FOR;
}

void hf_roads_clear(hf_roads *roads, const char *host, uint16_t port) {
  size_t at = find(roads, digest(host, port));
  if (at == HF_ROADS) return;
  roads->blocked[at].server = 0;
  roads->blocked[at].until = 0;
}

void hf_roads_forget(hf_roads *roads) {
  *roads = (hf_roads){0};
}
