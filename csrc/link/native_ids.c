#include "link/native_ids.h"

#include <stdlib.h>
#include <string.h>

/* Open addressing; what leaves closes its gap. Ids are given out in a row: side by side they would be one long run,
 * which whoever leaves in its middle has to walk to its end. Multiples of the golden ratio lie as far apart as can be.
 */

enum { LEAST = 16, MOST = 65535, SHIFT_OF_LEAST = 32 - 4 };

void hf_ids_clear(hf_ids *ids) {
  free(ids->values);
  free(ids->keys);
  ids->values = NULL;
  ids->keys = NULL;
  ids->room = ids->count = 0;
}

void hf_ids_free(hf_ids *ids) {
  hf_ids_clear(ids);
}

static uint32_t home_of(const hf_ids *ids, uint16_t id) {
  return (id * UINT32_C(2654435769)) >> ids->shift;
}

static uint32_t place_of(const hf_ids *ids, uint16_t id) {
  uint32_t at = home_of(ids, id);
  while (ids->keys[at] && ids->keys[at] != id)
    at = (at + 1) & (ids->room - 1);
  return at;
}

uint64_t *hf_ids_find(const hf_ids *ids, uint16_t id) {
  if (ids->count == 0 || id == 0) return NULL;
  uint32_t at = place_of(ids, id);
  return ids->keys[at] ? &ids->values[at] : NULL;
}

static bool grow(hf_ids *ids) {
  hf_ids larger = {.room = ids->room ? ids->room * 2 : LEAST,
                   .shift = ids->room ? (uint8_t)(ids->shift - 1) : SHIFT_OF_LEAST,
                   .count = ids->count,
                   .cursor = ids->cursor};
  larger.values = malloc(larger.room * sizeof *larger.values);
  larger.keys = calloc(larger.room, sizeof *larger.keys);
  if (!larger.values || !larger.keys) {
    hf_ids_free(&larger);
    return false;
  }
  for (uint32_t i = 0; i < ids->room; i++) {
    if (!ids->keys[i]) continue;
    uint32_t at = place_of(&larger, ids->keys[i]);
    larger.keys[at] = ids->keys[i];
    larger.values[at] = ids->values[i];
  }
  hf_ids_free(ids);
  *ids = larger;
  return true;
}

/* Half of the places stay empty; all ids together find room in twice their number. */
bool hf_ids_put(hf_ids *ids, uint16_t id, uint64_t value) {
  uint64_t *there = hf_ids_find(ids, id);
  if (there) {
    *there = value;
    return true;
  }
  if (ids->count + 1 > ids->room / 2 && !grow(ids)) return false;
  uint32_t at = place_of(ids, id);
  ids->keys[at] = id;
  ids->values[at] = value;
  ids->count++;
  return true;
}

void hf_ids_remove(hf_ids *ids, uint16_t id) {
  if (!hf_ids_find(ids, id)) return;
  uint32_t mask = ids->room - 1, gap = place_of(ids, id);
  for (uint32_t at = (gap + 1) & mask; ids->keys[at]; at = (at + 1) & mask) {
    uint32_t home = home_of(ids, ids->keys[at]);
    if (((at - home) & mask) < ((at - gap) & mask)) continue; /* it stands between its home and the gap */
    ids->keys[gap] = ids->keys[at];
    ids->values[gap] = ids->values[at];
    gap = at;
  }
  ids->keys[gap] = 0;
  if (--ids->count == 0 && ids->room > LEAST * 64) hf_ids_clear(ids);
}

uint16_t hf_ids_next(hf_ids *ids, uint32_t spare) {
  if (ids->count + spare >= MOST) return 0;
  do
    ids->cursor++;
  while (ids->cursor == 0 || hf_ids_find(ids, ids->cursor));
  return ids->cursor;
}
