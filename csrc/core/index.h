/* index.h: a hash table from 32-bit keys to structs that embed its link.
 *
 * Several links may have one key; the caller walks them and compares what the
 * key stands for. The index owns only its array of slots, never what is in it,
 * and the caller removes a link before freeing its struct. While it has had one
 * link at most there is no array, so a client costs little for what it may never
 * have; it stays where it was initialised. Pure: any thread, one at a time.
 */
#ifndef HF_CORE_INDEX_H
#define HF_CORE_INDEX_H

#include <stddef.h>
#include <stdint.h>

typedef struct hf_index_link {
  struct hf_index_link *next;
  uint32_t key;
} hf_index_link;

typedef struct hf_index {
  hf_index_link **slots;
  size_t mask; /* number of slots, a power of two, less one */
  size_t count;
  hf_index_link *only; /* the one slot, as long as there are no others */
} hf_index;

void hf_index_init(hf_index *index);
void hf_index_free(hf_index *index); /* as often as you like; one of zeros, too */

/* Never fails: when memory is too short to grow, chains get longer. */
void hf_index_put(hf_index *index, hf_index_link *link, uint32_t key);
void hf_index_remove(hf_index *index, hf_index_link *link); /* which must be in it */

/* The first link with the key, and the one after it; NULL when there is none. */
hf_index_link *hf_index_find(const hf_index *index, uint32_t key);
hf_index_link *hf_index_again(const hf_index_link *link);

/* For numbers that are given out in turn: the one after `last`, counted from 1 to `highest` and round again, that is no
 * key here. There must be one. */
uint32_t hf_index_unused(const hf_index *index, uint32_t last, uint32_t highest);

uint32_t hf_index_hash(const char *data, size_t length); /* a key for bytes */

#endif
