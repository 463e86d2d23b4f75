#include "keeper/keeping.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/list.h"
#include "keeper/door.h"
#include "keeper/inside.h"
#include "keeper/tell.h"

enum {
  LOOK_AGAIN = 1000, /* ms between two looks at a disk that was full, at least */
  GATHER = 10,       /* ms in which what is done gathers for one commit */
};

struct hf_keeping {
  hf_client *client;
  hf_errand commit, tend, close;
  bool committing, tending; /* an errand does, right now */
  bool closed;              /* or is being closed */
};

/* ---- on the thread that makes the client, or posts ---- */

bool hf_keeping_append(hf_client *client, const hf_publish *publish) {
  hf_store *store = client->store;
  if (publish->qos == 0) return hf_store_claim(store, publish->id) == HF_STORE_OK;
  if (hf_store_append(store, publish) != HF_STORE_OK) return false;
  return client->options->store_sync > 0 || hf_store_sync(store) == HF_STORE_OK;
}

typedef struct found {
  hf_line sent, waiting;
} found;

/* What has been sent goes again in the order in which it was [MQTT-4.6.0-1], which its priority may have changed. */
static void take(void *context, hf_publish *publish) {
  static const uint64_t known = UINT64_C(1) << 63;
  found *to = context;
  publish->place = publish->place ? known | publish->place : publish->id;
  if (publish->packet_id)
    hf_line_insert(&to->sent, publish);
  else
    hf_line_append(&to->waiting, publish);
}

/* Into the keeper's inbox, as if it had been posted just now. */
static void post(hf_client *client, hf_publish *publish) {
  publish->weight = hf_publish_weigh(publish);
  publish->flags = HF_PUBLISH_NOTIFY | HF_PUBLISH_RESTORED;
  if (publish->packet_id) publish->flags |= HF_PUBLISH_SENT | HF_PUBLISH_LENT;
  hf_account_charge(&client->account, publish->weight);
  publish->mail.owner = hf_client_hold(client);
  publish->mail.kind = HF_COMMAND_PUBLISH;
  hf_mailbox_push(hf_keeper_inbox(client->keeper), &publish->mail);
}

static void post_again(hf_client *client, hf_line *line, bool whole) {
  while (line->first) {
    hf_publish *publish = line->first;
    hf_line_remove(line, publish);
    if (whole)
      post(client, publish);
    else
      hf_publish_free(publish);
  }
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
  client->keeping = calloc(1, sizeof *client->keeping);
  if (!client->keeping) {
    problem->code = HF_STORE_NO_MEMORY;
    snprintf(problem->text, sizeof problem->text, "not enough memory for a client");
    return false;
  }
  client->keeping->client = client;
  client->store = hf_store_open(options->store, options->client_id, problem);
  found all = {0};
  bool whole = client->store && hf_store_read(client->store, take, &all, problem);
  if (whole) {
    atomic_store(&client->next_publish, hf_store_next_id(client->store));
    choose_protocol(client);
  }
  post_again(client, &all.sent, whole);
  post_again(client, &all.waiting, whole);
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
  client->operations->resume(client->link, client->store, client->options->client_id, resumed);
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

/* ---- errands: the client is held until they are over ---- */

static void is_over(hf_client *client, hf_signal_kind kind) {
  hf_client_signal(client, kind);
  hf_client_drop(client);
}

static void commit(hf_errand *errand) {
  hf_store_commit(HF_OWNER(hf_keeping, commit, errand)->client->store);
}

static void committed(hf_errand *errand, const hf_errand *worked) {
  (void)worked;
  is_over(HF_OWNER(hf_keeping, commit, errand)->client, HF_SIGNAL_COMMITTED);
}

static void tend(hf_errand *errand) {
  hf_store_tend(HF_OWNER(hf_keeping, tend, errand)->client->store);
}

static void tended(hf_errand *errand, const hf_errand *worked) {
  (void)worked;
  is_over(HF_OWNER(hf_keeping, tend, errand)->client, HF_SIGNAL_TENDED);
}

static void close_store(hf_errand *errand) {
  hf_store_close(HF_OWNER(hf_keeping, close, errand)->client->store);
}

static void closed(hf_errand *errand, const hf_errand *worked) {
  (void)worked;
  is_over(HF_OWNER(hf_keeping, close, errand)->client, HF_SIGNAL_REAP);
}

static void do_here(hf_errand *errand) {
  errand->work(errand);
  errand->done(errand, errand);
}

/* False: there is no thread to be had now. A keeper of a spec has none at all. */
static bool send_on_errand(hf_client *client, hf_errand *errand) {
  const hf_keeper_means *means = &client->keeper->means;
  hf_client_hold(client);
  errand->kind = HF_ERRAND_DISK;
  if (means->run && means->run(errand)) return true;
  if (means->run)
    hf_client_drop(client);
  else
    do_here(errand);
  return !means->run;
}

static int64_t wait_to_tend(const hf_client *client) {
  int64_t sync = client->options->store_sync;
  bool promised = sync > 0 && hf_store_well(client->store);
  return promised || sync > LOOK_AGAIN ? sync : LOOK_AGAIN;
}

static void tell_news(hf_client *client) {
  hf_store_problem news;
  if (!hf_store_news(client->store, &news)) return;
  hf_event *event = hf_tell_make(client, HF_EVENT_STORE);
  if (!event) return;
  event->code = (int)news.code;
  event->text = strdup(news.text);
  hf_tell_send(client, event);
}

static void commit_if_due(hf_client *client) {
  hf_keeping *keeping = client->keeping;
  int64_t *due = &client->due[HF_DUE_COMMIT];
  if (client->keeper->now >= *due) *due = HF_NEVER;
  if (keeping->committing || *due != HF_NEVER || !hf_store_wants_commit(client->store)) return;
  keeping->commit = (hf_errand){.work = commit, .done = committed};
  keeping->committing = send_on_errand(client, &keeping->commit);
}

void hf_keeping_settle(hf_client *client) {
  hf_store *store = client->store;
  hf_keeping *keeping = client->keeping;
  if (!store || client->finished) return;
  int64_t *due = &client->due[HF_DUE_TEND], now = client->keeper->now;
  tell_news(client);
  commit_if_due(client);
  if (keeping->tending || !hf_store_wants_tending(store)) return;
  if (*due == HF_NEVER) *due = now + wait_to_tend(client);
  if (now < *due) return;
  keeping->tend = (hf_errand){.work = tend, .done = tended};
  keeping->tending = send_on_errand(client, &keeping->tend);
  *due = keeping->tending ? HF_NEVER : now + LOOK_AGAIN;
}

void hf_keeping_committed(hf_client *client) {
  client->keeping->committing = false;
  client->due[HF_DUE_COMMIT] = client->keeper->now + GATHER;
  hf_client_dirty(client);
}

void hf_keeping_tended(hf_client *client) {
  client->keeping->tending = false;
  hf_client_dirty(client);
}

/* Better late than never: where no thread is to be had, this one waits. */
bool hf_keeping_end(hf_client *client) {
  hf_keeping *keeping = client->keeping;
  if (!client->store || keeping->closed) return true;
  keeping->closed = true;
  keeping->close = (hf_errand){.work = close_store, .done = closed};
  if (send_on_errand(client, &keeping->close)) return false;
  hf_client_hold(client);
  do_here(&keeping->close);
  return false;
}
