#include "keeper/turn.h"

#include "keeper/answers.h"
#include "keeper/attempt.h"
#include "keeper/door.h"
#include "keeper/driver.h"
#include "keeper/handle.h"
#include "keeper/inbox.h"
#include "keeper/inside.h"
#include "keeper/keeping.h"
#include "keeper/outbox.h"
#include "keeper/snapshot.h"
#include "keeper/tell.h"
#include "keeper/wishes.h"

/* ---- what fires: the names are those of deadlines.h ---- */

static void settled(hf_client *client) {
  (void)client;
}

static void attempt_due(hf_client *client) {
  hf_driver_heed(client, hf_attempt_turn(client));
}

static void probe_unanswered(hf_client *client) {
  if (hf_patience_goes_on(client, &client->probe, HF_DUE_PROBE)) return;
  hf_driver_lose(client, HF_CLIENT_PROBE_TIMEOUT, NULL);
}

static void subscribe_unanswered(hf_client *client) {
  if (hf_patience_goes_on(client, &client->subscribe, HF_DUE_SUBSCRIBE)) return;
  hf_driver_lose(client, HF_CLIENT_SUBSCRIBE_TIMEOUT, NULL);
}

static void engine_due(hf_client *client) {
  unsigned actions = hf_attempt_overdue(client);
  if (actions & HF_GATE_TELLS)
    hf_answers_let_go(client);
  else if (actions & HF_GATE_FAILS)
    hf_driver_fail(client, HF_SOURCE_CLIENT, HF_CLIENT_CREDENTIALS_TIMEOUT, NULL);
  else
    hf_driver_step(client, (hf_engine_event){.input = HF_INPUT_TIMER}, NULL);
}

static void (*const fires[HF_DEADLINE_COUNT])(hf_client *client) = {
#define FIRES(name, of_connection, fires) fires,
    HF_DEADLINES(FIRES)
#undef FIRES
};

static void fire(hf_client *client) {
  hf_deadlines_copy(client);
  for (size_t i = 0; i < HF_DEADLINE_COUNT; i++) {
    if (client->due[i] > client->keeper->now || fires[i] == settled) continue;
    client->due[i] = HF_NEVER;
    fires[i](client);
    return;
  }
}

static void on_time(hf_timer *timer, int64_t now) {
  (void)now;
  hf_client *client = (hf_client *)(void *)((char *)timer - offsetof(hf_client, timer));
  hf_client_dirty(client); /* settling sets it again */
  fire(client);
}

static void schedule(hf_client *client) {
  client->timer.fire = on_time;
  hf_loop_set(&client->keeper->loop, &client->timer, client->finished ? HF_NEVER : hf_deadlines_first(client));
}

/* ---- the end of a turn ---- */

/* The link is quiet: give it back, and come back to the rest once everything it returned has been handled. */
static void finish(hf_client *client) {
  if (client->finished || client->leaving) return;
  client->finished = true;
  if (!atomic_load(&client->quiet)) hf_client_gone(client);
  hf_outbox_drop_all(client);
  if (client->link) client->operations->destroy(client->link);
  client->link = NULL;
  if (client->last_context) hf_tls_context_drop(client->last_context);
  client->last_context = NULL;
  hf_client_signal(client, HF_SIGNAL_REAP);
}

void hf_turn_settle(hf_client *client) {
  hf_outbox_expire(client);
  hf_outbox_trim(client);
  if (client->connected && !client->finished) {
    hf_wishes_pump(client);
    if (client->ready) hf_outbox_pump(client);
  }
  hf_driver_close_when_flushed(client);
  hf_keeping_settle(client);
  if (client->engine.state == HF_STATE_CLOSED) finish(client);
  hf_snapshot_publish(client);
  hf_tell_settle(client);
  schedule(client);
}

void hf_turn_reap(hf_client *client) {
  if (!hf_keeping_end(client)) return;
  hf_tell_settle(client);
  hf_keeper *keeper = client->keeper;
  hf_loop_stop(&keeper->loop, &client->timer);
  for (hf_client **at = &keeper->dirty; *at; at = &(*at)->next_dirty) {
    if (*at == client) {
      *at = client->next_dirty;
      break;
    }
  }
  if (client->previous) {
    *client->previous = client->next;
    if (client->next) client->next->previous = client->previous;
  }
  client->reaped = true;
  if (!atomic_load(&client->quiet)) {
    hf_event *event = &client->over;
    hf_tell_fill(client, event, HF_EVENT_CLOSED);
    event->reason = hf_reason_find(HF_SOURCE_CLIENT, HF_CLIENT_CLOSED);
    event->code = HF_CLIENT_CLOSED;
    event->cls = HF_CLASS_STOP;
    hf_tell_send(client, event);
  }
  hf_client_drop(client);
}
