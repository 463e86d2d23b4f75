#include "keeper/posting.h"

#include "keeper/door.h"
#include "keeper/inside.h"
#include "sys/clock.h"

enum {
  ROOM_MOST = 8 * 1024, /* what one message that stays can keep from being freed, and an idle client */
  SIZE_MOST = 2 * 1024, /* of a message with its struct */
};

uint64_t hf_posting_id(hf_client *client) {
  uint64_t id = atomic_load_explicit(&client->next_publish, memory_order_relaxed);
  atomic_store_explicit(&client->next_publish, id + 1, memory_order_relaxed);
  return id;
}

bool hf_posting_suits(const hf_post *post) {
  return post->payload.length <= SIZE_MOST && hf_publish_size(post->topic, post->payload) <= SIZE_MOST;
}

void hf_posting_over(hf_client *client) {
  hf_publish_block_close(client->posting.block);
  client->posting.block = NULL;
}

static hf_publish *put(hf_posting *posting, const hf_post *post, uint64_t id, size_t weight) {
  hf_publish *publish = hf_publish_block_put(posting->block, post->topic, post->payload);
  if (!publish) return NULL;
  publish->id = id;
  publish->qos = post->qos;
  publish->retain = post->retain;
  publish->flags = post->flags;
  publish->weight = weight;
  if (post->ttl >= 0) publish->deadline = hf_clock_ms() + post->ttl;
  return publish;
}

/* One that the keeper took early was too large, one that was full too small. */
static bool begin(hf_posting *posting, const hf_post *post) {
  hf_publish_block *last = posting->block;
  size_t size = hf_publish_size(post->topic, post->payload), room = posting->room;
  if (last) room = hf_publish_block_sealed(last) ? room / 2 : room * 2;
  if (room > ROOM_MOST) room = ROOM_MOST;
  if (room < size) room = size;
  hf_publish_block *block = hf_publish_block_new(room);
  if (!block) return false;
  hf_publish_block_close(last);
  *posting = (hf_posting){.block = block, .room = room, .ttl = post->ttl};
  return true;
}

static void send(hf_client *client) {
  hf_mail *mail = hf_publish_block_mail(client->posting.block);
  mail->owner = hf_client_hold(client);
  mail->kind = HF_COMMAND_PUBLISHES;
  hf_mailbox_push(hf_keeper_inbox(client->keeper), mail);
}

bool hf_posting_add(hf_client *client, const hf_post *post, size_t weight, uint64_t *id) {
  hf_posting *posting = &client->posting;
  hf_publish *publish = NULL;
  *id = hf_posting_id(client);
  if (posting->block && posting->ttl != post->ttl) {
    hf_posting_over(client);
    posting->room = 0;
  }
  if (posting->block) publish = put(posting, post, *id, weight);
  if (publish && hf_publish_block_commit(posting->block, publish)) return true;
  if (!begin(posting, post)) return false;
  hf_publish_block_commit(posting->block, put(posting, post, *id, weight));
  send(client);
  return true;
}
