#include "core/publish_block.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* More than messages find room for. Of holders: while a block is open nobody counts those that are added to it. */
static const unsigned OPEN = 1u << 30, SEALED = 1u << 31;

struct hf_publish_block {
  hf_mail mail;
  atomic_uint filled;  /* messages; SEALED in place of them: they have been taken */
  atomic_uint holders; /* messages; OPEN more until it is closed, less those that were added meanwhile */
  unsigned added;      /* of the writer alone, like all below */
  hf_bytes topic;      /* of the last */
  size_t used, room;
  _Alignas(hf_publish) char messages[];
};

hf_publish_block *hf_publish_block_new(size_t room) {
  hf_publish_block *block = malloc(sizeof *block + room);
  if (!block) return NULL;
  block->mail = (hf_mail){0};
  atomic_init(&block->filled, 0);
  atomic_init(&block->holders, OPEN);
  block->added = 0;
  block->topic = (hf_bytes){NULL, 0};
  block->used = 0;
  block->room = room;
  return block;
}

hf_mail *hf_publish_block_mail(hf_publish_block *block) {
  return &block->mail;
}

hf_publish_block *hf_publish_block_of(hf_mail *mail) {
  return (hf_publish_block *)(void *)((char *)mail - offsetof(hf_publish_block, mail));
}

static void let_go(hf_publish_block *block, unsigned holders) {
  if (atomic_fetch_sub_explicit(&block->holders, holders, memory_order_acq_rel) == holders) free(block);
}

void hf_publish_block_close(hf_publish_block *block) {
  if (block) let_go(block, OPEN - block->added);
}

void hf_publish_block_release(hf_publish_block *block, unsigned count) {
  let_go(block, count);
}

bool hf_publish_block_sealed(const hf_publish_block *block) {
  return atomic_load_explicit(&block->filled, memory_order_relaxed) == SEALED;
}

hf_publish *hf_publish_block_put(hf_publish_block *block, hf_bytes topic, hf_bytes payload) {
  hf_bytes last = block->topic;
  bool same = last.data && last.length == topic.length && memcmp(last.data, topic.data, topic.length) == 0;
  hf_bytes own = same ? (hf_bytes){NULL, 0} : topic;
  size_t size = hf_publish_size(own, payload);
  if (size > block->room - block->used || hf_publish_block_sealed(block)) return NULL;
  hf_publish *publish = (hf_publish *)(void *)(block->messages + block->used);
  hf_publish_fill(publish, own, payload);
  if (same) publish->topic = last;
  publish->block = block;
  publish->span = (uint32_t)size;
  return publish;
}

bool hf_publish_block_commit(hf_publish_block *block, hf_publish *publish) {
  /* Whoever sees it may change it at once. */
  hf_bytes topic = publish->topic;
  uint32_t span = publish->span;
  unsigned filled = block->added;
  if (!atomic_compare_exchange_strong_explicit(&block->filled, &filled, filled + 1, memory_order_release,
                                               memory_order_relaxed))
    return false;
  block->added++;
  block->topic = topic;
  block->used += span;
  return true;
}

unsigned hf_publish_block_seal(hf_publish_block *block) {
  return atomic_exchange_explicit(&block->filled, SEALED, memory_order_acquire);
}

hf_publish *hf_publish_block_first(hf_publish_block *block) {
  return (hf_publish *)(void *)block->messages;
}

hf_publish *hf_publish_block_next(hf_publish *publish) {
  return (hf_publish *)(void *)((char *)publish + publish->span);
}

void hf_publish_block_discard(hf_publish_block *block) {
  unsigned count = hf_publish_block_seal(block);
  for (hf_publish *publish = hf_publish_block_first(block), *next; count > 0; count--, publish = next) {
    next = hf_publish_block_next(publish);
    hf_publish_free(publish);
  }
}
