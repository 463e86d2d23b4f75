#include "core/heap.h"

#include <stdbool.h>

/* A complete tree: its places are numbered row by row from 1, the children of place p are 2p and 2p + 1, and those in
 * use are 1 to `count`. The bits of a number below its highest are the way there from the root, 0 for left. */

void hf_heap_init(hf_heap *heap) {
  *heap = (hf_heap){0};
}

static bool is_in(const hf_heap *heap, const hf_heap_item *item) {
  return item->parent || heap->root == item;
}

/* Where the pointer to the item at a place is kept. */
static hf_heap_item **slot(hf_heap *heap, size_t place, hf_heap_item **parent) {
  hf_heap_item **at = &heap->root;
  size_t bit = 1;
  while (bit <= place / 2)
    bit *= 2;
  *parent = NULL;
  while (bit > 1) {
    bit /= 2;
    *parent = *at;
    at = place & bit ? &(*at)->right : &(*at)->left;
  }
  return at;
}

static hf_heap_item **slot_of(hf_heap *heap, const hf_heap_item *item) {
  if (!item->parent) return &heap->root;
  return item->parent->left == item ? &item->parent->left : &item->parent->right;
}

/* Whose children think another item is their parent. */
static void adopt(hf_heap_item *item) {
  if (item->left) item->left->parent = item;
  if (item->right) item->right->parent = item;
}

/* A child takes its parent's place, which takes the child's. */
static void exchange(hf_heap *heap, hf_heap_item *child) {
  hf_heap_item *parent = child->parent, former = *child;
  *slot_of(heap, parent) = child;
  child->parent = parent->parent;
  child->left = parent->left == child ? parent : parent->left;
  child->right = parent->right == child ? parent : parent->right;
  parent->left = former.left;
  parent->right = former.right;
  adopt(child);
  adopt(parent);
}

static void rise(hf_heap *heap, hf_heap_item *item) {
  while (item->parent && item->parent->due > item->due)
    exchange(heap, item);
}

static void sink(hf_heap *heap, hf_heap_item *item) {
  for (;;) {
    hf_heap_item *child = item->left; /* there is no right one without it */
    if (!child) return;
    if (item->right && item->right->due < child->due) child = item->right;
    if (child->due >= item->due) return;
    exchange(heap, child);
  }
}

static void put_last(hf_heap *heap, hf_heap_item *item) {
  *slot(heap, ++heap->count, &item->parent) = item;
  item->left = item->right = NULL;
}

static hf_heap_item *take_last(hf_heap *heap) {
  hf_heap_item *parent;
  hf_heap_item **at = slot(heap, heap->count--, &parent);
  hf_heap_item *last = *at;
  *at = NULL;
  return last;
}

void hf_heap_remove(hf_heap *heap, hf_heap_item *item) {
  if (!is_in(heap, item)) return;
  hf_heap_item *last = take_last(heap);
  if (last != item) {
    *slot_of(heap, item) = last;
    last->parent = item->parent;
    last->left = item->left;
    last->right = item->right;
    adopt(last);
    rise(heap, last);
    sink(heap, last);
  }
  item->parent = item->left = item->right = NULL;
}

void hf_heap_set(hf_heap *heap, hf_heap_item *item, int64_t due) {
  if (due == INT64_MAX) {
    hf_heap_remove(heap, item);
    item->due = due;
    return;
  }
  item->due = due;
  if (!is_in(heap, item)) put_last(heap, item);
  rise(heap, item);
  sink(heap, item);
}

hf_heap_item *hf_heap_first(const hf_heap *heap) {
  return heap->root;
}
