#define _DEFAULT_SOURCE
#include "keeper/tell.h"

#include <stdlib.h>
#include <string.h>

#include "keeper/inside.h"
#include "keeper/snapshot.h"
#include "keeper/trace.h"

/* What thousands of subscriptions or calls are told in one turn must leave room for `ready` and `lost`. So the broker's
 * later verdicts count by themselves, and what is told once a client or once a call not at all: NULL. */
static atomic_size_t *count_of(hf_client *client, unsigned kind) {
  bool once = kind == HF_EVENT_CLOSED || kind == HF_EVENT_NOT_WITHDRAWN || kind == HF_EVENT_GRANTED ||
              kind == HF_EVENT_AUTHENTICATED;
  if (once || kind == HF_EVENT_ROOM) return NULL;
  return kind == HF_EVENT_GRANTED_AGAIN ? &client->verdicts : &client->events;
}

static bool is_full(hf_client *client, unsigned kind) {
  const atomic_size_t *count = count_of(client, kind);
  size_t wishes = kind == HF_EVENT_GRANTED_AGAIN ? hf_subscriptions_wishes(client->subscriptions) : 0;
  return count && atomic_load(count) >= HF_EVENTS_AT_MOST + wishes;
}

/* ---- the reserve: what happens while memory is short is told all the same ---- */

enum { SPARES = 64 };

static hf_event *take_spare(hf_keeper *keeper) {
  hf_event *event = (hf_event *)keeper->spares;
  if (!event) return NULL;
  keeper->spares = event->mail.next;
  keeper->spare_count--;
  event->mail.next = NULL;
  return event;
}

bool hf_tell_reserve(hf_keeper *keeper) {
  while (keeper->spare_count < SPARES) {
    hf_event *event = calloc(1, sizeof *event);
    if (!event) return false;
    event->mail.next = keeper->spares;
    keeper->spares = &event->mail;
    keeper->spare_count++;
  }
  return true;
}

void hf_tell_free_reserve(hf_keeper *keeper) {
  while (keeper->spares)
    free(take_spare(keeper));
}

/* ---- one event ---- */

void hf_tell_fill(const hf_client *client, hf_event *event, enum hf_event_kind kind) {
  event->mail.kind = (uint16_t)kind;
  event->mail.owner = (void *)(uintptr_t)client;
  event->retry_in = event->uptime = HF_NO_TIME;
  event->server = client->server->text;
  event->attempt = client->engine.attempt;
}

hf_event *hf_tell_make(hf_client *client, enum hf_event_kind kind) {
  bool full = is_full(client, kind);
  hf_event *event = full ? NULL : calloc(1, sizeof *event);
  if (!event && !full) event = take_spare(client->keeper);
  if (event)
    hf_tell_fill(client, event, kind);
  else
    HF_COUNT(client, events_dropped, 1);
  return event;
}

void hf_tell_raise(hf_keeper *keeper) {
  if (!keeper->touched) return;
  if (keeper->touched != keeper->led) hf_mailbox_raise(keeper->touched);
  hf_mailbox_release(keeper->touched);
  keeper->touched = NULL;
}

static void put(hf_client *client, hf_mail *first, hf_mail *last, unsigned count) {
  hf_keeper *keeper = client->keeper;
  if (keeper->touched != client->out) {
    hf_tell_raise(keeper);
    /* Held: its Lua state may end, and the last client with it, before the turn does. */
    keeper->touched = hf_mailbox_hold(client->out);
  }
  hf_client_hold_more(client, count);
  hf_mailbox_push_all_quietly(client->out, first, last);
}

void hf_tell_settle(hf_client *client) {
  hf_publish *row = client->row;
  hf_dues_pay(client);
  client->row = NULL;
  if (row) put(client, &row->mail, &row->mail, 1);
}

void hf_tell_mail(hf_client *client, hf_mail *mail) {
  hf_tell_mails(client, mail, mail, 1);
}

void hf_tell_mails(hf_client *client, hf_mail *first, hf_mail *last, unsigned count) {
  hf_tell_settle(client);
  put(client, first, last, count);
}

void hf_tell_in_row(hf_client *client, hf_publish *outcome) {
  hf_publish *row = client->row;
  if (!row || outcome->id != row->id + row->more + 1 || !outcome->weight != !row->weight) {
    if (row) hf_tell_settle(client);
    client->row = outcome;
    return;
  }
  row->more++;
  row->weight += outcome->weight;
  hf_dues_free(client, outcome);
}

void hf_tell_send(hf_client *client, hf_event *event) {
  if (!event) return;
  atomic_size_t *count = count_of(client, event->mail.kind);
  if (count) atomic_fetch_add(count, 1);
  hf_tell_mail(client, &event->mail);
}

void hf_tell_note(hf_client *client, const char *text) {
  hf_event *event = hf_tell_make(client, HF_EVENT_NOTE);
  if (!event) return;
  event->text = strdup(text);
  hf_tell_send(client, event);
}

void hf_tell_step(hf_client *client, hf_step *step) {
  if (!step) return;
  if (is_full(client, HF_EVENT_STEP)) {
    HF_COUNT(client, events_dropped, 1);
    free(step);
    return;
  }
  step->mail = (hf_mail){.kind = HF_EVENT_STEP, .owner = client};
  atomic_fetch_add(count_of(client, HF_EVENT_STEP), 1);
  hf_tell_mail(client, &step->mail);
}

void hf_tell_reason(hf_event *event, const hf_client *client) {
  event->reason = client->engine.reason;
  event->code = client->engine.code;
  event->cls = client->engine.cls;
}

/* ---- the end of each ---- */

static void free_message(hf_mail *mail) {
  hf_message_free((hf_message *)mail);
}

static void free_publish(hf_mail *mail) {
  hf_publish_free((hf_publish *)mail);
}

static void free_event(hf_mail *mail) {
  hf_event *event = (hf_event *)mail;
  if (event->text) explicit_bzero(event->text, event->length); /* what a broker says to let a client in */
  free(event->text);
  free(event->reference);
  free(mail);
}

static void free_own_event(hf_mail *mail) {
  (void)mail;
}

static void free_room(hf_mail *mail) {
  atomic_store(&((hf_client *)mail->owner)->room_told, false);
}

static void free_step(hf_mail *mail) {
  free(mail);
}

static void free_trace(hf_mail *mail) {
  hf_trace_taken(mail);
}

void hf_event_discard(hf_mail *mail) {
  static void (*const frees[HF_EVENT_KIND_COUNT])(hf_mail * mail) = {
#define FREES(name, what, word) [HF_EVENT_##name - HF_MAIL_EVENT_BASE] = free_##what,
      HF_EVENT_KINDS(FREES, FREES)
#undef FREES
  };
  hf_client *client = mail->owner;
  frees[mail->kind - HF_MAIL_EVENT_BASE](mail);
  if (client) hf_client_drop(client);
}

void hf_client_event_taken(hf_client *client, hf_mail *event) {
  atomic_size_t *count = count_of(client, event->kind);
  if (count) atomic_fetch_sub(count, 1);
  hf_event_discard(event);
}
