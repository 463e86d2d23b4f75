#include "store/inside.h"

#include <stdlib.h>
#include <string.h>

/* A packet goes out, or has come, whether or not it can be written down; what cannot is written as soon as anything
 * can, or a disk that was full for a moment would cost exactly once until the session ends. Whoever must not wait for a
 * write leaves its notes in the same list. */

int hf_store_write_note(hf_store *store, const hf_store_note *note) {
  static const hf_store_statement statements[] = {[HF_STORE_NOTE_SENT] = HF_STORE_SENT,
                                                  [HF_STORE_NOTE_RELEASED] = HF_STORE_RELEASED,
                                                  [HF_STORE_NOTE_RECEIVED] = HF_STORE_RECEIVED,
                                                  [HF_STORE_NOTE_COMPLETED] = HF_STORE_COMPLETED};
  if (note->kind == HF_STORE_NOTE_SESSION) {
    int result = hf_store_step(store, HF_STORE_FORGET_FLIGHTS);
    if (!result) result = hf_store_step(store, HF_STORE_FORGET_RECEIVED);
    return result ? result : hf_store_step_with(store, HF_STORE_SESSION, note->number);
  }
  hf_store_use_room(store, note->packet.length);
  hf_store_statement which = statements[note->kind];
  sqlite3_stmt *row = store->statements[which];
  if (note->kind == HF_STORE_NOTE_SENT) {
    sqlite3_bind_int64(row, 2, (sqlite3_int64)note->number);
    sqlite3_bind_int64(row, 3, (sqlite3_int64)++store->sent);
  }
  if (note->kind == HF_STORE_NOTE_RECEIVED)
    sqlite3_bind_blob64(row, 2, note->packet.length ? note->packet.data : "", note->packet.length, SQLITE_STATIC);
  int result = hf_store_step_with(store, which, note->packet_id);
  sqlite3_clear_bindings(row);
  return result;
}

/* ---- the list ---- */

static hf_store_late *make(const hf_store_note *note) {
  hf_store_late *late = malloc(sizeof *late + note->packet.length);
  if (!late) return NULL;
  late->note = *note;
  late->place = 0;
  if (note->packet.length) memcpy(late->packet, note->packet.data, note->packet.length);
  late->note.packet.data = late->packet;
  return late;
}

static uint64_t append(hf_store *store, hf_store_late *late, bool asked) {
  pthread_mutex_lock(&store->mind);
  uint64_t place = late->place = asked ? ++store->places : 0;
  late->next = NULL;
  late->previous = store->last_late;
  if (store->last_late)
    store->last_late->next = late;
  else
    store->first_late = late;
  store->last_late = late;
  pthread_mutex_unlock(&store->mind);
  return place;
}

/* All of them, and the list is empty then. */
static hf_store_late *take_all(hf_store *store, hf_store_late **last) {
  pthread_mutex_lock(&store->mind);
  hf_store_late *first = store->first_late;
  *last = store->last_late;
  store->first_late = store->last_late = NULL;
  pthread_mutex_unlock(&store->mind);
  return first;
}

/* In front of what has come meanwhile. */
static void put_back(hf_store *store, hf_store_late *first, hf_store_late *last) {
  pthread_mutex_lock(&store->mind);
  store->overdue = true;
  last->next = store->first_late;
  if (store->first_late)
    store->first_late->previous = last;
  else
    store->last_late = last;
  store->first_late = first;
  pthread_mutex_unlock(&store->mind);
}

static uint64_t free_all(hf_store_late *first) {
  uint64_t place = 0;
  while (first) {
    hf_store_late *next = first->next;
    if (first->place) place = first->place;
    free(first);
    first = next;
  }
  return place;
}

void hf_store_forget_late(hf_store *store) {
  hf_store_late *last;
  free_all(take_all(store, &last));
}

/* ---- what of it is still worth writing ---- */

typedef struct seen { /* packet ids that a later note is about */
  uint8_t inbound[8192], outbound[8192];
  bool session;
} seen;

static bool mark(uint8_t *bits, uint16_t id) {
  bool set = bits[id >> 3] >> (id & 7) & 1;
  bits[id >> 3] |= (uint8_t)(1 << (id & 7));
  return set;
}

static bool is_superseded(seen *later, const hf_store_note *note) {
  if (later->session) return true;
  switch (note->kind) {
  case HF_STORE_NOTE_SESSION:
    later->session = true;
    return false;
  case HF_STORE_NOTE_RECEIVED:
  case HF_STORE_NOTE_COMPLETED:
    return mark(later->inbound, note->packet_id);
  case HF_STORE_NOTE_SENT:
    return mark(later->outbound, note->packet_id);
  case HF_STORE_NOTE_RELEASED:
    break;
  }
  return later->outbound[note->packet_id >> 3] >> (note->packet_id & 7) & 1;
}

/* Keeps what is late from growing with the traffic while nothing can be written. */
static void prune(hf_store_late **first, hf_store_late **last) {
  static const seen nothing;
  seen later = nothing;
  for (hf_store_late *late = *last, *previous; late; late = previous) {
    previous = late->previous;
    if (!is_superseded(&later, &late->note)) continue;
    if (late->place && late->next && late->next->place < late->place) late->next->place = late->place;
    *(late->next ? &late->next->previous : last) = previous;
    *(previous ? &previous->next : first) = late->next;
    free(late);
  }
}

void hf_store_prune_late(hf_store *store) {
  hf_store_late *last, *first = take_all(store, &last);
  if (!first) return;
  prune(&first, &last);
  put_back(store, first, last);
}

/* ---- writing ---- */

bool hf_store_write_late(hf_store *store) {
  hf_store_late *last, *first = take_all(store, &last);
  if (!first) return true;
  int result = hf_store_step(store, HF_STORE_BEGIN);
  for (const hf_store_late *late = first; !result && late; late = late->next)
    result = hf_store_write_note(store, &late->note);
  if (!hf_store_end_transaction(store, result)) {
    prune(&first, &last);
    put_back(store, first, last);
    return false;
  }
  for (const hf_store_late *late = first; late; late = late->next)
    hf_store_remember_note(store, &late->note);
  uint64_t place = free_all(first);
  pthread_mutex_lock(&store->mind);
  store->overdue = false;
  if (place) store->noted = place;
  pthread_mutex_unlock(&store->mind);
  return true;
}

static bool none_is_late(hf_store *store) {
  pthread_mutex_lock(&store->mind);
  bool none = !store->first_late;
  pthread_mutex_unlock(&store->mind);
  return none;
}

/* One alone needs no transaction, nor memory. */
static bool write_at_once(hf_store *store, const hf_store_note *note) {
  if (!none_is_late(store)) return false;
  int result = hf_store_write_note(store, note);
  if (hf_store_judge(store->path, store->database, result, &store->trouble)) return false;
  hf_store_remember_note(store, note);
  return true;
}

static void write_now(hf_store *store, const hf_store_note *note) {
  bool open = hf_store_enter(store);
  if (!store->closed && !(open && write_at_once(store, note))) {
    hf_store_late *late = make(note);
    if (late) append(store, late, false);
    if (open)
      hf_store_write_late(store);
    else
      hf_store_prune_late(store);
  }
  hf_store_leave(store);
}

uint64_t hf_store_take_note(hf_store *store, hf_store_note note) {
  hf_store_late *late = make(&note);
  if (note.kind == HF_STORE_NOTE_SESSION) store->protocol = (uint8_t)note.number;
  return late ? append(store, late, true) : 0;
}

uint64_t hf_store_noted(hf_store *store) {
  pthread_mutex_lock(&store->mind);
  uint64_t place = store->noted;
  pthread_mutex_unlock(&store->mind);
  return place;
}

uint8_t hf_store_protocol(const hf_store *store) {
  return store->protocol;
}

bool hf_store_mid_exchange(const hf_store *store) {
  return store->mid_exchange;
}

void hf_store_begin_session(hf_store *store, uint8_t protocol) {
  hf_store_take_note(store, (hf_store_note){.kind = HF_STORE_NOTE_SESSION, .number = protocol});
}

void hf_store_sent(hf_store *store, uint16_t packet_id, uint64_t id) {
  write_now(store, &(hf_store_note){.kind = HF_STORE_NOTE_SENT, .packet_id = packet_id, .number = id});
}

void hf_store_released(hf_store *store, uint16_t packet_id) {
  write_now(store, &(hf_store_note){.kind = HF_STORE_NOTE_RELEASED, .packet_id = packet_id});
}

void hf_store_received(hf_store *store, uint16_t packet_id, hf_bytes packet) {
  write_now(store, &(hf_store_note){.kind = HF_STORE_NOTE_RECEIVED, .packet_id = packet_id, .packet = packet});
}

void hf_store_completed(hf_store *store, uint16_t packet_id) {
  write_now(store, &(hf_store_note){.kind = HF_STORE_NOTE_COMPLETED, .packet_id = packet_id});
}
