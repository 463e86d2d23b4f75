#include "keeper/inside.h"

#include <stdlib.h>

#include "sys/clock.h"

/* A client's store: what is accepted goes in before `post` returns, what is done goes out at the end of a turn, and the
 * medium is waited for on a thread of its own. */

/* ms between two looks at a disk that was full, at least. */
enum { LOOK_AGAIN = 1000 };

/* ---- on the thread that makes the client, or posts ---- */

/* Deadlines are moments of this process's clock, and mean nothing to the next. */
static int64_t on_the_wall(int64_t moment) {
  return moment == INT64_MAX ? INT64_MAX : moment - hf_clock_ms() + hf_clock_wall_ms();
}

static int64_t off_the_wall(int64_t moment) {
  return moment == INT64_MAX ? INT64_MAX : moment - hf_clock_wall_ms() + hf_clock_ms();
}

bool hf_keeping_append(hf_client *client, const hf_publish *publish) {
  hf_store *store = client->store;
  if (publish->qos == 0) return hf_store_claim(store, publish->id) == HF_STORE_OK;
  if (hf_store_append(store, publish, on_the_wall(publish->deadline), on_the_wall(publish->expires)) != HF_STORE_OK)
    return false;
  return client->options->store_sync > 0 || hf_store_sync(store) == HF_STORE_OK;
}

static void take(void *line, hf_publish *publish) {
  hf_line_append(line, publish);
}

/* Into the keeper's inbox, as if it had been posted just now. */
static void post_again(hf_client *client, hf_publish *publish) {
  publish->deadline = off_the_wall(publish->deadline);
  publish->expires = off_the_wall(publish->expires);
  publish->weight = hf_client_weigh(publish);
  publish->flags = HF_PUBLISH_NOTIFY | HF_PUBLISH_RESTORED;
  if (publish->packet_id) publish->flags |= HF_PUBLISH_SENT | HF_PUBLISH_LENT;
  atomic_fetch_add(&client->queued_messages, 1);
  atomic_fetch_add(&client->queued_bytes, publish->weight);
  publish->mail.owner = hf_client_hold(client);
  publish->mail.kind = HF_COMMAND_PUBLISH;
  hf_mailbox_push(hf_keeper_inbox(client->keeper), &publish->mail);
}

/* Exactly once goes on where the session is the same, which in another version it is not: who had to go down to 3.1.1
 * does not ask for 5 again in the middle of an exchange. */
static void choose_protocol(hf_client *client) {
  const hf_store *store = client->store;
  if (!client->options->fallback || hf_store_protocol(store) != 4 || !hf_store_mid_exchange(store)) return;
  client->protocol = client->snapshot.protocol = 4;
}

bool hf_keeping_begin(hf_client *client, hf_store_problem *problem) {
  const hf_client_options *options = client->options;
  if (!options->store) return true;
  client->store = hf_store_open(options->store, options->client_id, problem);
  hf_line found = {0};
  bool whole = client->store && hf_store_read(client->store, take, &found, problem);
  if (whole) {
    atomic_store(&client->next_publish, hf_store_next_id(client->store));
    choose_protocol(client);
  }
  while (found.first) {
    hf_publish *publish = found.first;
    hf_line_remove(&found, publish);
    if (whole)
      post_again(client, publish);
    else
      hf_publish_free(publish);
  }
  return whole;
}

/* ---- on the keeper's ---- */

void hf_keeping_resume(hf_client *client) {
  if (!client->store) return;
  hf_outbox *outbox = &client->outbox;
  hf_publish *resumed = NULL;
  for (hf_publish *publish = outbox->again.last, *previous; publish; publish = previous) {
    previous = publish->previous;
    if (!publish->packet_id) continue;
    hf_line_remove(&outbox->again, publish);
    publish->mail.next = resumed ? &resumed->mail : NULL;
    resumed = publish;
    outbox->in_flight++;
  }
  client->keeper->operations->resume(client->link, client->store, client->options->client_id, resumed);
}

/* What the client leaves behind is for the next one on this store; so is QoS 2 that a link gave back at its end, whose
 * exchange the session may still be in the middle of. */
void hf_keeping_over(hf_client *client, hf_publish *publish) {
  if (!client->store || publish->qos == 0) return;
  bool left = publish->flags & HF_PUBLISH_CLOSED || (client->finished && publish->qos == 2);
  if (!left) hf_store_done(client->store, publish->id);
  if (publish->flags & HF_PUBLISH_CLOSED) publish->flags |= HF_PUBLISH_KEPT;
}

bool hf_keeping_holds_back(const hf_client *client, const hf_publish *publish) {
  return client->store && publish->qos == 2 && !hf_store_well(client->store);
}

static hf_client *client_of(hf_errand *errand, size_t offset) {
  return (hf_client *)(void *)((char *)errand - offset);
}

static void tend(hf_errand *errand) {
  hf_store_tend(client_of(errand, offsetof(hf_client, tend))->store);
}

static void tended(hf_errand *errand, const hf_errand *worked) {
  (void)worked;
  hf_client *client = client_of(errand, offsetof(hf_client, tend));
  hf_client_signal(client, HF_SIGNAL_TENDED);
  hf_client_drop(client);
}

static void close_store(hf_errand *errand) {
  hf_store_close(client_of(errand, offsetof(hf_client, close_store))->store);
}

static void closed(hf_errand *errand, const hf_errand *worked) {
  (void)worked;
  hf_client *client = client_of(errand, offsetof(hf_client, close_store));
  hf_client_signal(client, HF_SIGNAL_REAP);
  hf_client_drop(client);
}

static void send_on_errand(hf_client *client, hf_errand *errand) {
  hf_client_hold(client);
  errand->kind = HF_ERRAND_DISK;
  if (client->keeper->means.run && client->keeper->means.run(errand)) return;
  errand->work(errand);
  errand->done(errand, errand);
}

static int64_t wait_to_tend(const hf_client *client) {
  int64_t sync = client->options->store_sync;
  bool promised = sync > 0 && hf_store_well(client->store);
  return promised || sync > LOOK_AGAIN ? sync : LOOK_AGAIN;
}

void hf_keeping_settle(hf_client *client) {
  hf_store *store = client->store;
  if (!store || client->finished) return;
  hf_store_commit(store);
  if (client->tending || !hf_store_wants_tending(store)) return;
  if (client->due[HF_DUE_TEND] == HF_NEVER) client->due[HF_DUE_TEND] = client->keeper->now + wait_to_tend(client);
  if (client->keeper->now < client->due[HF_DUE_TEND]) return;
  client->due[HF_DUE_TEND] = HF_NEVER;
  client->tending = true;
  client->tend = (hf_errand){.work = tend, .done = tended};
  send_on_errand(client, &client->tend);
}

void hf_keeping_tended(hf_client *client) {
  client->tending = false;
  hf_driver_dirty(client);
}

bool hf_keeping_end(hf_client *client) {
  if (!client->store || client->store_closed) return true;
  client->store_closed = true;
  client->close_store = (hf_errand){.work = close_store, .done = closed};
  send_on_errand(client, &client->close_store);
  return false;
}
