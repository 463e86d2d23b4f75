#include "core/ring.h"

#include <string.h>

void hf_ring_init(hf_ring *ring, void *memory, size_t size, size_t limit) {
  *ring = (hf_ring){.memory = memory, .size = size, .limit = limit};
}

void *hf_ring_at(const hf_ring *ring, size_t index) {
  if (index >= ring->count) return NULL;
  return ring->memory + (ring->first + index) % ring->limit * ring->size;
}

void *hf_ring_newest(const hf_ring *ring) {
  return ring->count ? hf_ring_at(ring, ring->count - 1) : NULL;
}

bool hf_ring_shift(hf_ring *ring, void *record) {
  void *oldest = hf_ring_at(ring, 0);
  if (!oldest) return false;
  if (record) memcpy(record, oldest, ring->size);
  ring->first = (ring->first + 1) % ring->limit;
  ring->count--;
  return true;
}

void *hf_ring_push(hf_ring *ring) {
  if (ring->limit == 0) return NULL;
  if (ring->count == ring->limit) hf_ring_shift(ring, NULL);
  ring->count++;
  return hf_ring_newest(ring);
}
