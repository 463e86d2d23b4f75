/* heap.h: who is due next, out of many (a binary heap of deadlines).
 *
 * The keeper asks it how long it may sleep. An item is embedded in what is to
 * be timed and belongs to the caller, who removes it before freeing that; the
 * heap owns only its array of pointers. Pure: any thread, one at a time.
 */
#ifndef HF_CORE_HEAP_H
#define HF_CORE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hf_heap_item {
  int64_t due;
  size_t place; /* 1-based position in the heap; 0: not in it */
} hf_heap_item;

typedef struct hf_heap {
  hf_heap_item **items;
  size_t count;
  size_t room;
} hf_heap;

void hf_heap_init(hf_heap *heap);
void hf_heap_free(hf_heap *heap);

/* Puts the item in, or moves it if it is in already; INT64_MAX takes it out. False when memory is short. */
bool hf_heap_set(hf_heap *heap, hf_heap_item *item, int64_t due);
void hf_heap_remove(hf_heap *heap, hf_heap_item *item);

hf_heap_item *hf_heap_first(const hf_heap *heap); /* NULL when empty */

#endif
