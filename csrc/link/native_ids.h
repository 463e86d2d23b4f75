/* native_ids.h: packet ids that are taken, and by what.
 *
 * A sparse map from ids (1 to 65,535) to a number of the caller's, with a cursor
 * that rotates over what is free, so that an id comes again as late as can be.
 * PUBLISH, SUBSCRIBE and UNSUBSCRIBE share one (MQTT 5 section 2.2.1). It owns
 * its arrays, which are not there while it is empty. One thread at a time.
 */
#ifndef HF_LINK_NATIVE_IDS_H
#define HF_LINK_NATIVE_IDS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct hf_ids {
  uint64_t *values;
  uint16_t *keys; /* 0: an empty place */
  uint32_t room;  /* a power of two; 0: no arrays */
  uint32_t count;
  uint16_t cursor; /* the id given last */
  uint8_t shift;   /* a hash's, to a place of this room */
} hf_ids;

enum { HF_IDS_FOR_REQUESTS = 64 }; /* that publishes leave free */

void hf_ids_free(hf_ids *ids);
void hf_ids_clear(hf_ids *ids); /* and gives the memory back; the cursor goes on */

/* A free id, which is not taken yet; 0: only `spare` are left, or none. */
uint16_t hf_ids_next(hf_ids *ids, uint32_t spare);

/* Takes the id, or gives the one that is taken another value. False when memory is short. */
bool hf_ids_put(hf_ids *ids, uint16_t id, uint64_t value);
uint64_t *hf_ids_find(const hf_ids *ids, uint16_t id); /* NULL: it is free */
void hf_ids_remove(hf_ids *ids, uint16_t id);

#endif
