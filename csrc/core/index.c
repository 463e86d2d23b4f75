#include "core/index.h"

#include <stdlib.h>

enum { FEWEST = 16 };

void hf_index_init(hf_index *index) {
  *index = (hf_index){.slots = &index->only};
}

static void free_slots(hf_index *index) {
  if (index->slots != &index->only) free(index->slots);
}

void hf_index_free(hf_index *index) {
  free_slots(index);
  hf_index_init(index);
}

/* Keys may be consecutive numbers or already hashes: Fibonacci hashing spreads both. */
static hf_index_link **slot(hf_index_link **slots, size_t mask, uint32_t key) {
  return &slots[(key * 0x9E3779B1u >> 7) & mask];
}

static void grow(hf_index *index) {
  size_t slots = index->mask ? (index->mask + 1) * 2 : FEWEST;
  hf_index_link **more = calloc(slots, sizeof *more);
  if (!more) return;
  for (size_t i = 0; i <= index->mask; i++) {
    for (hf_index_link *link = index->slots[i], *next; link; link = next) {
      hf_index_link **place = slot(more, slots - 1, link->key);
      next = link->next;
      link->next = *place;
      *place = link;
    }
  }
  free_slots(index);
  index->slots = more;
  index->mask = slots - 1;
}

void hf_index_put(hf_index *index, hf_index_link *link, uint32_t key) {
  if (index->count > index->mask) grow(index);
  hf_index_link **place = slot(index->slots, index->mask, key);
  *link = (hf_index_link){.next = *place, .key = key};
  *place = link;
  index->count++;
}

void hf_index_remove(hf_index *index, hf_index_link *link) {
  hf_index_link **at = slot(index->slots, index->mask, link->key);
  while (*at != link)
    at = &(*at)->next;
  *at = link->next;
  index->count--;
}

static hf_index_link *with_key(hf_index_link *link, uint32_t key) {
  while (link && link->key != key)
    link = link->next;
  return link;
}

hf_index_link *hf_index_find(const hf_index *index, uint32_t key) {
  return with_key(*slot(index->slots, index->mask, key), key);
}

hf_index_link *hf_index_again(const hf_index_link *link) {
  return with_key(link->next, link->key);
}

uint32_t hf_index_unused(const hf_index *index, uint32_t last, uint32_t highest) {
  do
    last = last < highest ? last + 1 : 1;
  while (hf_index_find(index, last));
  return last;
}

uint32_t hf_index_hash(const char *data, size_t length) { /* FNV-1a */
  uint32_t value = 2166136261u;
  for (size_t i = 0; i < length; i++)
    value = (value ^ (unsigned char)data[i]) * 16777619u;
  return value;
}
