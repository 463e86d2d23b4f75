#define _DEFAULT_SOURCE
#include "store/inside.h"

#include <stdlib.h>
#include <string.h>

/* Tickets are few, so all are in memory, and those who must not wait look at them and change them there; whoever
 * commits writes down what has changed. Without memory one is let go: it is worth a round trip, and no more. */

static void let_go(hf_store_ticket *ticket) {
  if (ticket->secret) explicit_bzero(ticket->secret, ticket->length);
  free(ticket->secret);
  ticket->secret = NULL;
  ticket->length = 0;
}

static bool is_of(const hf_store_ticket *ticket, const unsigned char *key) {
  return ticket->used && memcmp(ticket->key, key, HF_STORE_TICKET_KEY) == 0;
}

static hf_store_ticket *find(hf_store *store, const unsigned char *key) {
  for (size_t i = 0; i < HF_STORE_TICKETS; i++)
    if (is_of(&store->tickets[i], key)) return &store->tickets[i];
  return NULL;
}

/* The place of this key, else one that has none, else that of the one which was kept longest ago. A place is a row. */
static hf_store_ticket *place_for(hf_store *store, const unsigned char *key) {
  hf_store_ticket *place = find(store, key);
  for (size_t i = 0; !place && i < HF_STORE_TICKETS; i++)
    if (!store->tickets[i].used) place = &store->tickets[i];
  if (place) return place;
  place = &store->tickets[0];
  for (size_t i = 1; i < HF_STORE_TICKETS; i++)
    if (store->tickets[i].turn < place->turn) place = &store->tickets[i];
  return place;
}

static void put(hf_store_ticket *at, const void *key, char *secret, size_t length, uint64_t turn) {
  let_go(at);
  memcpy(at->key, key, HF_STORE_TICKET_KEY);
  at->secret = secret;
  at->length = length;
  at->turn = turn;
  at->used = true;
}

static char *copy_of(const void *bytes, size_t length) {
  char *copy = malloc(length);
  if (copy) memcpy(copy, bytes, length);
  return copy;
}

hf_bytes hf_store_ticket_of(hf_store *store, const unsigned char *key) {
  pthread_mutex_lock(&store->mind);
  const hf_store_ticket *ticket = find(store, key);
  char *copy = ticket && ticket->length ? copy_of(ticket->secret, ticket->length) : NULL;
  const hf_bytes given = {copy, copy ? ticket->length : 0};
  pthread_mutex_unlock(&store->mind);
  return given;
}

void hf_store_keep_ticket(hf_store *store, const unsigned char *key, hf_bytes secret) {
  char *copy = secret.length && secret.length <= HF_STORE_TICKET_MOST ? copy_of(secret.data, secret.length) : NULL;
  pthread_mutex_lock(&store->mind);
  if (copy || find(store, key)) {
    hf_store_ticket *place = place_for(store, key);
    put(place, key, copy, copy ? secret.length : 0, ++store->ticket_turns);
    place->dirty = true;
  }
  pthread_mutex_unlock(&store->mind);
}

/* ---- the file ---- */

static void take_row(hf_store *store, sqlite3_stmt *row) {
  sqlite3_int64 place = sqlite3_column_int64(row, 0), turn = sqlite3_column_int64(row, 3);
  const void *key = sqlite3_column_blob(row, 1), *secret = sqlite3_column_blob(row, 2);
  int length = sqlite3_column_bytes(row, 2);
  bool fits = place >= 0 && place < HF_STORE_TICKETS && key && sqlite3_column_bytes(row, 1) == HF_STORE_TICKET_KEY &&
              secret && length > 0 && length <= HF_STORE_TICKET_MOST;
  char *copy = fits ? copy_of(secret, (size_t)length) : NULL;
  if (!copy) return;
  put(&store->tickets[place], key, copy, (size_t)length, (uint64_t)turn);
  if (store->ticket_turns < (uint64_t)turn) store->ticket_turns = (uint64_t)turn;
}

int hf_store_read_tickets(hf_store *store) {
  sqlite3_stmt *row = NULL;
  int result = sqlite3_prepare_v2(store->database, "SELECT place, key, secret, turn FROM ticket", -1, &row, NULL);
  while (!result && (result = sqlite3_step(row)) == SQLITE_ROW) {
    take_row(store, row);
    result = SQLITE_OK;
  }
  sqlite3_finalize(row);
  return result == SQLITE_DONE ? SQLITE_OK : result;
}

bool hf_store_has_new_tickets(const hf_store *store) {
  for (size_t i = 0; i < HF_STORE_TICKETS; i++)
    if (store->tickets[i].dirty) return true;
  return false;
}

static int write_one(hf_store *store, size_t place, const hf_store_ticket *ticket) {
  sqlite3_stmt *row = store->statements[HF_STORE_TICKET];
  sqlite3_bind_blob(row, 2, ticket->key, HF_STORE_TICKET_KEY, SQLITE_STATIC);
  sqlite3_bind_blob64(row, 3, ticket->secret ? ticket->secret : "", ticket->length, SQLITE_STATIC);
  sqlite3_bind_int64(row, 4, (sqlite3_int64)ticket->turn);
  int result = hf_store_step_with(store, HF_STORE_TICKET, place);
  sqlite3_clear_bindings(row);
  return result;
}

/* One that changes meanwhile is written again. */
bool hf_store_write_tickets(hf_store *store) {
  for (size_t i = 0; i < HF_STORE_TICKETS; i++) {
    pthread_mutex_lock(&store->mind);
    hf_store_ticket copy = store->tickets[i];
    if (copy.secret) copy.secret = copy_of(copy.secret, copy.length);
    bool writes = copy.dirty && (copy.secret || !copy.length);
    if (writes) store->tickets[i].dirty = false;
    pthread_mutex_unlock(&store->mind);
    bool fine = !writes || hf_store_judge(store->path, store->database, write_one(store, i, &copy), &store->trouble) ==
                               HF_STORE_OK;
    let_go(&copy);
    if (fine) continue;
    pthread_mutex_lock(&store->mind);
    store->tickets[i].dirty = true;
    pthread_mutex_unlock(&store->mind);
    return false;
  }
  return true;
}

void hf_store_forget_tickets(hf_store *store) {
  for (size_t i = 0; i < HF_STORE_TICKETS; i++)
    let_go(&store->tickets[i]);
}
