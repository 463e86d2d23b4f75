/* dues.h: what one turn has to give back, which is given back at its end.
 *
 * What another thread counts as well costs as much for a thousand messages as
 * for one. Embedded in the client; for the thread that turns the keeper, but for
 * hf_dues_credit. Paid before Lua is told anything, so that it finds done what it
 * hears of.
 */
#ifndef HF_KEEPER_DUES_H
#define HF_KEEPER_DUES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/publish_block.h"
#include "keeper/client.h"

/* What was posted, and what has been credited of it since. Only whichever thread posts writes the former, one at a
 * time: a locked addition each would be a good part of what a post costs. Any thread reads. */
typedef struct hf_account {
  atomic_size_t posted_messages, posted_bytes;
  atomic_size_t credited_messages, credited_bytes;
} hf_account;

typedef struct hf_queued {
  size_t messages, bytes; /* admitted, outcome not yet taken */
} hf_queued;

/* What has been credited is read first: by then it had been posted. */
static inline hf_queued hf_account_queued(const hf_account *account) {
  size_t messages = atomic_load(&account->credited_messages), bytes = atomic_load(&account->credited_bytes);
  return (hf_queued){.messages = atomic_load_explicit(&account->posted_messages, memory_order_acquire) - messages,
                     .bytes = atomic_load_explicit(&account->posted_bytes, memory_order_acquire) - bytes};
}

static inline void hf_account_raise(atomic_size_t *posted, size_t more) {
  atomic_store_explicit(posted, atomic_load_explicit(posted, memory_order_relaxed) + more, memory_order_release);
}

/* One more message is in the queue. */
static inline void hf_account_charge(hf_account *account, size_t bytes) {
  hf_account_raise(&account->posted_messages, 1);
  hf_account_raise(&account->posted_bytes, bytes);
}

typedef struct hf_dues {
  size_t messages, bytes;   /* of the queue */
  uint64_t sent, delivered; /* to be counted */
  unsigned references;
  hf_publish_block *block; /* of which so many messages are gone; NULL: none are */
  unsigned gone;
} hf_dues;

/* As hf_publish_free, once they are paid. */
void hf_dues_free(hf_client *client, hf_publish *publish);

void hf_dues_pay(hf_client *client);

/* So much room in the queue is free again; whoever was refused meanwhile hears of it. Any thread, as the two below. */
void hf_dues_credit(hf_client *client, size_t messages, size_t bytes);
void hf_dues_tell_room(hf_client *client);

#endif
