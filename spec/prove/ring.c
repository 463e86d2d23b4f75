/* What csrc/core/ring.c promises, for Frama-C's WP: every address it hands out lies inside the caller's memory, and the
 * count stays within the limit, for every ring that hf_ring_init can have made. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define unsigned /* WP reads void * as char *, signed, and will not have bytes be anything else */
#include "core/ring.h"

/*@ predicate sound(hf_ring *ring) =
      ring->count <= ring->limit && (ring->limit > 0 ==> ring->first < ring->limit) &&
      ring->size >= 1 && ring->limit * ring->size <= 0x3FFFFFFFFFFFFFFF &&
      ring->limit <= 0x3FFFFFFFFFFFFFFF && ring->first <= 0x3FFFFFFFFFFFFFFF &&
      (ring->limit > 0 ==> \valid(ring->memory + (0 .. ring->limit * ring->size - 1))) &&
      \separated(ring, ring->memory + (0 .. ring->limit * ring->size - 1));

    predicate record_of(hf_ring *ring, char *record) =
      ring->memory <= record && record + ring->size <= ring->memory + ring->limit * ring->size;
 */

/*@ lemma inside: \forall integer place, limit, size;
      0 <= place < limit && 1 <= size ==> 0 <= place * size && (place + 1) * size <= limit * size;
 */

/*@ requires \valid(ring) && size >= 1 && limit * size <= 0x3FFFFFFFFFFFFFFF;
    requires \valid((char *)memory + (0 .. limit * size - 1));
    requires \separated(ring, (char *)memory + (0 .. limit * size - 1));
    assigns *ring;
    ensures sound(ring) && ring->count == 0 && ring->limit == limit;
 */
void hf_ring_init(hf_ring *ring, void *memory, size_t size, size_t limit);

/*@ requires \valid_read(ring) && sound(ring);
    assigns \result \from ring, index;
    ensures index >= ring->count ==> \result == \null;
    ensures index < ring->count ==> record_of(ring, (char *)\result);
    ensures index < ring->count ==> \valid((char *)\result + (0 .. ring->size - 1));
    ensures index < ring->count ==> \result == ring->memory + (ring->first + index) % ring->limit * ring->size;
 */
void *hf_ring_at(const hf_ring *ring, size_t index);

/*@ requires \valid_read(ring) && sound(ring);
    assigns \result \from ring;
    ensures ring->count == 0 ==> \result == \null;
    ensures ring->count > 0 ==> record_of(ring, (char *)\result);
    ensures ring->count > 0 ==> \valid((char *)\result + (0 .. ring->size - 1));
 */
void *hf_ring_newest(const hf_ring *ring);

/*@ requires \valid(ring) && sound(ring);
    requires record == \null;
    assigns ring->first, ring->count;
    ensures sound(ring);
    ensures \old(ring->count) == 0 ==> \result == \false && ring->count == 0;
    ensures \old(ring->count) > 0 ==> \result == \true && ring->count == \old(ring->count) - 1;
 */
bool hf_ring_shift(hf_ring *ring, void *record);

/*@ requires \valid(ring) && sound(ring);
    assigns ring->first, ring->count, \result \from ring;
    ensures sound(ring);
    ensures ring->limit == 0 ==> \result == \null;
    ensures ring->limit > 0 ==> record_of(ring, (char *)\result);
    ensures ring->limit > 0 ==> \valid((char *)\result + (0 .. ring->size - 1));
    ensures ring->limit > 0 ==> ring->count == \max(1, \min(\old(ring->count) + 1, ring->limit));
 */
void *hf_ring_push(hf_ring *ring);

#include "core/ring.c"
