/* ring.h: a fixed number of equal records, the newest pushing out the oldest.
 *
 * The history of attempts lives in one. The caller gives the memory (count *
 * size bytes) and keeps it alive; records are copied in and out. Pure: any
 * thread, one at a time.
 */
#ifndef HF_CORE_RING_H
#define HF_CORE_RING_H

#include <stdbool.h>
#include <stddef.h>

typedef struct hf_ring {
  unsigned char *memory;
  size_t size;  /* of one record */
  size_t limit; /* how many fit */
  size_t count;
  size_t first; /* position of the oldest */
} hf_ring;

void hf_ring_init(hf_ring *ring, void *memory, size_t size, size_t limit);

/* The slot of a new newest record, for the caller to fill; the oldest is gone when the ring was full. NULL when limit
 * is 0. */
void *hf_ring_push(hf_ring *ring);

/* The record at `index`, 0 the oldest; NULL past the end. */
void *hf_ring_at(const hf_ring *ring, size_t index);

void *hf_ring_newest(const hf_ring *ring); /* NULL when empty */

/* Takes the oldest out into `record` (which may be NULL); false when empty. */
bool hf_ring_shift(hf_ring *ring, void *record);

#endif
