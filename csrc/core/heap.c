#include "core/heap.h"

#include <stdlib.h>

void hf_heap_init(hf_heap *heap) {
  *heap = (hf_heap){0};
}

void hf_heap_free(hf_heap *heap) {
  free(heap->items);
  hf_heap_init(heap);
}

/* Places are 1-based: the children of place p are 2p and 2p + 1. */
static void put(hf_heap *heap, size_t place, hf_heap_item *item) {
  heap->items[place - 1] = item;
  item->place = place;
}

static void rise(hf_heap *heap, hf_heap_item *item) {
  size_t place = item->place;
  while (place > 1 && heap->items[place / 2 - 1]->due > item->due) {
    put(heap, place, heap->items[place / 2 - 1]);
    place /= 2;
  }
  put(heap, place, item);
}

static void sink(hf_heap *heap, hf_heap_item *item) {
  size_t place = item->place;
  for (;;) {
    size_t child = place * 2;
    if (child > heap->count) break;
    if (child < heap->count && heap->items[child]->due < heap->items[child - 1]->due) child++;
    if (heap->items[child - 1]->due >= item->due) break;
    put(heap, place, heap->items[child - 1]);
    place = child;
  }
  put(heap, place, item);
}

void hf_heap_remove(hf_heap *heap, hf_heap_item *item) {
  if (item->place == 0) return;
  hf_heap_item *last = heap->items[--heap->count];
  if (last != item) {
    put(heap, item->place, last);
    rise(heap, last);
    sink(heap, last);
  }
  item->place = 0;
}

static bool make_room(hf_heap *heap) {
  if (heap->count < heap->room) return true;
  size_t room = heap->room ? heap->room * 2 : 16;
  hf_heap_item **items = realloc(heap->items, room * sizeof *items);
  if (!items) return false;
  heap->items = items;
  heap->room = room;
  return true;
}

bool hf_heap_set(hf_heap *heap, hf_heap_item *item, int64_t due) {
  if (due == INT64_MAX) {
    hf_heap_remove(heap, item);
    item->due = due;
    return true;
  }
  if (item->place == 0) {
    if (!make_room(heap)) return false;
    put(heap, ++heap->count, item);
  }
  item->due = due;
  rise(heap, item);
  sink(heap, item);
  return true;
}

hf_heap_item *hf_heap_first(const hf_heap *heap) {
  return heap->count ? heap->items[0] : NULL;
}
