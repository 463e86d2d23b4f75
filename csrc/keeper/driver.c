#include "keeper/driver.h"

#include <stdlib.h>
#include <string.h>

#include "keeper/attempt.h"
#include "keeper/authentication.h"
#include "keeper/door.h"
#include "keeper/inside.h"
#include "keeper/outbox.h"
#include "keeper/snapshot.h"
#include "keeper/tell.h"
#include "keeper/wishes.h"

/* How long a DISCONNECT may take before the link gives it up. */
enum { LEAVE_TIMEOUT = 1000 };

/* ---- telling ---- */

static void ask_delay(hf_client *client, int64_t uptime) {
  hf_event *event = hf_tell_make(client, HF_EVENT_DELAY);
  if (!event) return;
  hf_tell_reason(event, client);
  event->ticket = client->generation;
  event->retry_in = client->engine.delay;
  event->uptime = uptime;
  hf_tell_send(client, event);
}

/* Takes the text. */
static void tell_end(hf_client *client, enum hf_event_kind kind, int64_t uptime, const hf_link_down *down, char *text) {
  const hf_engine *engine = &client->engine;
  bool waits = engine->state == HF_STATE_WAITING && engine->deadline != HF_NEVER;
  /* Asked first, so that a strategy which answers at once is heard before the event is shown to anyone. */
  if (waits && client->options->ask_delay) ask_delay(client, uptime);
  hf_event *event = hf_tell_make(client, kind);
  if (!event) {
    free(text);
    return;
  }
  hf_tell_reason(event, client);
  event->text = text;
  event->reference = down && down->server_reference ? strdup(down->server_reference) : NULL;
  event->followed = engine->elsewhere;
  event->uptime = uptime;
  if (waits) event->retry_in = engine->delay;
  hf_tell_send(client, event);
}

static void tell_connecting(hf_client *client) {
  hf_tell_send(client, hf_tell_make(client, HF_EVENT_CONNECTING));
}

static void tell_connected(hf_client *client) {
  hf_event *event = hf_tell_make(client, HF_EVENT_CONNECTED);
  if (!event) return;
  event->session_present = client->limits.session_present;
  event->downtime = client->keeper->now - client->engine.down_since;
  event->text = client->response_information; /* once: the next connection has one of its own */
  client->response_information = NULL;
  hf_tell_send(client, event);
}

static void tell_sleeping(hf_client *client) {
  hf_event *event = hf_tell_make(client, HF_EVENT_SLEEPING);
  if (!event) return;
  /* What failed last has been told; this is why nothing follows. */
  hf_tell_reason(event, client);
  const hf_reason *asleep = hf_engine_sleep_reason(&client->engine);
  if (asleep != event->reason) {
    event->reason = asleep;
    event->code = asleep->code;
  }
  event->cls = HF_CLASS_STOP;
  if (client->engine.deadline != HF_NEVER) event->retry_in = client->engine.deadline - client->keeper->now;
  hf_tell_send(client, event);
}

/* ---- doing ---- */

static void connection_over(hf_client *client) {
  if (client->connected) hf_subscriptions_lost(client->subscriptions);
  client->connected = client->ready = false;
  client->requests = 0;
  hf_deadlines_connection_over(client);
}

static void abandon(hf_client *client) {
  hf_attempt_abandon(client);
  connection_over(client);
  if (client->link && !client->leaving) client->operations->abandon(client->link);
}

/* A will is for those who did not say goodbye. Where there is none, nobody misses it. One that is about to come back
 * has not gone. */
static hf_link_farewell farewell_of(const hf_client *client) {
  if (!client->options->will) return HF_LINK_GOODBYE;
  if (client->engine.held) return HF_LINK_WITH_WILL; /* away for as long as its program takes */
  if (client->engine.state != HF_STATE_CLOSED) return HF_LINK_GOODBYE;
  switch ((hf_farewell)atomic_load(&client->farewell)) {
  case HF_FAREWELL_GOODBYE:
    return HF_LINK_GOODBYE;
  case HF_FAREWELL_WILL:
    return HF_LINK_WITH_WILL;
  case HF_FAREWELL_NONE:
    break;
  }
  return HF_LINK_WITHOUT_A_WORD;
}

static void disconnect(hf_client *client) {
  connection_over(client);
  if (!client->link || client->leaving) return;
  bool for_good = client->engine.state == HF_STATE_CLOSED && client->options->end_session;
  client->leaving = true;
  client->operations->close(client->link, farewell_of(client), for_good ? 0 : -1, LEAVE_TIMEOUT);
}

/* What is to be said beyond the reason; owned by the caller. */
static char *end_text(const hf_client *client, const hf_link_down *down) {
  const char *said = down ? down->text : NULL;
  char *unanswered = hf_wishes_unanswered(client, said ? said : client->engine.reason->text);
  if (unanswered) return unanswered;
  return said ? strdup(said) : NULL;
}

/* A renewal is not told of while it goes well. When it does not, the connection is lost after all. */
static unsigned hush(hf_client *client, unsigned actions, int64_t uptime, const hf_link_down *down) {
  if (!client->renewing) return actions;
  if (actions & HF_TELL_LOST && client->engine.state == HF_STATE_CONNECTING) {
    hf_authentication_over(client, HF_AUTHENTICATED_NOT);
    return actions & ~(unsigned)HF_TELL_LOST;
  }
  if (!(actions & (HF_TELL_FAILED | HF_TELL_LOST | HF_TELL_CLOSED))) return actions;
  client->renewing = false;
  if (actions & HF_TELL_FAILED) {
    hf_snapshot_loss(client);
    tell_end(client, HF_EVENT_LOST, uptime, down, end_text(client, down));
  }
  return actions;
}

static void act(hf_client *client, unsigned actions, int64_t uptime, const hf_link_down *down) {
  actions = hush(client, actions, uptime, down);
  char *text = actions & (HF_TELL_FAILED | HF_TELL_LOST) ? end_text(client, down) : NULL;
  if (actions & HF_TELL_LOST) {
    hf_snapshot_loss(client);
    connection_over(client);
    hf_authentication_over(client, HF_AUTHENTICATED_LOST);
  }
  if (actions & (HF_TELL_FAILED | HF_TELL_LOST)) {
    if (actions & HF_TELL_FAILED) hf_snapshot_failure(client);
    hf_snapshot_attempt_ended(client);
    tell_end(client, actions & HF_TELL_LOST ? HF_EVENT_LOST : HF_EVENT_FAILED, uptime, down, text);
  }
  if (actions & HF_DO_ABANDON) abandon(client);
  if (actions & HF_DO_DISCONNECT) disconnect(client);
  if (actions & HF_TELL_SLEEPING) tell_sleeping(client);
  if (actions & HF_TELL_STABLE) {
    hf_reference_stable(client);
    hf_primary_stable(client);
  }
  if (actions & HF_DO_CONNECT) {
    client->server = hf_given_next(client);
    if (!client->renewing) tell_connecting(client);
    hf_driver_heed(client, hf_attempt_begin(client));
  }
  if (actions & HF_DO_PROBE && client->connected && client->due[HF_DUE_PROBE] == HF_NEVER) hf_wishes_probe(client);
  if (actions & HF_TELL_CONNECTED) {
    hf_snapshot_connect(client);
    hf_diagnosis_over(client);
    if (!client->renewing) tell_connected(client);
    hf_primary_connected(client);
  }
}

/* The link is left at the end of its time, and says nothing of it. */
static void note_phase(hf_client *client) {
  bool known = client->link && !client->leaving && client->operations->phase;
  if (known) hf_snapshot_attempt_phase(client, client->operations->phase(client->link));
}

void hf_driver_step(hf_client *client, hf_engine_event event, const hf_link_down *down) {
  int64_t now = client->keeper->now;
  int64_t uptime = client->connected ? now - client->engine.since : HF_NO_TIME;
  bool overdue = event.input == HF_INPUT_TIMER && client->engine.state == HF_STATE_CONNECTING;
  bool ends = event.input == HF_INPUT_FAILED || event.input == HF_INPUT_LOST || overdue;
  if (overdue) note_phase(client);
  if (ends) event.elsewhere = hf_reference_consider(client, down);
  unsigned actions = hf_engine_step(&client->engine, now, event);
  hf_client_dirty(client);
  act(client, actions, uptime, down);
}

void hf_driver_fail(hf_client *client, hf_source source, int code, const char *text) {
  hf_attempt_forget(client);
  const hf_link_down down = {.reason = hf_reason_find(source, code), .code = code, .text = (char *)(uintptr_t)text};
  hf_driver_step(client, (hf_engine_event){.input = HF_INPUT_FAILED, .reason = down.reason, .code = code}, &down);
}

void hf_driver_heed(hf_client *client, hf_failure failure) {
  if (failure.reason) hf_driver_fail(client, (hf_source)failure.reason->source, failure.reason->code, failure.text);
}

void hf_driver_heed_at_once(hf_client *client, hf_failure failure) {
  if (!failure.reason) return;
  if (client->connected) {
    hf_driver_lose(client, (hf_client_code)failure.reason->code, failure.text);
    return;
  }
  if (client->engine.state != HF_STATE_CONNECTING) return;
  client->operations->abandon(client->link);
  hf_driver_heed(client, failure);
}

void hf_driver_lose(hf_client *client, hf_client_code code, const char *text) {
  const hf_link_down down = {
      .reason = hf_reason_find(HF_SOURCE_CLIENT, code), .code = code, .text = (char *)(uintptr_t)text};
  client->operations->abandon(client->link);
  hf_driver_step(client, (hf_engine_event){.input = HF_INPUT_LOST, .reason = down.reason, .code = code}, &down);
}

void hf_driver_renew(hf_client *client) {
  client->renewing = true;
  hf_driver_step(client, (hf_engine_event){.input = HF_INPUT_RECONNECT, .same_server = true}, NULL);
}

void hf_driver_hint(hf_client *client) {
  hf_roads_forget(&client->keeper->roads);
  hf_driver_step(client, (hf_engine_event){.input = HF_INPUT_HINT}, NULL);
  if (client->engine.state == HF_STATE_WAITING) hf_snapshot_attempt_ended(client); /* the wait may be another one */
}

void hf_driver_close_when_flushed(hf_client *client) {
  if (client->due[HF_DUE_FLUSH] == HF_NEVER) return;
  bool hopeless = client->engine.state == HF_STATE_IDLE || client->engine.state == HF_STATE_SLEEPING;
  if (hopeless || hf_outbox_empty(client) || client->keeper->now >= client->due[HF_DUE_FLUSH]) {
    client->due[HF_DUE_FLUSH] = HF_NEVER;
    hf_driver_step(client, (hf_engine_event){.input = HF_INPUT_CLOSE}, NULL);
  }
}
