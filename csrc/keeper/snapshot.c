#include "keeper/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "keeper/inside.h"
#include "keeper/tally.h"
#include "sys/clock.h"

hf_shared_counters hf_totals;
atomic_size_t hf_client_total, hf_client_living;

static atomic_uint_fast64_t *at(hf_shared_counters *counters, size_t offset) {
  return (atomic_uint_fast64_t *)(void *)((char *)counters + offset);
}

void hf_count(hf_client *client, size_t counter, uint64_t amount) {
  atomic_fetch_add_explicit(at(&client->counters, counter), amount, memory_order_relaxed);
  atomic_fetch_add_explicit(at(&hf_totals, counter), amount, memory_order_relaxed);
}

void hf_count_drop(hf_client *client, const hf_publish *publish) {
  HF_COUNT(client, dropped, 1);
  hf_tally_drop(publish->flags);
}

static void read_counters(hf_shared_counters *from, hf_counters *to) {
#define READ(name) to->name = atomic_load_explicit(&from->name, memory_order_relaxed);
  HF_COUNTERS(READ)
#undef READ
}

/* Whether it is to be connected and is not. */
static bool is_down(const hf_engine *engine) {
  return engine->state == HF_STATE_CONNECTING || engine->state == HF_STATE_WAITING ||
         engine->state == HF_STATE_SLEEPING;
}

/* Under the lock, as its length is looked at: what is over is no shorter than anybody has seen it. */
static void watch_outage(hf_client *client) {
  int64_t since = client->down_since;
  bool down = is_down(&client->engine);
  if (down == (since != HF_NEVER)) return;
  client->down_since = down ? client->keeper->now : HF_NEVER;
  if (down)
    hf_tally_outage(client->down_since);
  else
    client->downtime += hf_tally_outage_over(since);
}

static int64_t oldest_in_queue(const hf_client *client) {
  const hf_list_link *ages = &client->outbox.ages;
  return hf_list_empty(ages) ? HF_NEVER : HF_OWNER(hf_publish, by_age, ages->next)->accepted;
}

void hf_snapshot_publish(hf_client *client) {
  const hf_engine *engine = &client->engine;
  const char *id = client->assigned_id ? client->assigned_id : client->options->client_id;
  pthread_mutex_lock(&client->lock);
  watch_outage(client);
  hf_status *status = &client->snapshot;
  status->reason = engine->reason;
  status->code = engine->code;
  status->cls = engine->cls;
  status->state = engine->state;
  status->server = hf_given_latest(client)->text;
  status->attempt = engine->attempt;
  status->deadline =
      engine->state == HF_STATE_WAITING || engine->state == HF_STATE_SLEEPING ? engine->deadline : HF_NEVER;
  status->since = engine->since;
  status->downtime = client->downtime;
  status->down_since = client->down_since;
  status->queued_since = oldest_in_queue(client);
  status->protocol = client->protocol;
  status->ready = client->ready;
  bool in_line = hf_gate_takes((hf_gate)client->gate, HF_GATE_INPUT_LIMITED);
  status->held_by = engine->held ? HF_HELD_BY_SLOW_CONSUMER : in_line ? HF_HELD_BY_BUDGET : HF_HELD_BY_NOTHING;
  status->has_path = status->has_path && client->connected;
  status->session_present = client->connected && client->limits.session_present;
  status->held_messages = client->held_messages;
  status->held_since = client->held_since;
  status->keep_alive = client->connected ? client->limits.keep_alive : client->options->keep_alive;
  status->session_expiry = client->connected ? client->limits.session_expiry : client->options->session_expiry;
  strncpy(status->client_id, id, sizeof status->client_id - 1);
  pthread_mutex_unlock(&client->lock);
}

void hf_snapshot_path(hf_client *client) {
  hf_stream_path path;
  const hf_link_operations *operations = client->operations;
  bool known = client->connected && operations->path && operations->path(client->link, &path);
  pthread_mutex_lock(&client->lock);
  client->snapshot.has_path = known;
  if (known) client->snapshot.path = path;
  client->snapshot.path_at = client->keeper->now;
  pthread_mutex_unlock(&client->lock);
}

/* The keeper may not have come to it yet. */
static void look_closed(hf_status *status) {
  if (status->state != HF_STATE_CLOSED) status->since = hf_clock_ms();
  status->state = HF_STATE_CLOSED;
  status->deadline = HF_NEVER;
  status->held_by = HF_HELD_BY_NOTHING;
  status->ready = status->session_present = status->has_path = false;
}

void hf_client_status(hf_client *client, hf_status *status) {
  pthread_mutex_lock(&client->lock);
  *status = client->snapshot;
  if (status->down_since != HF_NEVER) status->downtime += hf_clock_ms() - status->down_since;
  pthread_mutex_unlock(&client->lock);
  if (atomic_load(&client->gone)) look_closed(status);
  hf_queued queued = hf_account_queued(&client->account);
  status->queued_messages = queued.messages;
  status->queued_bytes = queued.bytes;
  if (status->queued_messages == 0) status->queued_since = HF_NEVER; /* the turn in which it went may go on */
  status->inbox_messages = atomic_load(&client->inbox_messages);
  status->inbox_bytes = atomic_load(&client->inbox_bytes);
  read_counters(&client->counters, &status->counters);
}

void hf_snapshot_attempt(hf_client *client) {
  HF_COUNT(client, attempts, 1);
  pthread_mutex_lock(&client->lock);
  hf_attempt_record *record = hf_ring_push(&client->history);
  if (client->besides) client->besides[record - client->records] = (hf_attempt_beside){0};
  *record = (hf_attempt_record){
      .started = client->keeper->now, .server = client->server->text, .delay = HF_NO_TIME, .phase = HF_PHASE_NONE};
  pthread_mutex_unlock(&client->lock);
}

void hf_snapshot_attempt_server(hf_client *client) {
  pthread_mutex_lock(&client->lock);
  hf_attempt_record *record = hf_ring_newest(&client->history);
  if (record) record->server = client->server->text;
  pthread_mutex_unlock(&client->lock);
}

void hf_snapshot_attempt_beside(hf_client *client, const char *server, const hf_stream_rival *rival) {
  pthread_mutex_lock(&client->lock);
  hf_attempt_record *record = hf_ring_newest(&client->history);
  if (record && client->besides) client->besides[record - client->records] = (hf_attempt_beside){server, *rival};
  pthread_mutex_unlock(&client->lock);
}

void hf_snapshot_attempt_phase(hf_client *client, hf_phase phase) {
  pthread_mutex_lock(&client->lock);
  hf_attempt_record *record = hf_ring_newest(&client->history);
  if (record && phase > record->phase) record->phase = (uint8_t)phase;
  pthread_mutex_unlock(&client->lock);
}

void hf_snapshot_attempt_ended(hf_client *client) {
  const hf_engine *engine = &client->engine;
  bool waits = engine->state == HF_STATE_WAITING && engine->deadline != HF_NEVER;
  pthread_mutex_lock(&client->lock);
  hf_attempt_record *record = hf_ring_newest(&client->history);
  if (record) {
    record->reason = engine->reason;
    record->code = engine->code;
    record->cls = engine->cls;
    record->delay = waits ? engine->deadline - engine->since : HF_NO_TIME;
  }
  pthread_mutex_unlock(&client->lock);
}

void hf_snapshot_connect(hf_client *client) {
  if (atomic_load_explicit(&client->counters.connects, memory_order_relaxed) > 0) HF_COUNT(client, reconnects, 1);
  HF_COUNT(client, connects, 1);
}

void hf_snapshot_failure(hf_client *client) {
  HF_COUNT(client, failures, 1);
  hf_tally_failure(client->engine.reason);
}

void hf_snapshot_loss(hf_client *client) {
  HF_COUNT(client, losses, 1);
  hf_tally_loss(client->engine.reason);
}

size_t hf_client_history(hf_client *client, hf_attempt_record records[HF_HISTORY],
                         hf_attempt_beside besides[HF_HISTORY]) {
  pthread_mutex_lock(&client->lock);
  size_t count = client->history.count;
  for (size_t i = 0; i < count; i++) {
    const hf_attempt_record *record = hf_ring_at(&client->history, i);
    records[i] = *record;
    besides[i] = client->besides ? client->besides[record - client->records] : (hf_attempt_beside){0};
  }
  pthread_mutex_unlock(&client->lock);
  return count;
}

void hf_metrics(hf_counters *totals, size_t *clients) {
  read_counters(&hf_totals, totals);
  *clients = atomic_load(&hf_client_total);
}
