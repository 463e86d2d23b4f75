#include "keeper/admission.h"

#include <stdlib.h>

#include "keeper/door.h"
#include "keeper/dues.h"
#include "keeper/inside.h"
#include "keeper/keeping.h"
#include "keeper/snapshot.h"
#include "keeper/tell.h"
#include "sys/clock.h"
#include "sys/memory.h"

/* `times` the queue. */
static bool room_for(hf_client *client, size_t weight, size_t times) {
  const hf_client_options *options = client->options;
  hf_queued queued = hf_account_queued(&client->account);
  return queued.messages < options->queue_messages * times && queued.bytes <= options->queue_bytes * times - weight;
}

/* Who is refused when there is no room is held back by outcomes that nobody has looked at, too. Who is not must not
 * lose messages to them, so there outcomes take no room, and are bounded by themselves. */
hf_publish *hf_client_outcome(hf_client *client, hf_publish *publish, bool tell) {
  const hf_client_options *options = client->options;
  bool keeps_room = tell && options->overflow == HF_OVERFLOW_REJECT && !(publish->flags & HF_PUBLISH_RESTORED);
  if (!keeps_room && publish->weight) {
    client->dues.messages++;
    client->dues.bytes += publish->weight;
    publish->weight = 0;
  }
  size_t most = options->queue_messages > HF_EVENTS_AT_MOST ? options->queue_messages : HF_EVENTS_AT_MOST;
  bool surplus = !keeps_room && !(publish->flags & HF_PUBLISH_AWAITED) && atomic_load(&client->outcomes) >= most;
  if (tell && surplus) HF_COUNT(client, events_dropped, 1);
  if (!tell || surplus) {
    hf_dues_free(client, publish);
    return NULL;
  }
  publish->mail.kind = HF_EVENT_OUTCOME;
  publish->mail.owner = client;
  if (keeps_room) return publish;
  atomic_fetch_add(&client->outcomes, 1);
  return hf_publish_shrink(publish);
}

void hf_client_outcome_taken(hf_client *client, hf_publish *publish) {
  if (publish->weight)
    hf_dues_credit(client, 1 + (size_t)publish->more, publish->weight);
  else
    atomic_fetch_sub(&client->outcomes, 1 + (size_t)publish->more);
  hf_event_discard(&publish->mail);
}

/* A message expiry of 0 is one of less than a second. */
static void set_deadlines(hf_publish *publish, int64_t ttl, int64_t age) {
  bool expires = publish->properties && publish->properties->present & HF_PROPERTY_MESSAGE_EXPIRY;
  if (ttl < 0 && !expires) return;
  int64_t posted = hf_clock_ms() - age;
  if (ttl >= 0) publish->deadline = posted + ttl;
  if (!expires) return;
  uint32_t seconds = publish->properties->message_expiry;
  publish->expires = posted + (seconds ? (int64_t)seconds * 1000 : 1000);
  if (publish->expires < publish->deadline) publish->deadline = publish->expires;
}

static void overflow(hf_client *client, hf_publish *publish) {
  if (client->store) hf_store_claim(client->store, publish->id);
  publish->flags |= HF_PUBLISH_OVERFLOW;
  hf_count_drop(client, publish);
  hf_publish *outcome = hf_client_outcome(client, publish, publish->flags & HF_PUBLISH_NOTIFY);
  if (!outcome) return;
  hf_client_hold(client);
  hf_mailbox_push(client->out, &outcome->mail);
}

size_t hf_client_at_stake(hf_client *client) {
  return client->store || atomic_load(&client->closed) ? 0 : hf_account_queued(&client->account).messages;
}

void hf_client_store_trouble(hf_client *client, hf_store_problem *problem) {
  hf_store_refusal(client->store, problem);
}

static bool take_room(hf_client *client, size_t weight) {
  const hf_client_options *options = client->options;
  /* The keeper drops the oldest, so for a moment there are more. */
  size_t times = options->overflow == HF_OVERFLOW_DROP_OLDEST ? 2 : 1;
  bool room = room_for(client, weight, times);
  if (room) hf_account_charge(&client->account, weight);
  return room;
}

hf_admission hf_client_post(hf_client *client, hf_publish *publish, int64_t ttl, int64_t age, uint64_t *id) {
  const hf_client_options *options = client->options;
  if (atomic_load_explicit(&client->closed, memory_order_relaxed)) return HF_CLIENT_IS_CLOSED;
  size_t weight = hf_publish_weigh(publish);
  if (weight > options->queue_bytes) return HF_TOO_LARGE;
  bool room = take_room(client, weight);
  if (!room && options->overflow == HF_OVERFLOW_REJECT) {
    atomic_store(&client->room_wanted, true);
    /* What freed the queue between the look and the flag did not see the flag. */
    if (room_for(client, weight, 1) && atomic_exchange(&client->room_wanted, false)) hf_dues_tell_room(client);
    return HF_QUEUE_FULL;
  }
  *id = publish->id = hf_posting_id(client);
  if (!room) {
    overflow(client, publish);
    return HF_ADMITTED;
  }
  publish->weight = weight;
  set_deadlines(publish, ttl, age);
  if (client->store && !hf_keeping_append(client, publish)) {
    hf_dues_credit(client, 1, weight); /* who was refused meanwhile waits for this room */
    hf_client_signal(client, HF_SIGNAL_NOT_KEPT);
    return HF_NOT_KEPT;
  }
  hf_posting_over(client);
  publish->mail.owner = hf_client_hold(client);
  publish->mail.kind = HF_COMMAND_PUBLISH;
  hf_mailbox_push(hf_keeper_inbox(client->keeper), &publish->mail);
  return HF_ADMITTED;
}

static hf_admission post_alone(hf_client *client, const hf_post *post, uint64_t *id) {
  hf_publish *publish = hf_publish_new_by(hf_large_block, post->topic, post->payload, NULL);
  if (!publish) return HF_NO_MEMORY;
  publish->qos = post->qos;
  publish->retain = post->retain;
  publish->flags = post->flags;
  hf_admission admission = hf_client_post(client, publish, post->ttl, 0, id);
  if (admission != HF_ADMITTED) hf_publish_free(publish);
  return admission;
}

/* Who has no room here is told why there. */
hf_admission hf_client_post_copy(hf_client *client, const hf_post *post, uint64_t *id) {
  size_t weight = hf_publish_weight(post->topic, post->payload);
  bool closed = atomic_load_explicit(&client->closed, memory_order_relaxed);
  if (closed || client->store || weight > client->options->queue_bytes || !hf_posting_suits(post) ||
      !take_room(client, weight))
    return post_alone(client, post, id);
  if (hf_posting_add(client, post, weight, id)) return HF_ADMITTED;
  hf_dues_credit(client, 1, weight);
  return HF_NO_MEMORY;
}
