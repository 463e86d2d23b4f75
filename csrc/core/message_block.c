#include "core/message_block.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* More than messages find room for: while a block is open nobody counts those that are added to it. */
static const unsigned OPEN = 1u << 30;

struct hf_message_block {
  atomic_uint holders; /* messages; OPEN more until it is closed, less those that were added meanwhile */
  unsigned added;
  hf_bytes topic; /* of the last */
  size_t used, room;
  _Alignas(hf_message) char messages[];
};

hf_message_block *hf_message_block_new(size_t room) {
  hf_message_block *block = malloc(sizeof *block + room);
  if (!block) return NULL;
  atomic_init(&block->holders, OPEN);
  block->added = 0;
  block->topic = (hf_bytes){NULL, 0};
  block->used = 0;
  block->room = room;
  return block;
}

static void let_go(hf_message_block *block, unsigned holders) {
  if (atomic_fetch_sub_explicit(&block->holders, holders, memory_order_acq_rel) == holders) free(block);
}

void hf_message_block_close(hf_message_block *block) {
  if (block) let_go(block, OPEN - block->added);
}

void hf_message_block_release(hf_message_block *block) {
  let_go(block, 1);
}

hf_mail *hf_message_free_run(hf_message *message, unsigned count) {
  hf_mail *mail = &message->mail;
  unsigned gone = 0;
  for (unsigned i = 1; i <= count; i++) {
    message = (hf_message *)mail;
    hf_message_block *block = message->block;
    mail = mail->next;
    if (message->wishes != message->wishes_inline) free(message->wishes);
    if (!block) {
      free(message);
      continue;
    }
    gone++;
    bool more = i < count && ((const hf_message *)mail)->block == block;
    if (more) continue;
    let_go(block, gone);
    gone = 0;
  }
  return mail;
}

hf_message *hf_message_by_itself(hf_message *message) {
  hf_message *copy = message->block ? hf_message_new(message->topic, message->payload, message->properties) : NULL;
  if (!copy) return message;
  hf_message rest = *message;
  rest.topic = copy->topic;
  rest.payload = copy->payload;
  rest.properties = copy->properties;
  rest.block = NULL;
  bool few = message->wishes == message->wishes_inline;
  *copy = rest;
  if (few) copy->wishes = copy->wishes_inline;
  message->wishes = message->wishes_inline;
  hf_message_free(message);
  return copy;
}

hf_message *hf_message_block_add(hf_message_block *block, hf_bytes topic, hf_bytes payload,
                                 const hf_properties *properties) {
  hf_bytes last = block->topic;
  bool same = last.data && last.length == topic.length && memcmp(last.data, topic.data, topic.length) == 0;
  size_t size = hf_message_size(same ? (hf_bytes){NULL, 0} : topic, payload, properties);
  if (size > block->room - block->used) return NULL;
  hf_message *message = (hf_message *)(void *)(block->messages + block->used);
  hf_message_fill(message, same ? (hf_bytes){NULL, 0} : topic, payload, properties);
  if (same) message->topic = last;
  message->block = block;
  block->topic = message->topic;
  block->used += size;
  block->added++;
  return message;
}
