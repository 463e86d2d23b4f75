/* heap.h: who is due next, out of many (a binary heap of deadlines).
 *
 * The keeper asks it how long it may sleep. An item is embedded in what is to
 * be timed and belongs to the caller, who removes it before freeing that; the
 * tree is made of the items themselves, so nothing is allocated and nothing can
 * fail. An item of zeros is in no heap. Pure: any thread, one at a time.
 */
#ifndef HF_CORE_HEAP_H
#define HF_CORE_HEAP_H

#include <stddef.h>
#include <stdint.h>

typedef struct hf_heap_item {
  int64_t due;
  struct hf_heap_item *parent, *left, *right;
} hf_heap_item;

typedef struct hf_heap {
  hf_heap_item *root;
  size_t count;
} hf_heap;

void hf_heap_init(hf_heap *heap);

/* Puts the item in, or moves it if it is in already; INT64_MAX takes it out. */
void hf_heap_set(hf_heap *heap, hf_heap_item *item, int64_t due);
void hf_heap_remove(hf_heap *heap, hf_heap_item *item);

hf_heap_item *hf_heap_first(const hf_heap *heap); /* NULL when empty */

#endif
