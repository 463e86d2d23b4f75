#define _POSIX_C_SOURCE 200809L
#include "store/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/wire.h"

enum {
  CLAIM = 10000, /* ids at a time; what a crash skips */
  FEW = 512,     /* bytes of properties that need no memory */
  BATCH = 512,   /* ids of what is done that one transaction takes */
};

/* ---- one statement after the other, the lock held ---- */

static hf_store_code judge(hf_store *store, int result) {
  return hf_store_judge(store->path, store->database, result, &store->trouble);
}

int hf_store_step(hf_store *store, hf_store_statement which) {
  errno = 0;
  int result = sqlite3_step(store->statements[which]);
  sqlite3_reset(store->statements[which]);
  if (result == SQLITE_IOERR_FSYNC) store->broken = true;
  return result == SQLITE_DONE || result == SQLITE_ROW ? SQLITE_OK : result;
}

int hf_store_step_with(hf_store *store, hf_store_statement which, uint64_t number) {
  sqlite3_bind_int64(store->statements[which], 1, (sqlite3_int64)number);
  return hf_store_step(store, which);
}

bool hf_store_enter(hf_store *store) {
  pthread_mutex_lock(&store->lock);
  if (store->database && !store->broken) return true;
  if (store->closed) hf_store_say(&store->trouble, HF_STORE_FAILED, store->path, "it is closed");
  return false;
}

hf_store_code hf_store_leave(hf_store *store) {
  hf_store_code code = store->trouble.code;
  pthread_mutex_lock(&store->mind);
  store->ailing = code != HF_STORE_OK;
  store->unsynced = store->written != store->synced;
  store->lengthy = hf_store_is_lengthy(store);
  pthread_mutex_unlock(&store->mind);
  pthread_mutex_unlock(&store->lock);
  return code;
}

hf_store_code hf_store_answer(hf_store *store) {
  if (store->trouble.code) store->refusal = store->trouble;
  return hf_store_leave(store);
}

bool hf_store_end_transaction(hf_store *store, int result) {
  if (!result) result = hf_store_step(store, HF_STORE_COMMIT);
  if (judge(store, result) == HF_STORE_OK) return true;
  if (!sqlite3_get_autocommit(store->database)) hf_store_step(store, HF_STORE_ROLLBACK);
  return false;
}

int hf_store_write_moment(hf_store *store) {
  sqlite3_stmt *row = store->statements[HF_STORE_MOMENT];
  hf_store_moment now = hf_store_age_now(store);
  sqlite3_bind_text(row, 1, now.boot, -1, SQLITE_TRANSIENT);
  sqlite3_bind_int64(row, 2, now.clock);
  sqlite3_bind_int64(row, 3, now.wall);
  sqlite3_bind_int64(row, 4, now.own);
  return hf_store_step(store, HF_STORE_MOMENT);
}

/* ---- how it is ---- */

void hf_store_trouble(hf_store *store, hf_store_problem *problem) {
  pthread_mutex_lock(&store->lock);
  *problem = store->trouble;
  pthread_mutex_unlock(&store->lock);
}

void hf_store_refusal(hf_store *store, hf_store_problem *problem) {
  pthread_mutex_lock(&store->lock);
  *problem = store->refusal;
  pthread_mutex_unlock(&store->lock);
}

bool hf_store_well(hf_store *store) {
  pthread_mutex_lock(&store->mind);
  bool well = !store->ailing && !store->overdue;
  pthread_mutex_unlock(&store->mind);
  return well;
}

void hf_store_tell(hf_store *store, const hf_store_problem *news) {
  pthread_mutex_lock(&store->mind);
  bool known = !store->has_news && store->news.code == news->code && strcmp(store->news.text, news->text) == 0;
  if (!known) store->news = *news;
  store->has_news = !known;
  pthread_mutex_unlock(&store->mind);
}

bool hf_store_news(hf_store *store, hf_store_problem *news) {
  pthread_mutex_lock(&store->mind);
  bool any = store->has_news;
  if (any) *news = store->news;
  store->has_news = false;
  pthread_mutex_unlock(&store->mind);
  return any;
}

/* ---- messages ---- */

uint64_t hf_store_next_id(const hf_store *store) {
  return store->next;
}

static int claim(hf_store *store, uint64_t id) {
  if (id < store->claimed) {
    if (id >= store->next) store->next = id + 1;
    return SQLITE_OK;
  }
  int result = hf_store_step_with(store, HF_STORE_CLAIM, id + CLAIM);
  if (result) return result;
  store->claimed = id + CLAIM;
  store->next = id + 1;
  return SQLITE_OK;
}

hf_store_code hf_store_claim(hf_store *store, uint64_t id) {
  if (hf_store_enter(store)) judge(store, claim(store, id));
  return hf_store_answer(store);
}

int hf_store_insert(hf_store *store, const hf_publish *publish, hf_bytes properties) {
  sqlite3_stmt *row = store->statements[HF_STORE_INSERT];
  int64_t deadline = hf_store_age_written(store, publish->deadline);
  int64_t expires = hf_store_age_written(store, publish->expires);
  sqlite3_bind_int64(row, 1, (sqlite3_int64)publish->id);
  sqlite3_bind_int64(row, 2, hf_store_flags(publish));
  sqlite3_bind_int64(row, 3, deadline);
  sqlite3_bind_int64(row, 4, expires);
  sqlite3_bind_blob64(row, 5, publish->topic.data, publish->topic.length, SQLITE_STATIC);
  sqlite3_bind_blob64(row, 6, publish->payload.data, publish->payload.length, SQLITE_STATIC);
  sqlite3_bind_blob64(row, 7, properties.data, properties.length, SQLITE_STATIC);
  sqlite3_bind_int64(row, 8, hf_store_sum(publish, deadline, expires, properties));
  int result = hf_store_step(store, HF_STORE_INSERT);
  sqlite3_clear_bindings(row);
  return result;
}

/* Counts one message more, with the room that its id needs once it is done. */
static bool count_in(hf_store *store) {
  pthread_mutex_lock(&store->mind);
  bool room = store->messages < store->done_room;
  if (!room) {
    uint64_t *more = realloc(store->done, 2 * store->done_room * sizeof *more);
    if (more) {
      store->done = more;
      store->done_room *= 2;
      room = true;
    }
  }
  if (room) store->messages++;
  pthread_mutex_unlock(&store->mind);
  return room;
}

static void count_out(hf_store *store, size_t count) {
  pthread_mutex_lock(&store->mind);
  store->messages -= count < store->messages ? count : store->messages;
  pthread_mutex_unlock(&store->mind);
}

static hf_store_code refuse_for_memory(hf_store *store) {
  pthread_mutex_lock(&store->lock);
  hf_store_code code = hf_store_say(&store->refusal, HF_STORE_NO_MEMORY, store->path, NULL);
  pthread_mutex_unlock(&store->lock);
  return code;
}

hf_store_code hf_store_append(hf_store *store, const hf_publish *publish) {
  char few[FEW], *written = few;
  size_t size = hf_properties_publish_size(publish->properties);
  if (size > sizeof few) written = malloc(size);
  hf_store_recent *recent = hf_store_recent_message(publish);
  if (!written || !recent || !count_in(store)) {
    if (written != few) free(written);
    hf_store_recent_drop(recent);
    return refuse_for_memory(store);
  }
  hf_wire_put_properties(written, publish->properties);
  bool kept = false;
  if (hf_store_enter(store)) {
    int result = hf_store_make_room(store, publish->topic.length + publish->payload.length + size);
    if (!result) result = claim(store, publish->id);
    if (!result) result = hf_store_insert(store, publish, (hf_bytes){written, size});
    kept = judge(store, result) == HF_STORE_OK;
    if (kept) hf_store_remember_message(store, recent);
  }
  if (!kept) {
    hf_store_recent_drop(recent);
    count_out(store, 1);
  }
  hf_store_code code = hf_store_answer(store);
  if (written != few) free(written);
  return code;
}

/* ---- what is done ---- */

void hf_store_done(hf_store *store, uint64_t id) {
  pthread_mutex_lock(&store->mind);
  if (store->done_count < store->done_room) store->done[store->done_count++] = id;
  pthread_mutex_unlock(&store->mind);
}

static size_t look_at_done(hf_store *store, uint64_t ids[BATCH]) {
  pthread_mutex_lock(&store->mind);
  size_t count = store->done_count < BATCH ? store->done_count : BATCH;
  if (count) memcpy(ids, store->done, count * sizeof *ids);
  pthread_mutex_unlock(&store->mind);
  return count;
}

static void forget_done(hf_store *store, size_t count) {
  pthread_mutex_lock(&store->mind);
  store->done_count -= count;
  memmove(store->done, store->done + count, store->done_count * sizeof *store->done);
  pthread_mutex_unlock(&store->mind);
  count_out(store, count);
}

int hf_store_delete(hf_store *store, uint64_t id) {
  int result = hf_store_step_with(store, HF_STORE_DELETE, id);
  return result ? result : hf_store_step_with(store, HF_STORE_DELETE_FLIGHT, id);
}

static bool write_done(hf_store *store, const uint64_t *ids, size_t count) {
  int result = hf_store_step(store, HF_STORE_BEGIN);
  for (size_t i = 0; !result && i < count; i++)
    result = hf_store_delete(store, ids[i]);
  if (!hf_store_end_transaction(store, result)) return false;
  for (size_t i = 0; i < count; i++)
    hf_store_remember_done(store, ids[i]);
  forget_done(store, count);
  return true;
}

void hf_store_write_rest(hf_store *store) {
  uint64_t ids[BATCH];
  size_t count = BATCH;
  bool fine = hf_store_write_late(store);
  while (fine && count == BATCH && (count = look_at_done(store, ids)) > 0)
    fine = write_done(store, ids, count);
  if (fine) hf_store_write_tickets(store);
}

void hf_store_commit(hf_store *store) {
  if (hf_store_enter(store)) hf_store_write_rest(store);
  hf_store_leave(store);
}

bool hf_store_wants_commit(hf_store *store) {
  pthread_mutex_lock(&store->mind);
  bool wants = !store->ailing && (store->done_count > 0 || store->first_late || hf_store_has_new_tickets(store));
  pthread_mutex_unlock(&store->mind);
  return wants;
}

/* ---- the end ---- */

void hf_store_close(hf_store *store) {
  pthread_mutex_lock(&store->slow);
  if (hf_store_enter(store)) {
    hf_store_write_last(store);
    if (store->next < store->claimed) hf_store_step_with(store, HF_STORE_CLAIM, store->next);
    hf_store_write_moment(store);
  }
  hf_store_leave(store);
  hf_store_wait_for_disk(store);
  pthread_mutex_lock(&store->lock);
  hf_store_shut_all(store);
  hf_store_lock_drop(store->shut);
  hf_store_left(store);
  store->shut = NULL;
  store->closed = true;
  pthread_mutex_lock(&store->mind);
  store->ended = true;
  pthread_mutex_unlock(&store->mind);
  pthread_mutex_unlock(&store->lock);
  pthread_mutex_unlock(&store->slow);
}

void hf_store_free(hf_store *store) {
  if (!store) return;
  if (store->database && store->log >= 0) hf_store_close(store);
  hf_store_shut_all(store);
  hf_store_lock_drop(store->shut); /* after SQLite's own: closing any descriptor of the file lets those go */
  hf_store_left(store);
  hf_store_forget_late(store);
  hf_store_forget_tickets(store);
  hf_store_recent_end(store);
  pthread_mutex_destroy(&store->mind);
  pthread_mutex_destroy(&store->lock);
  pthread_mutex_destroy(&store->slow);
  free(store->done);
  free(store->path);
  free(store);
}
